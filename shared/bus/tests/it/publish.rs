use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use storelink_bus::streams::{self, names};
use storelink_bus::{Bus, BusOptions, Outcome, Publication, PublishError, TraceContext, WorkLoop};
use tokio_util::sync::CancellationToken;

use crate::harness::{eventually, in_time, messages, publish, with_streams};

#[tokio::test]
async fn a_second_job_is_refused_until_the_first_is_done() {
    let (_broker, bus) = with_streams().await;
    let subject = "poll.woocommerce.c1.orders";
    let job = || Publication::new(subject, "{}");
    bus.publish(job()).await.unwrap();
    let taken = PublishError::SubjectTaken {
        subject: subject.to_owned(),
    };
    assert_eq!(bus.publish(job()).await.unwrap_err(), taken);
    assert!(!taken.is_transient());
    bus.publish(Publication::new("poll.woocommerce.c1.products", "{}"))
        .await
        .unwrap();
    bus.publish(Publication::new("poll.woocommerce.c1.orders.1001", "{}"))
        .await
        .unwrap();

    let (begin, begun) = tokio::sync::oneshot::channel();
    let begin = std::sync::Mutex::new(Some(begin));
    let finish = CancellationToken::new();
    let cancel = CancellationToken::new();
    let worker = {
        let (finish, cancel) = (finish.clone(), cancel.clone());
        let work = WorkLoop::new(&bus, streams::poller("woocommerce")).batch(8);
        tokio::spawn(work.run(
            move |job| {
                let finish = finish.clone();
                if job.subject() == "poll.woocommerce.c1.orders"
                    && let Some(begin) = begin.lock().unwrap().take()
                {
                    begin.send(()).unwrap();
                }
                async move {
                    finish.cancelled().await;
                    Outcome::Done
                }
            },
            cancel,
        ))
    };
    in_time("the job is in work", begun).await.unwrap();
    assert_eq!(bus.publish(job()).await.unwrap_err(), taken);
    finish.cancel();
    eventually("the subject is free again", || async {
        bus.publish(job()).await.is_ok()
    })
    .await;
    cancel.cancel();
    worker.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_same_message_id_is_stored_once() {
    let (_broker, bus) = with_streams().await;
    let order = || Publication::new("order.woocommerce.c1.7", "{}").message_id("c1/7/1");
    let first = bus.publish(order()).await.unwrap();
    let second = bus.publish(order()).await.unwrap();
    assert_eq!((first.sequence, first.duplicate), (1, false));
    assert_eq!(
        (second.sequence, second.duplicate, second.stream.as_str()),
        (1, true, "ORDERS")
    );
    assert_eq!(messages(&bus, names::ORDERS).await, 1);
}

#[tokio::test]
async fn an_order_event_is_unique_by_its_subject() {
    let (_broker, bus) = with_streams().await;
    let subject = "hub.t1.order.received.c1-7.1";
    let event = |id: &str| {
        Publication::new(subject, "{}")
            .message_id(id)
            .expect_last_subject_sequence(0)
    };
    bus.publish(event("first")).await.unwrap();
    let error = bus.publish(event("second")).await.unwrap_err();
    assert_eq!(error.code(), "bus.wrong_last_sequence", "{error}");
    let PublishError::WrongLastSequence { found, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(found, Some(1));
    // A repetition of the first meets itself and is no conflict.
    let repeated = bus.publish(event("first")).await.unwrap();
    assert_eq!((repeated.sequence, repeated.duplicate), (1, true));
    assert_eq!(messages(&bus, names::HUB).await, 1);
}

#[tokio::test]
async fn an_expected_sequence_decides_between_two_writers() {
    let (_broker, bus) = with_streams().await;
    let subject = "stock.t1.main.MUG-01";
    let write =
        |last: u64| bus.publish(Publication::new(subject, "1").expect_last_subject_sequence(last));
    let first = write(0).await.unwrap().sequence;
    let second = write(first).await.unwrap().sequence;
    assert_eq!(
        write(first).await.unwrap_err().code(),
        "bus.wrong_last_sequence"
    );
    assert!(write(second).await.is_ok());
}

#[tokio::test]
async fn a_window_keeps_the_order_of_the_pushes() {
    let (_broker, bus) = with_streams().await;
    let mut window = bus.window(64);
    for sku in 0..1_000 {
        window
            .push(Publication::new(format!("stock.t1.main.S{sku}"), "1"))
            .await;
        assert!(window.in_flight() <= 64);
    }
    let sequences: Vec<u64> = window
        .settle()
        .await
        .into_iter()
        .map(|result| result.unwrap().sequence)
        .collect();
    assert_eq!(sequences, (1..=1_000).collect::<Vec<u64>>());

    window
        .push(Publication::new("poll.woocommerce.c1.orders", "{}"))
        .await;
    window
        .push(Publication::new("poll.woocommerce.c1.orders", "{}"))
        .await;
    window
        .push(Publication::new("poll.woocommerce.c2.orders", "{}"))
        .await;
    let codes: Vec<&str> = window
        .settle()
        .await
        .iter()
        .map(|result| {
            result
                .as_ref()
                .map_or_else(PublishError::code, |_| "stored")
        })
        .collect();
    assert_eq!(codes, ["stored", "bus.subject_taken", "stored"]);
    assert!(window.settle().await.is_empty());
}

#[tokio::test]
async fn a_message_that_is_too_large_is_named() {
    let (_broker, bus) = with_streams().await;
    assert_eq!(bus.max_payload(), 8 * 1024 * 1024);
    let large =
        |subject: &str, size: usize| bus.publish(Publication::new(subject, vec![b'x'; size]));
    assert!(
        large("order.woocommerce.c1.1", 4 * 1024 * 1024)
            .await
            .is_ok()
    );
    for (subject, size) in [
        ("order.woocommerce.c1.2", 9 * 1024 * 1024),
        ("stock.t1.main.A", 2 * 1024 * 1024),
    ] {
        let error = large(subject, size).await.unwrap_err();
        assert_eq!(
            error,
            PublishError::TooLarge {
                subject: subject.to_owned(),
                size
            }
        );
    }
}

#[tokio::test]
async fn a_subject_without_stream_is_named_after_the_patience() {
    let (broker, _bus) = with_streams().await;
    let mut options = BusOptions::new(broker.url(), "test");
    options.publish_patience = Duration::from_millis(400);
    let bus = Bus::connect(&options).await.unwrap();
    let error = bus
        .publish(Publication::new("unknown.subject", "{}"))
        .await
        .unwrap_err();
    assert_eq!(
        error,
        PublishError::NoStream {
            subject: "unknown.subject".to_owned()
        }
    );
    let error = bus
        .publish(Publication::new("a b", "{}"))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "bus.invalid_subject");
}

#[tokio::test]
async fn a_restart_of_the_broker_is_bridged() {
    let (mut broker, bus) = with_streams().await;
    broker.kill().await.unwrap();
    let publishing = {
        let bus = bus.clone();
        tokio::spawn(async move { publish(&bus, "order.woocommerce.c1.1", "{}").await })
    };
    broker.restart().await.unwrap();
    let stored = in_time("the publish", publishing).await.unwrap();
    assert_eq!(stored.stream, "ORDERS");
    assert_eq!(messages(&bus, names::ORDERS).await, 1);
}

/// Publishers make their streams again after the loss of the whole store.
#[tokio::test]
async fn a_wiped_broker_gets_its_stream_from_the_publisher() {
    let (mut broker, bus) = with_streams().await;
    broker.kill().await.unwrap();
    broker.wipe_store().await.unwrap();
    broker.restart().await.unwrap();
    let event = Publication::new("hub.t1.order.received.c1-7.1", "{}").message_id("again");
    let stored = bus
        .publish(event.expect_last_subject_sequence(0))
        .await
        .unwrap();
    assert_eq!(
        (stored.stream.as_str(), stored.sequence, stored.duplicate),
        ("HUB", 1, false)
    );
    let differences = streams::check(&bus, bus.options().sizing).await.unwrap();
    assert!(
        differences
            .iter()
            .all(|difference| difference.item != "HUB"),
        "{differences:?}"
    );
}

fn sent_messages(bus: &Bus) -> u64 {
    bus.client()
        .statistics()
        .out_messages
        .load(Ordering::Relaxed)
}

async fn two_attempts(bus: &Bus, before: u64) {
    eventually("the second attempt", || async {
        sent_messages(bus) >= before + 2
    })
    .await;
}

/// The answer to the first attempt is lost; the second meets the message of the first.
#[tokio::test]
async fn a_lost_answer_to_an_expected_sequence_is_no_conflict() {
    let (broker, bus) = with_streams().await;
    broker.freeze().unwrap();
    let sent = sent_messages(&bus);
    let publishing = {
        let bus = bus.clone();
        let event = Publication::new("hub.t1.order.received.c1-7.1", "{}");
        tokio::spawn(async move { bus.publish(event.expect_last_subject_sequence(0)).await })
    };
    two_attempts(&bus, sent).await;
    broker.thaw().unwrap();
    let stored = in_time("the publish", publishing).await.unwrap().unwrap();
    assert_eq!((stored.sequence, stored.duplicate), (1, true));
    assert_eq!(messages(&bus, names::HUB).await, 1);
}

/// The first attempt is stored late, when the second is under way: the id makes it one message.
#[tokio::test]
async fn an_answer_that_is_late_leads_to_one_message() {
    let (broker, bus) = with_streams().await;
    broker.freeze().unwrap();
    let sent = sent_messages(&bus);
    let publishing = {
        let bus = bus.clone();
        tokio::spawn(async move { publish(&bus, "order.woocommerce.c1.1", "{}").await })
    };
    two_attempts(&bus, sent).await;
    broker.thaw().unwrap();
    let stored = in_time("the publish", publishing).await.unwrap();
    assert!(stored.duplicate, "{stored:?}");
    assert_eq!(messages(&bus, names::ORDERS).await, 1);
}

#[tokio::test]
async fn a_broker_that_stays_away_is_a_transient_error_in_time() {
    let (mut broker, _bus) = with_streams().await;
    let mut options = BusOptions::new(broker.url(), "test");
    options.publish_patience = Duration::from_millis(700);
    let bus = Bus::connect(&options).await.unwrap();
    broker.kill().await.unwrap();
    let started = Instant::now();
    let error = bus
        .publish(Publication::new("order.woocommerce.c1.1", "{}"))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "bus.unavailable", "{error}");
    assert!(error.is_transient());
    assert!(
        started.elapsed() < Duration::from_secs(3),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn the_trace_context_travels_with_the_message() {
    let (_broker, bus) = with_streams().await;
    let trace = TraceContext::new(
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        Some("vendor=1"),
    )
    .unwrap();
    bus.publish(Publication::new("order.woocommerce.c1.1", "{}").trace(&trace))
        .await
        .unwrap();
    let (sender, mut received) = tokio::sync::mpsc::channel(1);
    let cancel = CancellationToken::new();
    let work = WorkLoop::new(&bus, streams::ORDER_INGEST);
    let worker = tokio::spawn(work.run(
        move |item| {
            let sender = sender.clone();
            async move {
                sender.send(item.trace()).await.unwrap();
                Outcome::Done
            }
        },
        cancel.clone(),
    ));
    assert_eq!(
        in_time("the message", received.recv()).await.unwrap(),
        Some(trace)
    );
    cancel.cancel();
    worker.await.unwrap().unwrap();
}
