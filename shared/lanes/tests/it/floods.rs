//! Changes that would spoil too much of a store at once.

use anyhow::{Context as _, ensure};
use serde_json::json;
use storelink_events::rpc::{self, Approve, Approved, LaneStatus, Parked, Retried, RetryParked};
use storelink_lanes::kind::{LaneKind, Price, Stock};
use storelink_model::ConnectionId;
use storelink_test_support::database::TestDatabase;
use storelink_test_support::eventually::eventually;

use crate::world::{PATIENCE, World};

/// 30 % of them are twelve.
const ARTICLES: usize = 40;
const ALLOWED: usize = 12;

fn skus() -> Vec<String> {
    (0..ARTICLES)
        .map(|number| format!("S{number:02}"))
        .collect()
}

/// Publishes one quantity for some articles.
async fn quantities(
    world: &World,
    skus: &[String],
    quantity: &str,
    revision: u64,
) -> anyhow::Result<()> {
    let levels: Vec<_> = skus
        .iter()
        .map(|sku| (sku.as_str(), quantity, revision))
        .collect();
    world.levels(&levels).await
}

async fn prices(world: &World, skus: &[String], gross: &str, revision: u64) -> anyhow::Result<()> {
    let item = |sku| json!({ "sku": sku, "gross": gross, "revision": revision });
    let items: Vec<_> = skus.iter().map(item).collect();
    let data = json!({ "price_list": "B2C", "currency": "EUR", "items": items });
    world.event("price", data).await
}

async fn listed(world: &World, connection: &ConnectionId) -> anyhow::Result<Vec<String>> {
    let skus = skus();
    let texts: Vec<&str> = skus.iter().map(String::as_str).collect();
    world.list(connection, &texts).await?;
    Ok(skus)
}

/// Waits until all these articles are shown so.
async fn show(
    world: &World,
    connection: &ConnectionId,
    skus: &[String],
    value: &str,
) -> anyhow::Result<()> {
    eventually("the store shows the values", PATIENCE, async || {
        let shown = world.platform.shop(connection, |shop| shop.shown.clone());
        for sku in skus {
            let shown = shown.get(&format!("id-{sku}"));
            ensure!(shown.map(String::as_str) == Some(value), "{sku}: {shown:?}");
        }
        Ok(())
    })
    .await
}

fn sent(world: &World, connection: &ConnectionId, value: &str) -> usize {
    world.platform.shop(connection, |shop| {
        let items = shop.requests.iter().flatten();
        items.filter(|(_, sent)| sent == value).count()
    })
}

/// Lets nothing leave from now on, so that all of what is said next is known before any of it can.
async fn hold_back(world: &World, connection: &ConnectionId, revision: u64) -> anyhow::Result<()> {
    world.pause_writes(true, revision).await?;
    eventually("the pause is known", PATIENCE, async || {
        let stopped = world.status::<Stock>(connection).await?.stopped;
        ensure!(stopped.is_some_and(|stopped| stopped.code == "lane.writes_paused"));
        Ok(())
    })
    .await
}

/// Waits until so many articles wait in the process that runs the lane.
async fn waits(world: &World, connection: &ConnectionId, number: u64) -> anyhow::Result<()> {
    eventually("the changes wait", PATIENCE, async || {
        let status = world.status::<Stock>(connection).await?;
        ensure!(status.running && status.dirty == number, "{status:?}");
        Ok(())
    })
    .await
}

/// Waits until a lane asks about so many changes.
async fn asks<K: LaneKind>(
    world: &World,
    connection: &ConnectionId,
    number: u64,
) -> anyhow::Result<LaneStatus> {
    eventually("the lane asks", PATIENCE, async || {
        let status = world.status::<K>(connection).await?;
        ensure!(status.running && status.asks == Some(number), "{status:?}");
        let stopped = status.stopped.as_ref().context("it does not stop")?;
        ensure!(
            stopped.needs_attention && stopped.code == "lane.blast_radius",
            "{stopped:?}"
        );
        Ok(status)
    })
    .await
}

/// Approves what a status showed.
async fn approve<K: LaneKind>(
    world: &World,
    connection: &ConnectionId,
    shown: &LaneStatus,
) -> anyhow::Result<Approved> {
    let question = Approve {
        connection: connection.clone(),
        number: shown.asks.context("it asks nothing")?,
        digest: shown.asks_digest.clone().context("without a digest")?,
    };
    world.ask::<K, _, _>(rpc::APPROVE, &question).await
}

