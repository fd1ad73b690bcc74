//! Watches every request.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use storelink_events::connection::ConnectionRecord;
use storelink_model::{ConnectionId, Timestamp};

use super::World;
use super::wanted::{Chosen, Quantities, wanted};
use crate::kernel::{ProcessId, Sim};

/// States of knowledge that are kept: more than change between two requests.
const KEPT: usize = 96;
/// What a process learnt is used by its lanes within this time.
const DIGESTED: i64 = 60_000_000;

/// What a process knew, and since when.
#[derive(Default)]
struct Knowledge {
    levels: BTreeMap<String, Vec<(i64, Quantities)>>,
    chosen: BTreeMap<ConnectionId, Vec<(i64, Chosen)>>,
}

struct Request {
    process: ProcessId,
    connection: ConnectionId,
    skus: Vec<String>,
}

/// Who watches.
#[derive(Default)]
pub(crate) struct Judge {
    pub(super) violations: Vec<String>,
    owners: BTreeMap<ProcessId, String>,
    knowledge: BTreeMap<ProcessId, Knowledge>,
    under_way: BTreeMap<u64, Request>,
    last_end: BTreeMap<(ProcessId, ConnectionId), i64>,
    pauses: BTreeMap<(ProcessId, ConnectionId), i64>,
    /// Keys that a store refused.
    refused: BTreeMap<(ProcessId, ConnectionId), u64>,
    /// When requests of whatever kind left for a store.
    pub(super) sent: BTreeMap<ConnectionId, Vec<i64>>,
    requests: u64,
}

impl Judge {
    pub(super) fn blame(&mut self, words: String) {
        if self.violations.len() < 50 {
            self.violations.push(words);
        }
    }

    /// Under which name a process takes lanes.
    pub(super) fn owner_is(&mut self, process: ProcessId, owner: &str) {
        self.owners.insert(process, owner.to_owned());
    }

    /// A process heard of a record.
    pub(super) fn learnt(&mut self, process: ProcessId, record: &ConnectionRecord, sim: &Sim) {
        let chosen = Chosen::by(record);
        let knowledge = self.knowledge.entry(process).or_default();
        let history = knowledge.chosen.entry(record.id.clone()).or_default();
        keep(history, sim.now().micros(), chosen);
    }

    /// A process's level table says this of an article.
    pub(super) fn knows(
        &mut self,
        process: ProcessId,
        sku: &str,
        now: i64,
        quantities: Quantities,
    ) {
        let knowledge = self.knowledge.entry(process).or_default();
        let history = knowledge.levels.entry(sku.to_owned()).or_default();
        keep(history, now, quantities);
    }

    /// A store asked a process for a pause.
    pub(super) fn told_to_pause(
        &mut self,
        process: ProcessId,
        connection: &ConnectionId,
        now: Timestamp,
        pause: Duration,
    ) {
        let micros = i64::try_from(pause.as_micros()).unwrap_or(i64::MAX);
        let until = now.micros().saturating_add(micros);
        self.pauses.insert((process, connection.clone()), until);
    }

    /// A request of whatever kind leaves for a store.
    pub(super) fn sent(&mut self, connection: &ConnectionId, now: Timestamp) {
        let sent = self.sent.entry(connection.clone()).or_default();
        sent.push(now.micros());
    }

    /// A store refused the keys of a process.
    pub(super) fn told_of_keys(
        &mut self,
        process: ProcessId,
        connection: &ConnectionId,
        keys: u64,
    ) {
        self.refused.insert((process, connection.clone()), keys);
    }

    /// The articles that are under way now.
    pub(super) fn under_way(&self) -> Vec<(ConnectionId, String)> {
        let requests = self.under_way.values();
        requests
            .flat_map(|request| {
                let skus = request.skus.iter();
                skus.map(|sku| (request.connection.clone(), sku.clone()))
            })
            .collect()
    }

    /// The process hears no more of a request.
    pub(super) fn ended(&mut self, request: u64, now: Timestamp) {
        if let Some(ended) = self.under_way.remove(&request) {
            let lane = (ended.process, ended.connection);
            self.last_end.insert(lane, now.micros());
        }
    }

