//! A publisher is killed between sending a request and its answer, and the store takes the request
//! long afterwards: a newer value that was confirmed meanwhile is brought back.

use std::time::Duration;

use rust_decimal::Decimal;
use storelink_simulators::{Fault, FaultEffect, FaultMatch, LedgerEntry, Requests, Source};
use storelink_test_support::database::TestDatabase;
use storelink_test_support::eventually::eventually;
use storelink_test_support::on_each_database;
use storelink_test_support::stores::ledger;
use storelink_test_support::system::{Role, SystemOptions};

use crate::arena::{Arena, LIMIT, WAREHOUSE, two_stores};

on_each_database!(a_request_of_a_killed_publisher_that_is_applied_late_is_put_right);

/// When the store takes the request: long after the next publisher owns the lane (2 s) …
const LATE: Duration = Duration::from_secs(20);
/// … and before it looks again, this long after its start.
const RECHECK_SECONDS: &str = "25";

async fn a_request_of_a_killed_publisher_that_is_applied_late_is_put_right(database: TestDatabase) {
    let options = SystemOptions::process_per_role()
        .on(database)
        .with("STORELINK_LANES__LEASE_SECONDS", "2")
        .with("STORELINK_LANES__RECHECK_AFTER_SECONDS", RECHECK_SECONDS);
    let mut arena = Arena::synchronised(options, &two_stores()).await.unwrap();
    let store = arena.first().plan.name.clone();
    let sku = arena.skus().await.unwrap().remove(0);
    let fault = Fault {
        on: FaultMatch {
            requests: Requests::Writes,
            times: Some(1),
            ..FaultMatch::default()
        },
        effect: FaultEffect::ApplyLate {
            after_ms: u64::try_from(LATE.as_millis()).unwrap(),
            hold_ms: u64::try_from(LIMIT.as_millis()).unwrap(),
        },
    };
    let before = arena
        .stores
        .client()
        .store(&store)
        .await
        .unwrap()
        .write_requests;
    arena
        .stores
        .client()
        .set_fault(&store, &fault)
        .await
        .unwrap();
    arena
        .erp
        .say_stock(WAREHOUSE, &[(&sku, Decimal::from(601))])
        .await
        .unwrap();
    eventually("the request is under way", LIMIT, async || {
        let requests = arena.stores.client().store(&store).await?.write_requests;
        anyhow::ensure!(requests > before);
        Ok(())
    })
    .await
    .unwrap();
    let status = arena
        .system
        .kill(Role::StockPublisher.name())
        .await
        .unwrap();
    assert_eq!(status.code(), None, "it ended by itself");

    arena
        .erp
        .say_stock(WAREHOUSE, &[(&sku, Decimal::from(602))])
        .await
        .unwrap();
    arena
        .system
        .restart(Role::StockPublisher.name())
        .await
        .unwrap();
    arena.values_are_right().await.unwrap();
    eventually("the killed request takes effect", LIMIT, async || {
        let entries = entries(&arena, &store).await?;
        anyhow::ensure!(entries.iter().any(|entry| entry.source == Source::Late));
        Ok(())
    })
    .await
    .unwrap();
    arena.values_are_right().await.unwrap();

    let entries = entries(&arena, &store).await.unwrap();
    let set = entries
        .iter()
        .flat_map(|entry| entry.effects.iter().map(|e| (entry.source, e)));
    let set = set.filter(|(_, effect)| effect.sku == sku && effect.field == "stock_quantity");
    let set: Vec<_> = set
        .map(|(source, effect)| (source, effect.new.as_i64()))
        .collect();
    let newer = (Source::Request, Some(602));
    let late = set.iter().position(|one| *one == (Source::Late, Some(601)));
    let (before, after) = set.split_at(late.expect("the late effect"));
    assert!(
        before.contains(&newer),
        "the newer value was not there first: {set:?}"
    );
    assert!(
        after.contains(&newer),
        "the newer value was not brought back: {set:?}"
    );
    arena.must_be_right().await.unwrap();
}

async fn entries(arena: &Arena, store: &str) -> anyhow::Result<Vec<LedgerEntry>> {
    ledger(&arena.stores.client(), store, false).await
}
