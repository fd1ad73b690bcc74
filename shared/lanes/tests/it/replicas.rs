//! Several publishers on one database.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use storelink_bus::Publication;
use storelink_events::connection::ConnectionRecord;
use storelink_events::rpc::{self, Retried, RetryParked};
use storelink_events::subject;
use storelink_lanes::kind::{LaneKind as _, Stock};
use storelink_model::{ConnectionId, OrderId};
use storelink_persistence::{Database, args};
use storelink_test_support::database::TestDatabase;
use storelink_test_support::eventually::eventually;

use crate::platform::Behaviour;
use crate::world::{PATIENCE, Publisher, World};

const LEASE: Duration = Duration::from_secs(3);
const ORDER: &str =
    include_str!("../../../../proto-schemas/samples/storelink.order.received.v1.json");

async fn world() -> anyhow::Result<World> {
    let mut world = World::on(TestDatabase::postgres().await?).await?;
    world.settings.lanes.lease = LEASE;
    Ok(world)
}

/// How many lanes each process has, as the rows say; lanes without an owner under the empty id.
async fn shares(database: &Database) -> anyhow::Result<BTreeMap<String, i64>> {
    let rows = database
        .fetch_all(
            "SELECT owner, COUNT(*) AS lanes FROM lane_owner GROUP BY owner",
            args![],
        )
        .await?;
    rows.iter()
        .map(|row| Ok((row.text("owner")?, row.int("lanes")?)))
        .collect()
}

/// Waits until so many processes have equal shares.
async fn shared_by(database: &Database, processes: usize) -> anyhow::Result<()> {
    eventually("the shares are equal", PATIENCE, async || {
        let shares = shares(database).await?;
        let (least, most) = (shares.values().min(), shares.values().max());
        let apart = most
            .zip(least)
            .map_or(i64::MAX, |(most, least)| most - least);
        ensure!(
            !shares.contains_key("") && shares.len() == processes && apart <= 1,
            "{shares:?}"
        );
        Ok(())
    })
    .await
}

/// Every store shows the last value, whoever writes it, and never two at once.
async fn all_show(world: &World, stores: &[ConnectionRecord], value: &str) -> anyhow::Result<()> {
    for store in stores {
        world.shows(&store.id, &[("A", value)]).await?;
        let most_open = world.platform.shop(&store.id, |shop| shop.most_open);
        ensure!(most_open == 1, "{most_open} requests at once");
    }
    Ok(())
}

#[tokio::test]
async fn lanes_are_shared_equally_as_replicas_come_and_go() -> anyhow::Result<()> {
    let world = world().await?;
    let mut stores = Vec::new();
    for _ in 0..10 {
        let store = world.link().await?;
        world.list(&store.id, &["A"]).await?;
        // A request is under way nearly all the time, also when its lane is handed over.
        world
            .platform
            .shop(&store.id, |shop| shop.takes = Duration::from_millis(150));
        stores.push(store);
    }
    let first = world.start::<Stock>().await?;
    let database = Database::open(&world.settings.database, "stock-publisher").await?;
    world.level("A", "1", 1).await?;
    shared_by(&database, 1).await?;
    all_show(&world, &stores, "1").await?;

    let mut revision = 1;
    let mut others: Vec<Publisher> = Vec::new();
    for _ in 0..3 {
        others.push(world.launch::<Stock>()?);
        for _ in 0..10 {
            revision += 1;
            world.level("A", &revision.to_string(), revision).await?;
        }
    }
    shared_by(&database, 4).await?;
    let before = shares(&database).await?;
    revision += 1;
    world.level("A", &revision.to_string(), revision).await?;
    all_show(&world, &stores, &revision.to_string()).await?;
    // What is shared equally stays where it is.
    ensure!(shares(&database).await? == before, "lanes wander");

    for other in others {
        other.kill();
        revision += 1;
        world.level("A", &revision.to_string(), revision).await?;
    }
    shared_by(&database, 1).await?;
    all_show(&world, &stores, &revision.to_string()).await?;
    first.stop().await?;
    let left = shares(&database).await?;
    ensure!(left.keys().eq([""]), "all is given back: {left:?}");
    Ok(())
}

async fn order(world: &World, store: &ConnectionId, sku: &str) -> anyhow::Result<()> {
    let mut event: Value = serde_json::from_str(ORDER)?;
    event["data"]["connection"] = store.as_str().into();
    let lines = event["data"]["order"]["lines"].as_array_mut();
    for line in lines.context("an order has lines")? {
        line["sku"] = sku.into();
    }
    let subject = format!("hub.acme.order.received.{}.1", OrderId::generate());
    world
        .bus
        .publish(Publication::new(subject, event.to_string()))
        .await?;
    Ok(())
}

