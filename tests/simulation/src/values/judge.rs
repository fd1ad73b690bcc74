//! Watches every request, and says in the end whether everything is right.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use storelink_events::connection::ConnectionRecord;
use storelink_lanes::kind::Stock;
use storelink_lanes::levels::{LevelListener, SkuId, TenantLevels};
use storelink_model::{ConnectionId, Quantity, Timestamp, WarehouseCode};

use super::World;
use super::erp::WAREHOUSES;
use crate::kernel::{ProcessId, Sim};

/// States of knowledge that are kept: more than change between two requests.
const KEPT: usize = 48;
/// What a process learnt is used by its lanes within this time.
const DIGESTED: i64 = 60_000_000;
const MINUTE: i64 = 60_000_000;

/// Quantities of an article by warehouse.
type Quantities = BTreeMap<String, Quantity>;

/// What counts of a record for a value.
#[derive(Debug, Clone, PartialEq)]
struct Chosen {
    warehouses: Vec<WarehouseCode>,
    reserve: Quantity,
}

/// What a process knew, and since when.
#[derive(Default)]
struct Knowledge {
    levels: BTreeMap<String, Vec<(i64, Quantities)>>,
    chosen: BTreeMap<ConnectionId, Vec<(i64, Chosen)>>,
}

struct Request {
    process: ProcessId,
    connection: ConnectionId,
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
    sent: BTreeMap<ConnectionId, Vec<i64>>,
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
        let chosen = Chosen {
            warehouses: record.settings.warehouses.clone(),
            reserve: record.settings.reserve,
        };
        let knowledge = self.knowledge.entry(process).or_default();
        let history = knowledge.chosen.entry(record.id.clone()).or_default();
        keep(history, sim.now().micros(), chosen);
    }

    /// A process's level table says this of an article.
    fn knows(&mut self, process: ProcessId, sku: &str, now: i64, quantities: Quantities) {
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

    /// A store refused the keys of a process.
    pub(super) fn told_of_keys(
        &mut self,
        process: ProcessId,
        connection: &ConnectionId,
        keys: u64,
    ) {
        self.refused.insert((process, connection.clone()), keys);
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
    let first = history.iter().rposition(|(from, _)| *from <= since);
    history[first.unwrap_or(0)..].iter().map(|(_, state)| state)
}

fn wanted(chosen: &Chosen, quantities: &Quantities) -> Option<i64> {
    let mut sum = Quantity::ZERO;
    for warehouse in &chosen.warehouses {
        sum = sum.checked_add(*quantities.get(warehouse.as_str())?)?;
    }
    let sellable = sum.checked_sub(chosen.reserve)?.floor_at_zero();
    sellable.whole().to_string().parse().ok()
}

/// Sees every change of the level table of a process.
pub(super) struct Eye {
    pub(super) world: Arc<World>,
    pub(super) process: ProcessId,
    pub(super) levels: Arc<TenantLevels<Stock>>,
}

impl Eye {
    /// Begins to look.
    pub(super) fn open(self) {
        let eye = Arc::new(self);
        for sku in eye.world.skus() {
            if let Some(id) = sku.parse().ok().and_then(|sku| eye.levels.known_sku(&sku)) {
                eye.look(id);
            }
        }
        let warehouses = warehouses();
        eye.levels.subscribe(&warehouses, eye.clone());
    }

    fn look(&self, id: SkuId) {
        let Some(sku) = self.levels.sku(id) else {
            return;
        };
        let warehouses = warehouses();
        let quantities = self.levels.with_cells(&warehouses, |cells| {
            let cells = warehouses.iter().zip(cells.cells(id));
            cells
                .filter_map(|(warehouse, cell)| {
                    Some((warehouse.as_str().to_owned(), cell?.level.value))
                })
                .collect()
        });
        let now = self.world.sim.now().micros();
        let mut judge = self.world.judge();
        judge.knows(self.process, sku.as_str(), now, quantities);
    }
}

impl LevelListener for Eye {
    fn changed(&self, sku: SkuId, _: Timestamp) {
        self.look(sku);
    }

    fn held(&self, _: SkuId, _: Timestamp) {}
}

fn warehouses() -> Vec<WarehouseCode> {
    let codes = WAREHOUSES.iter().map(|(code, _)| code.parse());
    codes.filter_map(Result::ok).collect()
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
        judge.sent.entry(connection.clone()).or_default().push(now);
        judge.under_way.insert(
            request,
            Request {
                process,
                connection: connection.clone(),
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

    /// What is wrong now that everything is quiet; empty when nothing is.
    pub(super) fn verdict(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        self.judge_mirror(&mut wrong);
        self.judge_stores(&mut wrong);
        self.judge_lanes(&mut wrong);
        for (name, queue) in [("events", &self.events), ("orders", &self.orders)] {
            if queue.waiting() > 0 {
                wrong.push(format!("{} {name} wait", queue.waiting()));
            }
            for (sequence, code) in queue.dead() {
                if code != "event.revision_conflict" {
                    wrong.push(format!("{name} #{sequence} is dead: {code}"));
                }
            }
        }
        wrong
    }

    /// ERP = mirror = stream = every level table.
    fn judge_mirror(&self, wrong: &mut Vec<String>) {
        let tables = self.tables();
        let erp = self.erp();
        let publishers = self.publishers();
        for ((warehouse, sku), truth) in &erp.truth {
            let place = (
                super::erp::TENANT.to_owned(),
                warehouse.clone(),
                sku.clone(),
            );
            let Some(row) = tables.levels.get(&place) else {
                wrong.push(format!("{warehouse} {sku} is not in the mirror"));
                continue;
            };
            let value: i64 = row.level.value.to_string().parse().unwrap_or(-1);
            if !truth.values.contains(&value) {
                wrong.push(format!(
                    "mirror: {warehouse} {sku} = {value}, truth {truth:?}"
                ));
            }
            let subject = <Stock as storelink_lanes::kind::LaneKind>::subject(&row.key);
            let held = self.values.last(&subject);
            let held = held
                .and_then(|held| <Stock as storelink_lanes::kind::LaneKind>::decode(&held).ok());
            let held = held.map(|(_, level)| level.value);
            if held != Some(row.level.value) {
                wrong.push(format!(
                    "stream: {warehouse} {sku} = {held:?}, mirror {value}"
                ));
            }
            for (process, publisher) in publishers.iter() {
                let levels = publisher.levels(&row.key.tenant, &row.key.sku);
                let known = levels
                    .into_iter()
                    .find(|(source, _)| source.as_str() == warehouse)
                    .map(|(_, level)| level.value);
                if known != Some(row.level.value) {
                    wrong.push(format!(
                        "{process:?}: {warehouse} {sku} = {known:?}, mirror {value}"
                    ));
                }
            }
        }
    }

    /// Every store shows what is wanted, or says why not.
    fn judge_stores(&self, wrong: &mut Vec<String>) {
        let tables = self.tables();
        let registry = self.registry();
        for (connection, listed) in &registry.listed {
            let Some(record) = registry.records.get(connection) else {
                continue;
            };
            let chosen = Chosen {
                warehouses: record.settings.warehouses.clone(),
                reserve: record.settings.reserve,
            };
            for (sku, listed) in listed.iter().filter(|(_, listed)| !listed.blocked) {
                let quantities: Quantities = WAREHOUSES
                    .iter()
                    .filter_map(|(warehouse, _)| {
                        let place = (
                            super::erp::TENANT.to_owned(),
                            (*warehouse).to_owned(),
                            sku.clone(),
                        );
                        let row = tables.levels.get(&place)?;
                        Some(((*warehouse).to_owned(), row.level.value))
                    })
                    .collect();
                let Some(wanted) = wanted(&chosen, &quantities) else {
                    continue;
                };
                let id = storelink_lanes::lane::PackedIds::pack(&listed.ids);
                let id = id.as_str().to_owned();
                let (shown, refused) = self.shop(connection, |shop| {
                    let refused = shop.refused.contains(&(id.clone(), wanted));
                    (shop.shown.get(&id).copied(), refused)
                });
                let parked = sku.parse().ok().and_then(|sku| {
                    tables
                        .parked
                        .get(&(connection.as_str().to_owned(), sku))
                        .cloned()
                });
                match parked {
                    Some(_) if shown == Some(wanted) => {
                        wrong.push(format!("{connection} {sku} is parked and shows {wanted}"));
                    }
                    Some(_) if refused => {}
                    Some(parked) => wrong.push(format!(
                        "{connection} {sku} is parked but was not refused: {parked:?}"
                    )),
                    None if shown == Some(wanted) => {}
                    None => wrong.push(format!(
                        "{connection} {sku} ({id}) shows {shown:?}, wanted {wanted}"
                    )),
                }
            }
        }
    }

    /// Every lane runs once, and has nothing left to do.
    fn judge_lanes(&self, wrong: &mut Vec<String>) {
        let publishers = self.publishers();
        let tables = self.tables();
        for connection in self.connections() {
            let looks = publishers.iter().filter_map(|(process, publisher)| {
                let look = publisher.lane(&connection)?;
                look.epoch.map(|_| (*process, look))
            });
            let looks: Vec<_> = looks.collect();
            if looks.len() != 1 {
                wrong.push(format!("{connection} runs {} times", looks.len()));
            }
            for (process, look) in looks {
                if look.counts.dirty > 0 || look.closed.is_some() {
                    wrong.push(format!("{connection} in {process:?}: {look:?}"));
                }
                let of = connection.as_str();
                let parked = tables.parked.keys().filter(|(parked, _)| parked == of);
                let (parked, kept) = (parked.count(), look.counts.parked);
                if parked != kept {
                    wrong.push(format!("{connection}: {kept} parked, {parked} in SQL"));
                }
            }
        }
        let registry = self.registry();
        for (connection, sku, kind) in tables.doubts.keys() {
            let connection = connection.parse().ok();
            let listed = connection.and_then(|id: ConnectionId| registry.listed.get(&id));
            let listed = listed.and_then(|of| of.get(sku.as_str()));
            if listed.is_some_and(|listed| !listed.blocked) {
                wrong.push(format!("a doubt is left: {sku} {kind:?}"));
            }
        }
    }

    /// No minute holds more requests than a store allows.
    pub(super) fn judge_pace(&self, wrong: &mut Vec<String>) {
        let registry = self.registry();
        let judge = self.judge();
        for (connection, sent) in &judge.sent {
            let record = registry.records.get(connection);
            let budget = record.and_then(|record| record.settings.requests_per_minute);
            let Some(budget) = budget.and_then(|budget| usize::try_from(budget).ok()) else {
                continue;
            };
            for (place, first) in sent.iter().enumerate() {
                let within = sent[place..].iter().take_while(|at| **at < first + MINUTE);
                let within = within.count();
                if within > budget {
                    wrong.push(format!(
                        "{connection}: {within} requests in a minute of {budget}"
                    ));
                    break;
                }
            }
        }
    }
}

/// The article that a store's id belongs to, as the world makes ids.
fn sku_of(id: &str) -> Option<String> {
    let own = id.rsplit('\u{1f}').next()?;
    own.rsplit_once('-').map(|(sku, _)| sku.to_owned())
}

fn same_items(attempt: &str, items: &[(String, i64)]) -> bool {
    let Ok(kept) = serde_json::from_str::<Vec<(String, String, i64)>>(attempt) else {
        return false;
    };
    let kept = kept.iter().map(|(_, id, value)| (id.as_str(), *value));
    kept.eq(items.iter().map(|(id, value)| (id.as_str(), *value)))
}
