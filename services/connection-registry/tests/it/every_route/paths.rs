//! Paths and queries: ids that are none, pages that are none, cursors of another list.

use serde_json::{Value, json};

use super::{check, effects, known_codes, routes};
use crate::app::{App, On};
use crate::ledger::parking;

/// As they stand in a path.
const ODD_IDS: [&str; 17] = [
    "0",
    "con_1",
    "con_zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
    "CON_00000000000000000000000000000000",
    "%00",
    "%0d%0aX",
    "%ff",
    "%E2%80%AE",
    "%F0%9F%98%80",
    "a%2Fb",
    "..%2F..%2Fetc",
    "%27%20OR%201%3D1",
    "%3Cscript%3E",
    "*",
    "%3E",
    "a.b",
    "%25",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_that_are_none_are_not_found_everywhere() {
    let app = App::start(On::Sqlite).await;
    let id = app.active("A").await;
    for service in ["order-ingest", "stock-publisher", "price-publisher"] {
        parking(&app.world, service, 0);
    }
    let codes = known_codes(&app).await;
    let before = effects(&app).await;
    let long = "x".repeat(10_000);
    let mut seen = 0;
    for route in routes() {
        for parameter in route.parameters() {
            for text in ODD_IDS.into_iter().chain([long.as_str()]) {
                let path = route.path_with(&id, parameter, text);
                let shown: String = path.chars().take(100).collect();
                let case = format!("{} {shown}", route.method);
                let mut request = app.admin.request(route.method.clone(), &path);
                if let Some(body) = &route.body {
                    request = request
                        .header("content-type", &route.content_type)
                        .body(body.to_string());
                }
                let answer = app.admin.send(request).await;
                check(&answer, &codes, &case);
                // Any text may be an article's code, though not of any length.
                if parameter != "{sku}" {
                    assert_eq!(answer.status, 404, "{case}: {answer:?}");
                }
                seen += 1;
            }
        }
    }
    assert!(seen > 300, "{seen}");
    assert_eq!(effects(&app).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_that_are_none_are_refused_everywhere() {
    let app = App::start(On::Sqlite).await;
    let id = app.active("A").await;
    let codes = known_codes(&app).await;
    let before = effects(&app).await;
    // A true cursor, of one list.
    app.draft("B").await;
    let page = app.admin.get("/v1/connections?limit=1").await;
    let cursor = page.body["next"].as_str().unwrap().to_owned();
    let before = {
        assert_ne!(effects(&app).await, before);
        effects(&app).await
    };
    let mut tampered = cursor.clone().into_bytes();
    tampered[3] ^= 1;
    let tampered = String::from_utf8(tampered).unwrap();
    for route in routes() {
        if route.method != reqwest::Method::GET || route.open {
            continue;
        }
        let path = route.path(&id);
        let ask = |query: String| {
            let (client, address) = (app.admin.clone(), format!("{path}?{query}"));
            async move { client.get(&address).await }
        };
        for name in &route.query {
            for text in [
                "",
                "-1",
                "0",
                "1e9",
                "1000000000",
                "99999999999999999999999",
                "%00",
                "%ff",
                "%F0%9F%98%80",
                "%27%20OR%201%3D1",
                "a&limit=1&limit=2",
                &"x".repeat(10_000),
            ] {
                let case = format!("{path} {name}={}", text.get(..20).unwrap_or(text));
                let answer = ask(format!("{name}={text}")).await;
                check(&answer, &codes, &case);
                if name == "limit" || name == "cursor" {
                    assert_eq!(answer.status, 400, "{case}: {answer:?}");
                }
            }
        }
        if route.query.iter().any(|name| name == "cursor") {
            for (what, text) in [("tampered", &tampered), ("of another list", &cursor)] {
                if path == "/v1/connections" && what == "of another list" {
                    continue;
                }
                let answer = ask(format!("cursor={text}")).await;
                assert_eq!(
                    (answer.status.as_u16(), answer.code()),
                    (400, "request.cursor_invalid"),
                    "{path} {what}"
                );
            }
            let other = ask(format!("limit=2&cursor={cursor}")).await;
            let own = path == "/v1/connections";
            assert_eq!(other.status.is_success(), own, "{path}: {other:?}");
        }
        if !route.query.is_empty() {
            let answer = ask("nonsense=1".to_owned()).await;
            let refused = (answer.status.as_u16(), answer.code());
            assert_eq!(refused, (400, "request.query_invalid"), "{path}");
        }
    }
    assert_eq!(effects(&app).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_host_and_forged_proxies_change_no_answer() {
    let app = App::start(On::Sqlite).await;
    let id = app.active("A").await;
    for route in routes() {
        if route.method != reqwest::Method::GET {
            continue;
        }
        let path = route.path(&id);
        let plain = app.admin.get(&path).await;
        let forged = app
            .admin
            .request(route.method.clone(), &path)
            .header("host", "evil.example")
            .header("x-forwarded-host", "evil.example")
            .header("x-forwarded-for", "127.0.0.1")
            .header("x-forwarded-proto", "gopher")
            .header("x-original-url", "/v1/tokens")
            .header("x-http-method-override", "DELETE");
        let forged = app.admin.send(forged).await;
        assert_eq!(forged.status, plain.status, "{path}");
        assert_eq!(steady(forged.body), steady(plain.body), "{path}");
        assert!(!format!("{:?}", forged.headers).contains("evil"), "{path}");
    }
}

/// Without what differs from answer to answer.
fn steady(mut body: Value) -> Value {
    if let Some(members) = body.as_object_mut() {
        for name in ["trace_id", "as_of", "now", "server_time"] {
            members.remove(name);
        }
    }
    if body.is_null() { json!({}) } else { body }
}
