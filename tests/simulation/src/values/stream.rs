//! A last-value stream of the broker.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use storelink_bus::{Headers, LastValueEvent, Publication, PublishError, Published, ValueMessage};
use storelink_lanes::ports::{ValueFeed, ValueLog, ValueWindow};
use tokio::sync::watch;

use super::World;
use crate::kernel::Lost;

/// Values that a reader gets at once.
const TOGETHER: usize = 64;
/// How often one publish is sent before it counts as failed.
const TRIES: usize = 3;

/// One message per subject.
pub(crate) struct Stream {
    held: Mutex<Held>,
    /// Changes with every message and every loss.
    moved: watch::Sender<u64>,
}

#[derive(Clone, Default)]
struct Held {
    /// Which stream this is: another one after a loss.
    made: u64,
    sequence: u64,
    last: BTreeMap<String, (u64, Bytes)>,
    by_sequence: BTreeMap<u64, String>,
    ids: BTreeMap<String, u64>,
}

enum Refused {
    Sequence(u64),
}

impl Default for Stream {
    fn default() -> Self {
        Self {
            held: Mutex::default(),
            moved: watch::channel(0).0,
        }
    }
}

impl Stream {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last value of a subject.
    pub(super) fn last(&self, subject: &str) -> Option<Bytes> {
        self.held()
            .last
            .get(subject)
            .map(|(_, payload)| payload.clone())
    }

    /// Stores a message, whatever is there.
    pub(super) fn put(&self, subject: &str, payload: Bytes) {
        self.held().store(subject, payload, None);
        self.moved.send_modify(|moved| *moved += 1);
    }

    /// Loses everything.
    pub(super) fn lose(&self) {
        let mut held = self.held();
        *held = Held {
            made: held.made + 1,
            ..Held::default()
        };
        drop(held);
        self.moved.send_modify(|moved| *moved += 1);
    }

    /// As it is now, to come back to.
    pub(super) fn backup(&self) -> Backup {
        Backup(self.held().clone())
    }

    /// Becomes what it was.
    pub(super) fn restore(&self, backup: &Backup) {
        let mut held = self.held();
        let made = held.made + 1;
        *held = backup.0.clone();
        held.made = made;
        drop(held);
        self.moved.send_modify(|moved| *moved += 1);
    }

    fn publish(&self, publication: &Publication) -> Result<Published, Refused> {
        let mut held = self.held();
        let known = publication.id().and_then(|id| held.ids.get(id).copied());
        if let Some(sequence) = known {
            return Ok(published(sequence, true));
        }
        let found = held.last.get(publication.subject());
        let found = found.map_or(0, |(sequence, _)| *sequence);
        if publication
            .expected_last()
            .is_some_and(|last| last != found)
        {
            return Err(Refused::Sequence(found));
        }
        let payload = publication.payload().clone();
        let sequence = held.store(publication.subject(), payload, publication.id());
        drop(held);
        self.moved.send_modify(|moved| *moved += 1);
        Ok(published(sequence, false))
    }
}

/// A stream at an earlier time.
pub(super) struct Backup(Held);

impl Held {
    fn store(&mut self, subject: &str, payload: Bytes, id: Option<&str>) -> u64 {
        self.sequence += 1;
        let sequence = self.sequence;
        let before = self.last.insert(subject.to_owned(), (sequence, payload));
        if let Some((before, _)) = before {
            self.by_sequence.remove(&before);
        }
        self.by_sequence.insert(sequence, subject.to_owned());
        if let Some(id) = id {
            self.ids.insert(id.to_owned(), sequence);
        }
        sequence
    }

    fn after(&self, sequence: u64) -> Vec<ValueMessage> {
        let later = self.by_sequence.range(sequence + 1..).take(TOGETHER);
        let messages = later.filter_map(|(sequence, subject)| {
            let (_, payload) = self.last.get(subject)?;
            Some(ValueMessage {
                subject: subject.clone(),
                headers: Headers::new(),
                payload: payload.clone(),
                sequence: *sequence,
                published: time::OffsetDateTime::UNIX_EPOCH,
            })
        });
        messages.collect()
    }
}

fn published(sequence: u64, duplicate: bool) -> Published {
    Published {
        stream: String::new(),
        sequence,
        duplicate,
    }
}

/// Which of the world's streams.
#[derive(Clone, Copy)]
pub(super) enum Which {
    Values,
    Listings,
}

