//! How many requests leave: as few as the store's own batches allow, however many changes there were.

use std::time::Duration;

use rust_decimal::Decimal;
use storelink_simulators::woocommerce::StoreSpec;
use storelink_simulators::{Fault, FaultEffect, FaultMatch, LedgerEntry, Source};
use storelink_test_support::erp::Price;
use storelink_test_support::eventually::{eventually, eventually_every};
use storelink_test_support::stores::ledger;
use storelink_test_support::system::SystemOptions;
use storelink_test_support::world::LinkedStore;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::arena::{Arena, LIMIT, WAREHOUSE};

const SIMPLE: usize = 10_000;
const PARENTS: usize = 60;
/// As many variations as the simulated catalogue gives each product.
const VARIATIONS: usize = 6;
/// The largest event that is taken.
const EVENT: usize = 1_000;
/// Longer than ten thousand articles take at 300 ms a request, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(200);

#[tokio::test]
async fn ten_thousand_articles_that_changed_during_a_pause_leave_in_full_requests() {
    let specs = [
        StoreSpec::seeded("simple", 7, SIMPLE, 0),
        StoreSpec::seeded("variable", 7, PARENTS * VARIATIONS, PARENTS * VARIATIONS),
    ]
    .map(|spec| StoreSpec {
        prices_include_tax: true,
        ledger_bodies: false,
        ..spec
    });
    let mut arena = Arena::open(SystemOptions::process_per_role(), &specs)
        .await
        .unwrap();
    let counts = [SIMPLE, PARENTS * VARIATIONS];
    for (link, count) in arena.links.iter().zip(counts) {
        read_products(&arena, link, count as u64).await;
        arena.api.pause(&link.connection).await.unwrap();
        rests(&arena, link).await;
    }
    for round in 1..=2 {
        for link in &arena.links {
            say_everything(&arena, link, round).await;
        }
    }
    for link in &arena.links {
        every_word_is_in(&arena, link).await;
        let slow = FaultEffect::Latency {
            ms: 300,
            jitter_ms: 0,
            row_ms: 0,
        };
        set_fault(&arena, link, slow).await;
        assert!(
            writes(&arena, link).await.is_empty(),
            "written during the pause"
        );
    }
    for link in &arena.links {
        arena.api.resume(&link.connection).await.unwrap();
    }
    for (link, count) in arena.links.iter().zip(counts) {
        shows_everything(&arena, link, count).await;
    }

    // One more than full requests, for an article that had its turn alone.
    let most = [SIMPLE / 100 + 1, PARENTS];
    for (link, most) in arena.links.iter().zip(most) {
        let writes = writes(&arena, link).await;
        let of = |field| writes.iter().filter(|write| sets(write, field)).count();
        let (stock, prices) = (of("stock_quantity"), of("regular_price"));
        let name = &link.plan.name;
        assert!(
            stock <= most,
            "{name}: {stock} requests for stock, {most} are enough"
        );
        assert!(
            prices <= most,
            "{name}: {prices} requests for prices, {most} are enough"
        );
        assert_eq!(
            stock + prices,
            writes.len(),
            "{name}: a request for nothing"
        );
        assert!(
            writes.iter().all(|write| write.status == Some(200)),
            "{name}"
        );
    }
    arena.must_be_right().await.unwrap();
}

#[tokio::test]
async fn a_thousand_changes_within_a_second_leave_in_three_requests_at_two_a_second() {
    let spec = StoreSpec::seeded("limited", 7, 1, 0);
    let mut arena = Arena::open(SystemOptions::process_per_role(), &[spec])
        .await
        .unwrap();
    let link = arena.first().clone();
    let limit = serde_json::json!({"settings": {"requests_per_minute": 120}});
    arena
        .api
        .change_connection(&link.connection, limit)
        .await
        .unwrap();
    read_products(&arena, &link, 1).await;
    say_everything(&arena, &link, 1).await;
    settled(&arena, &link).await;
    set_fault(
        &arena,
        &link,
        FaultEffect::Throttle {
            per_second: 2,
            burst: 2,
        },
    )
    .await;
    let before = writes(&arena, &link).await.len();

    let sku = arena.skus().await.unwrap().remove(0);
    let began = Instant::now();
    // Done before the third turn, which comes after a second, on a machine that is not quite idle.
    let mut ticks = interval(Duration::from_micros(800));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for level in 1_001..=2_000 {
        ticks.tick().await;
        arena
            .erp
            .say_stock(WAREHOUSE, &[(&sku, Decimal::from(level))])
            .await
            .unwrap();
    }
    let took = began.elapsed();
    settled(&arena, &link).await;

    let writes = writes(&arena, &link).await.split_off(before);
    // As many turns as there were while the changes were said, and one for the last value.
    let most = 2 + took.as_millis() / 500;
    assert!(
        writes.len() as u128 <= most,
        "{} requests in {took:?}",
        writes.len()
    );
    assert!(
        writes.iter().all(|write| write.status == Some(200)),
        "a request too early: {writes:?}"
    );
    let last = writes
        .iter()
        .flat_map(|write| &write.effects)
        .rfind(|e| e.field == "stock_quantity");
    assert_eq!(last.map(|effect| &effect.new), Some(&2_000.into()));
    arena.must_be_right().await.unwrap();
}

