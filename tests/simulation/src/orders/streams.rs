//! The broker's streams in memory: work queues, and events under an expected sequence.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use storelink_bus::{Publication, PublishError, Published};
use tokio::sync::Notify;

use crate::kernel::{Lost, Sim, Wire};

/// For how long a stream recognises a message by its id.
const REMEMBERED: i64 = 120_000_000;
/// Longest wait for one acknowledgement of a publication.
const ACK_LIMIT: Duration = Duration::from_secs(3);
/// For how long a publication is repeated.
const PATIENCE: i64 = 10_000_000;
/// After this time a delivery without an answer is made again.
pub(super) const ACK_WAIT: Duration = Duration::from_secs(30);

/// A stream of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name {
    Hooks,
    Jobs,
    Orders,
    Hub,
}

impl Name {
    /// Every stream.
    pub(super) const ALL: [Self; 4] = [Self::Hooks, Self::Jobs, Self::Orders, Self::Hub];
}

impl Name {
    fn of(subject: &str) -> Self {
        match subject.split('.').next() {
            Some("hook") => Self::Hooks,
            Some("poll") => Self::Jobs,
            Some("order") => Self::Orders,
            _ => Self::Hub,
        }
    }
}

/// One message of a stream.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) subject: String,
    pub(super) payload: Bytes,
    id: String,
    delivered: i64,
    /// Not delivered before.
    due: i64,
    published: i64,
}

/// One delivery of a message; answers name it.
#[derive(Debug, Clone)]
pub(super) struct Delivery {
    stream: Name,
    made: i64,
    pub(super) sequence: u64,
    pub(super) subject: String,
    pub(super) payload: Bytes,
    pub(super) delivered: i64,
    pub(super) published: i64,
}

/// What a worker says about a delivery.
#[derive(Debug, Clone, Copy)]
pub(super) enum Answer {
    Done,
    Working,
    Again(Duration),
}

#[derive(Debug, Default)]
struct Stream {
    made: i64,
    last: u64,
    messages: BTreeMap<u64, Message>,
    by_subject: BTreeMap<String, u64>,
    ids: BTreeMap<String, (u64, i64)>,
    /// It takes nothing before this time.
    full_until: i64,
}

#[derive(Debug, Default)]
struct State {
    streams: BTreeMap<Name, Stream>,
    lost: BTreeSet<Name>,
    /// Of every order subject the last version of its content that ever was on its way to the ledger.
    handed_on: BTreeMap<String, usize>,
}

/// The broker. Clones share it.
#[derive(Clone)]
pub(super) struct Streams {
    sim: Sim,
    wire: Arc<Mutex<Wire>>,
    state: Arc<Mutex<State>>,
    news: Arc<BTreeMap<Name, Notify>>,
    /// Of a thousand deliveries those that go to somebody who is gone.
    astray: Arc<AtomicU32>,
}

impl Streams {
    pub(super) fn new(sim: &Sim, wire: Wire) -> Self {
        let streams = Self {
            sim: sim.clone(),
            wire: Arc::new(Mutex::new(wire)),
            state: Arc::default(),
            astray: Arc::new(AtomicU32::new(50)),
            news: Arc::new(Name::ALL.map(|name| (name, Notify::new())).into()),
        };
        for name in Name::ALL {
            streams.make_anew(name);
        }
        streams
    }

    /// The stream is lost with everything in it, and made again.
    pub(super) fn make_anew(&self, name: Name) {
        let made = self.sim.now().micros();
        let stream = Stream {
            made,
            ..Stream::default()
        };
        let mut state = self.state();
        if state.streams.insert(name, stream).is_some() {
            state.lost.insert(name);
        }
    }

    /// Whether the stream was made anew since the world began.
    pub(super) fn was_lost(&self, name: Name) -> bool {
        self.state().lost.contains(&name)
    }

    /// The stream takes nothing until then.
    pub(super) fn full_until(&self, name: Name, until: i64) {
        self.state().streams.entry(name).or_default().full_until = until;
    }

    /// Every delivery reaches somebody.
    pub(super) fn heal(&self) {
        self.astray.store(0, Ordering::Relaxed);
    }

