use storelink_bus::streams;
use storelink_model::Timestamp;
use storelink_test_support::database::TestDatabase;
use storelink_test_support::on_each_database;

use crate::world::{World, ids};

on_each_database!(
    a_stream_that_lost_its_tail_gets_its_orders_again,
    an_order_read_alone_behind_the_end_of_the_stream_is_handed_on_again,
);

async fn a_stream_that_lost_its_tail_gets_its_orders_again(database: TestDatabase) {
    let mut world = World::start(database, 1).await;
    world.store().place(1);
    world.read_orders().await;
    assert_eq!(ids(&world.orders().await), ["1"]);
    world.at_rest().await;

    let backup = world.broker.backup().await.unwrap();
    world.store().place(2);
    assert_eq!(world.read_orders().await.changed, 1);
    world.broker.go_back_to(&backup).await.unwrap();

    world.read_orders().await;
    assert_eq!(ids(&world.orders().await), ["1", "2"]);
    assert_eq!(world.read_orders().await.changed, 0);
    world.stop().await;
}

async fn an_order_read_alone_behind_the_end_of_the_stream_is_handed_on_again(
    database: TestDatabase,
) {
    let mut world = World::start(database, 1).await;
    world.store().place(1);
    world.read_orders().await;
    assert_eq!(ids(&world.orders().await), ["1"]);
    world.at_rest().await;

    let backup = world.broker.backup().await.unwrap();
    // No cursor knows of it, as when a walk died before it saved one.
    world.store().place(2);
    let mut job = world.job("orders");
    job.external_id = Some("2".to_owned());
    assert_eq!(world.run(job).await.changed, 1);
    world.broker.go_back_to(&backup).await.unwrap();

    world.read_orders().await;
    assert_eq!(ids(&world.orders().await), ["2"]);
    world.stop().await;
}

#[tokio::test]
async fn an_order_from_before_the_start_is_ignored_also_when_it_is_edited() {
    let mut world = World::start(TestDatabase::sqlite().unwrap(), 1).await;
    world
        .store()
        .place_at(1, Timestamp::now().saturating_sub(time::Duration::hours(3)));
    world.store().edit(1, "paid");
    let report = world.read_orders().await;
    assert_eq!((report.read, report.changed), (1, 0));
    assert_eq!(ids(&world.orders().await), Vec::<String>::new());
    world.stop().await;
}

#[tokio::test]
async fn an_order_that_is_not_understood_is_handed_on_with_the_reason_and_holds_nothing_up() {
    let mut world = World::start(TestDatabase::sqlite().unwrap(), 1).await;
    world.store().place_unreadable(1);
    world.store().place(2);
    let report = world.read_orders().await;
    assert_eq!((report.changed, report.error_code), (2, None));
    let orders = world.orders().await;
    assert_eq!(ids(&orders), ["1", "2"]);
    let unread = orders
        .iter()
        .find(|order| order.external_id == "1")
        .unwrap();
    assert!(unread.order.is_none());
    assert_eq!(unread.unreadable.as_ref().unwrap().code, "shelf.amount");
    assert_eq!(unread.raw.get(), r#"{"id":1,"note":""}"#);
    assert_eq!(world.read_orders().await.changed, 0);
    world.stop().await;
}

/// The broker loses everything, and its streams are made anew.
async fn lose_streams(world: &mut World) {
    world.broker.stop().await.unwrap();
    world.broker.wipe_store().await.unwrap();
    world.broker.restart().await.unwrap();
    let again = async || {
        let sizing = world.bus.options().sizing;
        streams::apply(&world.bus, sizing)
            .await
            .map_err(anyhow::Error::from)
    };
    let limit = std::time::Duration::from_secs(30);
    storelink_test_support::eventually::eventually("the streams", limit, again)
        .await
        .unwrap();
}

#[tokio::test]
async fn after_the_broker_lost_its_store_a_clock_that_is_known_to_be_wrong_is_still_known() {
    let mut world = World::start(TestDatabase::sqlite().unwrap(), 1).await;
    world.store().set_back(time::Duration::hours(5));
    world.store().place(1);
    // By the store's clock long before the start of the connection.
    world.store().edit(1, "please ring");
    world.read_orders().await;
    world.read_orders().await;
    assert_eq!(ids(&world.orders().await), ["1"]);

    lose_streams(&mut world).await;
    // The first answer after it shows another clock than the one that dated the order.
    world.store().set_back(time::Duration::ZERO);
    world.read_orders().await;
    assert_eq!(ids(&world.orders().await), ["1"]);
    world.stop().await;
}

#[tokio::test]
async fn after_the_broker_lost_its_store_everything_is_handed_on_again() {
    let mut world = World::start(TestDatabase::sqlite().unwrap(), 1).await;
    world.store().place(1);
    world.store().place(2);
    world.read_orders().await;
    assert_eq!(world.read_orders().await.changed, 0);

    lose_streams(&mut world).await;
    let report = world.read_orders().await;
    assert_eq!(report.changed, 2);
    assert_eq!(ids(&world.orders().await), ["1", "2"]);
    world.stop().await;
}
