//! What must hold.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use storelink_events::Envelope;
use storelink_events::hub::OrderEvent;
use storelink_events::subject;
use storelink_model::{ConnectionId, Timestamp};
use storelink_order_ingest::simulation::NewRevision;

use super::content::{Content, Words};
use super::poller_tables::PollerTables;
use super::processes::{Noted, PLATFORM};
use super::store::{Store, StoreOrder};
use super::streams::{Name, Streams};
use super::{SECOND, World};

/// What the broker holds of one order: contents by revision.
type Told = BTreeMap<u64, Vec<String>>;

impl World {
    /// Whether nothing is left to do.
    pub(super) fn is_at_rest(&self) -> bool {
        let streams = &self.around.streams;
        streams.is_empty(Name::Jobs)
            && streams.is_empty(Name::Hooks)
            && streams.is_empty(Name::Orders)
            && self.around.ledger_tables.waiting() == 0
    }

    /// What is wrong once nothing more happens.
    pub(super) fn judge(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        if !self.is_at_rest() {
            let streams = &self.around.streams;
            wrong.push(format!(
                "left: {} jobs, {} orders, {} events",
                streams.messages(Name::Jobs).len(),
                streams.messages(Name::Orders).len(),
                self.around.ledger_tables.waiting(),
            ));
        }
        let mut told = self.told(&mut wrong);
        let mut ledger: BTreeMap<(String, String), Vec<NewRevision>> = BTreeMap::new();
        for (key, revisions) in self.around.ledger_tables.orders() {
            if ledger.insert(key.clone(), revisions).is_some() {
                wrong.push(format!("order {key:?} is twice in the ledger"));
            }
        }
        for store in self.stores.iter() {
            if self.around.poller_tables.is_walking(&store.connection) {
                wrong.push(format!("{}: a walk is left", store.connection));
            }
            for (id, order) in store.orders() {
                let key = (store.connection.to_string(), id.to_string());
                let revisions = ledger.remove(&key);
                let events = told.remove(&key).unwrap_or_default();
                let tables = &self.around.poller_tables;
                judge_order(store, &order, revisions, &events, tables, &mut |text| {
                    wrong.push(format!("{} order {id}: {text}", store.connection));
                });
            }
        }
        wrong.extend(ledger.keys().map(|key| format!("{key:?} is in no store")));
        wrong.extend(told.keys().map(|key| format!("{key:?} has events alone")));
        wrong
    }

    /// All events by order and revision.
    fn told(&self, wrong: &mut Vec<String>) -> BTreeMap<(String, String), Told> {
        let mut told: BTreeMap<(String, String), Told> = BTreeMap::new();
        let mut last: BTreeMap<(String, String), u64> = BTreeMap::new();
        for message in self.around.streams.messages(Name::Hub) {
            if message.subject.contains(".item.") {
                continue;
            }
            let event: Envelope<OrderEvent> = match serde_json::from_slice(&message.payload) {
                Ok(event) => event,
                Err(error) => {
                    wrong.push(format!("{}: {error}", message.subject));
                    continue;
                }
            };
            let event = event.data;
            let key = (event.connection.to_string(), event.external_id.clone());
            let before = last.insert(key.clone(), event.revision).unwrap_or_default();
            // What goes out between a loss and its discovery lies before what is told again.
            if before >= event.revision && !self.around.streams.was_lost(Name::Hub) {
                wrong.push(format!(
                    "{key:?}: revision {} comes after {before}",
                    event.revision
                ));
            }
            let of_order = told.entry(key).or_default();
            let of_revision = of_order.entry(event.revision).or_default();
            of_revision.push(Content::key_of(&event.order));
        }
        told
    }
}

