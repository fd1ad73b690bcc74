//! Everything that a store shows, read for a reconciliation.

use std::collections::{BTreeMap, BTreeSet};

use storelink_adapter_api::{ItemOutcome, PriceWrite, SalePrice, StoreAdapter};
use storelink_adapter_woocommerce::WooCommerce;
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
    // Each page but the first repeats a row, so that a walk over a changing list misses none.
    let pages = asked - parents.len();
    assert!(
        (100..=115).contains(&pages),
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

#[tokio::test]
async fn a_price_is_shown_in_the_digits_in_which_it_is_kept() {
    for (prices_include_tax, kept, sale) in [(true, "12.21", "9.00"), (false, "12.2051", "9.0004")]
    {
        let spec = StoreSpec {
            prices_include_tax,
            ..StoreSpec::seeded("shop", 7, 3, 0)
        };
        let (_simulators, store) = store(spec).await;
        let access = verified(&store).await;
        let article = articles(&access).await.remove(0);
        let (adapter, amount) = (WooCommerce::new(), |text: &str| text.parse().unwrap());
        let write = PriceWrite {
            ids: article.ids.clone(),
            regular: amount("12.20505"),
            sale: Some(SalePrice {
                price: amount("9.00041"),
                from: None,
                until: None,
            }),
        };
        let outcomes = adapter.write_prices(&access, &[write]).await.unwrap();
        assert_eq!(outcomes, [ItemOutcome::Confirmed]);
        let read = articles(&access).await;
        let shown = read.iter().find(|one| one.ids == article.ids).unwrap();
        assert_eq!(shown.price, Some(amount(kept)));
        assert_eq!(shown.sale_price, Some(amount(sale)));
        let keeps = |text| Some(adapter.kept_price(&access.profile, amount(text)));
        assert_eq!(keeps("12.20505"), shown.price);
        assert_eq!(keeps("9.00041"), shown.sale_price);
    }
}