async fn read_products(arena: &Arena, link: &LinkedStore, count: u64) {
    eventually("a run is taken", LIMIT, async || {
        arena.api.run_now(&link.connection, "products").await
    })
    .await
    .unwrap();
    eventually("every article is linked", PATIENCE, async || {
        let status = arena.api.status(&link.connection).await?;
        let listed = (
            status.catalog.linked,
            status.stock.listed,
            status.prices.listed,
        );
        anyhow::ensure!(listed == (count, count, count), "{listed:?} of {count}");
        Ok(())
    })
    .await
    .unwrap();
}

async fn rests(arena: &Arena, link: &LinkedStore) {
    eventually("the lanes rest", LIMIT, async || {
        let status = arena.api.status(&link.connection).await?;
        anyhow::ensure!(status.stock.stopped.is_some() && status.prices.stopped.is_some());
        Ok(())
    })
    .await
    .unwrap();
}

/// A level and a price for every article of a store, other ones in each round.
async fn say_everything(arena: &Arena, link: &LinkedStore, round: usize) {
    let skus = skus(arena, link).await;
    let articles: Vec<(usize, &str)> = skus.iter().map(String::as_str).enumerate().collect();
    for event in articles.chunks(EVENT) {
        let level = |n: usize| Decimal::from(20_000 * round + n);
        let levels: Vec<_> = event.iter().map(|(n, sku)| (*sku, level(*n))).collect();
        arena.erp.say_stock(WAREHOUSE, &levels).await.unwrap();
        let price = |n: usize| Price::gross(Decimal::new((10_000 * round + n) as i64, 2));
        let prices: Vec<_> = event.iter().map(|(n, sku)| (*sku, price(*n))).collect();
        arena.erp.say_prices("B2C", "EUR", &prices).await.unwrap();
    }
}

/// Events are taken in groups, one group after the other: when the second of two more words is in,
/// everything before the first of them is.
async fn every_word_is_in(arena: &Arena, link: &LinkedStore) {
    let sku = skus(arena, link).await.remove(0);
    for value in [301, 302] {
        let value = Decimal::from(value);
        arena
            .erp
            .say_stock(WAREHOUSE, &[(&sku, value)])
            .await
            .unwrap();
        let price = Price::gross(value);
        arena
            .erp
            .say_prices("B2C", "EUR", &[(&sku, price)])
            .await
            .unwrap();
        // A price is followed by its form.
        let first = |wanted: Option<&str>| wanted?.split(' ').next()?.parse().ok();
        let is_in = |wanted: Option<&str>| first(wanted) == Some(value);
        eventually("a later word is in", PATIENCE, async || {
            let state = arena.api.sku(&link.connection, &sku).await?;
            anyhow::ensure!(is_in(state.stock.wanted.as_deref()), "{:?}", state.stock);
            anyhow::ensure!(is_in(state.price.wanted.as_deref()), "{:?}", state.price);
            Ok(())
        })
        .await
        .unwrap();
    }
}

async fn shows_everything(arena: &Arena, link: &LinkedStore, count: usize) {
    let pause = Duration::from_secs(1);
    eventually_every(pause, "every value is right", PATIENCE, async || {
        arena.judge().stock(link).await?.must_be_right(count)?;
        arena.judge().prices(link).await?.must_be_right(count)
    })
    .await
    .unwrap();
}

async fn settled(arena: &Arena, link: &LinkedStore) {
    eventually("everything is confirmed", LIMIT, async || {
        let status = arena.api.status(&link.connection).await?;
        status.prices.must_be_settled()?;
        status.stock.must_be_settled()?;
        arena.judge().stock(link).await?.must_be_right(1)
    })
    .await
    .unwrap();
}

async fn skus(arena: &Arena, link: &LinkedStore) -> Vec<String> {
    let articles = arena
        .stores
        .client()
        .articles(&link.plan.name)
        .await
        .unwrap();
    let skus = articles.into_iter().map(|article| article.sku);
    skus.filter(|sku| !sku.is_empty()).collect()
}

async fn set_fault(arena: &Arena, link: &LinkedStore, effect: FaultEffect) {
    let fault = Fault {
        on: FaultMatch::default(),
        effect,
    };
    arena
        .stores
        .client()
        .set_fault(&link.plan.name, &fault)
        .await
        .unwrap();
}

async fn writes(arena: &Arena, link: &LinkedStore) -> Vec<LedgerEntry> {
    let mut entries = ledger(&arena.stores.client(), &link.plan.name, true)
        .await
        .unwrap();
    entries.retain(|entry| entry.source == Source::Request);
    // A verification proves that it may write by an empty batch.
    entries.retain(|entry| !entry.effects.is_empty() || entry.status != Some(200));
    entries
}

fn sets(write: &LedgerEntry, field: &str) -> bool {
    write.effects.iter().any(|effect| effect.field == field)
}
