//! Connections that are paused, switched off, changed, listed late or blocked.

use std::sync::Arc;

use anyhow::ensure;
use storelink_adapter_api::StoreIds;
use storelink_events::internal::{Blocked, Listing};
use storelink_lanes::kind::Stock;
use storelink_test_support::eventually::eventually;
use tokio::sync::Semaphore;

use crate::reconcile::synchronised;
use crate::world::{PATIENCE, World};

/// Waits until the lane gives this reason for an article.
pub(crate) async fn reason(
    world: &World,
    connection: &storelink_model::ConnectionId,
    sku: &str,
    code: &str,
) -> anyhow::Result<()> {
    eventually(code, PATIENCE, async || {
        let answer = world.sku::<Stock>(connection, sku).await?;
        let given = answer.reason.clone().unwrap_or_default();
        ensure!(given.starts_with(code), "{answer:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_connection_that_appears_after_its_listings_is_written() -> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let publisher = world.start::<Stock>().await?;
    let store = world.record()?;
    world.list(&store.id, &["A"]).await?;
    world.level("A", "5", 1).await?;
    world.publish_record(&store).await?;
    world.shows(&store.id, &[("A", "5")]).await?;
    publisher.stop().await
}

#[tokio::test]
async fn nothing_leaves_while_paused_switched_off_or_held_and_the_last_value_afterwards()
-> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let mut store = world.record()?;
    store.active_entities.clear();
    world.publish_record(&store).await?;
    world.list(&store.id, &["A"]).await?;
    let publisher = world.start::<Stock>().await?;
    world.level("A", "1", 1).await?;
    reason(&world, &store.id, "A", "lane.not_active").await?;

    store.active_entities = vec!["stock".to_owned()];
    store.paused = true;
    store.revision = 2;
    world.publish_record(&store).await?;
    world.level("A", "2", 2).await?;
    reason(&world, &store.id, "A", "lane.paused").await?;

    store.paused = false;
    store.settings.observe_only = true;
    store.revision = 3;
    world.publish_record(&store).await?;
    reason(&world, &store.id, "A", "lane.observe_only").await?;

    world.pause_writes(true, 1).await?;
    store.settings.observe_only = false;
    store.revision = 4;
    world.publish_record(&store).await?;
    world.level("A", "3", 3).await?;
    reason(&world, &store.id, "A", "lane.writes_paused").await?;
    eventually("the last value is in", PATIENCE, async || {
        let answer = world.sku::<Stock>(&store.id, "A").await?;
        ensure!(answer.wanted.as_deref() == Some("3"), "{answer:?}");
        Ok(())
    })
    .await?;
    ensure!(world.requests(&store.id) == 0, "something was sent");

    world.pause_writes(false, 2).await?;
    world.shows(&store.id, &[("A", "3")]).await?;
    ensure!(world.requests(&store.id) == 1);
    publisher.stop().await
}

#[tokio::test]
async fn a_blocked_listing_is_not_written_until_it_is_free() -> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let store = world.link().await?;
    let blocked = Listing {
        sku: "A".parse()?,
        ids: StoreIds {
            product: "id-A".to_owned(),
            variation: None,
            stock_row: None,
        },
        stock_blocked: Some(Blocked::DuplicateCode),
        price_blocked: None,
    };
    world.publish_shard(&store.id, vec![blocked]).await?;
    let publisher = world.start::<Stock>().await?;
    world.level("A", "5", 1).await?;
    reason(&world, &store.id, "A", "listing.duplicate_code").await?;
    world.list(&store.id, &["A"]).await?;
    world.shows(&store.id, &[("A", "5")]).await?;
    publisher.stop().await
}

#[tokio::test]
async fn a_deleted_connection_is_left_alone() -> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let store = world.link().await?;
    world.list(&store.id, &["A"]).await?;
    let publisher = world.start::<Stock>().await?;
    world.level("A", "5", 1).await?;
    world.shows(&store.id, &[("A", "5")]).await?;
    let bucket = storelink_bus::kv::Bucket::new(&world.bus, "connections");
    bucket
        .delete(&storelink_events::subject::connection_key(&store.id))
        .await?;
    eventually("the lane is gone", PATIENCE, async || {
        ensure!(world.status::<Stock>(&store.id).await.is_err());
        Ok(())
    })
    .await?;
    let other = world.link().await?;
    world.list(&other.id, &["A"]).await?;
    world.level("A", "6", 2).await?;
    world.shows(&other.id, &[("A", "6")]).await?;
    ensure!(world.requests(&store.id) == 1);
    publisher.stop().await
}

/// A clone of the store has the same ids and shows other values.
#[tokio::test]
async fn a_store_that_moved_gets_every_value_also_when_the_publisher_was_down() -> anyhow::Result<()>
{
    let world = World::sqlite().await?;
    let mut store = world.link().await?;
    let id = store.id.clone();
    world.list(&id, &["A", "B"]).await?;
    let both = [("A", "5"), ("B", "6")];
    let publisher = world.start::<Stock>().await?;
    world.levels(&[("A", "5", 1), ("B", "6", 1)]).await?;
    world.shows(&id, &both).await?;
    world.quiet::<Stock>(&id).await?;
    let mut moves_to = async |address: &str| {
        world.platform.shop(&id, |shop| shop.shown.clear());
        store.address = address.to_owned();
        store.revision += 1;
        world.publish_record(&store).await
    };
    moves_to("https://staging.example").await?;
    world.shows(&id, &both).await?;
    world.quiet::<Stock>(&id).await?;
    publisher.stop().await?;
    moves_to("https://shop.example").await?;
    let publisher = world.start::<Stock>().await?;
    world.shows(&id, &both).await?;
    world.quiet::<Stock>(&id).await?;

    // Where nothing moved, a start writes nothing.
    let requests = world.requests(&id);
    publisher.stop().await?;
    let publisher = world.start::<Stock>().await?;
    world.level("A", "7", 2).await?;
    world.shows(&id, &[("A", "7"), ("B", "6")]).await?;
    ensure!(world.requests(&id) == requests + 1);
    publisher.stop().await
}

#[tokio::test]
async fn a_page_of_where_the_store_was_is_compared_with_nothing() -> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let (mut store, publisher, skus) = synchronised(&world, 3).await?;
    let turns = Arc::new(Semaphore::new(0));
    let kept = turns.clone();
    world
        .platform
        .shop(&store.id, move |shop| shop.page_turns = Some(kept));
    ensure!(world.ask_to_reconcile::<Stock>(&store.id, "run_1").await?);
    eventually("the page is asked for", PATIENCE, async || {
        ensure!(world.pages(&store.id) == 1);
        Ok(())
    })
    .await?;
    let requests = world.requests(&store.id);
    store.address = "https://moved.example".to_owned();
    store.revision += 1;
    world.publish_record(&store).await?;
    eventually("the move is known", PATIENCE, async || {
        ensure!(world.requests(&store.id) > requests);
        Ok(())
    })
    .await?;
    world.quiet::<Stock>(&store.id).await?;
    turns.add_permits(1);
    let found = world.ended::<Stock>(&store.id, "run_1").await?;
    ensure!(found.error_code.as_deref() == Some("connection.moved"));
    ensure!(found.compared == 0, "{found:?}");

    turns.add_permits(1);
    let found = world.reconcile::<Stock>(&store.id, "run_2").await?;
    let all = u64::try_from(skus.len())?;
    ensure!(
        found.error_code.is_none() && found.compared == all,
        "{found:?}"
    );
    publisher.stop().await
}
