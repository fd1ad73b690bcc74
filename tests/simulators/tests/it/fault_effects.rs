//! Every fault does what it says, and nothing more.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use storelink_simulators::woocommerce::StoreSpec;
use storelink_simulators::{
    ClockSetting, Fault, FaultEffect, FaultMatch, FaultPage, LedgerFilter, Noise, Requests, Source,
    StoreHandle,
};

use crate::caller::{call, get, product, start, try_call};

fn shop() -> StoreSpec {
    let products = (1..=6)
        .map(|id| product(id, &format!("P{id}"), "10.00", 1))
        .collect();
    StoreSpec {
        products,
        ..StoreSpec::named("shop")
    }
}

fn writes(effect: FaultEffect) -> Fault {
    Fault {
        on: FaultMatch {
            requests: Requests::Writes,
            times: Some(1),
            ..FaultMatch::default()
        },
        effect,
    }
}

async fn put(store: &StoreHandle, id: u64, quantity: i64) -> std::io::Result<u16> {
    let body = json!({"stock_quantity": quantity});
    try_call(store, "PUT", &format!("products/{id}"), Some(&body))
        .await
        .map(|answer| answer.status)
}

fn stock(store: &StoreHandle, id: u64) -> Option<i64> {
    store.stocks()[&format!("P{id}")]
}

#[tokio::test]
async fn an_answer_can_be_lost_after_the_work() {
    let (_simulators, store) = start(shop()).await;
    store.set_fault(writes(FaultEffect::ApplyThenClose));
    assert!(put(&store, 1, 42).await.is_err(), "no answer");
    assert_eq!(stock(&store, 1), Some(42));
    let entry = store.ledger(LedgerFilter::default()).entries.pop().unwrap();
    assert_eq!(
        (entry.status, entry.faults),
        (None, vec!["apply_then_close".to_owned()])
    );
    assert_eq!(put(&store, 1, 43).await.unwrap(), 200, "once only");
}

#[tokio::test]
async fn a_connection_can_be_closed_before_the_work() {
    let (_simulators, store) = start(shop()).await;
    store.set_fault(writes(FaultEffect::CloseBeforeAnswer));
    assert!(put(&store, 1, 42).await.is_err());
    assert_eq!(stock(&store, 1), Some(1));
}

#[tokio::test]
async fn work_can_be_done_long_after_the_connection_was_lost() {
    let (_simulators, store) = start(shop()).await;
    store.set_fault(writes(FaultEffect::ApplyLate {
        after_ms: 300,
        hold_ms: 50,
    }));
    assert!(put(&store, 1, 42).await.is_err());
    assert_eq!(
        put(&store, 1, 5).await.unwrap(),
        200,
        "a newer value meanwhile"
    );
    assert_eq!(stock(&store, 1), Some(5));
    let late = |store: &StoreHandle| {
        let entries = store.ledger(LedgerFilter::default()).entries;
        entries
            .into_iter()
            .find(|entry| entry.source == Source::Late)
    };
    let began = Instant::now();
    while late(&store).is_none() && began.elapsed() < Duration::from_secs(5) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(stock(&store, 1), Some(42), "the older value came back");
    let effect = late(&store).unwrap().effects.remove(0);
    assert_eq!((effect.old, effect.new), (json!(5), json!(42)));
}

#[tokio::test]
async fn half_a_batch_can_be_done_before_a_504() {
    let (_simulators, store) = start(shop()).await;
    let page = FaultPage::GatewayTimeout;
    store.set_fault(writes(FaultEffect::ApplyRowsThenAnswer { rows: 2, page }));
    let rows: Vec<Value> = (1..=4)
        .map(|id| json!({"id": id, "stock_quantity": 9}))
        .collect();
    let body = json!({"update": rows});
    let answer = try_call(&store, "POST", "products/batch", Some(&body))
        .await
        .unwrap();
    assert_eq!(answer.status, 504);
    let stocks: Vec<_> = (1..=4).map(|id| stock(&store, id).unwrap()).collect();
    assert_eq!(stocks, [9, 9, 1, 1]);
}

