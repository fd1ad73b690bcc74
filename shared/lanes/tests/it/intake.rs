//! What becomes of an ERP's events.

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use storelink_bus::{DeadLetters, LastValueEvent, LastValueReader};
use storelink_lanes::kind::Stock;
use storelink_model::Timestamp;
use storelink_test_support::database::TestDatabase;
use storelink_test_support::eventually::eventually;
use time::Duration;

use crate::world::{PATIENCE, World};

pub(crate) async fn rejections(world: &World, count: usize) -> anyhow::Result<Vec<Value>> {
    let mut reader = LastValueReader::new(&world.bus, "HUB", &["hub.acme.event.rejected"]);
    let read = async {
        let mut found = Vec::new();
        while found.len() < count {
            if let LastValueEvent::Value(message) = reader.next().await {
                let event: Value = serde_json::from_slice(&message.payload)?;
                found.push(event["data"].clone());
            }
        }
        anyhow::Ok(found)
    };
    tokio::time::timeout(PATIENCE, read)
        .await
        .context("too few rejections")?
}

#[tokio::test]
async fn an_older_version_never_stays_also_behind_an_equal_value() -> anyhow::Result<()> {
    for database in [TestDatabase::sqlite()?, TestDatabase::postgres().await?] {
        let world = World::on(database).await?;
        let store = world.link().await?;
        world.list(&store.id, &["A", "B"]).await?;
        let publisher = world.start::<Stock>().await?;
        world.level("A", "5", 1).await?;
        // The same value with a newer version, then an older one that comes late.
        world.level("A", "5", 3).await?;
        world.level("A", "9", 2).await?;
        world.level("B", "1", 1).await?;
        world.shows(&store.id, &[("A", "5"), ("B", "1")]).await?;
        let answer = world.sku::<Stock>(&store.id, "A").await?;
        ensure!(
            answer.erp[0].version == 3 && answer.erp[0].value == "5",
            "{answer:?}"
        );
        let sent = world
            .platform
            .shop(&store.id, |shop| shop.requests.concat());
        ensure!(
            !sent.contains(&("id-A".to_owned(), "9".to_owned())),
            "{sent:?}"
        );
        publisher.stop().await?;
    }
    Ok(())
}

#[tokio::test]
async fn bad_items_are_answered_and_kept_and_good_ones_beside_them_applied() -> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let store = world.link().await?;
    world.list(&store.id, &["A", "B"]).await?;
    let publisher = world.start::<Stock>().await?;
    let items = json!([
        { "sku": "A", "quantity": "5", "revision": 1 },
        { "sku": "B", "quantity": "many", "revision": 1 },
    ]);
    world
        .event("stock", json!({ "warehouse": "main", "items": items }))
        .await?;
    world.shows(&store.id, &[("A", "5")]).await?;
    let rejected = rejections(&world, 1).await?;
    ensure!(rejected[0]["partly_accepted"] == true, "{rejected:?}");
    let violation = &rejected[0]["violations"][0];
    ensure!(
        violation["pointer"] == "/data/items/1/quantity",
        "{rejected:?}"
    );
    let dead = DeadLetters::new(&world.bus)
        .list("dead.ERP_STOCK.>", 0, 10)
        .await?;
    ensure!(
        dead.len() == 1 && dead[0].reason.code == "event.member_invalid",
        "{dead:?}"
    );
    publisher.stop().await
}

#[tokio::test]
async fn events_that_cannot_be_taken_are_refused_with_their_reason() -> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let store = world.link().await?;
    world.list(&store.id, &["A"]).await?;
    let publisher = world.start::<Stock>().await?;
    world.level("A", "5", 1).await?;
    world.shows(&store.id, &[("A", "5")]).await?;

    // Ordered by revision from now on: a value without one is refused.
    let items = json!([{ "sku": "A", "quantity": "6" }]);
    world
        .event("stock", json!({ "warehouse": "main", "items": items }))
        .await?;
    // One revision for two values.
    world.level("A", "7", 1).await?;
    // A clock that is far ahead, in a warehouse that is ordered by time.
    let items = json!([{ "sku": "A", "quantity": "8" }]);
    let data = json!({ "warehouse": "other", "items": items });
    let ahead = Timestamp::now().saturating_add(Duration::minutes(5));
    world.event_at("stock", data, ahead).await?;
    // No event at all.
    let subject = "erp.acme.stock.changed";
    world
        .bus
        .publish(storelink_bus::Publication::new(subject, "{"))
        .await?;

    let rejected = rejections(&world, 4).await?;
    let mut codes: Vec<_> = rejected
        .iter()
        .filter_map(|one| one["violations"][0]["code"].as_str())
        .collect();
    codes.sort_unstable();
    ensure!(
        codes
            == [
                "event.not_json",
                "event.revision_conflict",
                "event.time_in_future",
                "event.version_order"
            ],
        "{rejected:?}"
    );
    ensure!(
        rejected.iter().all(|one| one["partly_accepted"] == false),
        "{rejected:?}"
    );
    world.shows(&store.id, &[("A", "5")]).await?;
    publisher.stop().await
}

#[tokio::test]
async fn where_time_decides_the_later_event_of_one_instant_wins() -> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let store = world.link().await?;
    world.list(&store.id, &["A"]).await?;
    let publisher = world.start::<Stock>().await?;
    let now = Timestamp::now();
    for quantity in ["4", "5"] {
        let items = json!([{ "sku": "A", "quantity": quantity }]);
        world
            .event_at("stock", json!({ "warehouse": "main", "items": items }), now)
            .await?;
    }
    world.shows(&store.id, &[("A", "5")]).await?;
    let items = json!([{ "sku": "A", "quantity": "1" }]);
    let before = now.saturating_sub(Duration::seconds(1));
    world
        .event_at(
            "stock",
            json!({ "warehouse": "main", "items": items }),
            before,
        )
        .await?;
    world.level("B", "1", 1).await?;
    rejections(&world, 1).await?;
    world.shows(&store.id, &[("A", "5")]).await?;
    publisher.stop().await
}

#[tokio::test]
async fn an_outage_of_the_database_delays_and_loses_nothing() -> anyhow::Result<()> {
    let world = World::on(TestDatabase::own_postgres().await?).await?;
    let store = world.link().await?;
    world.list(&store.id, &["A"]).await?;
    let publisher = world.start::<Stock>().await?;
    world.level("A", "5", 1).await?;
    world.shows(&store.id, &[("A", "5")]).await?;
    world.database.halt().await?;
    world.level("A", "6", 2).await?;
    world.database.resume().await?;
    world.shows(&store.id, &[("A", "6")]).await?;
    eventually("the lane runs", PATIENCE, async || {
        ensure!(world.status::<Stock>(&store.id).await?.running);
        Ok(())
    })
    .await?;
    publisher.stop().await
}