async fn mass_zero_stops_before_the_first_write_until_it_is_approved(
    database: TestDatabase,
) -> anyhow::Result<()> {
    let world = World::on(database).await?;
    let store = world.link().await?;
    let skus = listed(&world, &store.id).await?;
    let publisher = world.start::<Stock>().await?;
    quantities(&world, &skus, "5", 1).await?;
    show(&world, &store.id, &skus, "5").await?;
    world.quiet::<Stock>(&store.id).await?;

    hold_back(&world, &store.id, 1).await?;
    let (zeroed, rest) = skus.split_at(20);
    quantities(&world, zeroed, "0", 2).await?;
    quantities(&world, &rest[..1], "7", 2).await?;
    waits(&world, &store.id, 21).await?;
    world.pause_writes(false, 2).await?;
    let status = asks::<Stock>(&world, &store.id, 20).await?;
    let text = status.stopped.as_ref().map(|stopped| stopped.text.clone());
    let text = text.unwrap_or_default();
    for part in ["20 of 40", "S00 from 5 to 0", "and 15 more"] {
        ensure!(text.contains(part), "{text}");
    }
    // What is harmless goes on.
    show(&world, &store.id, &rest[..1], "7").await?;
    let answer = world.sku::<Stock>(&store.id, "S00").await?;
    let reason = answer.reason.unwrap_or_default();
    ensure!(reason.starts_with("lane.blast_radius"), "{reason}");

    // A restart changes nothing about it.
    publisher.kill();
    let publisher = world.start::<Stock>().await?;
    asks::<Stock>(&world, &store.id, 20).await?;
    quantities(&world, &rest[1..2], "8", 3).await?;
    show(&world, &store.id, &rest[1..2], "8").await?;
    ensure!(sent(&world, &store.id, "0") == 0, "a zero left unasked");

    let fewer = LaneStatus {
        asks: Some(19),
        ..status.clone()
    };
    let refused = approve::<Stock>(&world, &store.id, &fewer).await?;
    ensure!(
        refused.approved.is_none() && refused.waiting == 20,
        "{refused:?}"
    );
    // What the process before showed.
    let approved = approve::<Stock>(&world, &store.id, &status).await?;
    ensure!(approved.approved == Some(20), "{approved:?}");
    publisher.kill();
    let publisher = world.start::<Stock>().await?;
    show(&world, &store.id, zeroed, "0").await?;
    let after = world.status::<Stock>(&store.id).await?;
    ensure!(
        after.stopped.is_none() && after.asks.is_none() && after.asks_digest.is_none(),
        "{after:?}"
    );

    // It holds for what was shown: the next flood asks again, and ends when the ERP takes it back.
    hold_back(&world, &store.id, 3).await?;
    let next = &rest[2..2 + ALLOWED + 1];
    quantities(&world, next, "0", 4).await?;
    waits(&world, &store.id, 13).await?;
    world.pause_writes(false, 4).await?;
    let status = asks::<Stock>(&world, &store.id, 13).await?;
    quantities(&world, next, "5", 5).await?;
    world.quiet::<Stock>(&store.id).await?;
    let after = world.status::<Stock>(&store.id).await?;
    ensure!(after.stopped.is_none(), "{after:?}");
    // A process that was killed at it leaves those that were approved to be sent once more.
    let sent = world.written(&store.id, 0);
    let unasked = next.iter().map(|sku| (format!("id-{sku}"), "0".to_owned()));
    for zero in unasked {
        ensure!(!sent.contains(&zero), "{zero:?} left unasked");
    }
    let nothing = approve::<Stock>(&world, &store.id, &status).await?;
    ensure!(
        nothing.approved.is_none() && nothing.waiting == 0,
        "{nothing:?}"
    );
    publisher.stop().await
}

#[tokio::test]
async fn mass_zero_stops_before_the_first_write_until_it_is_approved_on_sqlite()
-> anyhow::Result<()> {
    mass_zero_stops_before_the_first_write_until_it_is_approved(TestDatabase::sqlite()?).await
}

#[tokio::test]
async fn mass_zero_stops_before_the_first_write_until_it_is_approved_on_postgres()
-> anyhow::Result<()> {
    let database = TestDatabase::postgres().await?;
    mass_zero_stops_before_the_first_write_until_it_is_approved(database).await
}