#[tokio::test]
async fn a_store_can_refuse_connections_for_a_time() {
    let (_simulators, store) = start(shop()).await;
    let on = FaultMatch {
        for_ms: Some(400),
        ..FaultMatch::default()
    };
    store.set_fault(Fault {
        on,
        effect: FaultEffect::RefuseConnections,
    });
    let began = Instant::now();
    let mut refused = 0;
    // First it goes away, then it comes back at the same address.
    while began.elapsed() < Duration::from_secs(5) {
        match put(&store, 1, 7).await {
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => refused += 1,
            Ok(200) if refused > 0 => break,
            _ => {}
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(refused > 0, "never refused");
    assert_eq!(stock(&store, 1), Some(7), "came back");
}

#[tokio::test]
async fn a_request_budget_answers_429_above_it() {
    let (_simulators, store) = start(shop()).await;
    store.set_effect(FaultEffect::RateLimit {
        per_minute: 3,
        retry_after: Some(17),
    });
    for _ in 0..3 {
        get(&store, "products/1?_fields=id").await;
    }
    let answer = try_call(&store, "GET", "products/1", None).await.unwrap();
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (429, Some("17"))
    );
}

#[tokio::test]
async fn latency_delays_and_counts_requests_in_work() {
    let (_simulators, store) = start(shop()).await;
    store.set_effect(FaultEffect::Latency {
        ms: 150,
        jitter_ms: 0,
        row_ms: 0,
    });
    let began = Instant::now();
    let (first, second) = tokio::join!(put(&store, 1, 5), put(&store, 2, 6));
    assert_eq!((first.unwrap(), second.unwrap()), (200, 200));
    assert!(
        began.elapsed() >= Duration::from_millis(150),
        "{:?}",
        began.elapsed()
    );
    let entries = store.ledger(LedgerFilter::default()).entries;
    let mut in_flight: Vec<_> = entries.iter().map(|entry| entry.in_flight).collect();
    in_flight.sort_unstable();
    assert_eq!(in_flight, [1, 2]);
    assert!(entries.iter().all(|entry| entry.duration_us >= 150_000));
}

#[tokio::test]
async fn a_fault_takes_only_what_it_names() {
    let (_simulators, store) = start(shop()).await;
    let on = FaultMatch {
        requests: Requests::Writes,
        path_contains: Some("/products/2".to_owned()),
        body_contains: Some("13".to_owned()),
        skip: 1,
        ..FaultMatch::default()
    };
    let number = store.set_fault(Fault {
        on,
        effect: FaultEffect::Answer(FaultPage::Forbidden),
    });
    assert_eq!(put(&store, 1, 13).await.unwrap(), 200, "another path");
    assert_eq!(put(&store, 2, 12).await.unwrap(), 200, "another body");
    assert_eq!(
        call(&store, "GET", "products/2", None).await.0,
        200,
        "a read"
    );
    assert_eq!(put(&store, 2, 13).await.unwrap(), 200, "skipped");
    assert_eq!(put(&store, 2, 13).await.unwrap(), 403);
    store.clear_faults(Some(number));
    assert_eq!(put(&store, 2, 13).await.unwrap(), 200);
    assert!(store.faults().is_empty());
}

#[tokio::test]
async fn noise_and_cuts_spoil_an_answer_that_is_otherwise_right() {
    let (_simulators, store) = start(shop()).await;
    for (effect, start, end) in [
        (
            FaultEffect::Noise(Noise::Warning),
            "<br />\n<b>Warning</b>",
            "}",
        ),
        (FaultEffect::Noise(Noise::ByteOrderMark), "\u{feff}{", "}"),
        (FaultEffect::Noise(Noise::CommentAfter), "{", "-->"),
        (FaultEffect::Truncate(10), "{\"id\":1", "\"n"),
    ] {
        store.clear_faults(None);
        store.set_effect(effect.clone());
        let answer = try_call(&store, "GET", "products/1", None).await.unwrap();
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(answer.status, 200);
        assert!(text.starts_with(start), "{effect:?}: {text}");
        assert!(text.ends_with(end), "{effect:?}: {text}");
    }
}

#[tokio::test]
async fn the_clock_of_a_store_can_be_wrong() {
    let (_simulators, store) = start(shop()).await;
    store.set_clock(ClockSetting::Frozen(1_800_000_000));
    let answer = try_call(
        &store,
        "PUT",
        "products/1",
        Some(&json!({"stock_quantity": 3})),
    )
    .await
    .unwrap();
    assert_eq!(answer.header("date"), Some("Fri, 15 Jan 2027 08:00:00 GMT"));
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(body["date_modified_gmt"], "2027-01-15T08:00:00");
}

#[tokio::test]
async fn every_page_has_the_status_it_is_named_for() {
    let (_simulators, store) = start(shop()).await;
    let redirect = FaultPage::Redirect {
        status: 308,
        base: "https://www.example.com".to_owned(),
    };
    for (page, status) in [
        (FaultPage::Maintenance, 503),
        (FaultPage::Unavailable(Some(5)), 503),
        (FaultPage::FatalError, 500),
        (FaultPage::DatabaseDown, 500),
        (FaultPage::BadGateway, 502),
        (FaultPage::GatewayTimeout, 504),
        (FaultPage::TooManyRequests(None), 429),
        (FaultPage::Forbidden, 403),
        (FaultPage::NotFound, 404),
        (FaultPage::BodyTooLarge, 413),
        (FaultPage::ApiClosed, 401),
        (FaultPage::FrontPage, 200),
        (FaultPage::Empty, 200),
        (redirect, 308),
    ] {
        store.clear_faults(None);
        store.set_effect(FaultEffect::Answer(page.clone()));
        assert_eq!(put(&store, 1, 42).await.unwrap(), status, "{page:?}");
        assert_eq!(stock(&store, 1), Some(1), "{page:?}: nothing done");
    }
}

#[tokio::test]
async fn a_gateway_gives_up_on_large_batches_which_are_done_all_the_same() {
    let (_simulators, store) = start(shop()).await;
    store.set_effect(FaultEffect::Latency {
        ms: 0,
        jitter_ms: 0,
        row_ms: 60,
    });
    store.set_effect(FaultEffect::GatewayLimit { ms: 100 });
    let batch = |ids: &[u64]| {
        let rows: Vec<Value> = ids
            .iter()
            .map(|id| json!({"id": id, "stock_quantity": 8}))
            .collect();
        json!({"update": rows})
    };
    let small = try_call(&store, "POST", "products/batch", Some(&batch(&[1])))
        .await
        .unwrap();
    assert_eq!(small.status, 200);
    let large = try_call(&store, "POST", "products/batch", Some(&batch(&[2, 3, 4])))
        .await
        .unwrap();
    assert_eq!(
        (large.status, stock(&store, 2)),
        (504, Some(1)),
        "given up, not done yet"
    );
    let began = Instant::now();
    while stock(&store, 4) != Some(8) && began.elapsed() < Duration::from_secs(5) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(stock(&store, 4), Some(8), "done later");
}

#[tokio::test]
async fn a_body_above_the_servers_limit_is_refused_by_size() {
    let (_simulators, store) = start(shop()).await;
    let on = FaultMatch {
        body_over: Some(60),
        ..FaultMatch::default()
    };
    store.set_fault(Fault {
        on,
        effect: FaultEffect::Answer(FaultPage::BodyTooLarge),
    });
    let row = json!({"id": 1, "stock_quantity": 8});
    let small = json!({"update": [row]});
    let large = json!({"update": [row, row, row]});
    assert_eq!(
        call(&store, "POST", "products/batch", Some(&small)).await.0,
        200
    );
    let answer = try_call(&store, "POST", "products/batch", Some(&large))
        .await
        .unwrap();
    assert_eq!(answer.status, 413);
}
