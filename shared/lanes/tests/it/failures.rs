//! Stores that refuse, limit and fail.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::Value;
use storelink_adapter_api::{AdapterError, ErrorClass};
use storelink_bus::{LastValueEvent, LastValueReader};
use storelink_events::rpc::{self, Page, Parked, Retried, RetryParked};
use storelink_lanes::kind::Stock;
use storelink_test_support::eventually::eventually;

use crate::platform::Behaviour;
use crate::world::{PATIENCE, World};

/// Waits for an event on HUB whose subject ends so and whose data satisfies the condition.
async fn hub_event(
    world: &World,
    tail: &str,
    holds: impl Fn(&Value) -> bool,
) -> anyhow::Result<Value> {
    let mut reader = LastValueReader::new(&world.bus, "HUB", &[]);
    let found = async {
        loop {
            if let LastValueEvent::Value(message) = reader.next().await
                && message.subject.ends_with(tail)
            {
                let event: Value = serde_json::from_slice(&message.payload)?;
                if holds(&event["data"]) {
                    return anyhow::Ok(event["data"].clone());
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, found)
        .await
        .context(tail.to_owned())?
}

#[tokio::test]
async fn a_refusal_of_old_keys_does_not_stop_a_store_that_has_new_ones() -> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let mut store = world.link().await?;
    world.list(&store.id, &["A"]).await?;
    let refused = AdapterError::new(ErrorClass::Attention, "memory.keys", "unknown keys");
    world.platform.shop(&store.id, |shop| {
        shop.takes = Duration::from_secs(1);
        shop.next.push_back(Behaviour::Fail(refused));
    });
    let publisher = world.start::<Stock>().await?;
    world.level("A", "5", 1).await?;
    eventually("the request is under way", PATIENCE, async || {
        ensure!(world.platform.shop(&store.id, |shop| shop.open) == 1);
        Ok(())
    })
    .await?;
    store.revision += 1;
    store.credentials_revision += 1;
    world.publish_record(&store).await?;
    world.shows(&store.id, &[("A", "5")]).await?;
    publisher.stop().await
}

#[tokio::test]
async fn a_refused_article_is_parked_with_the_stores_words_and_its_neighbours_go_on()
-> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let store = world.link().await?;
    world.list(&store.id, &["A", "B"]).await?;
    let refuse = Behaviour::Refuse { id: "id-A" };
    world
        .platform
        .shop(&store.id, |shop| shop.next.push_back(refuse));
    let publisher = world.start::<Stock>().await?;
    world.levels(&[("A", "5", 1), ("B", "6", 1)]).await?;
    world.shows(&store.id, &[("B", "6")]).await?;
    let told = hub_event(&world, ".item.parked", |_| true).await?;
    ensure!(
        told["sku"] == "A" && told["code"] == "memory.refused",
        "{told}"
    );

    let answer = world.sku::<Stock>(&store.id, "A").await?;
    let parked = answer.parked.context("it is parked")?;
    ensure!(
        parked.text == "id-A does not exist" && parked.id == told["item_id"],
        "{parked:?}"
    );
    ensure!(world.status::<Stock>(&store.id).await?.parked == 1);

    // Another value is tried without a person, and success closes the entry.
    world.level("A", "7", 2).await?;
    world.shows(&store.id, &[("A", "7"), ("B", "6")]).await?;
    eventually("nothing is parked", PATIENCE, async || {
        let page = world.page(&store.id, 10, None)?;
        let page: Page<Parked> = world.ask::<Stock, _, _>(rpc::PARKED, &page).await?;
        ensure!(page.items.is_empty(), "{page:?}");
        Ok(())
    })
    .await?;
    publisher.stop().await
}

#[tokio::test]
async fn a_parked_article_is_tried_again_when_a_person_asks() -> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let store = world.link().await?;
    world.list(&store.id, &["A"]).await?;
    let refuse = Behaviour::Refuse { id: "id-A" };
    world
        .platform
        .shop(&store.id, |shop| shop.next.push_back(refuse));
    let publisher = world.start::<Stock>().await?;
    world.level("A", "5", 1).await?;
    let parked = eventually("it is parked", PATIENCE, async || {
        let answer = world.sku::<Stock>(&store.id, "A").await?;
        answer.parked.context("not parked yet")
    })
    .await?;
    // The same value again is not tried.
    world.level("A", "5", 2).await?;
    world.quiet::<Stock>(&store.id).await?;
    ensure!(world.requests(&store.id) == 1);

    let retry = RetryParked {
        tenant: "acme".parse()?,
        id: parked.id.clone(),
    };
    let retried: Retried = world.ask::<Stock, _, _>(rpc::RETRY_PARKED, &retry).await?;
    ensure!(retried.found);
    world.shows(&store.id, &[("A", "5")]).await?;
    let other = RetryParked {
        tenant: "other".parse()?,
        id: parked.id,
    };
    let retried: Retried = world.ask::<Stock, _, _>(rpc::RETRY_PARKED, &other).await?;
    ensure!(!retried.found, "another tenant's item");
    publisher.stop().await
}

