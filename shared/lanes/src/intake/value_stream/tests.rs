//! Two processes write the same key.

use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use storelink_bus::Published;
use storelink_model::Version;
use storelink_persistence::Database;
use storelink_test_support::database::TestDatabase;

use super::*;
use crate::MIGRATOR;
use crate::intake::{ValueWindow, Winner};
use crate::kind::Stock;
use crate::ordering::Stamp;

/// A stream of one subject.
#[derive(Clone, Default)]
struct OneSubject {
    last: Arc<Mutex<Option<(Bytes, u64)>>>,
    pushed: Vec<Publication>,
}

impl OneSubject {
    fn store(&self, publication: &Publication) -> Result<Published, PublishError> {
        let mut last = self.last.lock().unwrap();
        let found = last.as_ref().map_or(0, |(_, sequence)| *sequence);
        if publication.expected_last() != Some(found) {
            return Err(PublishError::WrongLastSequence {
                subject: publication.subject().to_owned(),
                found: Some(found),
                text: String::new(),
            });
        }
        *last = Some((publication.payload().clone(), found + 1));
        Ok(Published {
            stream: String::new(),
            sequence: found + 1,
            duplicate: false,
        })
    }

    fn shows(&self) -> String {
        let last = self.last.lock().unwrap();
        let (payload, _) = last.as_ref().unwrap();
        Stock::decode(payload).unwrap().1.value.to_string()
    }
}

#[async_trait]
impl ValueLog for OneSubject {
    async fn publish(&self, publication: Publication) -> Result<Published, PublishError> {
        self.store(&publication)
    }

    fn window(&self) -> Box<dyn ValueWindow> {
        Box::new(self.clone())
    }

    async fn last(&self, _: &str) -> Result<Option<(Bytes, u64)>, String> {
        Ok(self.last.lock().unwrap().clone())
    }
}

#[async_trait]
impl ValueWindow for OneSubject {
    async fn push(&mut self, publication: Publication) {
        self.pushed.push(publication);
    }

    async fn settle(&mut self) -> Vec<Result<Published, PublishError>> {
        let pushed = std::mem::take(&mut self.pushed);
        pushed.iter().map(|one| self.store(one)).collect()
    }
}

/// A value with the time of all others, from the event with this sequence.
fn said(value: &str, sequence: u64) -> Winner<Stock> {
    Winner {
        key: LevelKey {
            tenant: "acme".parse().unwrap(),
            source: "main".parse().unwrap(),
            sku: "A".parse().unwrap(),
        },
        stamp: Stamp {
            version: Version::Time(5),
            sequence,
        },
        value: value.parse().unwrap(),
        time: Timestamp::from_micros(5),
        trace: None,
        event: 0,
        item: 0,
    }
}

async fn stored(mirror: &Mirror<Stock>, winner: Winner<Stock>) -> Vec<Outgoing<Stock>> {
    let stored = mirror.store(&[winner]).await.unwrap();
    let rows = stored.rows.into_iter();
    rows.map(|(_, row)| Outgoing { row, trace: None }).collect()
}

/// One process commits an event and is slow; meanwhile another one commits and publishes the next, of
/// the same second, and the first one hears of that before it publishes.
#[tokio::test]
async fn of_two_events_of_one_second_the_later_stays_whoever_publishes_last() {
    for knows in [true, false] {
        let place = TestDatabase::sqlite().unwrap();
        let db = Database::open(&place.settings(), "stock-publisher").await;
        let db = db.unwrap();
        db.migrate(&MIGRATOR).await.unwrap();
        let log = OneSubject::default();
        let process = || {
            let mirror = Mirror::<Stock>::new(Arc::new(db.clone()));
            ValueStream::new(Arc::new(log.clone()), mirror, Levels::new())
        };
        let (one, other) = (process(), process());
        let earlier = stored(one.mirror(), said("125", 100)).await;
        let later = stored(other.mirror(), said("0", 103)).await;
        if knows {
            one.publish(later).await.unwrap();
        } else {
            other.publish(later).await.unwrap();
        }
        one.publish(earlier).await.unwrap();
        assert_eq!(log.shows(), "0", "it knows of the other value: {knows}");
    }
}

/// A value, another one and the first again in one second: whoever is about to write the second one, as it
/// was committed before the third, expects a sequence that is over.
#[tokio::test]
async fn a_value_said_again_refuses_what_another_process_is_about_to_write() {
    let place = TestDatabase::sqlite().unwrap();
    let db = Database::open(&place.settings(), "stock-publisher").await;
    let db = db.unwrap();
    db.migrate(&MIGRATOR).await.unwrap();
    let log = OneSubject::default();
    let mirror = Mirror::<Stock>::new(Arc::new(db));
    let stream = ValueStream::new(Arc::new(log.clone()), mirror, Levels::new());
    let sequence = || log.last.lock().unwrap().as_ref().map_or(0, |last| last.1);

    let first = stored(stream.mirror(), said("127", 100)).await;
    stream.publish(first).await.unwrap();
    let late = stored(stream.mirror(), said("105", 101)).await;
    let expected = sequence();
    let again = stored(stream.mirror(), said("127", 102)).await;
    stream.publish(again).await.unwrap();

    let [late] = <[_; 1]>::try_from(late).ok().unwrap();
    let refused = log.store(&stream.publication(&late, expected));
    assert!(matches!(
        refused,
        Err(PublishError::WrongLastSequence { .. })
    ));
    assert_eq!((log.shows().as_str(), sequence()), ("127", expected + 1));

    let all = stream.mirror().rows();
    let (rows, _) = all.page(&Default::default(), 10).await.unwrap();
    let rows = rows.into_iter().map(|row| Outgoing { row, trace: None });
    assert_eq!(stream.complete(rows.collect()).await.unwrap(), 0);
    assert_eq!(sequence(), expected + 1, "what is there is left alone");
}
