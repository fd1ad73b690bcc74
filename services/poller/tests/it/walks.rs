use std::time::Duration;

use storelink_model::Timestamp;
use storelink_test_support::database::TestDatabase;
use storelink_test_support::on_each_database;

use crate::store::Asked;
use crate::world::{World, ids};

on_each_database!(
    orders_are_handed_on_and_the_run_is_reported,
    only_what_is_new_is_handed_on_again,
    a_long_walk_makes_room_and_goes_on_where_it_stopped,
);

async fn orders_are_handed_on_and_the_run_is_reported(database: TestDatabase) {
    let mut world = World::start(database, 1).await;
    let before = Timestamp::now();
    for id in 1..=5 {
        world.store().place(id);
    }
    let report = world.read_orders().await;
    assert_eq!((report.read, report.changed, report.failed), (10, 5, 0));
    assert_eq!(report.error_code, None);
    let watermark = report.watermark.unwrap();
    assert!(
        watermark <= report.finished && watermark >= before.saturating_sub(time::Duration::SECOND)
    );
    let orders = world.orders().await;
    assert_eq!(ids(&orders), ["1", "2", "3", "4", "5"]);
    let first = &orders[0];
    assert_eq!(first.connection, world.links[0].id);
    assert_eq!(first.order.as_ref().unwrap().external_id, first.external_id);
    assert_eq!(
        first.raw.get(),
        format!(r#"{{"id":{},"note":""}}"#, first.external_id)
    );
    world.stop().await;
}

async fn only_what_is_new_is_handed_on_again(database: TestDatabase) {
    let mut world = World::start(database, 1).await;
    world.store().place(1);
    world.store().place(2);
    world.read_orders().await;
    let first = world.orders().await;

    world.store().edit(2, "please ring");
    world.store().place(3);
    let report = world.read_orders().await;
    assert_eq!(report.changed, 2);
    let second = world.orders().await;
    assert_eq!(ids(&second), ["2", "3"]);
    let number = |orders: &[storelink_events::internal::OrderRead]| {
        orders
            .iter()
            .find(|order| order.external_id == "2")
            .unwrap()
            .read_number
    };
    assert!(number(&second) > number(&first));

    // At rest one page is asked for and nothing goes out.
    world.store().asked();
    let report = world.read_orders().await;
    assert_eq!(report.changed, 0);
    assert_eq!(ids(&world.orders().await), Vec::<String>::new());
    assert_eq!(world.store().asked().len(), 2, "three orders are two pages");
    world.stop().await;
}

async fn a_long_walk_makes_room_and_goes_on_where_it_stopped(database: TestDatabase) {
    let mut world = World::start(database, 1).await;
    let before = Timestamp::now().saturating_sub(time::Duration::minutes(1));
    for id in 1..=6 {
        world.store().place_at(id, before);
    }
    // The setting of this world lets a walk go on for one second.
    world.store().slow_down(Duration::from_millis(1_100));
    let report = world.read_orders().await;
    assert_eq!(report.changed, 6);
    assert_eq!(ids(&world.orders().await), ["1", "2", "3", "4", "5", "6"]);
    let places: Vec<Option<u64>> = world
        .store()
        .asked()
        .into_iter()
        .map(|asked| match asked {
            Asked::Orders { after, .. } => after,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        places,
        [None, Some(2), Some(4), None, Some(2), Some(4)],
        "two passes of three pages"
    );
    world.stop().await;
}

#[tokio::test]
async fn a_full_read_hands_everything_on_again() {
    let mut world = World::start(TestDatabase::sqlite().unwrap(), 1).await;
    world.store().place(1);
    world.read_orders().await;
    let first = world.orders().await;
    let mut job = world.job("orders");
    job.full = true;
    let report = world.run(job).await;
    assert_eq!(report.error_code, None);
    let again = world.orders().await;
    assert!(again.iter().all(|order| order.external_id == "1"));
    assert!(again[0].read_number > first[0].read_number);
    world.stop().await;
}

#[tokio::test]
async fn an_order_start_that_moves_back_brings_the_older_orders() {
    let mut world = World::start(TestDatabase::sqlite().unwrap(), 1).await;
    let ago = |hours| Timestamp::now().saturating_sub(time::Duration::hours(hours));
    world.store().place_at(1, ago(5));
    world.store().place(2);
    let report = world.read_orders().await;
    assert_eq!(report.changed, 1);
    assert_eq!(ids(&world.orders().await), ["2"]);
    world
        .change(0, |record| record.settings.order_start = ago(6))
        .await;
    let report = world.read_orders().await;
    assert_eq!(report.error_code, None);
    assert_eq!(ids(&world.orders().await), ["1"]);
    world.stop().await;
}

/// Reads the orders until a walk begins where it should: the record travels beside the job.
async fn walk_from(world: &mut World, fits: impl Fn(Timestamp) -> bool) {
    let limit = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        world.store().asked();
        world.read_orders().await;
        let asked = world.store().asked();
        let Some(Asked::Orders { since, .. }) = asked.first() else {
            panic!("{asked:?}")
        };
        if fits(*since) {
            return;
        }
        assert!(
            tokio::time::Instant::now() < limit,
            "a walk from {since}: {asked:?}"
        );
    }
}

#[tokio::test]
async fn an_order_start_that_moves_later_and_back_brings_what_was_passed_over() {
    let mut world = World::start(TestDatabase::sqlite().unwrap(), 1).await;
    let ago = |minutes| Timestamp::now().saturating_sub(time::Duration::minutes(minutes));
    let start = world.links[0].record.settings.order_start;
    let limit = tokio::time::Instant::now() + Duration::from_secs(60);
    world.store().place_at(1, ago(50));
    world.store().place_at(2, ago(50));
    // The mark is never later than what the store showed.
    world.store().place(3);
    world.read_orders().await;
    assert_eq!(ids(&world.orders().await), ["1", "2", "3"]);

    world
        .change(0, |record| record.settings.order_start = ago(20))
        .await;
    // The record travels beside the job: an edit that is passed over tells that it is known.
    for edit in 0.. {
        world.store().edit(2, &edit.to_string());
        if world.read_orders().await.changed == 0 {
            break;
        }
        assert!(tokio::time::Instant::now() < limit, "edit {edit}");
    }
    world.orders().await;
    // Longer ago than a walk from the mark reaches back.
    world.store().edit_at(1, "paid", ago(30));
    assert_eq!(world.read_orders().await.changed, 0);

    world
        .change(0, |record| record.settings.order_start = start)
        .await;
    walk_from(&mut world, |since| since < ago(40)).await;
    let orders = world.orders().await;
    assert_eq!(ids(&orders), ["1", "2"]);
    let paid = orders
        .iter()
        .find(|order| order.external_id == "1")
        .unwrap();
    assert_eq!(paid.order.as_ref().unwrap().note, "paid");
    world.stop().await;
}

#[tokio::test]
async fn two_edits_in_the_same_second_both_arrive() {
    let mut world = World::start(TestDatabase::sqlite().unwrap(), 1).await;
    for id in 1..=5 {
        world.store().place(id);
    }
    world.read_orders().await;
    world.orders().await;
    // A walk between the two, and other orders of that second on other pages.
    let second = Timestamp::now();
    for id in 1..=4 {
        world.store().edit_at(id, "first", second);
    }
    world.read_orders().await;
    world.store().edit_at(3, "second", second);
    world.store().edit_at(1, "second", second);
    let report = world.read_orders().await;
    assert_eq!(report.changed, 2);
    let orders = world.orders().await;
    let note = |id: &str| {
        let of_it = orders.iter().filter(|order| order.external_id == id);
        let last = of_it.max_by_key(|order| order.read_number).unwrap();
        last.order.as_ref().unwrap().note.clone()
    };
    assert_eq!(
        [note("1"), note("2"), note("3"), note("4")],
        ["second", "first", "second", "first"]
    );
    world.stop().await;
}

#[tokio::test]
async fn a_store_that_moved_is_read_from_the_order_start_and_whole() {
    let mut world = World::start(TestDatabase::sqlite().unwrap(), 1).await;
    world.store().place(1);
    world.store().stock_up(1, Timestamp::now());
    world.read_orders().await;
    let job = world.job("products");
    world.run(job).await;
    assert_eq!(ids(&world.orders().await), ["1"]);
    assert_eq!(world.products().await.len(), 1);

    // Where the store is now, both were there long before what was read up to now.
    let long_ago = Timestamp::now().saturating_sub(time::Duration::days(20));
    world
        .change(0, |record| {
            record.address = "https://moved.example".to_owned();
            record.settings.order_start = long_ago.saturating_sub(time::Duration::DAY);
        })
        .await;
    world.read_orders().await;
    world.orders().await;
    world.store().place_at(2, long_ago);
    world.store().stock_up(2, long_ago);
    world
        .change(0, |record| {
            record.address = "https://again.example".to_owned();
        })
        .await;
    world.read_orders().await;
    assert_eq!(ids(&world.orders().await), ["2"]);
    let job = world.job("products");
    world.run(job).await;
    assert_eq!(world.products().await.len(), 2);
    world.stop().await;
}