#[tokio::test]
async fn refused_credentials_stop_the_lane_until_they_are_changed() -> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let mut store = world.link().await?;
    world.list(&store.id, &["A"]).await?;
    let error = AdapterError::new(
        ErrorClass::Attention,
        "memory.key_unknown",
        "the key is unknown",
    );
    world.platform.shop(&store.id, |shop| {
        shop.next.push_back(Behaviour::Fail(error))
    });
    let publisher = world.start::<Stock>().await?;
    world.level("A", "5", 1).await?;
    let state = hub_event(&world, ".connection.state_changed", |data| {
        data["state"] == "needs_attention"
    });
    let state = state.await?;
    ensure!(state["code"] == "memory.key_unknown", "{state}");

    for revision in 2..200 {
        world.level("A", &revision.to_string(), revision).await?;
    }
    eventually("the backlog waits as one", PATIENCE, async || {
        let answer = world.sku::<Stock>(&store.id, "A").await?;
        ensure!(answer.wanted.as_deref() == Some("199"), "{answer:?}");
        Ok(())
    })
    .await?;
    let status = world.status::<Stock>(&store.id).await?;
    ensure!(
        status.dirty == 1 && world.requests(&store.id) == 1,
        "{status:?}"
    );
    ensure!(
        status
            .stopped
            .is_some_and(|stopped| stopped.needs_attention)
    );

    // A new name changes nothing; new credentials do.
    store.revision = 2;
    store.name = "Other".to_owned();
    world.publish_record(&store).await?;
    store.revision = 3;
    store.credentials_revision = 2;
    world.publish_record(&store).await?;
    world.shows(&store.id, &[("A", "199")]).await?;
    ensure!(world.requests(&store.id) == 2);
    hub_event(&world, ".connection.state_changed", |data| {
        data["state"] == "healthy"
    })
    .await?;
    publisher.stop().await
}

#[tokio::test]
async fn a_store_that_asks_for_a_pause_gets_it() -> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let store = world.link().await?;
    world.list(&store.id, &["A"]).await?;
    let pause = Duration::from_millis(1_500);
    let error = AdapterError::new(ErrorClass::Limited { pause }, "http.limited", "too many");
    world.platform.shop(&store.id, |shop| {
        shop.next.push_back(Behaviour::Fail(error))
    });
    let publisher = world.start::<Stock>().await?;
    let started = Instant::now();
    world.level("A", "5", 1).await?;
    world.shows(&store.id, &[("A", "5")]).await?;
    ensure!(started.elapsed() >= pause);
    let arrivals = world.platform.shop(&store.id, |shop| shop.arrivals.clone());
    ensure!(
        arrivals.len() == 2 && arrivals[1] - arrivals[0] >= pause,
        "{arrivals:?}"
    );
    publisher.stop().await
}

#[tokio::test]
async fn a_request_that_is_too_large_is_made_smaller() -> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let mut store = world.record()?;
    store.paused = true;
    world.publish_record(&store).await?;
    let skus: Vec<String> = (0..40).map(|number| format!("S{number}")).collect();
    let names: Vec<&str> = skus.iter().map(String::as_str).collect();
    world.list(&store.id, &names).await?;
    let error =
        AdapterError::new(ErrorClass::Rejected, "http.too_large", "too large").with_smaller_batch();
    world.platform.shop(&store.id, |shop| {
        shop.next
            .extend([Behaviour::Fail(error.clone()), Behaviour::Fail(error)]);
    });
    let levels: Vec<(&str, &str, u64)> = names.iter().map(|name| (*name, "1", 1)).collect();
    world.levels(&levels).await?;
    let publisher = world.start::<Stock>().await?;
    for sku in &names {
        world.wants::<Stock>(&store.id, sku, "1").await?;
    }
    store.paused = false;
    store.revision = 2;
    world.publish_record(&store).await?;
    let values: Vec<(&str, &str)> = names.iter().map(|name| (*name, "1")).collect();
    world.shows(&store.id, &values).await?;
    let sizes: Vec<usize> = world.platform.shop(&store.id, |shop| {
        shop.requests.iter().map(Vec::len).collect()
    });
    ensure!(sizes == [40, 20, 10, 10, 10, 10], "{sizes:?}");
    publisher.stop().await
}

