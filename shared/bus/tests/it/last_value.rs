use std::collections::BTreeMap;

use storelink_bus::streams::{self, Sizing, names};
use storelink_bus::{Bus, LastValueEvent, LastValueReader, Publication};

use crate::harness::{in_time, messages, publish, with_streams};

async fn next(reader: &mut LastValueReader) -> LastValueEvent {
    in_time("an event", reader.next()).await
}

/// Reads until the replay is complete and returns what was said before.
async fn replay(reader: &mut LastValueReader) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    loop {
        match next(reader).await {
            LastValueEvent::Value(message) => {
                let value = String::from_utf8(message.payload.to_vec()).unwrap();
                values.insert(message.subject, value);
            }
            LastValueEvent::CaughtUp => return values,
            LastValueEvent::Recreated => panic!("the stream is the same"),
        }
    }
}

async fn value(reader: &mut LastValueReader) -> (String, String, u64) {
    match next(reader).await {
        LastValueEvent::Value(message) => (
            message.subject,
            String::from_utf8(message.payload.to_vec()).unwrap(),
            message.sequence,
        ),
        other => panic!("no value: {other:?}"),
    }
}

async fn fill(bus: &Bus, skus: usize) {
    let mut window = bus.window(200);
    for sku in 0..skus {
        let subject = format!("stock.t1.main.S{sku}");
        window
            .push(Publication::new(subject, sku.to_string()))
            .await;
    }
    assert!(window.settle().await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn the_replay_ends_and_changes_follow() {
    let (_broker, bus) = with_streams().await;
    fill(&bus, 3_000).await;
    publish(&bus, "stock.t1.main.S0", "changed").await;
    let mut reader = LastValueReader::new(&bus, names::STOCK, &[]);
    let values = replay(&mut reader).await;
    assert_eq!(values.len(), 3_000);
    assert_eq!(values["stock.t1.main.S0"], "changed");
    assert_eq!(values["stock.t1.main.S2999"], "2999");

    let stored = publish(&bus, "stock.t1.main.S1", "live").await;
    let expected = (
        "stock.t1.main.S1".to_owned(),
        "live".to_owned(),
        stored.sequence,
    );
    assert_eq!(value(&mut reader).await, expected);
}

#[tokio::test]
async fn an_empty_stream_is_complete_at_once_also_after_deletions() {
    let (_broker, bus) = with_streams().await;
    let mut reader = LastValueReader::new(&bus, names::PRICES, &[]);
    assert!(replay(&mut reader).await.is_empty());

    publish(&bus, "price.t1.B2C.A", "1").await;
    publish(&bus, "price.t1.B2C.B", "2").await;
    let stream = bus.jetstream().get_stream(names::PRICES).await.unwrap();
    stream.purge().filter("price.t1.B2C.B").await.unwrap();
    let mut second = LastValueReader::new(&bus, names::PRICES, &[]);
    assert_eq!(replay(&mut second).await.len(), 1);
}

#[tokio::test]
async fn filters_choose_the_tenants() {
    let (_broker, bus) = with_streams().await;
    for tenant in ["t1", "t2", "t3"] {
        publish(&bus, &format!("stock.{tenant}.main.A"), tenant).await;
    }
    let mut reader = LastValueReader::new(&bus, names::STOCK, &["stock.t1.>", "stock.t3.>"]);
    let values = replay(&mut reader).await;
    assert_eq!(values.into_values().collect::<Vec<_>>(), ["t1", "t3"]);
}

#[tokio::test]
async fn a_restart_of_the_server_goes_on_where_it_was() {
    let (mut broker, bus) = with_streams().await;
    fill(&bus, 100).await;
    let mut reader = LastValueReader::new(&bus, names::STOCK, &[]);
    assert_eq!(replay(&mut reader).await.len(), 100);
    broker.kill().await.unwrap();
    broker.restart().await.unwrap();
    publish(&bus, "stock.t1.main.S5", "after").await;
    let (subject, text, _) = value(&mut reader).await;
    assert_eq!(
        (subject.as_str(), text.as_str()),
        ("stock.t1.main.S5", "after")
    );
}

#[tokio::test]
async fn a_lost_consumer_is_replaced() {
    let (_broker, bus) = with_streams().await;
    fill(&bus, 10).await;
    let mut reader = LastValueReader::new(&bus, names::STOCK, &[]);
    replay(&mut reader).await;
    let stream = bus.jetstream().get_stream(names::STOCK).await.unwrap();
    let consumers: Vec<String> = {
        use futures::TryStreamExt;
        stream.consumer_names().try_collect().await.unwrap()
    };
    assert_eq!(consumers.len(), 1, "one consumer for the whole stream");
    stream.delete_consumer(&consumers[0]).await.unwrap();
    publish(&bus, "stock.t1.main.S5", "after").await;
    assert_eq!(value(&mut reader).await.1, "after");
}

#[tokio::test]
async fn a_stream_made_anew_is_announced_and_read_from_its_start() {
    let (_broker, bus) = with_streams().await;
    fill(&bus, 10).await;
    let mut reader = LastValueReader::new(&bus, names::STOCK, &[]);
    replay(&mut reader).await;
    bus.jetstream().delete_stream(names::STOCK).await.unwrap();
    streams::apply(&bus, Sizing::default()).await.unwrap();
    fill(&bus, 20).await;
    assert!(matches!(next(&mut reader).await, LastValueEvent::Recreated));
    assert_eq!(replay(&mut reader).await.len(), 20);
}

/// Whole broker store lost: the reader makes the stream again, says so, and follows it.
#[tokio::test]
async fn a_wiped_broker_is_announced() {
    let (mut broker, bus) = with_streams().await;
    fill(&bus, 10).await;
    let mut reader = LastValueReader::new(&bus, names::STOCK, &[]);
    replay(&mut reader).await;
    broker.kill().await.unwrap();
    broker.wipe_store().await.unwrap();
    broker.restart().await.unwrap();
    assert!(matches!(next(&mut reader).await, LastValueEvent::Recreated));
    assert!(replay(&mut reader).await.is_empty());
    assert_eq!(messages(&bus, names::STOCK).await, 0);
    publish(&bus, "stock.t1.main.S1", "new").await;
    assert_eq!(
        value(&mut reader).await,
        ("stock.t1.main.S1".into(), "new".into(), 1)
    );
}

/// The server lost power: its last messages were not on the disk, and their sequences have other
/// messages by now. Neither the stream's creation nor its last sequence tells.
#[tokio::test]
async fn a_lost_tail_whose_sequences_are_used_again_is_noticed() {
    let (mut broker, bus) = with_streams().await;
    fill(&bus, 100).await;
    broker.stop().await.unwrap();
    let kept = tempfile::tempdir().unwrap();
    copy_folder(&broker.store(), kept.path());
    broker.restart().await.unwrap();
    for value in ["a", "b", "c"] {
        publish(&bus, "stock.t1.main.S1", value).await;
    }
    let mut reader = LastValueReader::new(&bus, names::STOCK, &[]);
    assert_eq!(replay(&mut reader).await["stock.t1.main.S1"], "c");

    broker.kill().await.unwrap();
    std::fs::remove_dir_all(broker.store()).unwrap();
    copy_folder(kept.path(), &broker.store());
    broker.restart().await.unwrap();
    let lost = publish(&bus, "stock.t1.main.S2", "other").await;
    assert_eq!(lost.sequence, 101);
    for value in ["d", "e", "f"] {
        publish(&bus, "stock.t1.main.S3", value).await;
    }
    assert!(matches!(next(&mut reader).await, LastValueEvent::Recreated));
    let values = replay(&mut reader).await;
    assert_eq!(values.len(), 100);
    assert_eq!(values["stock.t1.main.S1"], "1");
    assert_eq!(values["stock.t1.main.S2"], "other");
    assert_eq!(values["stock.t1.main.S3"], "f");
    publish(&bus, "stock.t1.main.S4", "live").await;
    assert_eq!(value(&mut reader).await.1, "live");
}

fn copy_folder(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test]
async fn a_dropped_wait_loses_no_value() {
    let (_broker, bus) = with_streams().await;
    fill(&bus, 200).await;
    let mut reader = LastValueReader::new(&bus, names::STOCK, &[]);
    let mut seen = 0;
    // Each wait is given up after one poll; what it had begun must go on in the next.
    let all = async {
        loop {
            tokio::select! {
                biased;
                event = reader.next() => match event {
                    LastValueEvent::Value(_) => seen += 1,
                    LastValueEvent::CaughtUp => break,
                    LastValueEvent::Recreated => panic!("the stream is the same"),
                },
                () = tokio::time::sleep(std::time::Duration::from_millis(30)) => {}
            }
        }
    };
    in_time("all values", all).await;
    assert_eq!(seen, 200);
}