    pub(super) fn set_wire(&self, wire: Wire) {
        *self.wire.lock().unwrap_or_else(PoisonError::into_inner) = wire;
    }

    /// Whether nothing lies in a stream.
    pub(super) fn is_empty(&self, name: Name) -> bool {
        let state = self.state();
        let stream = state.streams.get(&name);
        stream.is_none_or(|stream| stream.messages.is_empty())
    }

    /// Messages of a stream as they lie there.
    pub(super) fn messages(&self, name: Name) -> Vec<Message> {
        let state = self.state();
        let stream = state.streams.get(&name);
        stream.map_or_else(Vec::new, |stream| {
            stream.messages.values().cloned().collect()
        })
    }

    /// The last version of an order's content that ever was on its way to the ledger.
    pub(super) fn handed_on(&self, subject: &str) -> Option<usize> {
        self.state().handed_on.get(subject).copied()
    }

    /// Which stream it is: when it was made, and its last sequence.
    pub(super) async fn identity(&self, name: Name) -> Result<(i64, u64), Lost> {
        let own = self.clone();
        let ask = move |_: &Sim| {
            let state = own.state();
            let stream = state.streams.get(&name);
            stream.map_or((0, 0), |stream| (stream.made, stream.last))
        };
        self.sim.call(self.wire(), ask).await
    }

    /// Publishes as the bus does: repeats with the same id while no answer comes.
    pub(super) async fn publish(&self, message: &Publication) -> Result<Published, PublishError> {
        let id = message.id().map_or_else(
            || format!("{:x}", self.sim.chance(crate::kernel::Random::number)),
            str::to_owned,
        );
        let begun = self.sim.now().micros();
        let mut pause = Duration::from_millis(50);
        loop {
            let (own, copy, id) = (self.clone(), message.clone(), id.clone());
            let store = move |_: &Sim| own.store(&copy, &id);
            if let Ok(answer) = self.sim.call(self.wire(), store).await {
                return answer;
            }
            let waited = self.sim.now().micros() - begun;
            if waited >= PATIENCE {
                return Err(PublishError::Unavailable {
                    subject: message.subject().to_owned(),
                    waited: Duration::from_micros(waited.unsigned_abs()),
                    reason: "no answer".to_owned(),
                });
            }
            self.sim.sleep(pause).await;
            pause *= 2;
        }
    }

    /// Puts a message into its stream, unless that refuses it.
    pub(super) fn put(&self, message: &Publication) {
        let id = self.sim.chance(crate::kernel::Random::number);
        self.store(message, &format!("{id:x}")).ok();
    }

    /// Up to so many messages whose time has come; waits until there is one.
    pub(super) async fn fetch(&self, name: Name, most: usize) -> Vec<Delivery> {
        loop {
            let news = self.news.get(&name).map(Notify::notified);
            let own = self.clone();
            let take = move |_: &Sim| own.take(name, most);
            if let Ok(taken) = self.sim.call(self.wire(), take).await
                && !taken.is_empty()
            {
                return taken;
            }
            match news {
                Some(news) => {
                    let long = self.sim.sleep(Duration::from_secs(60));
                    futures::future::select(std::pin::pin!(news), std::pin::pin!(long)).await;
                }
                None => return Vec::new(),
            }
        }
    }

    /// Tells the broker what became of a delivery.
    pub(super) async fn answer(&self, delivery: &Delivery, answer: Answer) {
        let (own, delivery) = (self.clone(), delivery.clone());
        let take_in = move |_: &Sim| own.settle(&delivery, answer);
        self.sim.call(self.wire(), take_in).await.ok();
    }

