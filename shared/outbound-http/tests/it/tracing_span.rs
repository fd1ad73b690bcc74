//! One span per request, without query, path or credentials.

use std::io;
use std::sync::{Arc, Mutex};

use secrecy::SecretString;
use storelink_outbound_http::{HttpClient, OutboundPolicy, Request};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::server::{Behaviour, Server, answer};

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn the_span_tells_method_host_status_and_time_only() {
    let captured = Captured::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO)
        .with_span_events(FmtSpan::CLOSE)
        .with_ansi(false)
        .with_writer(captured.clone())
        .finish();
    let server = Server::start(Behaviour::Answer(answer("404 Not Found", "", b"no"))).await;
    let _guard = tracing::subscriber::set_default(subscriber);
    let request = Request::get(server.url("/secret-path"))
        .query([("a", "CANARY")])
        .secret_header("authorization", SecretString::from("CANARY"));
    HttpClient::new(OutboundPolicy::loopback())
        .unwrap()
        .send(request)
        .await
        .unwrap();
    let text = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    for expected in [
        "http.client",
        "method=GET",
        "address=\"127.0.0.1\"",
        "status_code=404",
        "duration_ms=",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    assert!(
        !text.contains("CANARY") && !text.contains("secret-path"),
        "{text}"
    );
}
