//! OAuth by the recorded vectors, and the limits of time and nonce.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use storelink_simulators::woocommerce::StoreSpec;
use storelink_simulators::{ClockSetting, Request, Simulators, StoreHandle, send};

use crate::caller::{get, start};
use crate::recorded_state::{Era, new_store};
use crate::recordings::vectors;

fn encode(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// The request of a vector, in the query or in the Authorization header.
fn request(vector: &Value) -> Request {
    let text = |name: &str| vector[name].as_str().unwrap_or_default().to_owned();
    let mut pairs: Vec<(String, String)> = vector["params"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pair| {
            (
                pair[0].as_str().unwrap().to_owned(),
                pair[1].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    let oauth = [
        ("oauth_consumer_key", text("consumer_key")),
        ("oauth_nonce", text("nonce")),
        ("oauth_signature_method", text("signature_method")),
        ("oauth_timestamp", text("timestamp")),
        ("oauth_signature", text("signature")),
    ];
    let oauth = oauth.into_iter().filter(|(_, value)| !value.is_empty());
    let mut headers = Vec::new();
    if vector["sent_as"] == "Authorization header" {
        let list: Vec<_> = oauth
            .map(|(name, value)| format!("{name}=\"{}\"", encode(&value)))
            .collect();
        headers.push((
            "authorization".to_owned(),
            format!("OAuth {}", list.join(", ")),
        ));
    } else {
        pairs.extend(oauth.map(|(name, value)| (name.to_owned(), value)));
    }
    let query: Vec<_> = pairs
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    let path = text("base_url").splitn(4, '/').nth(3).unwrap().to_owned();
    Request {
        method: text("method"),
        path: format!("/{path}"),
        query: query.join("&"),
        headers,
        body: bytes::Bytes::new(),
    }
}

async fn recorded() -> (Simulators, StoreHandle) {
    let simulators = Simulators::new();
    let store = simulators.add_store(new_store(Era::Before)).await.unwrap();
    (simulators, store)
}

async fn status(store: &StoreHandle, request: Request) -> u16 {
    send(store.address(), request, Duration::from_secs(5))
        .await
        .unwrap()
        .status
}

fn seconds(vector: &Value) -> i64 {
    vector["timestamp"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn every_vector_is_judged_as_recorded() {
    let (_simulators, store) = recorded().await;
    for vector in vectors() {
        // Vector 21 is 16 minutes old on purpose.
        let late = if vector["name"] == "21-oauth-timestamp-too-old" {
            16 * 60
        } else {
            0
        };
        store.set_clock(ClockSetting::Frozen(seconds(&vector) + late));
        let expected = vector["status"].as_u64().unwrap();
        let found = u64::from(status(&store, request(&vector)).await);
        assert_eq!(found, expected, "{}", vector["name"]);
    }
}

#[tokio::test]
async fn a_timestamp_counts_for_fifteen_minutes_either_way() {
    let vector = vectors().remove(0);
    for (offset, expected) in [(900, 200), (901, 401), (-900, 200), (-901, 401)] {
        let (_simulators, store) = recorded().await;
        store.set_clock(ClockSetting::Frozen(seconds(&vector) + offset));
        assert_eq!(
            status(&store, request(&vector)).await,
            expected,
            "offset {offset}"
        );
    }
}

#[tokio::test]
async fn a_folder_in_the_home_address_is_part_of_the_path() {
    let (_simulators, store) = start(StoreSpec {
        home: Some("/shop".to_owned()),
        ..StoreSpec::named("a")
    })
    .await;
    assert!(store.url().ends_with("/shop"), "{}", store.url());
    let mut below = crate::caller::request("GET", "orders", None);
    assert_eq!(
        status(&store, below.clone()).await,
        404,
        "nothing above the folder"
    );
    below.path = format!("/shop{}", below.path);
    assert_eq!(status(&store, below).await, 200);
}

#[tokio::test]
async fn basic_needs_a_store_that_believes_in_tls() {
    let simulators = Simulators::new();
    let store = simulators
        .add_store(StoreSpec::named("plain"))
        .await
        .unwrap();
    assert_eq!(
        status(&store, crate::caller::request("GET", "orders", None)).await,
        401
    );
    let (_simulators, store) = start(StoreSpec::named("secure")).await;
    assert_eq!(get(&store, "orders").await, Value::Array(Vec::new()));
}
