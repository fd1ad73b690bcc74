use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use storelink_bus::streams::{self, ConsumerSpec, names};
use storelink_bus::{
    Bus, DeadLetterError, DeadLetters, Headers, Outcome, Publication, WorkItem, WorkLoop,
};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::harness::{eventually, in_time, messages, publish, with_streams};

/// Runs a loop whose handler tells the test what it got and answers by `decide`.
fn start(
    work: WorkLoop,
    cancel: &CancellationToken,
    decide: impl Fn(&WorkItem) -> Outcome + Send + Sync + 'static,
) -> (mpsc::Receiver<WorkItem>, JoinHandle<()>) {
    let (sender, items) = mpsc::channel(1_000);
    let decide = Arc::new(decide);
    let cancel = cancel.clone();
    let handle = tokio::spawn(async move {
        let handler = move |item: WorkItem| {
            let (sender, decide) = (sender.clone(), decide.clone());
            async move {
                sender.send(item.clone()).await.unwrap();
                decide(&item)
            }
        };
        work.run(handler, cancel).await.unwrap();
    });
    (items, handle)
}

async fn drained(bus: &Bus, stream: &str) {
    eventually("the stream is empty", || async {
        messages(bus, stream).await == 0
    })
    .await;
}

#[tokio::test]
async fn a_message_is_delivered_with_its_data_and_removed_when_done() {
    let (_broker, bus) = with_streams().await;
    let mut headers = Headers::new();
    headers.insert("tenant", "t1").unwrap();
    let stored = bus
        .publish(Publication::new("order.woocommerce.c1.1001", "{\"a\":1}").headers(headers))
        .await
        .unwrap();
    let cancel = CancellationToken::new();
    let work = WorkLoop::new(&bus, streams::ORDER_INGEST);
    let (mut items, worker) = start(work, &cancel, |_| Outcome::Done);
    let item = in_time("the order", items.recv()).await.unwrap();
    assert_eq!(item.subject(), "order.woocommerce.c1.1001");
    assert_eq!(item.token(2), Some("c1"));
    assert_eq!(item.payload().as_ref(), b"{\"a\":1}");
    assert_eq!(item.headers().get("tenant"), Some("t1"));
    assert_eq!((item.stream(), item.consumer()), ("ORDERS", "order-ingest"));
    assert_eq!(
        (item.sequence(), item.delivered(), item.pending()),
        (stored.sequence, 1, 0)
    );
    let age = time::OffsetDateTime::now_utc() - item.published();
    assert!(age.whole_seconds().abs() < 60, "{age}");
    drained(&bus, names::ORDERS).await;
    cancel.cancel();
    in_time("the end", worker).await.unwrap();
}

