//! Publishers that die at bad moments, and stores that apply late.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use storelink_events::rpc::Receipt;
use storelink_lanes::kind::Stock;
use storelink_test_support::database::TestDatabase;
use storelink_test_support::eventually::eventually;

use crate::platform::Behaviour;
use crate::world::{PATIENCE, World};

async fn wait_for_requests(
    world: &World,
    connection: &storelink_model::ConnectionId,
    count: usize,
) -> anyhow::Result<()> {
    eventually("requests arrive", PATIENCE, async || {
        let requests = world.requests(connection);
        ensure!(requests >= count, "{requests} of {count}");
        Ok(())
    })
    .await
}

/// A value is confirmed, changes, the store takes it, the publisher dies before the receipt, and
/// the value changes back: without the unfinished attempt the store would stay wrong.
async fn a_crash_before_the_receipt_hides_no_value(database: TestDatabase) -> anyhow::Result<()> {
    let world = World::on(database).await?;
    let store = world.link().await?;
    world.list(&store.id, &["A"]).await?;
    let publisher = world.start::<Stock>().await?;
    world.level("A", "5", 1).await?;
    world.shows(&store.id, &[("A", "5")]).await?;
    world.quiet::<Stock>(&store.id).await?;

    world
        .platform
        .shop(&store.id, |shop| shop.next.push_back(Behaviour::Hang));
    world.level("A", "6", 2).await?;
    world.shows(&store.id, &[("A", "6")]).await?;
    publisher.kill();
    world.level("A", "5", 3).await?;

    let publisher = world.start::<Stock>().await?;
    world.shows(&store.id, &[("A", "5")]).await?;
    // Once because it waited, and once more because the old request might have come late.
    wait_for_requests(&world, &store.id, 4).await?;
    eventually("no late effect is feared any more", PATIENCE, async || {
        let answer = world.sku::<Stock>(&store.id, "A").await?;
        ensure!(
            answer.confirmed.as_deref() == Some("5") && !answer.dirty,
            "{answer:?}"
        );
        Ok(())
    })
    .await?;
    let receipts = world.receipts::<Stock>(&store.id, 10, None).await?.items;
    let cut_off = |one: &&Receipt| one.error_code.as_deref() == Some("lane.interrupted");
    let interrupted = receipts.iter().find(cut_off);
    let interrupted = interrupted.context("the request that was cut off has a receipt")?;
    let item = &interrupted.items[0];
    ensure!(
        item.value == "6" && item.outcome == "unknown",
        "{interrupted:?}"
    );

    // Pages of receipts show each exactly once.
    let mut paged = Vec::new();
    let mut after = None;
    loop {
        let page = world.receipts::<Stock>(&store.id, 1, after).await?;
        paged.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    ensure!(paged == receipts, "{paged:?}");
    publisher.stop().await
}

#[tokio::test]
async fn a_crash_before_the_receipt_hides_no_value_on_sqlite() -> anyhow::Result<()> {
    a_crash_before_the_receipt_hides_no_value(TestDatabase::sqlite()?).await
}

#[tokio::test]
async fn a_crash_before_the_receipt_hides_no_value_on_postgres() -> anyhow::Result<()> {
    a_crash_before_the_receipt_hides_no_value(TestDatabase::postgres().await?).await
}

#[tokio::test]
async fn a_restart_repeats_nothing_that_was_confirmed() -> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let store = world.link().await?;
    world.list(&store.id, &["A", "B"]).await?;
    let publisher = world.start::<Stock>().await?;
    world.levels(&[("A", "5", 1), ("B", "6", 1)]).await?;
    world.quiet::<Stock>(&store.id).await?;
    world.shows(&store.id, &[("A", "5"), ("B", "6")]).await?;
    let before = world.requests(&store.id);
    publisher.stop().await?;

    let publisher = world.start::<Stock>().await?;
    world.level("B", "7", 2).await?;
    world.shows(&store.id, &[("A", "5"), ("B", "7")]).await?;
    let requests = world
        .platform
        .shop(&store.id, |shop| shop.requests.split_off(before));
    ensure!(
        requests == [[("id-B".to_owned(), "7".to_owned())]],
        "{requests:?}"
    );
    publisher.stop().await
}

#[tokio::test]
async fn a_request_that_takes_effect_late_is_put_right_within_the_recheck_time()
-> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let store = world.link().await?;
    world.list(&store.id, &["A"]).await?;
    let publisher = world.start::<Stock>().await?;
    let late = Behaviour::LoseAnswer {
        effect_after: Duration::from_millis(1_200),
    };
    world
        .platform
        .shop(&store.id, |shop| shop.next.push_back(late));
    world.level("A", "5", 1).await?;
    wait_for_requests(&world, &store.id, 1).await?;
    world.level("A", "6", 2).await?;
    world.shows(&store.id, &[("A", "6")]).await?;
    // The old request takes effect after the newer value was confirmed …
    world.shows(&store.id, &[("A", "5")]).await?;
    // … and the recheck finds it.
    world.shows(&store.id, &[("A", "6")]).await?;
    world.quiet::<Stock>(&store.id).await?;
    let receipts = world.receipts::<Stock>(&store.id, 10, None).await?;
    let first = receipts
        .items
        .last()
        .map(|receipt| receipt.items[0].outcome.clone());
    ensure!(first.as_deref() == Some("unknown"), "{receipts:?}");
    publisher.stop().await
}

#[tokio::test]
async fn a_kill_while_the_store_works_is_rechecked_after_the_restart() -> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let store = world.link().await?;
    world.list(&store.id, &["A"]).await?;
    let publisher = world.start::<Stock>().await?;
    world
        .platform
        .shop(&store.id, |shop| shop.takes = Duration::from_secs(30));
    world.level("A", "5", 1).await?;
    wait_for_requests(&world, &store.id, 1).await?;
    publisher.kill();

    world
        .platform
        .shop(&store.id, |shop| shop.takes = Duration::ZERO);
    let publisher = world.start::<Stock>().await?;
    world.shows(&store.id, &[("A", "5")]).await?;
    let answer = world.sku::<Stock>(&store.id, "A").await?;
    ensure!(answer.dirty, "a late effect is feared: {answer:?}");
    // The killed request takes effect now, with an old value.
    world.platform.shop(&store.id, |shop| {
        shop.shown.insert("id-A".into(), "1".into())
    });
    world.shows(&store.id, &[("A", "5")]).await?;
    publisher.stop().await
}

#[tokio::test]
async fn a_stop_lets_the_request_under_way_end_and_notes_it() -> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let store = world.link().await?;
    world.list(&store.id, &["A"]).await?;
    let publisher = world.start::<Stock>().await?;
    world
        .platform
        .shop(&store.id, |shop| shop.takes = Duration::from_millis(700));
    world.level("A", "5", 1).await?;
    wait_for_requests(&world, &store.id, 1).await?;
    publisher.stop().await?;
    world.shows(&store.id, &[("A", "5")]).await?;

    let publisher = world.start::<Stock>().await?;
    world.quiet::<Stock>(&store.id).await?;
    ensure!(world.requests(&store.id) == 1, "the receipt was not noted");
    publisher.stop().await
}
