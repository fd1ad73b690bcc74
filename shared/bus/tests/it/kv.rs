use storelink_bus::kv::{Bucket, Entry, KvError, KvEvent, Watch};
use storelink_bus::streams::names;

use crate::harness::{in_time, with_streams};

async fn next(watch: &mut Watch) -> KvEvent {
    in_time("an event", watch.next()).await
}

fn text(entry: &Entry) -> (&str, &str) {
    (&entry.key, std::str::from_utf8(&entry.value).unwrap())
}

#[tokio::test]
async fn values_are_read_back_and_deletions_hide_them() {
    let (_broker, bus) = with_streams().await;
    let bucket = Bucket::new(&bus, names::CONNECTIONS);
    assert_eq!(bucket.get("c1").await.unwrap(), None);
    let revision = bucket.put("c1", "one").await.unwrap();
    let entry = bucket.get("c1").await.unwrap().unwrap();
    assert_eq!((text(&entry), entry.revision), (("c1", "one"), revision));
    bucket.delete("c1").await.unwrap();
    assert_eq!(bucket.get("c1").await.unwrap(), None);
}

#[tokio::test]
async fn compare_and_set_lets_one_writer_win() {
    let (_broker, bus) = with_streams().await;
    let bucket = Bucket::new(&bus, names::PACE);
    let first = bucket.create("c1", "1").await.unwrap();
    assert!(matches!(
        bucket.create("c1", "x").await,
        Err(KvError::Conflict { .. })
    ));
    let second = bucket.update("c1", "2", first).await.unwrap();
    let late = bucket.update("c1", "3", first).await.unwrap_err();
    assert!(
        matches!(&late, KvError::Conflict { key } if key == "c1"),
        "{late}"
    );
    assert!(!late.is_transient());
    assert!(bucket.delete_revision("c1", first).await.is_err());
    bucket.delete_revision("c1", second).await.unwrap();
    // A deleted key can be created again.
    bucket.create("c1", "4").await.unwrap();
    assert_eq!(text(&bucket.get("c1").await.unwrap().unwrap()), ("c1", "4"));
}

#[tokio::test]
async fn two_writers_at_the_same_time_never_both_win() {
    let (_broker, bus) = with_streams().await;
    let bucket = Bucket::new(&bus, names::PACE);
    let mut revision = bucket.create("c1", "0").await.unwrap();
    for round in 0..20 {
        let (a, b) = tokio::join!(
            bucket.update("c1", format!("a{round}"), revision),
            bucket.update("c1", format!("b{round}"), revision)
        );
        assert!(a.is_ok() != b.is_ok(), "round {round}: {a:?} {b:?}");
        revision = a.or(b).unwrap();
    }
}

#[tokio::test]
async fn an_unusable_key_is_refused_before_it_is_sent() {
    let (_broker, bus) = with_streams().await;
    let bucket = Bucket::new(&bus, names::CONNECTIONS);
    for key in ["", ".", "a..b", "a.", ".a", "a b", "a*", ">", "ä"] {
        let error = bucket.put(key, "x").await.unwrap_err();
        assert!(
            matches!(error, KvError::InvalidKey { .. }),
            "{key:?}: {error}"
        );
    }
    assert!(bucket.put("tenant-1.c_1/x=2", "x").await.is_ok());
}

#[tokio::test]
async fn a_watch_gives_a_snapshot_then_changes_also_over_a_restart() {
    let (mut broker, bus) = with_streams().await;
    let bucket = Bucket::new(&bus, names::CONNECTIONS);
    for (key, value) in [("c1", "old"), ("c2", "two"), ("c1", "one"), ("c3", "three")] {
        bucket.put(key, value).await.unwrap();
    }
    bucket.delete("c3").await.unwrap();
    let mut watch = bucket.watch();
    let KvEvent::Put(c2) = next(&mut watch).await else {
        panic!()
    };
    let KvEvent::Put(c1) = next(&mut watch).await else {
        panic!()
    };
    assert_eq!((text(&c2), text(&c1)), (("c2", "two"), ("c1", "one")));
    assert!(matches!(next(&mut watch).await, KvEvent::Deleted { key, .. } if key == "c3"));
    assert_eq!(next(&mut watch).await, KvEvent::SnapshotComplete);

    broker.kill().await.unwrap();
    broker.restart().await.unwrap();
    let revision = bucket.put("c4", "four").await.unwrap();
    let KvEvent::Put(c4) = next(&mut watch).await else {
        panic!()
    };
    assert_eq!((text(&c4), c4.revision), (("c4", "four"), revision));
}

#[tokio::test]
async fn a_watch_of_some_keys_sees_only_those() {
    let (_broker, bus) = with_streams().await;
    let bucket = Bucket::new(&bus, names::CATALOGS);
    bucket.put("t1.warehouses", "a").await.unwrap();
    bucket.put("t2.warehouses", "b").await.unwrap();
    let mut watch = bucket.watch_keys(&["t2.>"]);
    let KvEvent::Put(entry) = next(&mut watch).await else {
        panic!()
    };
    assert_eq!(text(&entry), ("t2.warehouses", "b"));
    assert_eq!(next(&mut watch).await, KvEvent::SnapshotComplete);
}