#[tokio::test]
async fn one_article_that_makes_a_whole_request_fail_is_found_and_parked() -> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let store = world.link().await?;
    world.list(&store.id, &["A", "B"]).await?;
    let error = AdapterError::new(ErrorClass::Rejected, "memory.bad_request", "A is bad");
    world.platform.shop(&store.id, |shop| {
        shop.next
            .extend([Behaviour::Fail(error.clone()), Behaviour::Fail(error)]);
    });
    world.levels(&[("A", "1", 1), ("B", "2", 1)]).await?;
    let publisher = world.start::<Stock>().await?;
    world.shows(&store.id, &[("B", "2")]).await?;
    eventually("A is parked", PATIENCE, async || {
        let answer = world.sku::<Stock>(&store.id, "A").await?;
        ensure!(
            answer
                .parked
                .is_some_and(|parked| parked.code == "memory.bad_request")
        );
        Ok(())
    })
    .await?;
    publisher.stop().await
}

#[tokio::test]
async fn an_adapter_that_panics_ends_neither_its_lane_nor_another() -> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let (sick, well) = (world.link().await?, world.link().await?);
    for store in [&sick, &well] {
        world.list(&store.id, &["A"]).await?;
    }
    world
        .platform
        .shop(&sick.id, |shop| shop.next.push_back(Behaviour::Panic));
    let publisher = world.start::<Stock>().await?;
    world.level("A", "5", 1).await?;
    world.shows(&well.id, &[("A", "5")]).await?;
    world.shows(&sick.id, &[("A", "5")]).await?;
    world.quiet::<Stock>(&sick.id).await?;
    publisher.stop().await
}

/// As many as a process may have requests in flight, and some more: all of them hang.
#[tokio::test]
async fn stores_that_hang_take_no_place_from_the_others_however_many_they_are() -> anyhow::Result<()>
{
    let world = World::sqlite().await?;
    let mut hanging = Vec::new();
    for _ in 0..70 {
        let store = world.link().await?;
        world.list(&store.id, &["A"]).await?;
        let hang = Behaviour::Hang;
        world
            .platform
            .shop(&store.id, |shop| shop.next.push_back(hang));
        hanging.push(store);
    }
    let publisher = world.start::<Stock>().await?;
    world.level("A", "5", 1).await?;
    eventually("all of them hang", PATIENCE, async || {
        for store in &hanging {
            ensure!(world.platform.shop(&store.id, |shop| shop.open) == 1);
        }
        Ok(())
    })
    .await?;
    let well = world.link().await?;
    world.list(&well.id, &["A"]).await?;
    world.shows(&well.id, &[("A", "5")]).await?;
    drop(publisher);
    Ok(())
}

#[tokio::test]
async fn a_slow_store_delays_no_other_and_gets_one_request_at_a_time() -> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let (slow, quick) = (world.link().await?, world.link().await?);
    for store in [&slow, &quick] {
        world.list(&store.id, &["A"]).await?;
    }
    world
        .platform
        .shop(&slow.id, |shop| shop.takes = Duration::from_secs(2));
    let publisher = world.start::<Stock>().await?;
    for revision in 1..=50 {
        let value = revision.to_string();
        world.level("A", &value, revision).await?;
        let started = Instant::now();
        world.shows(&quick.id, &[("A", &value)]).await?;
        ensure!(
            started.elapsed() < Duration::from_secs(1),
            "{:?}",
            started.elapsed()
        );
    }
    world.shows(&slow.id, &[("A", "50")]).await?;
    let (requests, most_open) = world
        .platform
        .shop(&slow.id, |shop| (shop.requests.len(), shop.most_open));
    ensure!(
        most_open == 1 && requests <= 6,
        "{requests} requests, {most_open} at once"
    );
    publisher.stop().await
}
