//! Reconciliations while nothing is to be written: they report, and what they learn is kept.

use std::collections::BTreeMap;

use anyhow::ensure;
use storelink_lanes::kind::Stock;
use storelink_test_support::eventually::eventually;

use crate::reconcile::synchronised;
use crate::world::{PATIENCE, World};

#[tokio::test]
async fn a_connection_that_observes_reports_and_afterwards_exactly_the_differences_go_out()
-> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let mut store = world.record()?;
    store.settings.observe_only = true;
    world.publish_record(&store).await?;
    world.list(&store.id, &["A", "B", "C", "D"]).await?;
    for (sku, shown) in [("A", "5"), ("B", "7"), ("C", "3"), ("D", "2"), ("X", "1")] {
        world.edit(&store.id, sku, shown);
    }
    let publisher = world.start::<Stock>().await?;
    world
        .levels(&[("A", "5", 1), ("B", "8", 1), ("C", "0", 1)])
        .await?;
    for (sku, wanted) in [("A", "5"), ("B", "8"), ("C", "0")] {
        world.wants::<Stock>(&store.id, sku, wanted).await?;
    }
    let found = world.reconcile::<Stock>(&store.id, "run_1").await?;
    ensure!(found.observed && found.corrected == 0, "{found:?}");
    let counts = (found.compared, found.differing, found.to_zero);
    ensure!(counts == (3, 2, 1), "{found:?}");
    ensure!((found.unpublished, found.unknown) == (1, 1), "{found:?}");
    let shown: Vec<_> = found
        .sample
        .iter()
        .map(|one| (one.shown.as_str(), one.wanted.as_str()))
        .collect();
    ensure!(shown == [("7", "8"), ("3", "0")], "{shown:?}");
    ensure!(world.requests(&store.id) == 0, "something was sent");

    // What was learnt outlives the process.
    publisher.stop().await?;
    let publisher = world.start::<Stock>().await?;
    store.settings.observe_only = false;
    store.revision = 2;
    world.publish_record(&store).await?;
    let right = [("A", "5"), ("B", "8"), ("C", "0"), ("D", "2"), ("X", "1")];
    world.shows(&store.id, &right).await?;
    world.quiet::<Stock>(&store.id).await?;
    let written: BTreeMap<_, _> = world.written(&store.id, 0).into_iter().collect();
    let exactly = [("id-B", "8"), ("id-C", "0")];
    let exactly = exactly.map(|(id, value)| (id.to_owned(), value.to_owned()));
    ensure!(written == BTreeMap::from(exactly), "{written:?}");
    ensure!(world.written(&store.id, 0).len() == 2);
    publisher.stop().await
}

#[tokio::test]
async fn before_its_schedule_is_switched_on_a_reconciliation_is_an_observation()
-> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let mut store = world.record()?;
    store.active_entities.clear();
    world.publish_record(&store).await?;
    world.list(&store.id, &["A", "B"]).await?;
    world.edit(&store.id, "A", "5");
    world.edit(&store.id, "B", "4");
    let publisher = world.start::<Stock>().await?;
    world.levels(&[("A", "5", 1), ("B", "5", 1)]).await?;
    world.wants::<Stock>(&store.id, "B", "5").await?;
    world.wants::<Stock>(&store.id, "A", "5").await?;
    let found = world.reconcile::<Stock>(&store.id, "run_1").await?;
    ensure!(found.observed && found.differing == 1, "{found:?}");
    store.active_entities = vec!["stock".to_owned()];
    store.revision = 2;
    world.publish_record(&store).await?;
    world.shows(&store.id, &[("A", "5"), ("B", "5")]).await?;
    world.quiet::<Stock>(&store.id).await?;
    let exactly = [("id-B".to_owned(), "5".to_owned())];
    ensure!(world.written(&store.id, 0) == exactly);

    // A paused connection is not even read.
    store.paused = true;
    store.revision = 3;
    world.publish_record(&store).await?;
    eventually("the pause is known", PATIENCE, async || {
        let stopped = world.status::<Stock>(&store.id).await?.stopped;
        ensure!(stopped.is_some_and(|stopped| stopped.code == "lane.paused"));
        Ok(())
    })
    .await?;
    let pages = world.pages(&store.id);
    let found = world.reconcile::<Stock>(&store.id, "run_2").await?;
    ensure!(found.error_code.as_deref() == Some("connection.paused"));
    ensure!(world.pages(&store.id) == pages);
    publisher.stop().await
}

#[tokio::test]
async fn drift_that_could_not_be_written_yet_outlives_the_process() -> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let (store, publisher, skus) = synchronised(&world, 3).await?;
    let before = world.requests(&store.id);
    world.pause_writes(true, 1).await?;
    eventually("the pause is known", PATIENCE, async || {
        let stopped = world.status::<Stock>(&store.id).await?.stopped;
        ensure!(stopped.is_some_and(|stopped| stopped.code == "lane.writes_paused"));
        Ok(())
    })
    .await?;
    world.edit(&store.id, &skus[1], "40");
    let found = world.reconcile::<Stock>(&store.id, "run_1").await?;
    ensure!(
        found.observed && found.differing == 1 && found.corrected == 0,
        "{found:?}"
    );
    let answer = world.sku::<Stock>(&store.id, &skus[1]).await?;
    ensure!(answer.dirty, "{answer:?}");
    publisher.stop().await?;
    let publisher = world.start::<Stock>().await?;
    world.pause_writes(false, 2).await?;
    world.quiet_with(&store.id, &skus[1], "5").await?;
    world.quiet::<Stock>(&store.id).await?;
    let exactly = [(format!("id-{}", skus[1]), "5".to_owned())];
    ensure!(world.written(&store.id, before) == exactly);
    publisher.stop().await
}
