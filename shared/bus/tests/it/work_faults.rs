use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use storelink_bus::streams::{self, ConsumerSpec, Sizing, names};
use storelink_bus::{Outcome, Publication, WorkItem, WorkLoop};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::harness::{eventually, in_time, messages, publish, with_streams};

#[tokio::test]
async fn a_panic_costs_one_repetition_and_no_other_message() {
    let (_broker, bus) = with_streams().await;
    publish(&bus, "order.woocommerce.c1.bad", "{}").await;
    publish(&bus, "order.woocommerce.c1.good", "{}").await;
    let (cancel, deliveries) = (CancellationToken::new(), Arc::new(AtomicUsize::new(0)));
    let handler = {
        let deliveries = deliveries.clone();
        move |item: WorkItem| {
            let deliveries = deliveries.clone();
            async move {
                if item.subject().ends_with(".bad") {
                    deliveries.fetch_add(1, Ordering::SeqCst);
                    assert!(item.delivered() > 1, "the first delivery panics");
                }
                Outcome::Done
            }
        }
    };
    let worker = tokio::spawn(
        WorkLoop::new(&bus, streams::ORDER_INGEST)
            .batch(2)
            .run(handler, cancel.clone()),
    );
    eventually("all is done", || async {
        messages(&bus, names::ORDERS).await == 0
    })
    .await;
    assert_eq!(deliveries.load(Ordering::SeqCst), 2);
    cancel.cancel();
    in_time("the end", worker).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_handler_that_never_ends_is_ended_and_its_message_comes_again() {
    let (_broker, bus) = with_streams().await;
    publish(&bus, "order.woocommerce.c1.1", "{}").await;
    let cancel = CancellationToken::new();
    let work = WorkLoop::new(&bus, streams::ORDER_INGEST).time_limit(Duration::from_millis(300));
    let handler = |item: WorkItem| async move {
        if item.delivered() == 1 {
            std::future::pending::<()>().await;
        }
        Outcome::Done
    };
    let worker = tokio::spawn(work.run(handler, cancel.clone()));
    eventually("the order is done", || async {
        messages(&bus, names::ORDERS).await == 0
    })
    .await;
    cancel.cancel();
    in_time("the end", worker).await.unwrap().unwrap();
}

/// The server dies in the middle of the work and comes back: every order is worked on.
#[tokio::test]
async fn a_restart_of_the_server_during_work_loses_nothing() {
    let (mut broker, bus) = with_streams().await;
    let consumer = ConsumerSpec {
        ack_wait: Duration::from_secs(2),
        ..streams::ORDER_INGEST
    };
    streams::apply_consumer(&bus, &consumer).await.unwrap();
    let mut window = bus.window(100);
    for order in 0..300 {
        window
            .push(Publication::new(
                format!("order.woocommerce.c1.{order}"),
                "{}",
            ))
            .await;
    }
    assert!(window.settle().await.iter().all(Result::is_ok));

    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let (half_way, cancel) = (Arc::new(Notify::new()), CancellationToken::new());
    let handler = {
        let (seen, half_way) = (seen.clone(), half_way.clone());
        move |item: WorkItem| {
            let (seen, half_way) = (seen.clone(), half_way.clone());
            async move {
                let count = {
                    let mut seen = seen.lock().unwrap();
                    seen.insert(item.subject().to_owned());
                    seen.len()
                };
                if count == 100 {
                    half_way.notify_one();
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
                Outcome::Done
            }
        }
    };
    let worker = tokio::spawn(
        WorkLoop::new(&bus, consumer)
            .batch(10)
            .run(handler, cancel.clone()),
    );
    in_time("a third of the work", half_way.notified()).await;
    broker.kill().await.unwrap();
    broker.restart().await.unwrap();
    publish(&bus, "order.woocommerce.c1.late", "{}").await;
    eventually("all is done", || async {
        messages(&bus, names::ORDERS).await == 0
    })
    .await;
    assert_eq!(seen.lock().unwrap().len(), 301);
    cancel.cancel();
    in_time("the end", worker).await.unwrap().unwrap();
}

/// The server loses everything: stream and consumer are made again by the loop.
#[tokio::test]
async fn a_wiped_broker_is_worked_from_again() {
    let (mut broker, bus) = with_streams().await;
    let (sender, mut subjects) = mpsc::channel(10);
    let cancel = CancellationToken::new();
    let handler = move |item: WorkItem| {
        let sender = sender.clone();
        async move {
            sender.send(item.subject().to_owned()).await.unwrap();
            Outcome::Done
        }
    };
    let worker =
        tokio::spawn(WorkLoop::new(&bus, streams::ORDER_INGEST).run(handler, cancel.clone()));
    publish(&bus, "order.woocommerce.c1.before", "{}").await;
    assert_eq!(
        in_time("the first", subjects.recv()).await.as_deref(),
        Some("order.woocommerce.c1.before")
    );
    broker.stop().await.unwrap();
    broker.wipe_store().await.unwrap();
    broker.restart().await.unwrap();
    publish(&bus, "order.woocommerce.c1.after", "{}").await;
    assert_eq!(
        in_time("the second", subjects.recv()).await.as_deref(),
        Some("order.woocommerce.c1.after")
    );
    cancel.cancel();
    in_time("the end", worker).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_deleted_consumer_is_made_again() {
    let (_broker, bus) = with_streams().await;
    let (sender, mut subjects) = mpsc::channel(10);
    let cancel = CancellationToken::new();
    let handler = move |item: WorkItem| {
        let sender = sender.clone();
        async move {
            sender.send(item.subject().to_owned()).await.unwrap();
            Outcome::Done
        }
    };
    let worker =
        tokio::spawn(WorkLoop::new(&bus, streams::ORDER_INGEST).run(handler, cancel.clone()));
    publish(&bus, "order.woocommerce.c1.1", "{}").await;
    in_time("the first", subjects.recv()).await.unwrap();
    let stream = bus.jetstream().get_stream(names::ORDERS).await.unwrap();
    stream.delete_consumer("order-ingest").await.unwrap();
    publish(&bus, "order.woocommerce.c1.2", "{}").await;
    in_time("the second", subjects.recv()).await.unwrap();
    assert_eq!(streams::check(&bus, Sizing::default()).await.unwrap(), []);
    cancel.cancel();
    in_time("the end", worker).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_cancel_lets_running_work_end_and_leaves_the_rest() {
    let (_broker, bus) = with_streams().await;
    for order in 0..5 {
        publish(&bus, &format!("order.woocommerce.c1.{order}"), "{}").await;
    }
    let (begun, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let ended = Arc::new(AtomicBool::new(false));
    let handler = {
        let (begun, release, ended) = (begun.clone(), release.clone(), ended.clone());
        move |_item| {
            let (begun, release, ended) = (begun.clone(), release.clone(), ended.clone());
            async move {
                begun.notify_one();
                release.notified().await;
                ended.store(true, Ordering::SeqCst);
                Outcome::Done
            }
        }
    };
    let cancel = CancellationToken::new();
    let worker =
        tokio::spawn(WorkLoop::new(&bus, streams::ORDER_INGEST).run(handler, cancel.clone()));
    in_time("the first order is in work", begun.notified()).await;
    cancel.cancel();
    release.notify_one();
    in_time("the end", worker).await.unwrap().unwrap();
    assert!(ended.load(Ordering::SeqCst));
    assert_eq!(messages(&bus, names::ORDERS).await, 4);
}

#[tokio::test]
async fn what_does_not_end_in_time_is_given_back_at_once() {
    let (_broker, bus) = with_streams().await;
    publish(&bus, "order.woocommerce.c1.1", "{}").await;
    let begun = Arc::new(Notify::new());
    let stuck = {
        let begun = begun.clone();
        move |_item| {
            let begun = begun.clone();
            async move {
                begun.notify_one();
                std::future::pending::<()>().await;
                Outcome::Done
            }
        }
    };
    let cancel = CancellationToken::new();
    let work = WorkLoop::new(&bus, streams::ORDER_INGEST).drain_limit(Duration::from_millis(200));
    let worker = tokio::spawn(work.run(stuck, cancel.clone()));
    in_time("the order is in work", begun.notified()).await;
    let started = Instant::now();
    cancel.cancel();
    in_time("the end", worker).await.unwrap().unwrap();
    assert!(
        started.elapsed() < Duration::from_secs(3),
        "{:?}",
        started.elapsed()
    );

    // The next worker gets it well before the ack-wait of 30 s.
    let (sender, mut items) = mpsc::channel(1);
    let cancel = CancellationToken::new();
    let handler = move |item: WorkItem| {
        let sender = sender.clone();
        async move {
            sender.send(item.delivered()).await.unwrap();
            Outcome::Done
        }
    };
    let worker =
        tokio::spawn(WorkLoop::new(&bus, streams::ORDER_INGEST).run(handler, cancel.clone()));
    assert_eq!(in_time("the order again", items.recv()).await, Some(2));
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
    cancel.cancel();
    in_time("the end", worker).await.unwrap().unwrap();
}