/// A stream as one process reaches it.
#[derive(Clone)]
pub(super) struct Reach {
    pub(super) world: Arc<World>,
    pub(super) which: Which,
}

impl Reach {
    fn stream(&self) -> &Stream {
        match self.which {
            Which::Values => &self.world.values,
            Which::Listings => &self.world.listings,
        }
    }

    async fn at_broker<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Stream) -> T + Send + 'static,
    ) -> Result<T, Lost> {
        let reach = self.clone();
        let wire = self.world.weather().broker();
        let call = self.world.sim.call(wire, move |_| work(reach.stream()));
        call.await
    }
}

#[async_trait]
impl ValueLog for Reach {
    async fn publish(&self, publication: Publication) -> Result<Published, PublishError> {
        let subject = publication.subject().to_owned();
        for _ in 0..TRIES {
            let one = publication.clone();
            match self.at_broker(move |stream| stream.publish(&one)).await {
                Ok(Ok(published)) => return Ok(published),
                Ok(Err(Refused::Sequence(found))) => {
                    return Err(PublishError::WrongLastSequence {
                        subject,
                        found: Some(found),
                        text: String::new(),
                    });
                }
                Err(Lost) => {}
            }
        }
        Err(PublishError::Unavailable {
            subject,
            waited: Duration::ZERO,
            reason: "no answer".to_owned(),
        })
    }

    fn window(&self) -> Box<dyn ValueWindow> {
        Box::new(Window {
            log: self.clone(),
            pushed: Vec::new(),
        })
    }

    async fn last(&self, subject: &str) -> Result<Option<(Bytes, u64)>, String> {
        let subject = subject.to_owned();
        let last = self.at_broker(move |stream| {
            let held = stream.held();
            held.last
                .get(&subject)
                .map(|(sequence, payload)| (payload.clone(), *sequence))
        });
        last.await.map_err(|Lost| "no answer".to_owned())
    }
}

/// Everything is sent at once when it is settled, and arrives in any order.
struct Window {
    log: Reach,
    pushed: Vec<Publication>,
}

#[async_trait]
impl ValueWindow for Window {
    async fn push(&mut self, publication: Publication) {
        self.pushed.push(publication);
    }

    async fn settle(&mut self) -> Vec<Result<Published, PublishError>> {
        let pushed = std::mem::take(&mut self.pushed);
        let all = pushed.into_iter().map(|one| self.log.publish(one));
        futures::future::join_all(all).await
    }
}

/// Reads a stream.
pub(super) struct Feed {
    reach: Reach,
    moved: watch::Receiver<u64>,
    made: Option<u64>,
    seen: u64,
    caught_up: bool,
    /// The last question was answered, with everything that was there.
    at_end: bool,
    ready: VecDeque<LastValueEvent>,
}

impl Feed {
    pub(super) fn of(reach: Reach) -> Self {
        let moved = reach.stream().moved.subscribe();
        Self {
            reach,
            moved,
            made: None,
            seen: 0,
            caught_up: false,
            at_end: false,
            ready: VecDeque::new(),
        }
    }

    async fn fetch(&mut self) {
        self.at_end = false;
        self.moved.mark_unchanged();
        let (made, seen) = (self.made, self.seen);
        let fetched = self.reach.at_broker(move |stream| {
            let held = stream.held();
            let seen = if made == Some(held.made) { seen } else { 0 };
            let messages = held.after(seen);
            let at_end = messages.len() < TOGETHER;
            (held.made, messages, at_end)
        });
        let Ok((made, messages, at_end)) = fetched.await else {
            return;
        };
        if self.made.is_some_and(|known| known != made) {
            self.ready.push_back(LastValueEvent::Recreated);
            self.caught_up = false;
        }
        if self.made != Some(made) {
            self.made = Some(made);
            self.seen = 0;
        }
        for message in messages {
            self.seen = message.sequence;
            self.ready.push_back(LastValueEvent::Value(message));
        }
        self.at_end = at_end;
        if at_end && !self.caught_up {
            self.caught_up = true;
            self.ready.push_back(LastValueEvent::CaughtUp);
        }
    }
}

#[async_trait]
impl ValueFeed for Feed {
    async fn next(&mut self) -> LastValueEvent {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return event;
            }
            if self.at_end && self.moved.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            self.fetch().await;
        }
    }
}
