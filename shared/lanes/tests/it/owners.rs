//! Two publishers, one lane.

use std::time::{Duration, Instant};

use anyhow::ensure;
use storelink_lanes::kind::Stock;
use storelink_test_support::database::TestDatabase;

use crate::world::World;

#[tokio::test]
async fn a_second_publisher_writes_only_when_the_first_is_gone_for_a_lease() -> anyhow::Result<()> {
    let mut world = World::on(TestDatabase::postgres().await?).await?;
    world.settings.lanes.lease = Duration::from_secs(3);
    let store = world.link().await?;
    world.list(&store.id, &["A"]).await?;
    let first = world.start::<Stock>().await?;
    world.level("A", "1", 1).await?;
    world.shows(&store.id, &[("A", "1")]).await?;
    let second = world.start::<Stock>().await?;
    for revision in 2..=20 {
        world.level("A", &revision.to_string(), revision).await?;
    }
    world.shows(&store.id, &[("A", "20")]).await?;
    let most_open = world.platform.shop(&store.id, |shop| shop.most_open);
    ensure!(most_open == 1, "{most_open} requests at once");

    let killed = Instant::now();
    first.kill();
    world.level("A", "21", 21).await?;
    world.shows(&store.id, &[("A", "21")]).await?;
    let took = killed.elapsed();
    ensure!(
        took >= Duration::from_secs(2),
        "the lease was not waited out: {took:?}"
    );

    // One that ends in order gives its lanes back at once.
    let third = world.start::<Stock>().await?;
    let stopped = Instant::now();
    second.stop().await?;
    world.level("A", "22", 22).await?;
    world.shows(&store.id, &[("A", "22")]).await?;
    ensure!(
        stopped.elapsed() < Duration::from_secs(3),
        "{:?}",
        stopped.elapsed()
    );
    third.stop().await
}
