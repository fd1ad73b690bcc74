//! Bad input for every endpoint: a problem document, quickly, without an effect.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::app::{App, On};

/// Method and path of every operation with a body, ids filled in.
fn with_body(id: &str) -> Vec<(Method, String)> {
    let document: Value = serde_json::from_str(&storelink_connection_registry::openapi()).unwrap();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if operation.get("requestBody").is_some() {
                let path = path.replace("{id}", id).replace("{entity}", "orders");
                found.push((method.to_uppercase().parse().unwrap(), path));
            }
        }
    }
    assert!(found.len() >= 9, "{found:?}");
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_are_none_are_refused_everywhere() {
    let app = App::start(On::Sqlite).await;
    let id = app.active("A").await;
    let before = app.admin.get("/v1/audit").await.body;
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(1_000), "]".repeat(1_000));
    let bodies: Vec<(&str, Vec<u8>)> = vec![
        ("null", b"null".to_vec()),
        ("list", b"[]".to_vec()),
        ("list of one", b"[1]".to_vec()),
        ("text", b"\"x\"".to_vec()),
        ("number", b"1e309".to_vec()),
        ("unknown member", br#"{"nonsense": 1}"#.to_vec()),
        (
            "member twice",
            br#"{"active": true, "active": false}"#.to_vec(),
        ),
        ("cut off", br#"{"active": tr"#.to_vec()),
        ("html", b"<script>alert(1)</script>".to_vec()),
        ("no UTF-8", b"{\"reason\": \"\xff\xfe\"}".to_vec()),
        ("lone surrogate", br#"{"reason": "\ud800"}"#.to_vec()),
        ("deep", deep.into_bytes()),
    ];
    for (method, path) in with_body(&id) {
        for (what, body) in &bodies {
            let request = app
                .admin
                .request(method.clone(), &path)
                .header("content-type", "application/json")
                .body(body.clone());
            let started = Instant::now();
            let refused = app.admin.send(request).await;
            let status = refused.status.as_u16();
            assert!(
                status == 400 || status == 422,
                "{method} {path} {what}: {refused:?}"
            );
            assert!(
                started.elapsed() < Duration::from_secs(1),
                "{method} {path} {what}"
            );
        }
        for kind in [
            "text/plain",
            "application/json; charset=utf-16",
            "multipart/form-data",
            "application/xml",
        ] {
            let request = app
                .admin
                .request(method.clone(), &path)
                .header("content-type", kind)
                .body("{}");
            let refused = app.admin.send(request).await;
            assert_eq!(
                (refused.status.as_u16(), refused.code()),
                (415, "request.content_type"),
                "{path}"
            );
        }
        let untyped = app
            .admin
            .send(app.admin.request(method.clone(), &path).body("{}"))
            .await;
        assert_eq!(untyped.status, 415, "{method} {path}");
        let large = app
            .admin
            .request(method.clone(), &path)
            .header("content-type", "application/json")
            .body(vec![b' '; 1024 * 1024 + 1]);
        let refused = app.admin.send(large).await;
        assert_eq!(
            (refused.status.as_u16(), refused.code()),
            (413, "request.body_too_large"),
            "{path}"
        );
        if !path.ends_with("run-now") {
            let missing = app
                .admin
                .request(method.clone(), &path)
                .header("content-type", "application/json");
            assert_eq!(
                app.admin.send(missing).await.code(),
                "request.not_json",
                "{method} {path}"
            );
        }
    }
    assert_eq!(
        app.admin.get("/v1/audit").await.body,
        before,
        "nothing had an effect"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_addresses_and_methods_are_problems_too() {
    let app = App::start(On::Sqlite).await;
    let nobody = app.replica.client(None);
    for path in [
        "/v2/connections",
        "/v1",
        "/v1/connections/",
        "/favicon.ico",
        "//v1/tenant",
        "/v1/%2e%2e/tenant",
    ] {
        let refused = nobody.get(path).await;
        assert_eq!(
            (refused.status.as_u16(), refused.code()),
            (404, "request.route_unknown"),
            "{path}"
        );
        assert_eq!(
            refused.body["instance"]
                .as_str()
                .map(|at| at.starts_with('/')),
            Some(true)
        );
    }
    for (method, path) in [
        (Method::DELETE, "/v1/connections"),
        (Method::PUT, "/v1/tokens"),
        (Method::TRACE, "/v1/tenant"),
        (Method::POST, "/"),
        (Method::from_bytes(b"PROPFIND").unwrap(), "/v1/tenant"),
        (Method::from_bytes(b"get").unwrap(), "/v1/tenant"),
    ] {
        let refused = app
            .admin
            .send(app.admin.request(method.clone(), path))
            .await;
        assert_eq!(
            (refused.status.as_u16(), refused.code()),
            (405, "request.method_not_allowed"),
            "{method}"
        );
        assert!(!refused.header("allow").is_empty(), "{method}");
    }
    let ids = [
        "1",
        "con_1",
        "CON_00000000000000000000000000000000",
        "%00",
        "a%2Fb",
        "..%2F..",
        "%F0%9F%98%80",
        "%ff",
    ];
    for id in ids.into_iter().chain([&*"x".repeat(10_000)]) {
        let refused = app.admin.get(&format!("/v1/connections/{id}")).await;
        assert_eq!(
            (refused.status.as_u16(), refused.code()),
            (404, "object.not_found")
        );
        let token = app.admin.delete(&format!("/v1/tokens/{id}")).await;
        assert_eq!(token.code(), "object.not_found");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callers_trace_is_the_trace_of_the_problem() {
    let app = App::start(On::Sqlite).await;
    let ask = |traceparent: &str| {
        let request = app
            .admin
            .request(Method::GET, "/v1/none")
            .header("traceparent", traceparent);
        let client = app.admin.clone();
        async move { client.send(request).await }
    };
    let told = ask("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").await;
    assert_eq!(told.body["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    let odd = ask("00-nonsense").await;
    assert_eq!(odd.body["trace_id"].as_str().map(str::len), Some(32));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_requests_on_the_wire_do_not_disturb_the_server() {
    let app = App::start(On::Sqlite).await;
    let address = app.replica.url.trim_start_matches("http://").to_owned();
    let exchange = |request: Vec<u8>| {
        let address = address.clone();
        async move {
            let mut stream = TcpStream::connect(&address).await.unwrap();
            stream.write_all(&request).await.ok();
            let mut answer = Vec::new();
            let read = stream.read_to_end(&mut answer);
            tokio::time::timeout(Duration::from_secs(15), read)
                .await
                .expect("closed in time")
                .ok();
            String::from_utf8_lossy(&answer).into_owned()
        }
    };
    let smuggled = "POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\
        Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n";
    let answer = exchange(smuggled.as_bytes().to_vec()).await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    let many: String = (0..200).map(|n| format!("X-{n}: 1\r\n")).collect();
    let answer = exchange(format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n").into_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let long = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
        "x".repeat(80 * 1024)
    );
    let answer = exchange(long.into_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    // Headers that never end: sent away after ten seconds.
    let started = Instant::now();
    exchange(b"GET / HTTP/1.1\r\nHost: a\r\nX: ".to_vec()).await;
    assert!(
        started.elapsed() < Duration::from_secs(14),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(app.admin.get("/v1/tenant").await.status, 200);
}
