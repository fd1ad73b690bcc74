//! Sequences in which other systems end on an old value, step by step, on both databases.

use anyhow::{Context as _, ensure};
use serde_json::json;
use storelink_bus::streams;
use storelink_lanes::kind::Stock;
use storelink_model::{ConnectionId, Timestamp};
use storelink_test_support::database::TestDatabase;
use storelink_test_support::eventually::eventually;
use time::Duration;

use crate::intake::rejections;
use crate::settings::reason;
use crate::world::{PATIENCE, World};

macro_rules! on_both_databases {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            use super::TestDatabase;
            $(
                #[tokio::test]
                async fn $test() -> anyhow::Result<()> {
                    super::$test(TestDatabase::sqlite()?).await
                }
            )+
        }
        mod postgres {
            use super::TestDatabase;
            $(
                #[tokio::test]
                async fn $test() -> anyhow::Result<()> {
                    super::$test(TestDatabase::postgres().await?).await
                }
            )+
        }
    };
}

on_both_databases!(
    an_equal_value_with_a_newer_version_beats_a_late_older_one,
    a_listing_that_appears_after_its_level_is_written,
    an_article_waits_for_a_warehouse_that_never_reported,
    a_stream_that_was_recreated_is_filled_and_followed_again,
    a_setting_that_changed_while_the_publisher_was_down_is_seen,
    a_polled_level_that_is_older_than_a_webhooks_changes_nothing,
    an_event_dated_in_the_future_is_refused_and_holds_nothing_up,
);

async fn an_equal_value_with_a_newer_version_beats_a_late_older_one(
    database: TestDatabase,
) -> anyhow::Result<()> {
    let world = World::on(database).await?;
    let store = world.link().await?;
    world.list(&store.id, &["A", "B"]).await?;
    let publisher = world.start::<Stock>().await?;
    world.level("A", "5", 1).await?;
    world.shows(&store.id, &[("A", "5")]).await?;
    world.level("A", "5", 3).await?;
    stored(&world, &store.id, 3).await?;
    world.level("A", "9", 2).await?;
    everything_is_in(&world, &store.id, 1).await?;
    publisher.stop().await?;

    // Nor does a publisher believe it that knows the value from its records alone.
    let publisher = world.start::<Stock>().await?;
    world.level("A", "9", 2).await?;
    everything_is_in(&world, &store.id, 3).await?;
    stored(&world, &store.id, 3).await?;
    world.shows(&store.id, &[("A", "5"), ("B", "4")]).await?;
    let sent = sent_of(&world, &store.id, "id-A");
    ensure!(sent == ["5"], "{sent:?}");
    publisher.stop().await
}

async fn a_listing_that_appears_after_its_level_is_written(
    database: TestDatabase,
) -> anyhow::Result<()> {
    let world = World::on(database).await?;
    let store = world.link().await?;
    let publisher = world.start::<Stock>().await?;
    world.level("A", "5", 1).await?;
    reason(&world, &store.id, "A", "lane.not_listed").await?;
    world.list(&store.id, &["A"]).await?;
    world.shows(&store.id, &[("A", "5")]).await?;
    publisher.stop().await
}

async fn an_article_waits_for_a_warehouse_that_never_reported(
    database: TestDatabase,
) -> anyhow::Result<()> {
    let world = World::on(database).await?;
    let mut store = world.record()?;
    store.settings.warehouses.push("outlet".parse()?);
    world.publish_record(&store).await?;
    world.list(&store.id, &["A"]).await?;
    let publisher = world.start::<Stock>().await?;
    world.level("A", "5", 1).await?;
    reason(&world, &store.id, "A", "stock.never_reported").await?;
    ensure!(world.requests(&store.id) == 0);
    let items = json!([{ "sku": "A", "quantity": "3", "revision": 9 }]);
    let data = json!({ "warehouse": "outlet", "items": items });
    world.event("stock", data).await?;
    world.shows(&store.id, &[("A", "8")]).await?;
    publisher.stop().await
}