fn judge_order(
    store: &Store,
    order: &StoreOrder,
    revisions: Option<Vec<NewRevision>>,
    told: &Told,
    tables: &PollerTables,
    wrong: &mut dyn FnMut(String),
) {
    let start = store.start.micros();
    let placed = order.placed();
    let Some(revisions) = revisions else {
        if placed >= start {
            wrong("is not in the ledger".to_owned());
        }
        return;
    };
    if placed.div_euclid(SECOND) < start.div_euclid(SECOND) {
        wrong("was placed before the start".to_owned());
    }
    let history: Vec<String> = order.versions.iter().map(|one| one.content.key()).collect();
    let words: Vec<Option<Words>> = revisions.iter().map(|one| Words::read(&one.raw)).collect();
    let kept: Vec<String> = words
        .iter()
        .map(|words| {
            words
                .as_ref()
                .map_or_else(String::new, |words| words.key.clone())
        })
        .collect();
    if kept.last() != history.last() {
        wrong(format!("the store shows {history:?}, the ledger {kept:?}"));
    }
    let drawn = |number| tables.drawn(&store.connection, number);
    let drawn: Vec<Option<i64>> = revisions.iter().map(|one| drawn(one.read_number)).collect();
    if goes_back(&words, &drawn) {
        wrong(format!("went back: {kept:?} of {history:?}"));
    }
    let numbers: Vec<i64> = revisions.iter().map(|one| one.revision).collect();
    if !numbers
        .iter()
        .copied()
        .zip(1..)
        .all(|(one, due)| one == due)
    {
        wrong(format!("revisions {numbers:?}"));
    }
    if !revisions.is_sorted_by(|one, next| one.read_number < next.read_number) {
        wrong("read numbers go back".to_owned());
    }
    let expected: Told = (1..)
        .zip(kept)
        .filter(|(_, key)| !key.starts_with('?'))
        .map(|(revision, key)| (revision, vec![key]))
        .collect();
    if *told != expected {
        wrong(format!("told {told:?} instead of {expected:?}"));
    }
}

/// Whether a content follows that the store no longer showed when the number of its read was drawn: a
/// later one had been seen before. Of two reads under way at once either may be the later.
fn goes_back(words: &[Option<Words>], drawn: &[Option<i64>]) -> bool {
    let reads = words.iter().zip(drawn);
    let reads = reads.filter_map(|(words, drawn)| Some((words.as_ref()?, (*drawn)?)));
    let reads: Vec<(&Words, i64)> = reads.collect();
    reads.iter().enumerate().any(|(place, (later, drawn))| {
        let earlier = reads.iter().take(place);
        let seen_before = |at: Option<i64>| at.is_some_and(|at| at < *drawn);
        earlier
            .into_iter()
            .any(|(one, _)| one.version > later.version && seen_before(one.at))
    })
}

/// Checks every mark: what the store's clock dated before it, and showed at that moment, is handed on.
pub(super) fn marks(
    stores: &Arc<Vec<Store>>,
    streams: &Streams,
    noted: &Arc<Mutex<Noted>>,
) -> impl Fn(&ConnectionId, Timestamp) + Send + Sync + 'static {
    let (stores, streams, noted) = (stores.clone(), streams.clone(), noted.clone());
    move |connection, mark| {
        let store = stores.iter().find(|store| store.connection == *connection);
        // With clocks that differ or are set, a mark is what the overlap is for.
        let Some(store) = store.filter(|one| one.has_one_clock() && !one.clock_was_set()) else {
            return;
        };
        for (id, order) in store.orders() {
            if order.placed() < store.start.micros() {
                continue;
            }
            let before = order.versions.iter().enumerate();
            let due = before.filter(|(_, one)| one.punctual && one.clock < mark.micros());
            let Some((version, _)) = due.last() else {
                continue;
            };
            let Ok(platform) = PLATFORM.parse() else {
                return;
            };
            let subject = subject::order(&platform, connection, &id.to_string());
            let handed_on = streams.handed_on(&subject);
            // A content that came back was handed on before, and is left out.
            let known = handed_on.and_then(|shown| order.versions.get(shown));
            let mut since = order.versions.iter().skip(version);
            let same = known.is_some_and(|known| since.any(|one| one.content == known.content));
            if handed_on.is_none_or(|shown| shown < version) && !same {
                let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
                noted.violations.push(format!(
                    "{connection}: the mark {mark} passes version {version} of order {id}, \
                     {handed_on:?} is handed on"
                ));
            }
        }
    }
}
