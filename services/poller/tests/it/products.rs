use storelink_model::Timestamp;
use storelink_test_support::database::TestDatabase;

use crate::store::Asked;
use crate::world::World;

#[tokio::test]
async fn the_first_walk_reads_all_products_and_the_next_what_was_changed() {
    let mut world = World::start(TestDatabase::sqlite().unwrap(), 1).await;
    let ago = |hours| Timestamp::now().saturating_sub(time::Duration::hours(hours));
    world.store().stock_up(1, ago(500));
    world.store().stock_up(2, ago(0));
    let job = world.job("products");
    let report = world.run(job).await;
    assert_eq!(
        (report.read, report.changed, report.error_code),
        (2, 2, None)
    );
    let products = world.products().await;
    assert_eq!(products.len(), 2);
    let product = products[0].product.as_ref().unwrap();
    assert_eq!(
        (products[0].external_id.as_str(), product.name.as_str()),
        ("1", "product 1")
    );
    assert_eq!(world.store().asked(), [Asked::Products { since: None }]);

    let job = world.job("products");
    assert_eq!(world.run(job).await.changed, 1);
    let [Asked::Products { since: Some(since) }] = world.store().asked()[..] else {
        panic!("not one request for changes")
    };
    assert!(since < ago(0).saturating_sub(time::Duration::minutes(9)));
    assert_eq!(world.products().await[0].external_id, "2");

    let mut job = world.job("products");
    job.full = true;
    assert_eq!(world.run(job).await.changed, 2);
    world.stop().await;
}

#[tokio::test]
async fn a_product_that_is_not_understood_is_counted_and_holds_no_other_up() {
    let mut world = World::start(TestDatabase::sqlite().unwrap(), 1).await;
    world.store().stock_up(1, Timestamp::now());
    world.store().stock_up_unreadable(2, Timestamp::now());
    let job = world.job("products");
    let report = world.run(job).await;
    assert_eq!((report.read, report.changed, report.failed), (2, 1, 1));
    assert_eq!(report.error_code, None);
    let products = world.products().await;
    assert_eq!(
        products.len(),
        1,
        "what is not understood is not said to be gone"
    );
    assert_eq!(products[0].external_id, "1");
    world.stop().await;
}