/// Each stream that a publisher reads is deleted and made anew under it; its sequences begin at 1.
async fn a_stream_that_was_recreated_is_filled_and_followed_again(
    database: TestDatabase,
) -> anyhow::Result<()> {
    let world = World::on(database).await?;
    let store = world.link().await?;
    world.list(&store.id, &["A", "B"]).await?;
    let publisher = world.start::<Stock>().await?;
    world.levels(&[("A", "5", 3), ("B", "6", 1)]).await?;
    world.shows(&store.id, &[("A", "5"), ("B", "6")]).await?;

    recreate(&world, "STOCK").await?;
    eventually("the last values are there again", PATIENCE, async || {
        let stream = world.bus.jetstream().get_stream("STOCK").await;
        let stream = stream.map_err(anyhow::Error::from)?;
        let messages = stream.cached_info().state.messages;
        ensure!(messages == 2, "{messages} values");
        Ok(())
    })
    .await?;
    world.level("A", "1", 2).await?;
    world.level("B", "7", 2).await?;
    world.shows(&store.id, &[("A", "5"), ("B", "7")]).await?;

    recreate(&world, "ERP_STOCK").await?;
    world.level("A", "2", 1).await?;
    world.level("B", "8", 3).await?;
    world.shows(&store.id, &[("A", "5"), ("B", "8")]).await?;

    // What is missing from a new stream is no article that was taken out of the store.
    recreate(&world, "LISTINGS").await?;
    world.level("B", "9", 4).await?;
    world.shows(&store.id, &[("A", "5"), ("B", "9")]).await?;
    world.list(&store.id, &["A", "B", "C"]).await?;
    world.level("C", "1", 1).await?;
    let last = [("A", "5"), ("B", "9"), ("C", "1")];
    world.shows(&store.id, &last).await?;
    let sent = sent_of(&world, &store.id, "id-A");
    ensure!(sent.iter().all(|value| value == "5"), "{sent:?}");
    publisher.stop().await
}

async fn a_setting_that_changed_while_the_publisher_was_down_is_seen(
    database: TestDatabase,
) -> anyhow::Result<()> {
    let world = World::on(database).await?;
    let mut store = world.link().await?;
    world.list(&store.id, &["A"]).await?;
    let publisher = world.start::<Stock>().await?;
    world.level("A", "5", 1).await?;
    world.shows(&store.id, &[("A", "5")]).await?;
    publisher.stop().await?;

    store.settings.reserve = "2".parse()?;
    store.revision = 2;
    world.publish_record(&store).await?;
    let publisher = world.start::<Stock>().await?;
    world.shows(&store.id, &[("A", "3")]).await?;

    store.settings.reserve = "1".parse()?;
    store.revision = 3;
    world.publish_record(&store).await?;
    world.shows(&store.id, &[("A", "4")]).await?;

    store.settings.warehouses = vec!["outlet".parse()?];
    store.revision = 4;
    world.publish_record(&store).await?;
    let items = json!([{ "sku": "A", "quantity": "9", "revision": 1 }]);
    let data = json!({ "warehouse": "outlet", "items": items });
    world.event("stock", data).await?;
    world.shows(&store.id, &[("A", "8")]).await?;
    publisher.stop().await
}

