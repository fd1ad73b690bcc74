//! What other services know, asked over the broker.

use std::time::Duration;

use serde_json::{Value, json};
use storelink_bus::rpc::{Endpoint, Fault};
use storelink_events::rpc::{
    ErpValue, OrderSummary, OrdersQuestion, Page, PageQuestion, Parked, Receipt, Retried,
    RetryParked, SkuAnswer, SkuQuestion,
};
use storelink_events::subject;
use storelink_model::{OrderId, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::app::{App, On, World, until};

fn parked(id: String, connection: Option<&str>) -> Parked {
    Parked {
        id,
        connection: connection.map(|id| id.parse().unwrap()),
        entity: "stock".to_owned(),
        sku: Some("MUG-01".parse().unwrap()),
        external_id: None,
        code: "store.refused".to_owned(),
        text: "The store refused the value.".to_owned(),
        since: Timestamp::now(),
    }
}

/// A service with `total` parked items, two of them on a page at most.
pub(crate) fn parking(world: &World, service: &'static str, total: usize) {
    let list: Endpoint<PageQuestion> =
        Endpoint::new(&world.bus, subject::rpc(service, "parked"), service);
    let answer = move |call: storelink_bus::rpc::Call<PageQuestion>| async move {
        let PageQuestion {
            tenant,
            after,
            limit,
            ..
        } = call.request;
        if tenant.as_str() != "default" {
            return Ok(Page {
                items: Vec::new(),
                next: None,
            });
        }
        let from = after.map_or(0, |after| after.parse::<usize>().unwrap());
        let until = total.min(from + (limit as usize).min(2));
        let items = (from..until).map(|number| parked(format!("{service}-{number}"), None));
        let next = (until < total).then(|| until.to_string());
        Ok::<_, Fault>(Page {
            items: items.collect(),
            next,
        })
    };
    tokio::spawn(list.serve(answer, CancellationToken::new()));

    let retry: Endpoint<RetryParked> =
        Endpoint::new(&world.bus, subject::rpc(service, "retry_parked"), service);
    let answer = move |call: storelink_bus::rpc::Call<RetryParked>| async move {
        let own = call.request.tenant.as_str() == "default";
        Ok::<_, Fault>(Retried {
            found: own && call.request.id == format!("{service}-0"),
        })
    };
    tokio::spawn(retry.serve(answer, CancellationToken::new()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parked_items_of_all_services_are_one_list() {
    let app = App::start(On::Sqlite).await;
    parking(&app.world, "order-ingest", 3);
    parking(&app.world, "stock-publisher", 5);
    until("the services answer", || async {
        let page = app.admin.get("/v1/parked").await;
        (page.body["unavailable"].as_array()?.len() == 1).then_some(())
    })
    .await;

    let mut seen = Vec::new();
    let mut address = "/v1/parked?limit=3".to_owned();
    for _ in 0..20 {
        let page = app.admin.get(&address).await;
        let items = page.body["items"].as_array().unwrap();
        assert!(items.len() <= 3);
        seen.extend(
            items
                .iter()
                .map(|item| item["id"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page.body["next"].as_str() else {
            break;
        };
        address = format!("/v1/parked?limit=3&cursor={next}");
    }
    let expected: Vec<String> = (0..3)
        .map(|number| format!("order-ingest-{number}"))
        .chain((0..5).map(|number| format!("stock-publisher-{number}")))
        .collect();
    assert_eq!(seen, expected);

    let retry = |id: &str| {
        let (client, path) = (app.admin.clone(), format!("/v1/parked/{id}/retry"));
        async move { client.post_empty(&path).await }
    };
    assert_eq!(retry("stock-publisher-0").await.status, 202);
    // While one service is silent nobody can say that an item does not exist.
    assert_eq!(retry("nothing").await.code(), "service.no_answer");
    parking(&app.world, "price-publisher", 0);
    until("all services answer", || async {
        (retry("nothing").await.code() == "object.not_found").then_some(())
    })
    .await;
    let complete = app.admin.get("/v1/parked").await;
    assert_eq!(complete.body["unavailable"], Value::Null);
    let odd = app.admin.get("/v1/parked?connection=1").await;
    assert_eq!(odd.code(), "request.query_invalid");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sku_is_explained_by_whoever_answers() {
    let app = App::start(On::Sqlite).await;
    let id = app.active("A").await;
    // Any text can be a SKU.
    let path = format!("/v1/connections/{id}/skus/A%2FB%20%C4%8D%25");
    let silent = app.admin.get(&path).await;
    assert_eq!(silent.body["sku"], "A/B č%");
    for part in ["stock", "price", "listing"] {
        assert_eq!(silent.body[part]["unavailable"], true, "{part}");
    }
    let endpoint: Endpoint<SkuQuestion> = Endpoint::new(
        &app.world.bus,
        subject::rpc("stock-publisher", "sku"),
        "stock-publisher",
    );
    let answer = |call: storelink_bus::rpc::Call<SkuQuestion>| async move {
        Ok::<_, Fault>(SkuAnswer {
            erp: vec![ErpValue {
                source: "main".to_owned(),
                value: call.request.sku.to_string(),
                version: 7,
                time: Timestamp::now(),
            }],
            wanted: Some("35".to_owned()),
            dirty: true,
            reason: Some("waits".to_owned()),
            parked: Some(parked(
                "p-1".to_owned(),
                Some(call.request.connection.as_str()),
            )),
            ..SkuAnswer::default()
        })
    };
    tokio::spawn(endpoint.serve(answer, CancellationToken::new()));
    let told = until("the publisher answers", || async {
        let told = app.admin.get(&path).await;
        (told.body["stock"]["unavailable"] == false).then_some(told)
    })
    .await;
    assert_eq!(told.body["stock"]["erp"][0]["value"], "A/B č%");
    assert_eq!(told.body["stock"]["wanted"], "35");
    assert_eq!(told.body["stock"]["parked"]["connection"], id);
    assert_eq!(told.body["price"]["unavailable"], true);
    let too_long = app
        .admin
        .get(&format!("/v1/connections/{id}/skus/{}", "x".repeat(2_000)))
        .await;
    assert_eq!(too_long.code(), "object.not_found");
    let control = app
        .admin
        .get(&format!("/v1/connections/{id}/skus/a%00b"))
        .await;
    assert_eq!(control.code(), "object.not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_and_orders_come_from_their_owners() {
    let app = App::start(On::Sqlite).await;
    let id = app.active("A").await;
    assert_eq!(
        app.admin.get("/v1/orders").await.code(),
        "service.no_answer"
    );

    let owner = id.clone();
    let orders: Endpoint<OrdersQuestion> = Endpoint::new(
        &app.world.bus,
        subject::rpc("order-ingest", "orders"),
        "order-ingest",
    );
    let answer = move |call: storelink_bus::rpc::Call<OrdersQuestion>| {
        let connection = owner.clone();
        async move {
            let question = call.request;
            let number = question.number.unwrap_or_default();
            let first = question.page.after.is_none();
            Ok::<_, Fault>(Page {
                items: vec![OrderSummary {
                    id: OrderId::generate(),
                    connection: connection.parse().unwrap(),
                    external_id: question.page.after.unwrap_or_else(|| "1".to_owned()),
                    number: Some(number),
                    revision: u64::from(question.page.limit),
                    state: None,
                    total: Some("24.40 EUR".to_owned()),
                    first_seen: Timestamp::now(),
                    changed: Timestamp::now(),
                    published: 1,
                    parked: None,
                }],
                next: first.then(|| "2".to_owned()),
            })
        }
    };
    tokio::spawn(orders.serve(answer, CancellationToken::new()));
    let page = until("the ledger answers", || async {
        let page = app
            .admin
            .get(&format!("/v1/orders?connection={id}&number=7%2F1&limit=9"))
            .await;
        (page.status == 200).then_some(page)
    })
    .await;
    assert_eq!(page.body["items"][0]["number"], "7/1");
    assert_eq!(page.body["items"][0]["revision"], 9);
    let next = page
        .header("link")
        .trim_start_matches('<')
        .split('>')
        .next()
        .unwrap()
        .to_owned();
    let second = app.admin.get(&next).await;
    assert_eq!(second.body["items"][0]["external_id"], "2");
    assert_eq!(second.body["items"][0]["number"], "7/1");
    assert_eq!(second.body["next"], Value::Null);

    let receipts: Endpoint<PageQuestion> = Endpoint::new(
        &app.world.bus,
        subject::rpc("price-publisher", "receipts"),
        "price-publisher",
    );
    let answer = |call: storelink_bus::rpc::Call<PageQuestion>| async move {
        Ok::<_, Fault>(Page {
            items: vec![Receipt {
                id: "r-1".to_owned(),
                connection: call.request.connection.unwrap(),
                entity: "price".to_owned(),
                started: Timestamp::now(),
                completed: None,
                error_code: None,
                items: Vec::new(),
            }],
            next: None,
        })
    };
    tokio::spawn(receipts.serve(answer, CancellationToken::new()));
    let page = until("the publisher answers", || async {
        let page = app
            .admin
            .get(&format!("/v1/receipts?connection={id}"))
            .await;
        (page.body["items"].as_array()?.len() == 1).then_some(page)
    })
    .await;
    assert_eq!(page.body["unavailable"], json!(["stock-publisher"]));
    assert_eq!(page.body["items"][0]["id"], "r-1");
    assert_eq!(page.body["next"], Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_service_delays_an_answer_by_its_limit_only() {
    let app = App::start(On::Sqlite).await;
    let id = app.active("A").await;
    let frozen: Endpoint<SkuQuestion> = Endpoint::new(
        &app.world.bus,
        subject::rpc("stock-publisher", "sku"),
        "stock-publisher",
    );
    let answer = |_: storelink_bus::rpc::Call<SkuQuestion>| async {
        std::future::pending::<Result<SkuAnswer, Fault>>().await
    };
    tokio::spawn(frozen.serve(answer, CancellationToken::new()));
    let started = std::time::Instant::now();
    let told = app.admin.get(&format!("/v1/connections/{id}/skus/A")).await;
    assert_eq!(told.body["stock"]["unavailable"], true);
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
}
