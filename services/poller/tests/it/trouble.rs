use std::time::Duration;

use storelink_adapter_api::{AdapterError, ErrorClass};
use storelink_model::ConnectionId;
use storelink_test_support::database::TestDatabase;
use tokio::time::Instant;

use crate::world::{World, ids};

fn error(class: ErrorClass) -> AdapterError {
    AdapterError::new(class, "shelf.trouble", "the store is in trouble")
}

#[tokio::test]
async fn a_paused_connection_is_not_asked() {
    let mut world = World::start(TestDatabase::sqlite().unwrap(), 1).await;
    world.change(0, |record| record.paused = true).await;
    // The record travels beside the job: what counts is what the poller knows when the job comes.
    let mut report = world.read_orders().await;
    while report.error_code.is_none() {
        report = world.read_orders().await;
    }
    assert_eq!(report.error_code.as_deref(), Some("connection.paused"));
    world.store().asked();
    world.read_orders().await;
    assert_eq!(world.store().asked(), []);
    world.stop().await;
}

#[tokio::test]
async fn a_job_of_a_deleted_connection_ends() {
    let mut world = World::start(TestDatabase::sqlite().unwrap(), 1).await;
    let mut job = world.job("orders");
    job.connection = ConnectionId::generate();
    let report = world.run(job).await;
    assert_eq!(report.error_code.as_deref(), Some("connection.unknown"));
    world.stop().await;
}

#[tokio::test]
async fn a_moment_of_trouble_is_passed_over_within_the_run() {
    let mut world = World::start(TestDatabase::sqlite().unwrap(), 1).await;
    world.store().place(1);
    world.store().fail([error(ErrorClass::Transient)]);
    let report = world.read_orders().await;
    assert_eq!((report.changed, report.error_code), (1, None));
    world.stop().await;
}

#[tokio::test]
async fn a_store_that_stays_in_trouble_fails_the_run_and_the_next_one_brings_everything() {
    let mut world = World::start(TestDatabase::sqlite().unwrap(), 1).await;
    world.store().place(1);
    world
        .store()
        .fail(std::iter::repeat_n(error(ErrorClass::Transient), 5));
    let report = world.read_orders().await;
    assert_eq!(report.error_code.as_deref(), Some("shelf.trouble"));
    assert!(!report.needs_attention);
    let asked = world.store().asked().len();
    assert_eq!(asked, 5, "three times, with fewer orders, without contents");
    assert_eq!(world.read_orders().await.changed, 1);
    assert_eq!(ids(&world.orders().await), ["1"]);
    world.stop().await;
}

#[tokio::test]
async fn a_store_that_asks_for_a_pause_gets_it_and_the_run_goes_on() {
    let mut world = World::start(TestDatabase::sqlite().unwrap(), 1).await;
    world.store().place(1);
    let pause = Duration::from_secs(1);
    world.store().fail([error(ErrorClass::Limited { pause })]);
    let begun = Instant::now();
    let report = world.read_orders().await;
    assert_eq!((report.changed, report.error_code), (1, None));
    assert!(begun.elapsed() >= pause);
    world.stop().await;
}

#[tokio::test]
async fn a_store_that_refuses_the_keys_is_left_alone_until_the_connection_is_changed() {
    let mut world = World::start(TestDatabase::sqlite().unwrap(), 1).await;
    world.store().place(1);
    world.store().fail([error(ErrorClass::Attention)]);
    let report = world.read_orders().await;
    assert!(report.needs_attention);
    assert_eq!(world.store().asked().len(), 1);

    let report = world.read_orders().await;
    assert!(report.needs_attention);
    assert_eq!(report.error_code.as_deref(), Some("shelf.trouble"));
    assert_eq!(world.store().asked(), [], "it was asked again");

    world
        .change(0, |record| record.credentials_revision += 1)
        .await;
    let mut report = world.read_orders().await;
    while report.needs_attention {
        report = world.read_orders().await;
    }
    assert_eq!(report.changed, 1);
    world.stop().await;
}

#[tokio::test]
async fn a_store_that_hangs_holds_no_other_up() {
    let mut world = World::start(TestDatabase::sqlite().unwrap(), 2).await;
    world.links[0].store.slow_down(Duration::from_secs(3600));
    for id in 0..100 {
        let mut job = world.job("orders");
        job.external_id = Some(id.to_string());
        world.give(&job).await;
    }
    world.links[1].store.place(1);
    let begun = Instant::now();
    let job = world.job_of(1, "orders");
    assert_eq!(world.run(job).await.changed, 1);
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );
    assert!(
        world.links[0].store.asked().len() <= 2,
        "more requests than the platform allows"
    );
}

#[tokio::test]
async fn a_key_that_may_not_read_products_still_reads_orders() {
    let mut world = World::start(TestDatabase::sqlite().unwrap(), 1).await;
    world.store().place(1);
    world.store().fail([error(ErrorClass::Attention)]);
    let job = world.job("products");
    assert!(world.run(job).await.needs_attention);

    let report = world.read_orders().await;
    assert_eq!((report.changed, report.error_code), (1, None));
    world.store().asked();
    let job = world.job("products");
    assert!(world.run(job).await.needs_attention);
    assert_eq!(world.store().asked(), [], "products are asked for again");
    world.stop().await;
}

#[tokio::test]
async fn a_store_that_asks_for_pauses_without_end_is_told_of_and_its_run_goes_on() {
    let mut world = World::start(TestDatabase::sqlite().unwrap(), 1).await;
    world.store().place(1);
    let pause = Duration::from_millis(10);
    let limited = error(ErrorClass::Limited { pause });
    world.store().fail(std::iter::repeat_n(limited, 5));
    let job = world.job("orders");
    let report = world.run(job.clone()).await;
    assert_eq!(report.error_code.as_deref(), Some("poller.store_limited"));
    assert!(report.error_text.unwrap().contains("in trouble"));
    let report = world.report_of(&job).await;
    assert_eq!((report.changed, report.error_code), (1, None));
    world.stop().await;
}

#[tokio::test]
async fn a_single_order_that_the_store_does_not_give_is_left_to_the_next_walk() {
    let mut world = World::start(TestDatabase::sqlite().unwrap(), 1).await;
    world.store().place(1);
    let pause = Duration::from_millis(10);
    let limited = error(ErrorClass::Limited { pause });
    world.store().fail(std::iter::repeat_n(limited, 5));
    let mut job = world.job("orders");
    job.external_id = Some("1".into());
    let report = world.run(job).await;
    assert_eq!(report.error_code.as_deref(), Some("poller.store_limited"));
    let shown = storelink_telemetry::metrics().render();
    let given_up = |line: &str| {
        line.starts_with("storelink_poll_runs_total") && line.contains(r#"result="given_up""#)
    };
    assert!(shown.lines().any(given_up), "{shown}");
    assert_eq!(world.read_orders().await.changed, 1);
    world.stop().await;
}