/// A level that was read counts from the start of its request: what a webhook told after that start
/// is newer, also when the read ends later.
async fn a_polled_level_that_is_older_than_a_webhooks_changes_nothing(
    database: TestDatabase,
) -> anyhow::Result<()> {
    let world = World::on(database).await?;
    let store = world.link().await?;
    world.list(&store.id, &["A", "B"]).await?;
    let publisher = world.start::<Stock>().await?;
    let read_began = Timestamp::now();
    let webhook = read_began.saturating_add(Duration::milliseconds(300));
    timed_level(&world, "A", "5", webhook).await?;
    world.shows(&store.id, &[("A", "5")]).await?;
    timed_level(&world, "A", "9", read_began).await?;
    for value in ["3", "4"] {
        timed_level(&world, "B", value, Timestamp::now()).await?;
        world.wants::<Stock>(&store.id, "B", value).await?;
    }
    world.shows(&store.id, &[("A", "5"), ("B", "4")]).await?;
    // A read that began after the webhook is newer.
    let next_read = webhook.saturating_add(Duration::milliseconds(1));
    timed_level(&world, "A", "6", next_read).await?;
    world.shows(&store.id, &[("A", "6"), ("B", "4")]).await?;
    let sent = sent_of(&world, &store.id, "id-A");
    ensure!(sent == ["5", "6"], "{sent:?}");
    publisher.stop().await
}

async fn an_event_dated_in_the_future_is_refused_and_holds_nothing_up(
    database: TestDatabase,
) -> anyhow::Result<()> {
    let world = World::on(database).await?;
    let store = world.link().await?;
    world.list(&store.id, &["A"]).await?;
    let publisher = world.start::<Stock>().await?;
    timed_level(&world, "A", "5", Timestamp::now()).await?;
    world.shows(&store.id, &[("A", "5")]).await?;
    let ahead = Timestamp::now().saturating_add(Duration::minutes(5));
    timed_level(&world, "A", "8", ahead).await?;
    let rejected = rejections(&world, 1).await?;
    let code = &rejected.first().context("it is told")?["violations"][0]["code"];
    ensure!(code == "event.time_in_future", "{rejected:?}");
    // Had it been taken, no level of the next five minutes would count.
    timed_level(&world, "A", "6", Timestamp::now()).await?;
    world.shows(&store.id, &[("A", "6")]).await?;
    let sent = sent_of(&world, &store.id, "id-A");
    ensure!(sent == ["5", "6"], "{sent:?}");
    publisher.stop().await
}

/// A level of warehouse `main` without a revision: its time decides.
async fn timed_level(
    world: &World,
    sku: &str,
    quantity: &str,
    time: Timestamp,
) -> anyhow::Result<()> {
    let items = json!([{ "sku": sku, "quantity": quantity }]);
    let data = json!({ "warehouse": "main", "items": items });
    world.event_at("stock", data, time).await
}

/// Waits until article A has this version.
async fn stored(world: &World, connection: &ConnectionId, version: i64) -> anyhow::Result<()> {
    eventually("the version is stored", PATIENCE, async || {
        let answer = world.sku::<Stock>(connection, "A").await?;
        let known = answer
            .erp
            .first()
            .is_some_and(|value| value.version == version);
        ensure!(known, "{answer:?}");
        Ok(())
    })
    .await
}

/// Waits until every event so far was taken: they are taken in groups, one after the other, so the
/// second of two later ones comes when the group of the first is done. Article B shows them.
async fn everything_is_in(
    world: &World,
    connection: &ConnectionId,
    revision: u64,
) -> anyhow::Result<()> {
    for revision in revision..=revision + 1 {
        let value = revision.to_string();
        world.level("B", &value, revision).await?;
        world.wants::<Stock>(connection, "B", &value).await?;
    }
    world.quiet::<Stock>(connection).await
}

async fn recreate(world: &World, stream: &str) -> anyhow::Result<()> {
    world.bus.jetstream().delete_stream(stream).await?;
    streams::apply(&world.bus, world.bus.options().sizing).await?;
    Ok(())
}

/// The values of an article that were sent, in order.
fn sent_of(world: &World, connection: &ConnectionId, id: &str) -> Vec<String> {
    let items = world
        .platform
        .shop(connection, |shop| shop.requests.concat());
    let of_it = items.into_iter().filter(|(sent, _)| sent == id);
    of_it.map(|(_, value)| value).collect()
}
