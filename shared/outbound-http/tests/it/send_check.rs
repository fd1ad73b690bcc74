//! The last question before a request leaves.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use storelink_outbound_http::{
    HttpClient, Lookup, LookupFuture, OutboundPolicy, Request, SendCheck, TransportError, Url,
};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use crate::server::{Behaviour, Server, answer};

fn client() -> HttpClient {
    HttpClient::new(OutboundPolicy::loopback()).unwrap()
}

fn write(url: Url, allowed: &Arc<AtomicBool>) -> Request {
    let allowed = allowed.clone();
    let check = SendCheck::new(move || allowed.load(Ordering::SeqCst));
    Request::put(url)
        .body("application/json", "{\"stock\":5}")
        .send_check(check)
}

#[tokio::test]
async fn a_request_that_may_leave_is_sent_whole_and_with_its_length() {
    let server = Server::start(Behaviour::Answer(answer("200 OK", "", b"{}"))).await;
    let allowed = Arc::new(AtomicBool::new(true));
    client()
        .send(write(server.url("/a"), &allowed))
        .await
        .unwrap();
    let sent = server.requests().remove(0).to_lowercase();
    assert!(sent.contains("content-length: 11\r\n"), "{sent}");
    assert!(!sent.contains("transfer-encoding"), "{sent}");
    assert!(sent.ends_with("{\"stock\":5}"), "{sent}");
}

#[tokio::test]
async fn not_one_byte_of_a_withdrawn_request_leaves() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/a", listener.local_addr().unwrap());
    let received = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        bytes
    });
    let withdrawn = Arc::new(AtomicBool::new(false));
    let sent = client()
        .send(write(Url::parse(&url).unwrap(), &withdrawn))
        .await;
    let error = sent.unwrap_err();
    assert!(
        matches!(error, TransportError::Withdrawn { .. }),
        "{error:?}"
    );
    assert!(!error.outcome_unknown());
    assert_eq!(received.await.unwrap(), b"", "the connection alone");
}

#[tokio::test]
async fn a_connection_that_is_kept_is_no_way_around_the_check() {
    let server = Server::start(Behaviour::AnswerAndKeep(answer("200 OK", "", b"{}"))).await;
    let allowed = Arc::new(AtomicBool::new(true));
    let client = client();
    client
        .send(write(server.url("/a"), &allowed))
        .await
        .unwrap();
    allowed.store(false, Ordering::SeqCst);
    let error = client
        .send(write(server.url("/b"), &allowed))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "http.withdrawn");
    let without_body = SendCheck::new(|| false);
    let request = Request::delete(server.url("/c")).send_check(without_body);
    let error = client.send(request).await.unwrap_err();
    assert_eq!(error.code(), "http.withdrawn");
    assert_eq!(server.requests().len(), 1);
}

/// Takes the right to send away while a name is looked up.
struct Withdrawing(Arc<AtomicBool>);

impl Lookup for Withdrawing {
    fn lookup(&self, _: &str) -> LookupFuture {
        let allowed = self.0.clone();
        Box::pin(async move {
            allowed.store(false, Ordering::SeqCst);
            Ok(vec![IpAddr::from([127, 0, 0, 1])])
        })
    }
}

#[tokio::test]
async fn the_check_is_asked_after_the_lookup_and_the_connection() {
    let server = Server::start(Behaviour::Answer(answer("200 OK", "", b"{}"))).await;
    let allowed = Arc::new(AtomicBool::new(true));
    let lookup = Arc::new(Withdrawing(allowed.clone()));
    let client = HttpClient::with_lookup(OutboundPolicy::loopback(), lookup).unwrap();
    let mut url = server.url("/a");
    url.set_host(Some("store.example")).unwrap();
    let error = client.send(write(url, &allowed)).await.unwrap_err();
    assert_eq!(error.code(), "http.withdrawn");
    assert!(server.requests().is_empty());
}