    fn store(&self, message: &Publication, id: &str) -> Result<Published, PublishError> {
        let now = self.sim.now().micros();
        let subject = message.subject().to_owned();
        let name = Name::of(&subject);
        let mut state = self.state();
        let stream = state.streams.entry(name).or_default();
        let held = stream.by_subject.get(&subject).copied();
        let repeated = stream.ids.get(id).filter(|(_, at)| now - at < REMEMBERED);
        let published = |sequence, duplicate| Published {
            stream: format!("{name:?}"),
            sequence,
            duplicate,
        };
        let found = held.unwrap_or_default();
        if message
            .expected_last()
            .is_some_and(|expected| expected != found)
        {
            let ours = held.and_then(|held| stream.messages.get(&held));
            if ours.is_some_and(|ours| ours.id == id) {
                return Ok(published(found, true));
            }
            return Err(PublishError::WrongLastSequence {
                subject,
                found: held,
                text: "another sequence".to_owned(),
            });
        }
        if let Some((sequence, _)) = repeated {
            return Ok(published(*sequence, true));
        }
        if now < stream.full_until {
            return Err(PublishError::Full {
                subject,
                text: "maximum bytes".to_owned(),
            });
        }
        if name == Name::Jobs && held.is_some() {
            return Err(PublishError::SubjectTaken { subject });
        }
        stream.last += 1;
        let sequence = stream.last;
        stream.ids.insert(id.to_owned(), (sequence, now));
        stream.by_subject.insert(subject.clone(), sequence);
        let stored = Message {
            subject: subject.clone(),
            payload: message.payload().clone(),
            id: id.to_owned(),
            delivered: 0,
            due: now,
            published: now,
        };
        stream.messages.insert(sequence, stored);
        if name == Name::Orders
            && let Some(version) = super::content::version_in(message.payload())
        {
            let last = state.handed_on.entry(subject).or_insert(version);
            *last = version.max(*last);
        }
        drop(state);
        self.tell(name);
        self.sim
            .tell(|| format!("{name:?} {sequence} takes {}", message.subject()));
        Ok(published(sequence, false))
    }

    fn take(&self, name: Name, most: usize) -> Vec<Delivery> {
        let now = self.sim.now().micros();
        let rate = self.astray.load(Ordering::Relaxed);
        let mut astray: Vec<bool> = (0..most)
            .map(|_| self.sim.chance(|random| random.per_mille(rate)))
            .collect();
        let mut any = false;
        let mut state = self.state();
        let stream = state.streams.entry(name).or_default();
        let made = stream.made;
        let due = stream.messages.iter_mut().filter(|(_, one)| one.due <= now);
        let again = now + i64::try_from(ACK_WAIT.as_micros()).unwrap_or(i64::MAX);
        let taken: Vec<Delivery> = due
            .take(most)
            .filter_map(|(sequence, message)| {
                message.due = again;
                message.delivered += 1;
                any = true;
                if astray.pop().unwrap_or_default() {
                    return None;
                }
                Some(Delivery {
                    stream: name,
                    made,
                    sequence: *sequence,
                    subject: message.subject.clone(),
                    payload: message.payload.clone(),
                    delivered: message.delivered,
                    published: message.published,
                })
            })
            .collect();
        drop(state);
        if any {
            self.tell_after(name, ACK_WAIT);
        }
        taken
    }

    fn settle(&self, delivery: &Delivery, answer: Answer) {
        let now = self.sim.now().micros();
        let mut state = self.state();
        let stream = state.streams.entry(delivery.stream).or_default();
        if stream.made != delivery.made {
            return;
        }
        let pause = match answer {
            Answer::Done => {
                if let Some(message) = stream.messages.remove(&delivery.sequence)
                    && stream.by_subject.get(&message.subject) == Some(&delivery.sequence)
                {
                    stream.by_subject.remove(&message.subject);
                }
                return;
            }
            Answer::Working => ACK_WAIT,
            Answer::Again(pause) => pause,
        };
        if let Some(message) = stream.messages.get_mut(&delivery.sequence) {
            message.due = now + i64::try_from(pause.as_micros()).unwrap_or(i64::MAX);
            drop(state);
            self.tell_after(delivery.stream, pause);
        }
    }

    fn tell(&self, name: Name) {
        if let Some(news) = self.news.get(&name) {
            news.notify_waiters();
        }
    }

    fn tell_after(&self, name: Name, pause: Duration) {
        let own = self.clone();
        self.sim
            .after(pause + Duration::from_millis(1), move |_| own.tell(name));
    }

    fn wire(&self) -> Wire {
        let wire = *self.wire.lock().unwrap_or_else(PoisonError::into_inner);
        Wire {
            patience: ACK_LIMIT,
            ..wire
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
