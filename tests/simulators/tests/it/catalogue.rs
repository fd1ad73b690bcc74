//! Generated stores, and what a batch costs.

use std::collections::BTreeSet;
use std::time::Instant;

use serde_json::{Value, json};
use storelink_simulators::woocommerce::StoreSpec;
use storelink_simulators::{Article, StoreHandle};

use crate::caller::{call, start};

fn skus(store: &StoreHandle) -> BTreeSet<String> {
    store
        .articles()
        .into_iter()
        .map(|article| article.sku)
        .collect()
}

#[tokio::test]
async fn a_thousand_skus_sixty_of_them_variations_the_same_everywhere() {
    let (_simulators, first) = start(StoreSpec::seeded("one", 1, 1_000, 60)).await;
    let (_simulators, second) = start(StoreSpec::seeded("two", 2, 1_000, 60)).await;
    assert_eq!(skus(&first).len(), 1_000);
    assert_eq!(skus(&first), skus(&second));
    let articles = first.articles();
    assert_eq!(
        articles
            .iter()
            .filter(|article| article.variation_id > 0)
            .count(),
        60
    );
    let two_decimals = |a: &Article| {
        a.regular_price
            .split_once('.')
            .is_some_and(|(_, d)| d.len() == 2)
    };
    assert!(articles.iter().all(two_decimals));
    assert!(
        articles
            .iter()
            .all(|article| article.stock_quantity.is_some())
    );
    assert_ne!(articles, second.articles(), "another seed, other prices");
}

/// Not a measurement, only a guard against something absurd: 20 full batches of 100 rows.
#[tokio::test]
async fn batches_of_a_hundred_rows_stay_cheap() {
    for (trim, most) in [(false, 400_000), (true, 60_000)] {
        let spec = StoreSpec {
            trim_answers: trim,
            ..StoreSpec::seeded("load", 1, 100, 0)
        };
        let (_simulators, store) = start(spec).await;
        let ids: Vec<u64> = store
            .articles()
            .iter()
            .map(|article| article.product_id)
            .collect();
        let began = Instant::now();
        for round in 0..20 {
            let rows: Vec<Value> = ids
                .iter()
                .map(|id| json!({"id": id, "stock_quantity": round}))
                .collect();
            let (status, body) = call(
                &store,
                "POST",
                "products/batch",
                Some(&json!({"update": rows})),
            )
            .await;
            assert_eq!(
                (status, body["update"].as_array().unwrap().len()),
                (200, 100)
            );
            assert_eq!(body["update"][99]["stock_quantity"], round);
            assert!(body.to_string().len() < most, "{}", body.to_string().len());
        }
        assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
    }
}
