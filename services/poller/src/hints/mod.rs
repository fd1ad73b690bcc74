//! What stores call about: each hint becomes a job, and leaves HOOKS only when JOBS has the job.

mod waiting;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use storelink_bus::{Outcome, Publication, PublishError, WorkItem};
use storelink_events::internal::{PollJob, StoreHint};
use storelink_events::subject;
use storelink_model::{Platform, Timestamp};
use storelink_runtime::Instant;

use crate::links::Links;
use crate::metrics::PollerMetrics;
use crate::read_streams::ReadStreams;
use waiting::{Step, Waiting, Wish};

/// Hints looked at together.
pub(crate) const BATCH: usize = 512;
/// The only entity that hints are used for: stores call about every stock value that we write.
const ORDERS: &str = "orders";
/// A hint of a connection whose record is not here is waited with for so many deliveries: the record
/// travels by another way.
const DELIVERIES_WITHOUT_RECORD: i64 = 5;
const PAUSE_WITHOUT_RECORD: Duration = Duration::from_millis(500);
/// An older hint says nothing that walks have not seen.
const OLDEST: time::Duration = time::Duration::DAY;
/// Jobs whose acknowledgement is outstanding.
const WINDOW: usize = 64;

/// Turns the hints of one platform into jobs.
pub(crate) struct Hints {
    platform: Platform,
    streams: Arc<dyn ReadStreams>,
    connections: Arc<dyn Links>,
    metrics: PollerMetrics,
    waiting: Mutex<Waiting>,
}

/// Hints that share a wish, by their places in the batch.
struct Group {
    wish: Wish,
    /// Too many orders of one store: one hint without an order takes their place in the stream.
    bundled: bool,
    places: Vec<usize>,
}

impl Hints {
    pub(crate) fn new(
        platform: Platform,
        streams: Arc<dyn ReadStreams>,
        connections: Arc<dyn Links>,
        metrics: PollerMetrics,
    ) -> Self {
        Self {
            platform,
            streams,
            connections,
            metrics,
            waiting: Mutex::default(),
        }
    }

    /// Takes a batch; one outcome per hint.
    pub(crate) async fn take(&self, items: &[WorkItem]) -> Vec<Outcome> {
        let mut outcomes = vec![Outcome::Done; items.len()];
        let wishes: Vec<(usize, Wish)> = items
            .iter()
            .enumerate()
            .filter_map(|(place, item)| match self.wish(item) {
                Ok(wish) => Some((place, wish)),
                Err(outcome) => {
                    set(&mut outcomes, &[place], &outcome);
                    None
                }
            })
            .collect();

        let mut window = self.streams.window(WINDOW);
        let mut asked = Vec::new();
        for group in self.groups(wishes) {
            if group.bundled {
                match self.bundle(&group) {
                    Ok(publication) => {
                        window.push(publication).await;
                        asked.push(group);
                    }
                    Err(outcome) => set(&mut outcomes, &group.places, &outcome),
                }
                continue;
            }
            let hints: Vec<u64> = group.of(items).map(WorkItem::sequence).collect();
            let step = self.lock().step(&group.wish, &hints, Instant::now());
            match step {
                Step::Covered => self.count("covered", group.places.len()),
                Step::Hold(pause) => {
                    self.count("held", 1);
                    let outcome = Outcome::retry_after(pause, "such a read was just asked for");
                    hold_newest(&mut outcomes, items, &group, outcome);
                }
                Step::Ask => match self.job(&group, items) {
                    Ok(publication) => {
                        window.push(publication).await;
                        asked.push(group);
                    }
                    Err(outcome) => set(&mut outcomes, &group.places, &outcome),
                },
            }
        }
        for (group, result) in asked.into_iter().zip(window.settle().await) {
            self.conclude(&mut outcomes, items, group, result.map(drop));
        }
        outcomes
    }

