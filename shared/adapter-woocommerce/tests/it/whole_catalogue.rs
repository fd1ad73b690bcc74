//! Everything that a store shows, read for a reconciliation.

use std::collections::{BTreeMap, BTreeSet};

use storelink_simulators::woocommerce::StoreSpec;
use storelink_simulators::{LedgerFilter, StoreHandle};

use crate::simulated::{articles, store, verified};

#[tokio::test]
async fn ten_thousand_articles_are_shown_with_their_values_in_about_a_hundred_requests() {
    let (_simulators, store) = store(StoreSpec::seeded("shop", 7, 10_000, 60)).await;
    let access = verified(&store).await;
    let before = requests(&store);
    let read = articles(&access).await;
    let asked = requests(&store) - before;
    let parents: BTreeSet<&str> = read
        .iter()
        .filter(|article| article.ids.variation.is_some())
        .map(|article| article.ids.product.as_str())
        .collect();
    let pages = asked - parents.len();
    assert!(
        (100..=105).contains(&pages),
        "{pages} pages, {} parents",
        parents.len()
    );
    let there = store.stocks();
    let shown: BTreeMap<String, i64> = read
        .iter()
        .filter_map(|one| {
            let sku = one.sku.as_ref()?.as_str().to_owned();
            Some((sku, one.quantity?.to_string().parse().unwrap()))
        })
        .collect();
    assert_eq!(shown.len(), 10_000);
    assert!(
        shown
            .iter()
            .all(|(sku, shown)| there.get(sku) == Some(&Some(*shown)))
    );
    assert!(read.iter().all(|one| one.price.is_some()));
}

/// Requests that the store got.
fn requests(store: &StoreHandle) -> usize {
    let filter = LedgerFilter {
        limit: 100_000,
        ..LedgerFilter::default()
    };
    store.ledger(filter).entries.len()
}
