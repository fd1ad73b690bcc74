//! A work queue of the broker with one durable consumer: at least once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use storelink_bus::{Outcome, WorkItem};
use storelink_model::Timestamp;
use tokio::sync::watch;

use super::World;
use crate::kernel::Lost;

/// A message that is not acknowledged for so long is delivered again.
const ACK_WAIT: time::Duration = time::Duration::seconds(8);
/// How long a message rests that could not be worked on.
const RETRY: Duration = Duration::from_secs(2);
/// How often a consumer asks although it was not told.
const REGULARLY: Duration = Duration::from_secs(4);

/// Messages that nobody acknowledged yet.
pub(crate) struct Queue {
    held: Mutex<Held>,
    moved: watch::Sender<u64>,
}

#[derive(Default)]
struct Held {
    sequence: u64,
    messages: BTreeMap<u64, Message>,
    dead: Vec<(u64, String)>,
}

struct Message {
    subject: String,
    payload: Bytes,
    delivered: i64,
    next: Timestamp,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            held: Mutex::default(),
            moved: watch::channel(0).0,
        }
    }
}

impl Queue {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores a message and gives its sequence.
    pub(super) fn put(&self, subject: &str, payload: Bytes) -> u64 {
        let mut held = self.held();
        held.sequence += 1;
        let sequence = held.sequence;
        let message = Message {
            subject: subject.to_owned(),
            payload,
            delivered: 0,
            next: Timestamp::from_micros(0),
        };
        held.messages.insert(sequence, message);
        drop(held);
        self.moved.send_modify(|moved| *moved += 1);
        sequence
    }

    /// Messages that nobody acknowledged.
    pub(super) fn waiting(&self) -> usize {
        self.held().messages.len()
    }

    /// Messages that were kept for a person, with the code.
    pub(super) fn dead(&self) -> Vec<(u64, String)> {
        self.held().dead.clone()
    }

    fn deliver(&self, most: usize, now: Timestamp) -> Vec<WorkItem> {
        let mut held = self.held();
        let due = held.messages.iter_mut();
        let due = due.filter(|(_, message)| message.next <= now).take(most);
        let items = due.map(|(sequence, message)| {
            message.delivered += 1;
            message.next = now.saturating_add(ACK_WAIT);
            WorkItem::simulated(
                message.subject.clone(),
                message.payload.clone(),
                *sequence,
                message.delivered,
                time::OffsetDateTime::UNIX_EPOCH,
            )
        });
        items.collect()
    }

    fn settle(&self, outcomes: &[(u64, Outcome)], now: Timestamp) {
        let mut held = self.held();
        for (sequence, outcome) in outcomes {
            match outcome {
                Outcome::Done => drop(held.messages.remove(sequence)),
                Outcome::Park(reason) => {
                    if held.messages.remove(sequence).is_some() {
                        held.dead.push((*sequence, reason.code.clone()));
                    }
                }
                Outcome::Again | Outcome::Retry { .. } => {
                    if let Some(message) = held.messages.get_mut(sequence) {
                        let retry = time::Duration::try_from(RETRY).unwrap_or_default();
                        message.next = now.saturating_add(retry);
                    }
                }
            }
        }
    }
}

/// Works through a queue for ever.
pub(super) async fn work<F: Future<Output = Vec<Outcome>>>(
    world: Arc<World>,
    queue: fn(&World) -> &Queue,
    most: usize,
    handler: impl Fn(Vec<WorkItem>) -> F,
) {
    let mut moved = queue(&world).moved.subscribe();
    loop {
        let (at, wire) = (world.clone(), world.weather().broker());
        let delivered = world
            .sim
            .call(wire, move |sim| queue(&at).deliver(most, sim.now()));
        let items = match delivered.await {
            Ok(items) if !items.is_empty() => items,
            Ok(_) => {
                tokio::select! {
                    biased;
                    _ = moved.changed() => {}
                    () = world.sim.sleep(REGULARLY) => {}
                }
                continue;
            }
            Err(Lost) => continue,
        };
        let sequences: Vec<u64> = items.iter().map(WorkItem::sequence).collect();
        let outcomes = handler(items).await;
        let settled: Vec<_> = sequences.into_iter().zip(outcomes).collect();
        let (at, wire) = (world.clone(), world.weather().broker());
        let settled = world
            .sim
            .call(wire, move |sim| queue(&at).settle(&settled, sim.now()));
        settled.await.ok();
    }
}
