//! Each way to fail has its class, and no message tells a secret.

use std::time::Duration;

use secrecy::SecretString;
use storelink_outbound_http::{HttpClient, OutboundPolicy, Request, TransportError, Url};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::server::{Behaviour, Server, answer};

async fn fail(request: Request) -> TransportError {
    let request = request
        .secret_query("consumer_secret", SecretString::from("CANARY"))
        .secret_header("authorization", SecretString::from("CANARY"))
        .query([("name", "CANARY")]);
    let error = HttpClient::new(OutboundPolicy::loopback())
        .unwrap()
        .send(request)
        .await
        .unwrap_err();
    for text in [
        error.to_string(),
        format!("{error:?}"),
        error.explanation(),
        error.remedy().to_owned(),
        error.code().to_owned(),
    ] {
        assert!(
            !text.is_empty() && !text.contains("CANARY") && !text.contains("/secret"),
            "{text}"
        );
    }
    error
}

async fn fail_with(behaviour: Behaviour, timeout: Duration) -> TransportError {
    let server = Server::start(behaviour).await;
    let error = fail(Request::post(server.url("/secret")).timeout(timeout)).await;
    assert_eq!(server.requests().len(), 1, "sent once, whatever happened");
    error
}

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn nobody_listening() {
    let free = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let url = Url::parse(&format!("http://{free}/secret")).unwrap();
    let error = fail(Request::get(url)).await;
    assert_eq!(error.code(), "http.connect_refused");
    assert!(!error.outcome_unknown());
}

#[tokio::test]
async fn no_connection_in_time() {
    // A listener that never accepts, with its queue filled: the next handshake gets no answer.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await
    {
        waiting.push(stream);
    }
    let policy = OutboundPolicy {
        connect_timeout: Duration::from_millis(300),
        ..OutboundPolicy::loopback()
    };
    let request = Request::get(Url::parse(&format!("http://{address}/")).unwrap());
    let error = HttpClient::new(policy)
        .unwrap()
        .send(request.timeout(LONG))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "http.connect_timeout");
    assert!(!error.outcome_unknown() && error.may_pass());
}

#[tokio::test]
async fn no_answer_in_time() {
    let error = fail_with(Behaviour::AnswerAndHang(Vec::new()), SHORT).await;
    assert_eq!(error.code(), "http.timeout");
    assert!(error.outcome_unknown());
    let error = fail_with(
        Behaviour::AnswerAndHang(b"HTTP/1.1 200 OK\r\n".to_vec()),
        SHORT,
    )
    .await;
    assert_eq!(error.code(), "http.timeout");
}

#[tokio::test]
async fn an_answer_that_drips_forever_is_a_timeout() {
    let begun = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf".to_vec();
    let error = fail_with(Behaviour::AnswerAndHang(begun), SHORT).await;
    assert_eq!(error.code(), "http.timeout");
    assert!(error.outcome_unknown());
}

#[tokio::test]
async fn a_connection_that_breaks() {
    for bytes in [
        &b""[..],
        b"HTTP/1.1 200 OK\r\nContent-",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 100\r\n\r\n\x1f\x8b\x08\x00",
    ] {
        let error = fail_with(Behaviour::Answer(bytes.to_vec()), LONG).await;
        assert_eq!(
            error.code(),
            "http.connection_broken",
            "{}",
            String::from_utf8_lossy(bytes)
        );
        assert!(error.outcome_unknown());
    }
}

#[tokio::test]
async fn lengths_that_contradict_each_other_are_no_answer() {
    for lengths in [
        "Content-Length: 2\r\nContent-Length: 5\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 99999999999999999999999\r\n",
    ] {
        let bytes = format!("HTTP/1.1 200 OK\r\n{lengths}\r\nhello").into_bytes();
        let error = fail_with(Behaviour::Answer(bytes), LONG).await;
        assert!(error.code().starts_with("http."), "{lengths:?}: {error}");
        assert!(error.outcome_unknown(), "{lengths:?}");
    }
}

#[tokio::test]
async fn an_answer_that_is_not_http() {
    let error = fail_with(
        Behaviour::Answer(b"220 mail.example ESMTP\r\n".to_vec()),
        LONG,
    )
    .await;
    assert_eq!(error.code(), "http.not_http");
}

#[tokio::test]
async fn a_compression_that_cannot_be_read() {
    for (encoding, body) in [
        ("gzip", &b"no gzip at all"[..]),
        ("br", b"x"),
        ("x-own", b"x"),
    ] {
        let headers = format!("Content-Encoding: {encoding}\r\n");
        let error = fail_with(Behaviour::Answer(answer("200 OK", &headers, body)), LONG).await;
        assert_eq!(error.code(), "http.body_not_decodable", "{encoding}");
        assert!(error.outcome_unknown());
    }
}

#[tokio::test]
async fn a_header_that_cannot_be_sent_is_named_without_its_value() {
    let server = Server::start(Behaviour::Answer(Vec::new())).await;
    let request = Request::get(server.url("/secret"))
        .secret_header("x-key", SecretString::from("CANARY\r\nX-Evil: 1"));
    let error = fail(request).await;
    assert_eq!(
        error,
        TransportError::InvalidRequest {
            header: "x-key".to_owned()
        }
    );
    assert_eq!(server.connections(), 0);
}

#[test]
fn nothing_secret_in_debug() {
    let request = Request::get(Url::parse("https://shop.example/secret?a=CANARY").unwrap())
        .secret_query("key", SecretString::from("CANARY"))
        .header("x", "CANARY")
        .body("text/plain", "CANARY");
    let text = format!("{request:?}");
    assert!(
        text.contains("shop.example") && !text.contains("CANARY"),
        "{text}"
    );
}