    /// The values of an article that a process may send to a store: those wanted at some moment since
    /// its last request there ended.
    fn sendable(
        &self,
        process: ProcessId,
        connection: &ConnectionId,
        sku: &str,
        now: i64,
    ) -> BTreeSet<i64> {
        let mut values = BTreeSet::new();
        let Some(knowledge) = self.knowledge.get(&process) else {
            return values;
        };
        let since = self.last_end.get(&(process, connection.clone()));
        let since = since.copied().unwrap_or(0);
        let empty = Vec::new();
        let levels = knowledge.levels.get(sku).unwrap_or(&empty);
        for chosen in valid(
            knowledge.chosen.get(connection).unwrap_or(&Vec::new()),
            since.min(now - DIGESTED),
        ) {
            for quantities in valid(levels, since) {
                values.extend(wanted(chosen, quantities));
            }
        }
        values
    }
}

fn keep<T: PartialEq>(history: &mut Vec<(i64, T)>, now: i64, state: T) {
    history.push((now, state));
    if history.len() > KEPT {
        history.remove(0);
    }
}

/// The states that held at some moment since then.
fn valid<T>(history: &[(i64, T)], since: i64) -> impl Iterator<Item = &T> {
    // Several may begin at that very moment: the one before them held until then.
    let first = history.partition_point(|(from, _)| *from < since);
    history[first.saturating_sub(1)..]
        .iter()
        .map(|(_, state)| state)
}

impl World {
    /// A request leaves: says what is wrong with it.
    pub(super) fn judge_request(
        &self,
        process: ProcessId,
        connection: &ConnectionId,
        items: &[(String, i64)],
    ) -> u64 {
        let now = self.sim.now().micros();
        let row = {
            let tables = self.tables();
            tables.owners.get(connection.as_str()).cloned()
        };
        let open = self.open_attempts(connection, row.as_ref().map_or(0, |row| row.epoch));
        let skus: Vec<(Option<String>, i64)> = items
            .iter()
            .map(|(id, value)| (sku_of(id), *value))
            .collect();
        let mut judge = self.judge();
        judge.requests += 1;
        let request = judge.requests;
        let name = || format!("request {request} of {process:?} to {connection}");
        self.sim.tell(|| format!("{}: {items:?}", name()));
        self.sim.witness(request);
        let owner = judge.owners.get(&process).cloned().unwrap_or_default();
        if row.is_none_or(|row| row.owner != owner) {
            judge.blame(format!("{} although another owns the lane", name()));
        }
        if !open.iter().any(|attempt| same_items(attempt, items)) {
            judge.blame(format!("{} without a committed attempt", name()));
        }
        let twice = judge
            .under_way
            .values()
            .any(|other| other.process == process && other.connection == *connection);
        if twice {
            judge.blame(format!("{} while another is under way", name()));
        }
        let until = judge.pauses.get(&(process, connection.clone()));
        if until.is_some_and(|until| *until > now) {
            judge.blame(format!("{} while the store wants a pause", name()));
        }
        let keys = self.keys_of(process, connection);
        if judge.refused.get(&(process, connection.clone())) == Some(&keys) {
            judge.blame(format!("{} with keys that were refused", name()));
        }
        for (sku, value) in skus {
            let Some(sku) = sku else { continue };
            let sendable = judge.sendable(process, connection, &sku, now);
            if !sendable.contains(&value) {
                judge.blame(format!("{}: {sku} = {value}, wanted {sendable:?}", name()));
            }
        }
        judge.sent(connection, self.sim.now());
        judge.under_way.insert(
            request,
            Request {
                process,
                connection: connection.clone(),
                skus: items.iter().filter_map(|(id, _)| sku_of(id)).collect(),
            },
        );
        request
    }

    /// The items of attempts of this epoch that nobody answered yet.
    fn open_attempts(&self, connection: &ConnectionId, epoch: i64) -> Vec<String> {
        let tables = self.tables();
        let of = connection.as_str().to_owned();
        let attempts = tables
            .attempts
            .range((of.clone(), epoch, 0)..=(of, epoch, i64::MAX));
        let open = attempts.filter(|(_, row)| row.answer.is_none());
        open.map(|(_, row)| row.items.clone()).collect()
    }
}

/// The article that a store's id belongs to, as the world makes ids.
fn sku_of(id: &str) -> Option<String> {
    let own = id.rsplit('\u{1f}').next()?;
    own.rsplit_once('-').map(|(sku, _)| sku.to_owned())
}

fn same_items(attempt: &str, items: &[(String, i64)]) -> bool {
    let Ok((_, kept)) = serde_json::from_str::<(String, Vec<(String, String, i64)>)>(attempt)
    else {
        return false;
    };
    let kept = kept.iter().map(|(_, id, value)| (id.as_str(), *value));
    kept.eq(items.iter().map(|(id, value)| (id.as_str(), *value)))
}
