use storelink_test_support::database::TestDatabase;
use storelink_test_support::on_each_database;

use crate::store::Asked;
use crate::world::{World, ids};

on_each_database!(one_order_is_read_and_handed_on_although_it_is_known);

async fn one_order_is_read_and_handed_on_although_it_is_known(database: TestDatabase) {
    let mut world = World::start(database, 1).await;
    world.store().place(7);
    world.read_orders().await;
    let known = world.orders().await;
    world.store().asked();

    let mut job = world.job("orders");
    job.external_id = Some("7".into());
    let report = world.run(job).await;
    assert_eq!(
        (report.read, report.changed, report.error_code),
        (1, 1, None)
    );
    assert_eq!(world.store().asked(), [Asked::Order("7".into())]);
    let again = world.orders().await;
    assert_eq!(ids(&again), ["7"]);
    assert!(again[0].read_number > known[0].read_number);
    world.stop().await;
}

#[tokio::test]
async fn an_order_that_the_store_does_not_have_is_reported_and_nothing_goes_out() {
    let mut world = World::start(TestDatabase::sqlite().unwrap(), 1).await;
    let mut job = world.job("orders");
    job.external_id = Some("7".into());
    let report = world.run(job).await;
    assert_eq!(report.error_code.as_deref(), Some("order.not_in_store"));
    assert!(!report.needs_attention);
    assert_eq!(ids(&world.orders().await), Vec::<String>::new());
    world.stop().await;
}
