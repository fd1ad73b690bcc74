//! From an event of the ERP to the store and to the receipt.

use anyhow::{Context as _, bail, ensure};
use serde_json::json;
use storelink_bus::{LastValueEvent, LastValueReader, Publication, TraceContext};
use storelink_events::rpc::Page;
use storelink_lanes::kind::Stock;
use storelink_test_support::database::TestDatabase;

use crate::world::World;

async fn an_event_reaches_the_store_and_leaves_a_receipt(
    database: TestDatabase,
) -> anyhow::Result<()> {
    let world = World::on(database).await?;
    let store = world.link().await?;
    world.list(&store.id, &["MUG-01", "A/B 5"]).await?;
    let publisher = world.start::<Stock>().await?;
    world
        .levels(&[("MUG-01", "37", 1842), ("A/B 5", "2.9", 7)])
        .await?;
    world
        .shows(&store.id, &[("MUG-01", "37"), ("A/B 5", "2")])
        .await?;
    world.quiet::<Stock>(&store.id).await?;

    let answer = world.sku::<Stock>(&store.id, "MUG-01").await?;
    ensure!(
        answer.erp[0].source == "main" && answer.erp[0].version == 1842,
        "{answer:?}"
    );
    ensure!(answer.wanted.as_deref() == Some("37"), "{answer:?}");
    ensure!(answer.confirmed.as_deref() == Some("37"), "{answer:?}");
    ensure!(answer.confirmed_at.is_some() && !answer.dirty, "{answer:?}");

    let Page { items, .. } = world.receipts::<Stock>(&store.id, 10, None).await?;
    ensure!(
        items.len() == 1 && items[0].completed.is_some(),
        "{items:?}"
    );
    ensure!(
        items[0]
            .items
            .iter()
            .all(|item| item.outcome == "confirmed"),
        "{items:?}"
    );
    publisher.stop().await
}

#[tokio::test]
async fn the_trace_of_an_event_goes_with_its_value_and_writes_are_counted() -> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let store = world.link().await?;
    world.list(&store.id, &["A"]).await?;
    let publisher = world.start::<Stock>().await?;
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let trace = TraceContext::new(parent, None).context("a trace")?;
    let data = json!({ "warehouse": "main", "items": [{ "sku": "A", "quantity": "5" }] });
    let event = world.envelope("stock", data, storelink_model::Timestamp::now());
    let event = Publication::new("erp.acme.stock.changed", event.to_string()).trace(&trace);
    world.bus.publish(event).await?;
    world.shows(&store.id, &[("A", "5")]).await?;

    let mut values = LastValueReader::new(&world.bus, "STOCK", &[]);
    let LastValueEvent::Value(value) = values.next().await else {
        bail!("no value")
    };
    let kept = value.trace().context("the value carries a trace")?;
    ensure!(
        kept.traceparent()
            .contains("4bf92f3577b34da6a3ce929d0e0e4736"),
        "{kept:?}"
    );

    world.quiet::<Stock>(&store.id).await?;
    let metrics = storelink_telemetry::metrics().render();
    let dirty = format!(
        "storelink_stock_oldest_dirty_seconds{{connection=\"{}\"}} 0",
        store.id
    );
    for expected in [
        "storelink_lane_writes_total{entity=\"stock\",outcome=\"confirmed\"}",
        "storelink_stock_lag_seconds_count",
        "storelink_stock_items_parked 0",
        &dirty,
    ] {
        ensure!(
            metrics.contains(expected),
            "{expected} is missing in\n{metrics}"
        );
    }
    publisher.stop().await
}

#[tokio::test]
async fn an_event_reaches_the_store_and_leaves_a_receipt_on_sqlite() -> anyhow::Result<()> {
    an_event_reaches_the_store_and_leaves_a_receipt(TestDatabase::sqlite()?).await
}

#[tokio::test]
async fn an_event_reaches_the_store_and_leaves_a_receipt_on_postgres() -> anyhow::Result<()> {
    an_event_reaches_the_store_and_leaves_a_receipt(TestDatabase::postgres().await?).await
}