#[tokio::test]
async fn zeros_that_trickle_in_stop_at_the_limit_also_over_restarts() -> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let store = world.link().await?;
    let skus = listed(&world, &store.id).await?;
    let mut publisher = world.start::<Stock>().await?;
    quantities(&world, &skus, "5", 1).await?;
    show(&world, &store.id, &skus, "5").await?;
    for (place, slice) in skus[..ALLOWED].chunks(4).enumerate() {
        quantities(&world, slice, "0", 2).await?;
        show(&world, &store.id, slice, "0").await?;
        world.quiet::<Stock>(&store.id).await?;
        if place == 1 {
            publisher.kill();
            publisher = world.start::<Stock>().await?;
        }
    }
    quantities(&world, &skus[ALLOWED..=ALLOWED], "0", 2).await?;
    asks::<Stock>(&world, &store.id, 1).await?;
    ensure!(sent(&world, &store.id, "0") == ALLOWED);
    // One that is there again makes room.
    quantities(&world, &skus[..1], "2", 3).await?;
    show(&world, &store.id, &skus[ALLOWED..=ALLOWED], "0").await?;
    publisher.stop().await
}

#[tokio::test]
async fn the_first_filling_of_a_store_asks_before_it_empties_it() -> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let store = world.link().await?;
    let skus = listed(&world, &store.id).await?;
    let (empty, full) = skus.split_at(20);
    world.pause_writes(true, 1).await?;
    let publisher = world.start::<Stock>().await?;
    quantities(&world, empty, "0", 1).await?;
    quantities(&world, full, "5", 1).await?;
    for sku in &skus {
        let value = if empty.contains(sku) { "0" } else { "5" };
        world.wants::<Stock>(&store.id, sku, value).await?;
    }
    world.pause_writes(false, 2).await?;
    show(&world, &store.id, full, "5").await?;
    let status = asks::<Stock>(&world, &store.id, 20).await?;
    ensure!(sent(&world, &store.id, "0") == 0, "a zero left unasked");
    approve::<Stock>(&world, &store.id, &status).await?;
    show(&world, &store.id, empty, "0").await?;
    publisher.stop().await
}

#[tokio::test]
async fn a_setting_that_allows_more_lets_it_go() -> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let mut store = world.link().await?;
    let skus = listed(&world, &store.id).await?;
    let publisher = world.start::<Stock>().await?;
    quantities(&world, &skus, "0", 1).await?;
    eventually("the lane asks", PATIENCE, async || {
        ensure!(world.status::<Stock>(&store.id).await?.asks.is_some());
        Ok(())
    })
    .await?;
    ensure!(sent(&world, &store.id, "0") <= ALLOWED);
    store.settings.zero_limit_percent = 100;
    store.revision = 2;
    world.publish_record(&store).await?;
    show(&world, &store.id, &skus, "0").await?;
    publisher.stop().await
}

#[tokio::test]
async fn a_price_list_in_cents_instead_of_euros_stops() -> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let store = world.link().await?;
    let skus = listed(&world, &store.id).await?;
    let publisher = world.start::<Price>().await?;
    prices(&world, &skus, "24.90", 1).await?;
    show(&world, &store.id, &skus, "24.90").await?;
    world.quiet::<Price>(&store.id).await?;

    prices(&world, &skus, "2490", 2).await?;
    let status = asks::<Price>(&world, &store.id, 40).await?;
    let text = status
        .stopped
        .map(|stopped| stopped.text)
        .unwrap_or_default();
    ensure!(text.contains("from 24.90 gross to 2490 gross"), "{text}");
    publisher.kill();
    let publisher = world.start::<Price>().await?;
    asks::<Price>(&world, &store.id, 40).await?;
    ensure!(
        sent(&world, &store.id, "2490") == 0,
        "a price in cents left"
    );

    // The ERP puts it right, with some prices that changed for good reasons.
    prices(&world, &skus[..2], "29.90", 3).await?;
    prices(&world, &skus[2..], "24.90", 3).await?;
    show(&world, &store.id, &skus[..2], "29.90").await?;
    world.quiet::<Price>(&store.id).await?;
    let status = world.status::<Price>(&store.id).await?;
    ensure!(status.stopped.is_none() && status.parked == 0, "{status:?}");

    // Sometimes it is meant so.
    prices(&world, &skus, "0.90", 4).await?;
    let status = asks::<Price>(&world, &store.id, 40).await?;
    let approved = approve::<Price>(&world, &store.id, &status).await?;
    ensure!(approved.approved == Some(40), "{approved:?}");
    show(&world, &store.id, &skus, "0.90").await?;
    world.quiet::<Price>(&store.id).await?;
    ensure!(world.status::<Price>(&store.id).await?.parked == 0);
    publisher.stop().await
}