    /// What a hint asks for, or what becomes of one that asks for nothing.
    fn wish(&self, item: &WorkItem) -> Result<Wish, Outcome> {
        let hint: StoreHint = serde_json::from_slice(item.payload())
            .map_err(|error| Outcome::park("poller.hint_unreadable", error.to_string()))?;
        let drop_it = |why: &'static str| {
            self.count(why, 1);
            Err(Outcome::Done)
        };
        if hint.entity != ORDERS {
            return drop_it("not_used");
        }
        if Timestamp::now().datetime() - item.published() > OLDEST {
            return drop_it("outdated");
        }
        let Some(link) = self.connections.get(&hint.connection) else {
            if item.delivered() >= DELIVERIES_WITHOUT_RECORD {
                return drop_it("unknown");
            }
            let reason = "the connection's record is not here yet";
            return Err(Outcome::retry_after(PAUSE_WITHOUT_RECORD, reason));
        };
        // A paused connection is walked when it goes on; one whose orders are off is not read at all.
        if !link.record.is_active(ORDERS) {
            return drop_it("not_wanted");
        }
        Ok(Wish {
            connection: hint.connection,
            order: hint.external_id.filter(|id| !id.is_empty()),
        })
    }

    /// Puts hints with the same wish together. Orders beyond what a store may ask for by themselves are
    /// bundled.
    fn groups(&self, wishes: Vec<(usize, Wish)>) -> Vec<Group> {
        let now = Instant::now();
        let mut waiting = self.lock();
        waiting.prune(now);
        let mut groups: Vec<Group> = Vec::new();
        let mut known: HashMap<(Wish, bool), usize> = HashMap::new();
        for (place, wish) in wishes {
            let new = !known.contains_key(&(wish.clone(), false));
            let bundled = new && wish.order.is_some() && !waiting.takes_single(&wish, now);
            let wish = Wish {
                order: wish.order.filter(|_| !bundled),
                ..wish
            };
            let group = *known.entry((wish.clone(), bundled)).or_insert_with(|| {
                groups.push(Group {
                    wish,
                    bundled,
                    places: Vec::new(),
                });
                groups.len() - 1
            });
            if let Some(group) = groups.get_mut(group) {
                group.places.push(place);
            }
        }
        groups
    }

    /// The hint that stands for a bundle. What it asks for is in the stream, so that it outlives this
    /// process, before the hints that it stands for leave it.
    fn bundle(&self, group: &Group) -> Result<Publication, Outcome> {
        let hint = StoreHint {
            connection: group.wish.connection.clone(),
            platform: self.platform.clone(),
            entity: ORDERS.to_owned(),
            topic: None,
            external_id: None,
            received_at: Timestamp::now(),
        };
        let body = serde_json::to_vec(&hint)
            .map_err(|error| Outcome::park("poller.hint_unreadable", error.to_string()))?;
        let subject = subject::hook(&self.platform, &group.wish.connection);
        Ok(Publication::new(subject, body))
    }

    /// The job of a group, in the trace of its newest hint.
    fn job(&self, group: &Group, items: &[WorkItem]) -> Result<Publication, Outcome> {
        let Some(link) = self.connections.get(&group.wish.connection) else {
            return Err(Outcome::Again);
        };
        let (platform, connection) = (&self.platform, &group.wish.connection);
        let job = PollJob {
            tenant: link.record.tenant.clone(),
            connection: connection.clone(),
            entity: ORDERS.to_owned(),
            external_id: group.wish.order.clone(),
            full: false,
            run: format!("hint-{}", storelink_model::unique_id().simple()),
        };
        let subject = match &group.wish.order {
            Some(id) => subject::poll_one(platform, connection, ORDERS, id),
            None => subject::poll(platform, connection, ORDERS),
        };
        let body = serde_json::to_vec(&job)
            .map_err(|error| Outcome::park("poller.hint_unreadable", error.to_string()))?;
        let publication = Publication::new(subject, body);
        Ok(match group.newest(items).and_then(WorkItem::trace) {
            Some(trace) => publication.trace(&trace),
            None => publication,
        })
    }

    fn conclude(
        &self,
        outcomes: &mut [Outcome],
        items: &[WorkItem],
        group: Group,
        result: Result<(), PublishError>,
    ) {
        let now = Instant::now();
        match result {
            Ok(()) if group.bundled => self.count("bundled", group.places.len()),
            Ok(()) => {
                self.count("asked", group.places.len());
                self.lock().accepted(group.wish, now);
            }
            Err(PublishError::SubjectTaken { .. }) => {
                self.count("held", 1);
                let Some(newest) = group.newest(items) else {
                    return;
                };
                let (holder, tries) = (newest.sequence(), newest.delivered());
                let pause = self.lock().refused(group.wish.clone(), holder, tries, now);
                let outcome = Outcome::retry_after(pause, "such a read waits or is in work");
                hold_newest(outcomes, items, &group, outcome);
            }
            Err(error) => set(outcomes, &group.places, &Outcome::retry(error)),
        }
    }

    fn count(&self, outcome: &'static str, more: usize) {
        self.metrics.hints(&self.platform, outcome, more);
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Group {
    fn of<'a>(&self, items: &'a [WorkItem]) -> impl Iterator<Item = &'a WorkItem> {
        self.places.iter().filter_map(|place| items.get(*place))
    }

    fn newest<'a>(&self, items: &'a [WorkItem]) -> Option<&'a WorkItem> {
        self.of(items).max_by_key(|item| item.sequence())
    }
}

/// The newest hint of a group stays in the stream; the others are done.
fn hold_newest(outcomes: &mut [Outcome], items: &[WorkItem], group: &Group, outcome: Outcome) {
    let newest = group.newest(items).map(WorkItem::sequence);
    let places = group.places.iter().filter(|place| {
        let item = items.get(**place);
        item.map(WorkItem::sequence) == newest
    });
    let places: Vec<usize> = places.copied().collect();
    set(outcomes, &places, &outcome);
}

fn set(outcomes: &mut [Outcome], places: &[usize], outcome: &Outcome) {
    for place in places {
        if let Some(slot) = outcomes.get_mut(*place) {
            *slot = outcome.clone();
        }
    }
}
