//! The broker restarts, and the broker loses everything.

use anyhow::ensure;
use storelink_bus::streams;
use storelink_lanes::kind::Stock;
use storelink_test_support::database::TestDatabase;
use storelink_test_support::eventually::eventually;

use crate::world::{PATIENCE, World};

#[tokio::test]
async fn a_killed_broker_is_waited_for() -> anyhow::Result<()> {
    let mut world = World::sqlite().await?;
    let store = world.link().await?;
    world.list(&store.id, &["A"]).await?;
    let publisher = world.start::<Stock>().await?;
    world.level("A", "5", 1).await?;
    world.shows(&store.id, &[("A", "5")]).await?;
    world.broker.kill().await?;
    world.broker.restart().await?;
    world.level("A", "6", 2).await?;
    world.shows(&store.id, &[("A", "6")]).await?;
    publisher.stop().await
}

/// Values come back from SQL; with them the stream knows again which version is the last.
#[tokio::test]
async fn a_broker_that_lost_its_store_is_filled_again_from_sql() -> anyhow::Result<()> {
    let mut world = World::on(TestDatabase::sqlite()?).await?;
    let store = world.link().await?;
    world.list(&store.id, &["A", "B"]).await?;
    let publisher = world.start::<Stock>().await?;
    world.levels(&[("A", "5", 3), ("B", "6", 1)]).await?;
    world.shows(&store.id, &[("A", "5"), ("B", "6")]).await?;

    world.broker.stop().await?;
    world.broker.wipe_store().await?;
    world.broker.restart().await?;
    streams::apply(&world.bus, world.bus.options().sizing).await?;
    eventually("the last values are there again", PATIENCE, async || {
        let stream = world.bus.jetstream().get_stream("STOCK").await;
        let messages = stream
            .map_err(anyhow::Error::from)?
            .cached_info()
            .state
            .messages;
        ensure!(messages == 2, "{messages} values");
        Ok(())
    })
    .await?;
    // An event that is older than what was lost changes nothing; a newer one does.
    world.level("A", "1", 2).await?;
    world.level("B", "7", 2).await?;
    world.shows(&store.id, &[("A", "5"), ("B", "7")]).await?;

    // A publisher that starts now knows everything too.
    publisher.stop().await?;
    world.publish_record(&store).await?;
    world.list(&store.id, &["A", "B"]).await?;
    let publisher = world.start::<Stock>().await?;
    world.level("A", "8", 4).await?;
    world.shows(&store.id, &[("A", "8"), ("B", "7")]).await?;
    publisher.stop().await
}

#[tokio::test]
async fn a_store_lost_while_the_publisher_was_down_is_filled_at_the_start() -> anyhow::Result<()> {
    let mut world = World::sqlite().await?;
    let store = world.link().await?;
    world.list(&store.id, &["A"]).await?;
    let publisher = world.start::<Stock>().await?;
    world.level("A", "5", 3).await?;
    world.shows(&store.id, &[("A", "5")]).await?;
    publisher.stop().await?;

    world.broker.stop().await?;
    world.broker.wipe_store().await?;
    world.broker.restart().await?;
    streams::apply(&world.bus, world.bus.options().sizing).await?;
    let other = world.link().await?;
    world.list(&other.id, &["A"]).await?;
    let publisher = world.start::<Stock>().await?;
    world.shows(&other.id, &[("A", "5")]).await?;
    publisher.stop().await
}
