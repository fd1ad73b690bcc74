//! `POST /v1/events`.

use serde_json::{Value, json};
use storelink_model::Timestamp;

use crate::app::{App, On};

fn event(id: &str, data: Value) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": "/erp/default",
        "type": "storelink.stock.changed.v1", "time": Timestamp::now().to_string(),
        "tenant": "default", "data": data
    })
}

fn stock(sku: &str) -> Value {
    json!({"warehouse": "main", "items": [{"sku": sku, "quantity": "37", "revision": 1842}]})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_reaches_its_queue_byte_for_byte() {
    let app = App::start(On::Sqlite).await;
    let publisher = app.with_role("publisher").await;
    let sent = event("e-1", stock("MUG-01"));
    let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let request = publisher
        .request(reqwest::Method::POST, "/v1/events")
        .header("traceparent", traceparent)
        .header(
            "content-type",
            "application/cloudevents+json; charset=UTF-8",
        )
        .body(sent.to_string());
    let accepted = publisher.send(request).await;
    assert_eq!(accepted.status, 202, "{accepted:?}");
    assert_eq!(accepted.body["id"], "e-1");
    assert_eq!(accepted.body["stream"], "ERP_STOCK");
    assert_eq!(accepted.body["sequence"], 1);
    assert_eq!(accepted.body["duplicate"], false);
    let (stored, headers) = app
        .world
        .last("ERP_STOCK", "erp.default.stock.changed")
        .await
        .unwrap();
    assert_eq!(stored, sent);
    assert_eq!(headers.get("Storelink-Tenant"), Some("default"));

    let again = publisher.post("/v1/events", &sent).await;
    assert_eq!(
        (again.status.as_u16(), &again.body["duplicate"]),
        (202, &json!(true))
    );
    let mut other = sent.clone();
    other["source"] = json!("/erp/second");
    let other = publisher.post("/v1/events", &other).await;
    assert_eq!(other.body["duplicate"], false);
    assert_eq!(app.world.messages("ERP_STOCK").await, 2);

    for (kind, data, stream, subject) in [
        (
            "storelink.price.changed.v1",
            json!({"price_list": "B2C", "currency": "EUR", "items": [{"sku": "A", "gross": 12.2}]}),
            "ERP_PRICE",
            "erp.default.price.changed",
        ),
        (
            "storelink.product.changed.v1",
            json!({"items": [{"sku": "A", "removed": true}]}),
            "ERP_PRODUCT",
            "erp.default.product.changed",
        ),
    ] {
        let mut body = event(kind, data);
        body["type"] = json!(kind);
        let accepted = publisher.post("/v1/events", &body).await;
        assert_eq!(accepted.status, 202, "{accepted:?}");
        assert_eq!(app.world.last(stream, subject).await.unwrap().0["id"], kind);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_event_is_refused_whole_with_a_pointer() {
    let app = App::start(On::Sqlite).await;
    let publisher = app.with_role("publisher").await;
    let ahead = Timestamp::now()
        .saturating_add(time::Duration::seconds(90))
        .to_string();
    let two = |second: Value| {
        json!({"data": {"warehouse": "main",
            "items": [{"sku": "A", "quantity": "1", "revision": 1}, second]}})
    };
    for (change, pointer, code) in [
        (
            json!({"specversion": "0.3"}),
            "/specversion",
            "event.specversion",
        ),
        (json!({"tenant": "other"}), "/tenant", "event.tenant"),
        (
            json!({"type": "storelink.stock.changed.v2"}),
            "/type",
            "event.type",
        ),
        (
            json!({"time": "yesterday"}),
            "/time",
            "event.member_invalid",
        ),
        (
            json!({"data": {"items": []}}),
            "/data/warehouse",
            "event.member_missing",
        ),
        (
            json!({"data": {"warehouse": "main", "items": []}}),
            "/data/items",
            "event.item_count",
        ),
        (
            two(json!({"sku": "B", "quantity": "many"})),
            "/data/items/1/quantity",
            "event.member_invalid",
        ),
        (
            two(json!({"sku": "B"})),
            "/data/items/1/quantity",
            "event.member_missing",
        ),
        (
            json!({"time": ahead, "data": {"warehouse": "main", "items": [{"sku": "A", "quantity": "1"}]}}),
            "/time",
            "event.time_in_future",
        ),
    ] {
        let mut body = event("e-1", stock("MUG-01"));
        body.as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        let refused = publisher.post("/v1/events", &body).await;
        assert_eq!(
            (refused.status.as_u16(), refused.code()),
            (422, "event.refused"),
            "{change}"
        );
        assert_eq!(
            refused.errors(),
            [(pointer.to_owned(), code.to_owned())],
            "{change}"
        );
    }
    let twice = two(json!({"sku": "A", "quantity": "2", "revision": 2}));
    let mut body = event("e-1", Value::Null);
    body.as_object_mut()
        .unwrap()
        .extend(twice.as_object().unwrap().clone());
    assert_eq!(publisher.post("/v1/events", &body).await.errors().len(), 2);
    let list = publisher
        .post("/v1/events", &json!([event("e-1", stock("A"))]))
        .await;
    assert_eq!(list.status, 422);
    assert_eq!(app.world.messages("ERP_STOCK").await, 0);

    // With a revision the time decides nothing.
    let mut later = event("e-2", stock("MUG-01"));
    later["time"] = json!(ahead);
    assert_eq!(publisher.post("/v1/events", &later).await.status, 202);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_broker_the_caller_is_told_to_come_again() {
    let mut app = App::start(On::Sqlite).await;
    let publisher = app.with_role("publisher").await;
    app.world.broker.stop().await.unwrap();
    let refused = publisher
        .post("/v1/events", &event("e-1", stock("A")))
        .await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (503, "broker.unavailable")
    );
    assert!(!refused.header("retry-after").is_empty());
    app.world.broker.restart().await.unwrap();
    let accepted = publisher
        .post("/v1/events", &event("e-1", stock("A")))
        .await;
    assert_eq!(accepted.status, 202, "{accepted:?}");
}