#[tokio::test]
async fn one_price_beyond_the_factor_is_parked_and_a_retry_approves_exactly_it()
-> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let store = world.link().await?;
    world.list(&store.id, &["A", "B"]).await?;
    let both = ["A".to_owned(), "B".to_owned()];
    let publisher = world.start::<Price>().await?;
    prices(&world, &both, "10", 1).await?;
    show(&world, &store.id, &both, "10").await?;

    prices(&world, &both[..1], "50.01", 2).await?;
    prices(&world, &both[1..], "50", 2).await?;
    show(&world, &store.id, &both[1..], "50").await?;
    let parked = self::parked(&world, &store.id, "50.01").await?;
    ensure!(parked.code == "price.factor_exceeded", "{parked:?}");
    ensure!(
        parked.text.contains("from 10 gross to 50.01 gross"),
        "{parked:?}"
    );
    let question = RetryParked {
        tenant: "acme".parse()?,
        id: parked.id,
    };
    let retried: Retried = world
        .ask::<Price, _, _>(rpc::RETRY_PARKED, &question)
        .await?;
    ensure!(retried.found);
    show(&world, &store.id, &both[..1], "50.01").await?;
    world.quiet::<Price>(&store.id).await?;
    ensure!(world.status::<Price>(&store.id).await?.parked == 0);

    // The next one is another question.
    prices(&world, &both[..1], "500", 3).await?;
    self::parked(&world, &store.id, "500").await?;
    ensure!(sent(&world, &store.id, "500") == 0);
    publisher.stop().await
}

/// Waits until article A is parked for a change to this price.
async fn parked(world: &World, connection: &ConnectionId, to: &str) -> anyhow::Result<Parked> {
    eventually("the price is parked", PATIENCE, async || {
        let answer = world.sku::<Price>(connection, "A").await?;
        let parked = answer.parked.context("not parked")?;
        ensure!(parked.text.contains(&format!(" to {to} ")), "{parked:?}");
        Ok(parked)
    })
    .await
}

#[tokio::test]
async fn an_approval_of_what_was_taken_back_lets_nothing_else_leave() -> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let store = world.link().await?;
    let skus = listed(&world, &store.id).await?;
    let publisher = world.start::<Stock>().await?;
    quantities(&world, &skus, "5", 1).await?;
    show(&world, &store.id, &skus, "5").await?;
    world.quiet::<Stock>(&store.id).await?;
    let (first, second) = skus.split_at(20);
    let zero = async |skus, revision: u64| {
        hold_back(&world, &store.id, 2 * revision).await?;
        quantities(&world, skus, "0", revision).await?;
        waits(&world, &store.id, 20).await?;
        world.pause_writes(false, 2 * revision + 1).await?;
        asks::<Stock>(&world, &store.id, 20).await
    };
    let read = zero(first, 2).await?;
    // While a person reads it, the ERP takes it back and wants as many others at zero.
    quantities(&world, first, "5", 3).await?;
    world.quiet::<Stock>(&store.id).await?;
    let now = zero(second, 4).await?;
    let answer = approve::<Stock>(&world, &store.id, &read).await?;
    ensure!(
        answer.approved.is_none() && answer.waiting == 20,
        "{answer:?}"
    );
    ensure!(sent(&world, &store.id, "0") == 0, "nobody was shown it");
    approve::<Stock>(&world, &store.id, &now).await?;
    show(&world, &store.id, second, "0").await?;
    show(&world, &store.id, first, "5").await?;
    publisher.stop().await
}

/// Whichever of the replicas hears of it.
#[tokio::test]
async fn an_approval_reaches_the_replica_that_runs_the_lane() -> anyhow::Result<()> {
    let world = World::on(TestDatabase::postgres().await?).await?;
    let store = world.link().await?;
    let skus = listed(&world, &store.id).await?;
    let publishers = [
        world.start::<Stock>().await?,
        world.start::<Stock>().await?,
        world.start::<Stock>().await?,
    ];
    quantities(&world, &skus, "5", 1).await?;
    show(&world, &store.id, &skus, "5").await?;
    hold_back(&world, &store.id, 1).await?;
    quantities(&world, &skus[..20], "0", 2).await?;
    waits(&world, &store.id, 20).await?;
    world.pause_writes(false, 2).await?;
    let status = asks::<Stock>(&world, &store.id, 20).await?;
    let fewer = LaneStatus {
        asks: Some(3),
        ..status.clone()
    };
    let refused = approve::<Stock>(&world, &store.id, &fewer).await?;
    ensure!(refused.waiting == 20, "{refused:?}");
    let approved = approve::<Stock>(&world, &store.id, &status).await?;
    ensure!(approved.approved == Some(20), "{approved:?}");
    show(&world, &store.id, &skus[..20], "0").await?;
    for publisher in publishers {
        publisher.stop().await?;
    }
    Ok(())
}
