//! What is sent, and what is read.

use std::io::Write as _;
use std::time::Duration;

use secrecy::SecretString;
use storelink_outbound_http::{
    AnswerLease, AnswerMemory, HttpClient, Method, OutboundPolicy, Request, Response,
    TransportError,
};

use crate::server::{Behaviour, Server, answer};

fn client() -> HttpClient {
    HttpClient::new(OutboundPolicy::loopback()).unwrap()
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn the_request_leaves_exactly_as_built() {
    let server = Server::start(Behaviour::Answer(answer(
        "201 Created",
        "X-A: b\r\n",
        b"{}",
    )))
    .await;
    let request = Request::put(server.url("/a%2Fb?given=1"))
        .query([("filter[1][eq]", "č +&"), ("empty", "")])
        .secret_query("key", SecretString::from("s/1"))
        .encoded_query("raw=%5B1%5D")
        .header("Accept", "application/json")
        .basic_auth("ck", &SecretString::from("cs"))
        .body("application/json", "{\"a\":1}");
    let response = client().send(request).await.unwrap();
    assert_eq!(response.status.as_u16(), 201);
    assert_eq!(response.header("x-a"), Some("b"));
    assert_eq!(response.body.as_ref(), b"{}");
    assert!(response.elapsed > Duration::ZERO);

    let sent = server.requests().remove(0);
    let first_line = "PUT /a%2Fb?given=1&filter%5B1%5D%5Beq%5D=%C4%8D%20%2B%26&empty=&key=s%2F1\
                      &raw=%5B1%5D HTTP/1.1\r\n";
    assert!(sent.starts_with(first_line), "{sent}");
    let headers = sent.to_lowercase();
    for expected in [
        "authorization: basic y2s6y3m=",
        "accept: application/json",
        "content-type: application/json",
        "accept-encoding: gzip",
        concat!("user-agent: storelink/", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(headers.contains(expected), "{expected} in {sent}");
    }
    for absent in ["traceparent", "cookie", "referer"] {
        assert!(!headers.contains(absent), "{absent} in {sent}");
    }
    assert!(sent.ends_with("{\"a\":1}"), "{sent}");
}

#[tokio::test]
async fn an_instance_is_named_behind_the_program() {
    let server = Server::start(Behaviour::Answer(answer("200 OK", "", b"{}"))).await;
    let policy = OutboundPolicy {
        instance: Some("poller-7".to_owned()),
        ..OutboundPolicy::loopback()
    };
    let client = HttpClient::new(policy).unwrap();
    client.send(Request::get(server.url("/"))).await.unwrap();
    let sent = server.requests().remove(0).to_lowercase();
    let expected = concat!(
        "user-agent: storelink/",
        env!("CARGO_PKG_VERSION"),
        " (poller-7)\r\n"
    );
    assert!(sent.contains(expected), "{sent}");
}

#[tokio::test]
async fn error_statuses_are_answers_and_are_sent_once() {
    for status in [
        "401 Unauthorized",
        "429 Too Many Requests",
        "503 Service Unavailable",
    ] {
        let server = Server::start(Behaviour::Answer(answer(
            status,
            "Retry-After: 7\r\n",
            b"no",
        )))
        .await;
        let response = client().send(Request::post(server.url("/"))).await.unwrap();
        assert!(status.starts_with(response.status.as_str()));
        assert_eq!(response.retry_after(), Some(Duration::from_secs(7)));
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn cookies_are_neither_kept_nor_sent() {
    let reply = answer("200 OK", "Set-Cookie: session=1\r\n", b"");
    let server = Server::start(Behaviour::AnswerAndKeep(reply)).await;
    let client = client();
    for _ in 0..2 {
        client.send(Request::get(server.url("/"))).await.unwrap();
    }
    assert!(
        server
            .requests()
            .iter()
            .all(|request| !request.to_lowercase().contains("cookie"))
    );
    assert_eq!(server.connections(), 1, "the connection is used again");
}

#[tokio::test]
async fn compressed_answers_are_unpacked() {
    let body = gzip(b"{\"ok\":true}");
    let server = Server::start(Behaviour::Answer(answer(
        "200 OK",
        "Content-Encoding: gzip\r\n",
        &body,
    )))
    .await;
    let response = client().send(Request::get(server.url("/"))).await.unwrap();
    assert_eq!(response.body.as_ref(), b"{\"ok\":true}");
}

#[tokio::test]
async fn the_size_limit_counts_what_comes_out_of_the_compression() {
    let bomb = gzip(&vec![0_u8; 4 * 1024 * 1024]);
    assert!(bomb.len() < 10_000);
    let server = Server::start(Behaviour::Answer(answer(
        "200 OK",
        "Content-Encoding: gzip\r\n",
        &bomb,
    )))
    .await;
    let request = || Request::get(server.url("/"));
    let error = client()
        .send(request().max_response_bytes(100_000))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "http.response_too_large");
    assert!(error.explanation().contains("100000"));
    let whole = client()
        .send(request().max_response_bytes(4 * 1024 * 1024))
        .await
        .unwrap();
    assert_eq!(whole.body.len(), 4 * 1024 * 1024);
}

#[tokio::test]
async fn an_answer_for_which_there_is_no_room_is_given_up_and_small_ones_always_pass() {
    let server = Server::start(Behaviour::Answer(answer("200 OK", "", &[b'x'; 300_000]))).await;
    let small = Server::start(Behaviour::Answer(answer("200 OK", "", &[b'x'; 900]))).await;
    let memory = AnswerMemory::new(400_000, 1_000);
    let (first, second) = (memory.lease(), memory.lease());
    let whole = within(&first, &server).await.unwrap();
    assert_eq!((whole.body.len(), memory.left()), (300_000, 101_000));
    let error = within(&second, &server).await.unwrap_err();
    assert_eq!(error.code(), "http.no_room");
    assert!(error.may_pass() && error.outcome_unknown());
    drop(second);
    let third = memory.lease();
    assert_eq!(within(&third, &small).await.unwrap().body.len(), 900);
    // What was made of the first answer is gone.
    drop(first);
    assert_eq!(memory.left(), 400_000);
    assert!(within(&memory.lease(), &server).await.is_ok());
}

async fn within(lease: &AnswerLease, server: &Server) -> Result<Response, TransportError> {
    let request = Request::get(server.url("/"));
    client().within(lease).send(request).await
}

#[tokio::test]
async fn an_announced_or_endless_answer_stops_at_the_limit() {
    let announced = b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\nx".to_vec();
    let mut endless = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..100 {
        endless.extend_from_slice(b"64\r\n");
        endless.extend_from_slice(&[b'x'; 100]);
        endless.extend_from_slice(b"\r\n");
    }
    for bytes in [announced, endless] {
        // Both would end in a timeout if the limit did not stop them.
        let server = Server::start(Behaviour::AnswerAndHang(bytes)).await;
        let request = Request::get(server.url("/")).max_response_bytes(1_000);
        let error = client()
            .send(request.timeout(Duration::from_secs(20)))
            .await
            .unwrap_err();
        assert_eq!(error.code(), "http.response_too_large");
        assert!(error.outcome_unknown());
    }
}

#[tokio::test]
async fn a_head_answer_may_announce_what_it_does_not_send() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n".to_vec();
    let server = Server::start(Behaviour::Answer(head)).await;
    let request = Request::new(Method::HEAD, server.url("/"));
    assert!(client().send(request).await.unwrap().body.is_empty());
}

/// The operator's limits hold whatever a request asks for, and where it asks for nothing.
#[tokio::test]
async fn the_limits_of_the_operator_are_the_last_word() {
    let policy = OutboundPolicy {
        request_timeout: Duration::from_millis(300),
        max_response_bytes: 10,
        ..OutboundPolicy::loopback()
    };
    let client = HttpClient::new(policy).unwrap();
    let large = Server::start(Behaviour::Answer(answer("200 OK", "", &[b'x'; 11]))).await;
    let silent = Server::start(Behaviour::AnswerAndHang(Vec::new())).await;
    for (server, code) in [
        (&large, "http.response_too_large"),
        (&silent, "http.timeout"),
    ] {
        let request = || Request::get(server.url("/"));
        let asking = request()
            .timeout(Duration::from_secs(60))
            .max_response_bytes(1_000);
        for request in [request(), asking] {
            let error = client.send(request).await.unwrap_err();
            assert_eq!(error.code(), code);
        }
    }
}