/// Which replica takes an order is chance: of eight not all reach the one that runs the lane.
#[tokio::test]
async fn orders_reach_the_owner_through_any_replica() -> anyhow::Result<()> {
    let mut world = world().await?;
    world.settings.lanes.order_recheck_after = Duration::from_secs(1);
    let store = world.link().await?;
    let skus = ["A", "B", "C", "D", "E", "F", "G", "H"];
    world.list(&store.id, &skus).await?;
    let first = world.start::<Stock>().await?;
    let second = world.start::<Stock>().await?;
    let levels: Vec<_> = skus.iter().map(|sku| (*sku, "5", 1)).collect();
    world.levels(&levels).await?;
    let shown: Vec<_> = skus.iter().map(|sku| (*sku, "5")).collect();
    world.shows(&store.id, &shown).await?;
    world.quiet::<Stock>(&store.id).await?;

    for sku in skus {
        // The sale lowers what the store shows.
        world.platform.shop(&store.id, |shop| {
            shop.shown.insert(format!("id-{sku}"), "4".to_owned())
        });
        order(&world, &store.id, sku).await?;
    }
    world.shows(&store.id, &shown).await?;
    let database = Database::open(&world.settings.database, "stock-publisher").await?;
    eventually("every doubt is settled", PATIENCE, async || {
        let rows = database
            .fetch_all("SELECT sku FROM doubts", args![])
            .await?;
        ensure!(rows.is_empty(), "{} doubts are open", rows.len());
        Ok(())
    })
    .await?;

    // Of a connection without a lane nothing is kept.
    order(&world, &ConnectionId::generate(), "A").await?;
    let consumer = Stock::names().orders.context("stock follows orders")?;
    eventually("the order is taken", PATIENCE, async || {
        let stream = world.bus.jetstream().get_stream(consumer.stream).await?;
        let info = stream.consumer_info(&consumer.name).await?;
        ensure!(info.num_pending == 0 && info.num_ack_pending == 0);
        Ok(())
    })
    .await?;
    let strangers = database
        .fetch_all(
            "SELECT sku FROM doubts WHERE connection <> $1",
            args![store.id.as_str()],
        )
        .await?;
    ensure!(strangers.is_empty());
    first.stop().await?;
    second.stop().await
}

#[tokio::test]
async fn another_try_reaches_the_owner_through_any_replica() -> anyhow::Result<()> {
    let world = world().await?;
    let store = world.link().await?;
    world.list(&store.id, &["A"]).await?;
    let tries = 7;
    world.platform.shop(&store.id, |shop| {
        for _ in 0..tries {
            shop.next.push_back(Behaviour::Refuse { id: "id-A" });
        }
    });
    let first = world.start::<Stock>().await?;
    let second = world.start::<Stock>().await?;
    world.level("A", "5", 1).await?;
    for made in 1..=tries {
        let id = eventually("it is parked", PATIENCE, async || {
            ensure!(world.requests(&store.id) == made, "it was not tried again");
            let answer = world.sku::<Stock>(&store.id, "A").await?;
            let parked = answer.parked.context("not parked yet")?;
            ensure!(!answer.dirty || answer.reason.is_some());
            Ok(parked.id)
        })
        .await?;
        let tenant = "acme".parse()?;
        let retry = RetryParked { tenant, id };
        let retried: Retried = world.ask::<Stock, _, _>(rpc::RETRY_PARKED, &retry).await?;
        ensure!(retried.found);
    }
    world.shows(&store.id, &[("A", "5")]).await?;
    first.stop().await?;
    second.stop().await
}

#[tokio::test]
async fn the_owner_answers_whichever_replica_is_asked() -> anyhow::Result<()> {
    let world = world().await?;
    let stores = [world.link().await?, world.link().await?];
    for store in &stores {
        world.list(&store.id, &["A"]).await?;
    }
    let first = world.start::<Stock>().await?;
    let second = world.start::<Stock>().await?;
    let database = Database::open(&world.settings.database, "stock-publisher").await?;
    shared_by(&database, 2).await?;
    world.level("A", "5", 1).await?;
    for store in &stores {
        world.shows(&store.id, &[("A", "5")]).await?;
        world.quiet::<Stock>(&store.id).await?;
        for _ in 0..20 {
            let status = world.status::<Stock>(&store.id).await?;
            ensure!(status.running && status.listed == 1 && status.dirty == 0);
            ensure!(
                status.last_confirmed.is_some(),
                "one who knows nothing answered"
            );
            let answer = world.sku::<Stock>(&store.id, "A").await?;
            ensure!(answer.confirmed.as_deref() == Some("5"), "{answer:?}");
            let receipts = world.receipts::<Stock>(&store.id, 5, None).await?;
            ensure!(receipts.items.len() == 1, "{receipts:?}");
        }
    }

    // A lane ends where it ran when its row says another owner, and what nobody runs has no answer.
    let [store, _] = &stores;
    database
        .execute(
            "UPDATE lane_owner SET owner = 'another', epoch = epoch + 1 WHERE connection = $1",
            args![store.id.as_str()],
        )
        .await?;
    eventually("nobody answers for the lane", PATIENCE, async || {
        let Err(error) = world.status::<Stock>(&store.id).await else {
            anyhow::bail!("it still runs");
        };
        ensure!(error.to_string().contains("lane.not_running"), "{error}");
        Ok(())
    })
    .await?;
    world.level("A", "6", 2).await?;
    world.quiet::<Stock>(&store.id).await?;
    world.shows(&store.id, &[("A", "6")]).await?;
    first.stop().await?;
    second.stop().await
}

/// Both read what somebody else wrote; the one that has a value of its own writes over it.
#[tokio::test]
async fn a_last_value_that_nobody_can_read_is_published_over() -> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let store = world.link().await?;
    world.list(&store.id, &["A"]).await?;
    let publisher = world.start::<Stock>().await?;
    world.level("A", "5", 1).await?;
    world.shows(&store.id, &[("A", "5")]).await?;
    let subject = subject::stock(&"acme".parse()?, &"main".parse()?, &"A".parse()?);
    world
        .bus
        .publish(Publication::new(subject.clone(), "nonsense"))
        .await?;
    world.level("A", "6", 2).await?;
    world.shows(&store.id, &[("A", "6")]).await?;
    let stream = world.bus.jetstream().get_stream("STOCK").await?;
    let last = stream.direct_get_last_for_subject(subject).await?;
    ensure!(last.payload.starts_with(b"{"), "{last:?}");
    publisher.stop().await
}
