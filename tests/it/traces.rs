//! One trace from an ERP event to the last store write, and from a store's order to its event, as
//! a collector sees it from separate processes.

use std::time::Duration;

use rust_decimal::Decimal;
use storelink_simulators::OrderSpec;
use storelink_test_support::eventually::eventually;
use storelink_test_support::system::SystemOptions;
use uuid::Uuid;

use crate::arena::{Arena, WAREHOUSE, two_stores};
use crate::otlp::{Collector, Span};

/// Processes send their spans every few seconds.
const LIMIT: Duration = Duration::from_secs(40);

#[tokio::test]
async fn a_trace_covers_an_erp_event_to_the_last_store_write() {
    let collector = Collector::start().await.unwrap();
    let arena = Arena::synchronised(traced(&collector), &two_stores())
        .await
        .unwrap();
    let skus = arena.skus().await.unwrap();
    let (simple, variation) = (skus[0].as_str(), skus[skus.len() - 1].as_str());
    let (first, second) = (new_trace(), new_trace());
    let busy = &arena.links[1];

    // The second store gets both events in one request.
    arena.api.pause(&busy.connection).await.unwrap();
    let lane = || async { arena.api.status(&busy.connection).await };
    eventually("the lane rests", LIMIT, async || {
        anyhow::ensure!(lane().await?.stock.stopped.is_some(), "it goes on");
        Ok(())
    })
    .await
    .unwrap();
    let levels = [
        (simple, Decimal::from(801)),
        (variation, Decimal::from(802)),
    ];
    arena
        .erp
        .say_stock_traced(WAREHOUSE, &levels, Some(&traceparent(&first)))
        .await
        .unwrap();
    let levels = [(skus[1].as_str(), Decimal::from(803))];
    arena
        .erp
        .say_stock_traced(WAREHOUSE, &levels, Some(&traceparent(&second)))
        .await
        .unwrap();
    eventually("both events wait", LIMIT, async || {
        let waiting = lane().await?.stock.dirty;
        anyhow::ensure!(waiting >= 3, "only {waiting}");
        Ok(())
    })
    .await
    .unwrap();
    arena.api.resume(&busy.connection).await.unwrap();
    arena.values_are_right().await.unwrap();

    for trace in [&first, &second] {
        eventually("the trace is whole", LIMIT, async || {
            let spans = collector.spans();
            let service = "storelink-stock-publisher";
            let intake = spans
                .iter()
                .find(|s| s.name == "intake" && s.trace == *trace);
            anyhow::ensure!(intake.is_some_and(|s| s.service == service), "no intake");
            for link in &arena.links {
                let write = spans.iter().find(|span| {
                    span.name == "write"
                        && span.belongs_to(trace)
                        && span.attribute("connection") == link.connection
                });
                let Some(write) = write else {
                    anyhow::bail!("no write to {}", link.plan.name);
                };
                anyhow::ensure!(write.attribute("entity") == "stock", "{write:?}");
                anyhow::ensure!(has_store_request(&spans, write), "no request of {write:?}");
            }
            Ok(())
        })
        .await
        .unwrap();
    }
    let batched = collector
        .spans()
        .into_iter()
        .any(|span| span.name == "write" && span.belongs_to(&first) && span.belongs_to(&second));
    assert!(batched, "no write belongs to both traces");
}

#[tokio::test]
async fn a_trace_covers_a_stores_order_to_its_event() {
    let collector = Collector::start().await.unwrap();
    let mut arena = Arena::synchronised(traced(&collector), &two_stores())
        .await
        .unwrap();
    let sku = arena.skus().await.unwrap().remove(0);
    let (link, client) = (arena.first().clone(), arena.stores.client());
    let id = client
        .place_order(&link.plan.name, OrderSpec::of(&[(&sku, 1)]))
        .await
        .unwrap();
    arena.orders_are_right().await.unwrap();

    let events = arena.hub.orders_of(&link.connection);
    let event = &events[&id.to_string()][0].event;
    let parent = event["traceparent"]
        .as_str()
        .expect("the event carries its trace");
    let trace = parent.split('-').nth(1).unwrap().to_owned();
    eventually("the trace is whole", LIMIT, async || {
        let spans = collector.spans();
        for service in ["storelink-poller-woocommerce", "storelink-order-ingest"] {
            let found = spans
                .iter()
                .any(|span| span.service == service && span.trace == trace);
            anyhow::ensure!(found, "nothing of {service}");
        }
        Ok(())
    })
    .await
    .unwrap();
    let read = collector
        .spans()
        .into_iter()
        .find(|s| s.trace == trace && s.name == "order.read");
    let read = read.expect("the trace begins with the reading");
    assert_eq!(read.attribute("connection"), link.connection);
    assert_eq!(read.parent, "", "the reading has no parent");
    // The walk in which it was read is linked, since it reads many orders.
    let polls: Vec<Span> = collector
        .spans()
        .into_iter()
        .filter(|s| s.name == "poll")
        .collect();
    assert!(
        polls.iter().any(|poll| read.links.contains(&poll.trace)),
        "{read:?}"
    );
}

fn traced(collector: &Collector) -> SystemOptions {
    SystemOptions::process_per_role()
        .with("STORELINK_TELEMETRY__OTLP_ENDPOINT", collector.address())
}

/// Whether an HTTP request to a store lies below a span.
fn has_store_request(spans: &[Span], above: &Span) -> bool {
    let mut below: Vec<&Span> = spans
        .iter()
        .filter(|span| span.parent == above.id)
        .collect();
    while let Some(span) = below.pop() {
        if span.name == "http.client" {
            return true;
        }
        below.extend(spans.iter().filter(|other| other.parent == span.id));
    }
    false
}

fn new_trace() -> String {
    Uuid::now_v7().simple().to_string()
}

fn traceparent(trace: &str) -> String {
    format!("00-{trace}-00f067aa0ba902b7-01")
}
