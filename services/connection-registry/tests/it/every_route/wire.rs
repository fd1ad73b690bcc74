//! Requests as bytes: what no HTTP client would send.

use std::time::Duration;

use futures::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Route, effects, known_codes, routes};
use crate::app::{App, On};

/// Longer than any limit of the server: 10 s for headers, 15 s for a body.
const PATIENCE: Duration = Duration::from_secs(60);

struct Wire {
    address: String,
    head: String,
}

impl Wire {
    fn new(app: &App, route: &Route, path: &str) -> Self {
        let head = format!(
            "{} {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nContent-Type: {}\r\n",
            route.method,
            app.world.admin_token(),
            route.content_type
        );
        Self {
            address: app.replica.url.trim_start_matches("http://").to_owned(),
            head,
        }
    }

    /// Sends the head with these lines and what follows, and reads until the server closes.
    async fn send(&self, lines: &str, body: &[u8]) -> String {
        self.speak(&[format!("{}{lines}\r\n", self.head).as_bytes(), body].concat())
            .await
    }

    async fn speak(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        stream.write_all(bytes).await.ok();
        read_to_end(&mut stream).await
    }
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    read.expect("the server closes the connection").ok();
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> u16 {
    let status = answer.split(' ').nth(1).unwrap_or_default();
    status.parse().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lengths_that_lie_are_refused_and_the_connection_is_closed_everywhere() {
    let app = App::start(On::Sqlite).await;
    app.active("A").await;
    // Where a request is carried out by its encoding, it is so for nothing.
    let id = "con_00000000000000000000000000000000";
    let before = effects(&app).await;
    let smuggled = "0\r\n\r\nDELETE /v1/connections HTTP/1.1\r\nHost: a\r\n\r\n";
    for route in routes() {
        let wire = Wire::new(&app, &route, &route.path(id));
        for lines in [
            "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
            "Content-Length: 4\r\nContent-Length: 5\r\n",
            "Content-Length: -1\r\n",
            "Content-Length: 99999999999999999999999\r\n",
            "Content-Length: 0x4\r\n",
            "Transfer-Encoding: chunked, gzip\r\n",
        ] {
            let answer = wire.send(lines, smuggled.as_bytes()).await;
            let case = format!("{} {lines:?}: {answer}", route.name());
            assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{case}");
            // Beside an encoding the length counts for nothing, and the connection ends (RFC 9112, 6.1).
            if lines.contains("chunked\r\n") {
                assert!(answer.contains("connection: close"), "{case}");
            } else {
                assert_eq!(status(&answer), 400, "{case}");
            }
        }
    }
    assert_eq!(effects(&app).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn masses_of_headers_and_long_addresses_are_refused_everywhere() {
    let app = App::start(On::Sqlite).await;
    let id = app.active("A").await;
    let before = effects(&app).await;
    let many: String = (0..200).map(|n| format!("X-{n}: 1\r\n")).collect();
    let long = format!("X: {}\r\n", "x".repeat(64 * 1024));
    for route in routes() {
        let wire = Wire::new(&app, &route, &route.path(&id));
        for lines in [&many, &long] {
            let answer = wire.send(lines, b"").await;
            assert_eq!(status(&answer), 431, "{}: {answer}", route.name());
        }
        let path = format!("{}/{}", route.path(&id), "x".repeat(16 * 1024));
        let wire = Wire::new(&app, &route, &path);
        let answer = wire
            .send("Connection: close\r\nContent-Length: 0\r\n", b"")
            .await;
        let found = status(&answer);
        assert!(found == 404 || found == 405, "{}: {answer}", route.name());
        for method in ["TRACE", "PROPFIND", "get", "CONNECT"] {
            let line = format!(
                "{method} {} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
                route.path(&id)
            );
            let answer = wire.speak(line.as_bytes()).await;
            assert!(
                (400..500).contains(&status(&answer)),
                "{method} {}: {answer}",
                route.name()
            );
        }
    }
    assert_eq!(effects(&app).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_never_come_hold_no_place_and_have_no_effect() {
    let app = App::start(On::Sqlite).await;
    let id = app.active("A").await;
    let codes = known_codes(&app).await;
    let before = effects(&app).await;
    let taking: Vec<Route> = routes()
        .into_iter()
        .filter(|route| route.body.is_some())
        .collect();
    let calls = taking.iter().flat_map(|route| {
        let path = route.path(&id);
        let wire = |lines: &'static str, drip: bool| {
            let (wire, name) = (Wire::new(&app, route, &path), route.name());
            async move { (name, lines, stalled(&wire, lines, drip).await) }
        };
        [
            wire("Content-Length: 1000\r\n", false),
            wire("Content-Length: 1000\r\nExpect: 100-continue\r\n", false),
            wire("Transfer-Encoding: chunked\r\n", false),
            wire("Content-Length: 1000\r\n", true),
        ]
    });
    for (name, lines, answer) in join_all(calls).await {
        let answer = answer.trim_start_matches("HTTP/1.1 100 Continue\r\n\r\n");
        assert_eq!(status(answer), 408, "{name} {lines:?}: {answer}");
        let code = answer
            .split("\"code\":\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        assert!(
            code.is_some_and(|code| codes.contains(code)),
            "{name}: {answer}"
        );
    }
    // Who announces more than comes, and hangs up.
    for route in &taking {
        let wire = Wire::new(&app, route, &route.path(&id));
        let mut stream = TcpStream::connect(&wire.address).await.unwrap();
        let head = format!("{}Content-Length: 1000\r\n\r\n{{}}", wire.head);
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let answer = read_to_end(&mut stream).await;
        assert!(
            answer.is_empty() || status(&answer) == 400,
            "{}: {answer}",
            route.name()
        );
    }
    assert_eq!(effects(&app).await, before);
}

/// Sends the beginning of a body, then nothing more or a byte each second.
async fn stalled(wire: &Wire, lines: &str, drip: bool) -> String {
    let mut stream = TcpStream::connect(&wire.address).await.unwrap();
    let head = format!("{}{lines}\r\n", wire.head);
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let dripping = tokio::spawn(async move {
        let mut each_second = tokio::time::interval(Duration::from_secs(1));
        while drip && writer.write_all(b" ").await.is_ok() {
            each_second.tick().await;
        }
        // Kept open: to hang up would be another case.
        std::future::pending::<()>().await;
        drop(writer);
    });
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, reader.read_to_end(&mut answer)).await;
    dripping.abort();
    read.expect("the server closes the connection").ok();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_2_is_not_spoken() {
    let app = App::start(On::Sqlite).await;
    let route = routes().remove(0);
    let wire = Wire::new(&app, &route, "/");
    // Preface and empty settings of a client that knows beforehand.
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let answer = wire.speak(preface).await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
        "{answer:?}"
    );
    let upgrade = wire
        .speak(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n")
        .await;
    assert!(upgrade.starts_with("HTTP/1.1 200"), "{upgrade:?}");
}
