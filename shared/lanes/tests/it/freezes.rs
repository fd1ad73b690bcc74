//! A publisher that stands still and goes on when its lanes are somebody else's.

use std::time::Duration;

use anyhow::ensure;
use storelink_lanes::kind::Stock;
use storelink_test_support::database::TestDatabase;
use storelink_test_support::eventually::eventually;

use crate::world::{PATIENCE, World};

const LEASE: Duration = Duration::from_secs(3);

/// The request was admitted while the lease was fresh, and its first byte was still to leave when
/// the process stood still: the one moment that no check before the admission covers.
#[tokio::test]
async fn a_frozen_publisher_sends_nothing_after_its_lease_also_not_what_was_admitted()
-> anyhow::Result<()> {
    let mut world = World::on(TestDatabase::postgres().await?).await?;
    world.settings.lanes.lease = LEASE;
    let store = world.link().await?;
    world.list(&store.id, &["A"]).await?;
    let first = world.start::<Stock>().await?;
    world.level("A", "1", 1).await?;
    world.shows(&store.id, &[("A", "1")]).await?;
    world.quiet::<Stock>(&store.id).await?;
    let second = world.start::<Stock>().await?;

    world
        .platform
        .shop(&store.id, |shop| shop.connects = Duration::from_millis(300));
    world.level("A", "2", 2).await?;
    eventually("a request is on its way", PATIENCE, async || {
        let connecting = world.platform.shop(&store.id, |shop| shop.connecting);
        ensure!(connecting == 1, "{connecting}");
        Ok(())
    })
    .await?;
    first.freeze(LEASE * 3 / 2)?;

    world.shows(&store.id, &[("A", "2")]).await?;
    eventually("the admitted request was given up", PATIENCE, async || {
        let withdrawn = world.platform.shop(&store.id, |shop| shop.withdrawn);
        ensure!(withdrawn == 1, "{withdrawn}");
        Ok(())
    })
    .await?;
    let senders = world.platform.shop(&store.id, |shop| shop.senders.clone());
    ensure!(
        senders.starts_with(&[0, 1]),
        "the frozen one sent before its successor: {senders:?}"
    );
    let most_open = world.platform.shop(&store.id, |shop| shop.most_open);
    ensure!(most_open == 1, "{most_open} requests at once");

    // Whoever has it in the end: the last value comes through.
    world.level("A", "3", 3).await?;
    world.shows(&store.id, &[("A", "3")]).await?;
    world.quiet::<Stock>(&store.id).await?;
    first.stop().await?;
    second.stop().await
}
