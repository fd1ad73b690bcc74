//! Calls a simulated store as a client with a key does.

use std::time::Duration;

use base64::Engine as _;
use serde_json::Value;
use storelink_simulators::woocommerce::{ApiKey, ProductSpec, StoreSpec};
use storelink_simulators::{Answer, Request, Simulators, StoreHandle, send};

/// A store that believes in TLS, so that Basic keys work.
pub(crate) async fn start(spec: StoreSpec) -> (Simulators, StoreHandle) {
    let simulators = Simulators::new();
    let store = simulators
        .add_store(StoreSpec {
            believes_tls: true,
            ..spec
        })
        .await
        .unwrap();
    (simulators, store)
}

/// A simple product with managed stock.
pub(crate) fn product(id: u64, sku: &str, price: &str, stock: i64) -> ProductSpec {
    ProductSpec {
        id,
        sku: sku.to_owned(),
        name: format!("Product {sku}"),
        regular_price: price.to_owned(),
        stock_quantity: Some(stock),
        ..ProductSpec::default()
    }
}

/// A request below `wc/v3` with the default key as Basic.
pub(crate) fn request(method: &str, target: &str, body: Option<&Value>) -> Request {
    let key = ApiKey::default_pair();
    let pair =
        base64::engine::general_purpose::STANDARD.encode(format!("{}:{}", key.key, key.secret));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Request {
        method: method.to_owned(),
        path: format!("/wp-json/wc/v3/{path}"),
        query: query.to_owned(),
        headers: vec![
            ("authorization".to_owned(), format!("Basic {pair}")),
            ("content-type".to_owned(), "application/json".to_owned()),
            ("accept".to_owned(), "application/json".to_owned()),
        ],
        body: body.map(|body| body.to_string().into()).unwrap_or_default(),
    }
}

/// Calls and waits for the answer.
pub(crate) async fn try_call(
    store: &StoreHandle,
    method: &str,
    target: &str,
    body: Option<&Value>,
) -> std::io::Result<Answer> {
    send(
        store.address(),
        request(method, target, body),
        Duration::from_secs(5),
    )
    .await
}

/// Calls; there must be an answer in JSON.
pub(crate) async fn call(
    store: &StoreHandle,
    method: &str,
    target: &str,
    body: Option<&Value>,
) -> (u16, Value) {
    let answer = try_call(store, method, target, body)
        .await
        .expect("an answer");
    (
        answer.status,
        serde_json::from_slice(&answer.body).expect("JSON"),
    )
}

/// Reads; the answer must be 200.
pub(crate) async fn get(store: &StoreHandle, target: &str) -> Value {
    let (status, body) = call(store, "GET", target, None).await;
    assert_eq!(status, 200, "{target}: {body}");
    body
}
