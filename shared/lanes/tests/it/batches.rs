//! Full requests under load, no waiting at low load, and no more requests than needed.

use std::time::{Duration, Instant};

use anyhow::ensure;
use storelink_adapter_api::StoreIds;
use storelink_events::internal::Listing;
use storelink_lanes::kind::Stock;
use storelink_test_support::eventually::eventually;

use crate::platform::BATCH;
use crate::world::{PATIENCE, World};

fn skus(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("S{number:05}")).collect()
}

async fn publish(world: &World, skus: &[String], value: &str, revision: u64) -> anyhow::Result<()> {
    for chunk in skus.chunks(500) {
        let levels: Vec<(&str, &str, u64)> = chunk
            .iter()
            .map(|sku| (sku.as_str(), value, revision))
            .collect();
        world.levels(&levels).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_backlog_goes_out_in_full_requests() -> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let mut store = world.record()?;
    store.paused = true;
    world.publish_record(&store).await?;
    let skus = skus(1_000);
    let names: Vec<&str> = skus.iter().map(String::as_str).collect();
    world.list(&store.id, &names).await?;
    let publisher = world.start::<Stock>().await?;
    for revision in 1..=3 {
        publish(&world, &skus, &revision.to_string(), revision).await?;
    }
    for sku in &names {
        world.wants::<Stock>(&store.id, sku, "3").await?;
    }
    store.paused = false;
    store.revision = 2;
    world.publish_record(&store).await?;
    let values: Vec<(&str, &str)> = names.iter().map(|name| (*name, "3")).collect();
    world.shows(&store.id, &values).await?;
    let sizes: Vec<usize> = world.platform.shop(&store.id, |shop| {
        shop.requests.iter().map(Vec::len).collect()
    });
    ensure!(sizes == vec![BATCH; 10], "{sizes:?}");
    publisher.stop().await
}

#[tokio::test]
async fn variations_share_a_request_with_their_parent_only() -> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let mut store = world.record()?;
    store.paused = true;
    world.publish_record(&store).await?;
    let listings = (0..30).map(|number| Listing {
        sku: format!("V{number}").parse().unwrap(),
        ids: StoreIds {
            product: format!("p{}", number % 3),
            variation: Some(number.to_string()),
            stock_row: None,
        },
        stock_blocked: None,
        price_blocked: None,
    });
    world.publish_shard(&store.id, listings.collect()).await?;
    let names: Vec<String> = (0..30).map(|number| format!("V{number}")).collect();
    publish(&world, &names, "4", 1).await?;
    let publisher = world.start::<Stock>().await?;
    for sku in &names {
        world.wants::<Stock>(&store.id, sku, "4").await?;
    }
    store.paused = false;
    store.revision = 2;
    world.publish_record(&store).await?;
    eventually("all is written", PATIENCE, async || {
        let shown = world.platform.shop(&store.id, |shop| shop.shown.len());
        ensure!(shown == 30, "{shown}");
        Ok(())
    })
    .await?;
    let (sizes, shown) = world.platform.shop(&store.id, |shop| {
        let sizes: Vec<usize> = shop.requests.iter().map(Vec::len).collect();
        (sizes, shop.shown.len())
    });
    ensure!(
        (sizes.as_slice(), shown) == (&[10, 10, 10], 30),
        "{sizes:?} {shown}"
    );
    publisher.stop().await
}

#[tokio::test]
async fn a_thousand_changes_of_one_article_need_three_requests_at_two_a_second()
-> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let mut store = world.record()?;
    store.settings.requests_per_minute = Some(120);
    world.publish_record(&store).await?;
    world.list(&store.id, &["A"]).await?;
    let publisher = world.start::<Stock>().await?;
    world.quiet::<Stock>(&store.id).await?;
    let started = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_millis(1));
    for revision in 1..=1_000_u64 {
        ticks.tick().await;
        let last = 10_000 + revision;
        world.level("A", &last.to_string(), revision).await?;
    }
    let ended = started.elapsed();
    world.shows(&store.id, &[("A", "11000")]).await?;
    let arrivals = world.platform.shop(&store.id, |shop| shop.arrivals.clone());
    // As many as the limit allows in the time that the changes took, and one for the last value.
    let allowed = 2 + ended.as_millis() / 500;
    ensure!(
        arrivals.len() as u128 <= allowed,
        "{} requests in {ended:?}",
        arrivals.len()
    );
    for pair in arrivals.windows(2) {
        ensure!(
            pair[1] - pair[0] >= Duration::from_millis(450),
            "{arrivals:?}"
        );
    }
    publisher.stop().await
}
