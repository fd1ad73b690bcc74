//! A sale lowers the store's own stock behind our back: the ERP's level is brought back although
//! nothing that we wrote has changed.

use storelink_simulators::OrderSpec;
use storelink_test_support::system::SystemOptions;

use crate::arena::{Arena, WAREHOUSE, two_stores};

#[tokio::test]
async fn a_level_that_is_repeated_after_a_sale_is_written_again() {
    let options = SystemOptions::process_per_role();
    let (mut arena, sku) = sell_one(options).await;
    // As large as before: goods came in meanwhile.
    let level = arena.erp.level(WAREHOUSE, &sku).unwrap();
    arena
        .erp
        .say_stock(WAREHOUSE, &[(&sku, level)])
        .await
        .unwrap();
    arena.values_are_right().await.unwrap();
    arena.must_be_right().await.unwrap();
}

#[tokio::test]
async fn a_sale_that_the_erp_never_answers_is_checked_after_a_time() {
    let options =
        SystemOptions::process_per_role().with("STORELINK_LANES__ORDER_RECHECK_AFTER_SECONDS", "2");
    let (mut arena, _) = sell_one(options).await;
    arena.values_are_right().await.unwrap();
    arena.must_be_right().await.unwrap();
}

/// A world in which one piece was sold in each store, and the orders have arrived.
async fn sell_one(options: SystemOptions) -> (Arena, String) {
    let mut arena = Arena::synchronised(options, &two_stores()).await.unwrap();
    let sku = arena.skus().await.unwrap().remove(0);
    for link in &arena.links {
        let order = OrderSpec::of(&[(&sku, 1)]);
        arena
            .stores
            .client()
            .place_order(&link.plan.name, order)
            .await
            .unwrap();
        let tally = arena.judge().stock(link).await.unwrap();
        assert_eq!(
            tally.right + 1,
            tally.total,
            "the sale lowered the store's stock"
        );
    }
    arena.orders_are_right().await.unwrap();
    (arena, sku)
}