#[tokio::test]
async fn a_message_is_in_hand_until_it_is_settled() {
    let (_broker, bus) = with_streams().await;
    assert!(bus.work_in_hand().is_empty());
    let (begun, mut begins) = mpsc::channel(4);
    let finish = Arc::new(Notify::new());
    let handler = {
        let finish = finish.clone();
        move |_item| {
            let (begun, finish) = (begun.clone(), finish.clone());
            async move {
                begun.send(()).await.unwrap();
                finish.notified().await;
                Outcome::Done
            }
        }
    };
    let cancel = CancellationToken::new();
    let work = WorkLoop::new(&bus, streams::ORDER_INGEST).batch(4);
    let worker = tokio::spawn(work.run(handler, cancel.clone()));
    publish(&bus, "order.woocommerce.c1.1", "{}").await;
    publish(&bus, "order.woocommerce.c1.2", "{}").await;
    for _ in 0..2 {
        in_time("the work", begins.recv()).await.unwrap();
    }
    let in_hand = |count| vec![("order-ingest".to_owned(), count)];
    assert_eq!(bus.work_in_hand(), in_hand(2));
    finish.notify_one();
    eventually("one is done", || async { bus.work_in_hand() == in_hand(1) }).await;
    finish.notify_one();
    eventually("both are done", || async {
        bus.work_in_hand() == in_hand(0)
    })
    .await;
    assert_eq!(messages(&bus, names::ORDERS).await, 0, "confirmed before");
    cancel.cancel();
    in_time("the end", worker).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_parked_message_is_in_dead_unchanged_and_can_be_retried() {
    let (_broker, bus) = with_streams().await;
    let mut headers = Headers::new();
    headers.insert("tenant", "t1").unwrap();
    let payload = vec![0_u8, 159, 146, 150];
    bus.publish(
        Publication::new("order.woocommerce.c1.1", payload.clone())
            .headers(headers)
            .message_id("c1/1/1"),
    )
    .await
    .unwrap();
    let cancel = CancellationToken::new();
    let work = WorkLoop::new(&bus, streams::ORDER_INGEST);
    let (mut items, worker) = start(work, &cancel, |item| {
        if item.headers().get("Nats-Msg-Id") == Some("c1/1/1") {
            Outcome::park("order.unreadable", "the total is missing\nline 2")
        } else {
            Outcome::Done
        }
    });
    in_time("the order", items.recv()).await.unwrap();
    drained(&bus, names::ORDERS).await;

    let dead = DeadLetters::new(&bus);
    let letters = dead.list("dead.ORDERS.>", 0, 10).await.unwrap();
    let [letter] = letters.as_slice() else {
        panic!("{letters:?}")
    };
    assert_eq!(letter.reason.code, "order.unreadable");
    assert_eq!(letter.reason.text, "the total is missing line 2");
    assert_eq!(
        (letter.stream.as_str(), letter.consumer.as_str()),
        ("ORDERS", "order-ingest")
    );
    assert_eq!(letter.subject, "order.woocommerce.c1.1");
    assert_eq!(letter.payload.as_ref(), payload);
    assert_eq!(
        letter.headers.iter().collect::<Vec<_>>(),
        [("tenant", "t1")]
    );
    assert_eq!(letter.delivered, 1);
    assert!(dead.list("dead.JOBS.>", 0, 10).await.unwrap().is_empty());
    assert!(
        dead.list("dead.>", letter.sequence, 10)
            .await
            .unwrap()
            .is_empty()
    );

    dead.retry(letter.sequence).await.unwrap();
    let again = in_time("the order again", items.recv()).await.unwrap();
    assert_eq!(again.subject(), "order.woocommerce.c1.1");
    assert_eq!(again.payload().as_ref(), payload);
    let missing = dead.get(letter.sequence).await.unwrap_err();
    assert!(matches!(missing, DeadLetterError::NotFound(_)), "{missing}");
    drained(&bus, names::ORDERS).await;
    cancel.cancel();
    in_time("the end", worker).await.unwrap();
}

#[tokio::test]
async fn a_parked_job_frees_its_subject() {
    let (_broker, bus) = with_streams().await;
    let subject = "poll.woocommerce.c1.orders";
    publish(&bus, subject, "bad").await;
    let cancel = CancellationToken::new();
    let work = WorkLoop::new(&bus, streams::poller("woocommerce"));
    let (mut items, worker) = start(work, &cancel, |_| Outcome::park("job.unknown", "entity"));
    in_time("the job", items.recv()).await.unwrap();
    eventually("a new job is taken", || async {
        bus.publish(Publication::new(subject, "{}")).await.is_ok()
    })
    .await;
    cancel.cancel();
    in_time("the end", worker).await.unwrap();
}

#[tokio::test]
async fn retries_are_paced_and_a_given_pause_is_kept() {
    let (_broker, bus) = with_streams().await;
    publish(&bus, "order.woocommerce.c1.1", "{}").await;
    let cancel = CancellationToken::new();
    let work = WorkLoop::new(&bus, streams::ORDER_INGEST);
    let (mut items, worker) = start(work, &cancel, |item| match item.delivered() {
        1 => Outcome::retry("the store is away"),
        2 => Outcome::retry_after(Duration::from_millis(200), "soon"),
        3 => Outcome::Again,
        _ => Outcome::Done,
    });
    let mut times = Vec::new();
    for delivery in 1..=4 {
        let item = in_time("a delivery", items.recv()).await.unwrap();
        assert_eq!(item.delivered(), delivery);
        times.push(std::time::Instant::now());
    }
    let pauses: Vec<u128> = times
        .windows(2)
        .map(|w| (w[1] - w[0]).as_millis())
        .collect();
    // Lower limits hold on any machine; the server may be late, never early.
    assert!(pauses[0] >= 740, "{pauses:?}");
    assert!(pauses[1] >= 190, "{pauses:?}");
    drained(&bus, names::ORDERS).await;
    cancel.cancel();
    in_time("the end", worker).await.unwrap();
}

#[tokio::test]
async fn long_work_is_not_delivered_a_second_time() {
    let (_broker, bus) = with_streams().await;
    let consumer = ConsumerSpec {
        ack_wait: Duration::from_secs(1),
        ..streams::ORDER_INGEST
    };
    streams::apply_consumer(&bus, &consumer).await.unwrap();
    publish(&bus, "order.woocommerce.c1.1", "{}").await;
    let (deliveries, cancel) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
    let (finished, mut finish) = mpsc::channel(4);
    let work = WorkLoop::new(&bus, consumer).batch(4);
    let handler = {
        let deliveries = deliveries.clone();
        move |_item| {
            let (deliveries, finished) = (deliveries.clone(), finished.clone());
            async move {
                deliveries.fetch_add(1, Ordering::SeqCst);
                // More than three times the ack-wait: the work itself is what takes long.
                tokio::time::sleep(Duration::from_millis(3_500)).await;
                finished.send(()).await.unwrap();
                Outcome::Done
            }
        }
    };
    let worker = tokio::spawn(work.run(handler, cancel.clone()));
    in_time("the work", finish.recv()).await.unwrap();
    drained(&bus, names::ORDERS).await;
    assert_eq!(deliveries.load(Ordering::SeqCst), 1);
    cancel.cancel();
    in_time("the end", worker).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_slow_message_delays_no_other() {
    let (_broker, bus) = with_streams().await;
    let release = Arc::new(Notify::new());
    let (sender, mut done) = mpsc::channel(100);
    let cancel = CancellationToken::new();
    let handler = {
        let release = release.clone();
        move |item: WorkItem| {
            let (release, sender) = (release.clone(), sender.clone());
            async move {
                if item.subject().ends_with(".slow") {
                    release.notified().await;
                }
                sender.send(item.subject().to_owned()).await.unwrap();
                Outcome::Done
            }
        }
    };
    publish(&bus, "order.woocommerce.c1.slow", "{}").await;
    let work = WorkLoop::new(&bus, streams::ORDER_INGEST).batch(2);
    let worker = tokio::spawn(work.run(handler, cancel.clone()));
    for order in 0..50 {
        publish(&bus, &format!("order.woocommerce.c2.{order}"), "{}").await;
    }
    for _ in 0..50 {
        let subject = in_time("a quick order", done.recv()).await.unwrap();
        assert!(subject.starts_with("order.woocommerce.c2."), "{subject}");
    }
    release.notify_one();
    let last = in_time("the slow order", done.recv()).await.unwrap();
    assert_eq!(last, "order.woocommerce.c1.slow");
    cancel.cancel();
    in_time("the end", worker).await.unwrap().unwrap();
}

#[tokio::test]
async fn batches_hold_what_is_there_and_each_message_has_its_outcome() {
    let (_broker, bus) = with_streams().await;
    for order in 0..25 {
        publish(&bus, &format!("order.woocommerce.c1.{order}"), "{}").await;
    }
    let (sender, mut sizes) = mpsc::channel(100);
    let cancel = CancellationToken::new();
    let handler = move |items: Vec<WorkItem>| {
        let sender = sender.clone();
        async move {
            sender.send(items.len()).await.unwrap();
            items
                .iter()
                .map(|item| match item.token(3) {
                    Some("7") => Outcome::park("order.unreadable", "seven"),
                    _ => Outcome::Done,
                })
                .collect()
        }
    };
    let work = WorkLoop::new(&bus, streams::ORDER_INGEST).batch(10);
    let worker = tokio::spawn(work.run_batches(handler, cancel.clone()));
    let mut seen = Vec::new();
    while seen.iter().sum::<usize>() < 25 {
        seen.push(in_time("a batch", sizes.recv()).await.unwrap());
    }
    assert_eq!(seen, [10, 10, 5]);
    drained(&bus, names::ORDERS).await;
    assert_eq!(messages(&bus, names::DEAD).await, 1);

    // A message that comes alone is not kept waiting for others.
    publish(&bus, "order.woocommerce.c1.alone", "{}").await;
    assert_eq!(in_time("the single one", sizes.recv()).await, Some(1));
    cancel.cancel();
    in_time("the end", worker).await.unwrap().unwrap();
}

#[tokio::test]
async fn batches_end_at_their_bytes_and_a_larger_message_comes_alone() {
    let (_broker, bus) = with_streams().await;
    let size = |place: usize| if place == 4 { 2_000_000 } else { 300_000 };
    for place in 0..9 {
        let subject = format!("order.woocommerce.c1.{place}");
        let body = vec![b'x'; size(place)];
        bus.publish(Publication::new(subject, body)).await.unwrap();
    }
    let cancel = CancellationToken::new();
    let (sender, mut batches) = mpsc::channel(100);
    let handler = move |items: Vec<WorkItem>| {
        let sender = sender.clone();
        async move {
            let sizes: Vec<usize> = items.iter().map(|item| item.payload().len()).collect();
            let outcomes = vec![Outcome::Done; items.len()];
            sender.send(sizes).await.unwrap();
            outcomes
        }
    };
    let work = WorkLoop::new(&bus, streams::ORDER_INGEST)
        .batch(64)
        .batch_bytes(1_000_000);
    let worker = tokio::spawn(work.run_batches(handler, cancel.clone()));
    let mut seen = Vec::new();
    while seen.len() < 9 {
        let batch = in_time("a batch", batches.recv()).await.unwrap();
        let together: usize = batch.iter().sum();
        assert!(together <= 1_000_000 || batch.len() == 1, "{batch:?}");
        seen.extend(batch);
    }
    let expected: Vec<usize> = (0..9).map(size).collect();
    assert_eq!(seen, expected);
    drained(&bus, names::ORDERS).await;
    cancel.cancel();
    in_time("the end", worker).await.unwrap().unwrap();
}
