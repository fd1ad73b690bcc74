//! A hand in the store is found and put right; a connection that observes tells and sends nothing.

use rust_decimal::Decimal;
use serde_json::{Value, json};
use storelink_simulators::{LedgerEntry, Source};
use storelink_test_support::stores::ledger;
use storelink_test_support::system::SystemOptions;
use storelink_test_support::world::{LinkedStore, read_now};

use crate::arena::{Arena, SKUS, WAREHOUSE, two_stores};

#[tokio::test]
async fn an_edit_by_hand_is_found_and_put_right_by_a_reconciliation() {
    let options = SystemOptions::process_per_role();
    let mut arena = Arena::synchronised(options, &two_stores()).await.unwrap();
    let link = arena.first().clone();
    let skus = arena.skus().await.unwrap();
    let (simple, variation) = (
        &skus[0],
        skus.iter().find(|sku| sku.starts_with("VAR")).unwrap(),
    );
    for link in &arena.links {
        for entity in ["stock", "prices"] {
            read_now(&arena.api, &link.connection, entity)
                .await
                .unwrap();
            let report = newest(&arena, link, entity).await;
            assert_eq!(counts(&report), [SKUS as u64, 0, 0, 0, 0], "{report}");
        }
    }
    let (store, stores) = (&link.plan.name, arena.stores.client());
    stores.set_stock(store, simple, 7).await.unwrap();
    stores.set_stock(store, variation, 8).await.unwrap();
    stores
        .set_price(store, simple, "1.00", "0.50")
        .await
        .unwrap();
    let before = requests(&arena, &link).await.len();

    read_now(&arena.api, &link.connection, "stock")
        .await
        .unwrap();
    let report = newest(&arena, &link, "stock").await;
    assert_eq!(counts(&report), [SKUS as u64, 2, 2, 0, 0], "{report}");
    assert_eq!(report["sample"][0]["shown"], "7");
    read_now(&arena.api, &link.connection, "prices")
        .await
        .unwrap();
    let report = newest(&arena, &link, "prices").await;
    assert_eq!(counts(&report), [SKUS as u64, 1, 1, 0, 0], "{report}");
    assert_eq!(report["sample"][0]["shown"], "1.00, sale 0.50");
    arena.values_are_right().await.unwrap();

    // Exactly the pages, twice, and a write for each kind of article and value.
    let entries = requests(&arena, &link).await.split_off(before);
    let (writes, reads): (Vec<_>, Vec<_>) = entries.into_iter().partition(LedgerEntry::is_write);
    let parents = reads
        .iter()
        .filter(|read| read.path.ends_with("/variations"));
    let pages = reads.iter().filter(|read| read.path.ends_with("/products"));
    let (pages, parents) = (pages.count(), parents.count());
    assert_eq!(reads.len(), pages + parents);
    assert_eq!(pages % 2, 0, "{pages}");
    assert!(pages <= 4, "{pages} pages of {SKUS} articles, twice");
    assert_eq!(writes.len(), 3, "{writes:#?}");
    let effects = writes.iter().map(|write| &write.effects);
    assert!(
        effects
            .flatten()
            .all(|e| e.sku == *simple || e.sku == *variation)
    );
    arena.must_be_right().await.unwrap();
}

#[tokio::test]
async fn a_connection_that_observes_sends_nothing_and_then_exactly_the_differences() {
    let options = SystemOptions::process_per_role();
    let mut arena = Arena::synchronised(options, &two_stores()).await.unwrap();
    let link = arena.first().clone();
    let skus = arena.skus().await.unwrap();
    observe(&arena, &link, true).await;
    let before = writes(&arena, &link).await.len();
    let stores = arena.stores.client();
    stores
        .set_stock(&link.plan.name, &skus[0], 7)
        .await
        .unwrap();
    let level = |sku: &str, level: i64| (sku.to_owned(), Decimal::from(level));
    let said = [level(&skus[1], 55), level(&skus[2], 0)];
    let said: Vec<_> = said
        .iter()
        .map(|(sku, level)| (sku.as_str(), *level))
        .collect();
    arena.erp.say_stock(WAREHOUSE, &said).await.unwrap();
    for (sku, wanted) in [(&skus[1], "55"), (&skus[2], "0")] {
        wanted_is(&arena, &link, sku, wanted).await;
    }
    read_now(&arena.api, &link.connection, "stock")
        .await
        .unwrap();
    let report = newest(&arena, &link, "stock").await;
    assert_eq!(report["observed"], true, "{report}");
    assert_eq!(counts(&report), [SKUS as u64, 3, 0, 0, 0], "{report}");
    assert_eq!(report["to_zero"], 1, "{report}");
    assert_eq!(
        writes(&arena, &link).await.len(),
        before,
        "something was sent"
    );

    observe(&arena, &link, false).await;
    arena.values_are_right().await.unwrap();
    let after = writes(&arena, &link).await.split_off(before);
    let mut written: Vec<_> = after
        .iter()
        .flat_map(|entry| &entry.effects)
        .filter(|effect| effect.field == "stock_quantity")
        .map(|effect| effect.sku.clone())
        .collect();
    written.sort();
    let mut expected = skus[..3].to_vec();
    expected.sort();
    assert_eq!(written, expected);
    arena.must_be_right().await.unwrap();
}

async fn observe(arena: &Arena, link: &LinkedStore, observe_only: bool) {
    let patch = json!({"settings": {"observe_only": observe_only}});
    arena
        .api
        .change_connection(&link.connection, patch)
        .await
        .unwrap();
    storelink_test_support::eventually::eventually(
        "the lane knows the setting",
        crate::arena::LIMIT,
        async || {
            let stopped = arena.api.status(&link.connection).await?.stock.stopped;
            anyhow::ensure!(stopped.is_some() == observe_only, "{stopped:?}");
            Ok(())
        },
    )
    .await
    .unwrap();
}

async fn wanted_is(arena: &Arena, link: &LinkedStore, sku: &str, wanted: &str) {
    storelink_test_support::eventually::eventually(
        "the value is wanted",
        crate::arena::LIMIT,
        async || {
            let stock = arena.api.sku(&link.connection, sku).await?.stock;
            anyhow::ensure!(stock.wanted.as_deref() == Some(wanted), "{stock:?}");
            Ok(())
        },
    )
    .await
    .unwrap();
}

/// The newest report of an entity.
async fn newest(arena: &Arena, link: &LinkedStore, entity: &str) -> Value {
    let path = format!(
        "/v1/connections/{}/drift?entity={entity}&limit=1",
        link.connection
    );
    let reports: Value = arena.api.get(&path).await.unwrap();
    reports["items"][0].clone()
}

/// Compared, differing, corrected, unknown, missing.
fn counts(report: &Value) -> [u64; 5] {
    ["compared", "differing", "corrected", "unknown", "missing"]
        .map(|name| report[name].as_u64().unwrap())
}

async fn requests(arena: &Arena, link: &LinkedStore) -> Vec<LedgerEntry> {
    let entries = ledger(&arena.stores.client(), &link.plan.name, false)
        .await
        .unwrap();
    entries
        .into_iter()
        .filter(|entry| entry.source == Source::Request)
        .collect()
}

async fn writes(arena: &Arena, link: &LinkedStore) -> Vec<LedgerEntry> {
    let requests = requests(arena, link).await;
    requests.into_iter().filter(LedgerEntry::is_write).collect()
}
