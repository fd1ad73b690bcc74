//! Quantities that are kept back from what is published.

use std::time::Duration;

use anyhow::ensure;
use storelink_events::hold::Hold;
use storelink_lanes::kind::Stock;
use storelink_model::Timestamp;
use storelink_test_support::database::TestDatabase;
use storelink_test_support::eventually::eventually;

use crate::world::{PATIENCE, World};

fn hold(quantity: &str, until: Option<Timestamp>) -> anyhow::Result<Hold> {
    Ok(Hold {
        id: format!("hld_{quantity}"),
        quantity: quantity.parse()?,
        connections: Vec::new(),
        until,
    })
}

fn in_two_seconds() -> Option<Timestamp> {
    Some(Timestamp::now().saturating_add(time::Duration::seconds(2)))
}

async fn a_hold_that_was_set_written_crashed_and_cancelled_leaves_nothing_behind(
    database: TestDatabase,
) -> anyhow::Result<()> {
    let world = World::on(database).await?;
    let store = world.link().await?;
    world.list(&store.id, &["A"]).await?;
    let publisher = world.start::<Stock>().await?;
    world.level("A", "10", 1).await?;
    world.shows(&store.id, &[("A", "10")]).await?;

    world.hold("A", vec![hold("4", None)?], 1).await?;
    world.shows(&store.id, &[("A", "6")]).await?;
    let answer = world.sku::<Stock>(&store.id, "A").await?;
    ensure!(
        answer.erp[0].value == "10" && answer.wanted.as_deref() == Some("6"),
        "{answer:?}"
    );
    ensure!(
        answer.holds[0].id == "hld_4" && answer.holds[0].quantity == "4",
        "{answer:?}"
    );
    publisher.kill();
    world.hold("A", Vec::new(), 2).await?;
    let publisher = world.start::<Stock>().await?;
    world.shows(&store.id, &[("A", "10")]).await?;
    world.quiet::<Stock>(&store.id).await?;
    let answer = world.sku::<Stock>(&store.id, "A").await?;
    ensure!(answer.holds.is_empty() && !answer.dirty, "{answer:?}");

    // One whose time is over while the publisher is down.
    let until = in_two_seconds();
    world.hold("A", vec![hold("3", until)?], 3).await?;
    world.shows(&store.id, &[("A", "7")]).await?;
    publisher.kill();
    eventually("the hold is over", PATIENCE, async || {
        ensure!(until.is_some_and(|until| until < Timestamp::now()));
        Ok(())
    })
    .await?;
    let publisher = world.start::<Stock>().await?;
    world.shows(&store.id, &[("A", "10")]).await?;
    publisher.stop().await
}

#[tokio::test]
async fn a_hold_that_was_set_written_crashed_and_cancelled_leaves_nothing_behind_on_sqlite()
-> anyhow::Result<()> {
    let database = TestDatabase::sqlite()?;
    a_hold_that_was_set_written_crashed_and_cancelled_leaves_nothing_behind(database).await
}

#[tokio::test]
async fn a_hold_that_was_set_written_crashed_and_cancelled_leaves_nothing_behind_on_postgres()
-> anyhow::Result<()> {
    let database = TestDatabase::postgres().await?;
    a_hold_that_was_set_written_crashed_and_cancelled_leaves_nothing_behind(database).await
}

#[tokio::test]
async fn holds_add_up_end_by_themselves_and_leave_no_less_than_nothing() -> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let store = world.link().await?;
    world.list(&store.id, &["A", "B"]).await?;
    // Set before the publisher knows of anything.
    world.hold("A", vec![hold("1", None)?], 1).await?;
    world.hold("B", vec![hold("50", None)?], 1).await?;
    world.levels(&[("A", "10", 1), ("B", "5", 1)]).await?;
    let publisher = world.start::<Stock>().await?;
    world.shows(&store.id, &[("A", "9"), ("B", "0")]).await?;

    let both = vec![hold("1", None)?, hold("4", in_two_seconds())?];
    world.hold("A", both, 2).await?;
    world.shows(&store.id, &[("A", "5"), ("B", "0")]).await?;
    world.shows(&store.id, &[("A", "9"), ("B", "0")]).await?;
    let requests = world.requests(&store.id);
    let answer = world.sku::<Stock>(&store.id, "A").await?;
    ensure!(answer.holds.len() == 1, "{answer:?}");

    // What nobody lists and what changes nothing is no reason to write.
    world.hold("C", vec![hold("1", None)?], 1).await?;
    world.hold("B", vec![hold("60", None)?], 2).await?;
    world.level("A", "11", 2).await?;
    world.shows(&store.id, &[("A", "10"), ("B", "0")]).await?;
    ensure!(world.requests(&store.id) == requests + 1);
    publisher.stop().await
}

#[tokio::test]
async fn a_hold_for_chosen_connections_keeps_nothing_back_from_the_others() -> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let (chosen, other) = (world.link().await?, world.link().await?);
    for store in [&chosen, &other] {
        world.list(&store.id, &["A"]).await?;
    }
    let publisher = world.start::<Stock>().await?;
    world.level("A", "10", 1).await?;
    let mut hold = hold("4", None)?;
    hold.connections = vec![chosen.id.clone()];
    world.hold("A", vec![hold], 1).await?;
    world.shows(&chosen.id, &[("A", "6")]).await?;
    world.shows(&other.id, &[("A", "10")]).await?;
    world.quiet::<Stock>(&other.id).await?;
    let answer = world.sku::<Stock>(&other.id, "A").await?;
    ensure!(answer.holds.is_empty(), "{answer:?}");
    ensure!(world.requests(&other.id) == 1, "it was written again");
    publisher.stop().await
}

#[tokio::test]
async fn holds_survive_the_loss_of_the_brokers_store() -> anyhow::Result<()> {
    let mut world = World::sqlite().await?;
    let store = world.link().await?;
    world.list(&store.id, &["A", "B"]).await?;
    let publisher = world.start::<Stock>().await?;
    world.levels(&[("A", "10", 1), ("B", "10", 1)]).await?;
    for sku in ["A", "B"] {
        world.hold(sku, vec![hold("4", None)?], 1).await?;
    }
    world.shows(&store.id, &[("A", "6"), ("B", "6")]).await?;
    world.broker.stop().await?;
    world.broker.wipe_store().await?;
    world.broker.restart().await?;
    eventually("the streams are back", PATIENCE, async || {
        let sizing = world.bus.options().sizing;
        storelink_bus::streams::apply(&world.bus, sizing).await?;
        Ok(())
    })
    .await?;
    // While the bucket is empty, what is kept back stays kept back …
    eventually("a value goes out", Duration::from_secs(120), async || {
        world.level("A", "11", 2).await?;
        let shown = world.platform.shop(&store.id, |shop| shop.shown.clone());
        ensure!(shown["id-A"] == "7", "{shown:?}");
        Ok(())
    })
    .await?;
    // … and what was cancelled meanwhile comes back as nothing held.
    world.hold("B", Vec::new(), 2).await?;
    world.shows(&store.id, &[("A", "7"), ("B", "10")]).await?;
    publisher.stop().await
}
