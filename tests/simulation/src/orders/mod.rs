//! The world of orders: stores whose orders change, pollers that read them, the ledger, its events.

mod content;
mod judge;
pub(crate) mod known;
mod ledger_tables;
mod life;
mod poller_tables;
mod processes;
mod sql;
mod store;
mod streams;
#[cfg(test)]
mod tests;
mod trouble;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use storelink_model::{ConnectionId, Timestamp, simulated_clock};

use crate::kernel::{ProcessId, Sim};
use crate::seeds::Outcome;
use ledger_tables::LedgerTables;
use poller_tables::PollerTables;
use processes::{Linked, Surrounding};
use sql::Sql;
use store::Store;
use streams::Streams;
use trouble::troubled;

const SECOND: i64 = 1_000_000;
/// How long stores change and things go wrong.
const ACTIVE: i64 = 9 * 60 * SECOND;
/// How long stores are read after that.
const READ_ON: i64 = 3 * 60 * SECOND;
/// How long it may take until nothing is left to do.
const REST: i64 = 40 * 60 * SECOND;
const MOST_STEPS: u64 = 400_000;

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Poller,
    Ingest,
}

/// A world. Clones share it.
#[derive(Clone)]
struct World {
    sim: Sim,
    around: Surrounding,
    stores: Arc<Vec<Store>>,
    processes: Arc<Vec<(ProcessId, Role)>>,
    poller_sql: Sql,
    ledger_sql: Sql,
    /// Nothing goes wrong any more.
    healed: Arc<AtomicBool>,
}

/// Runs the world of a seed and judges it.
#[must_use]
pub fn run(seed: u64, told: bool) -> Outcome {
    simulated_clock::begin();
    let sim = Sim::new(seed, told);
    let begun = sim.now().micros();
    let world = World::new(&sim);
    let mut violations = world.live();
    violations.append(&mut world.around.noted().violations);
    if violations.is_empty() {
        violations = world.judge();
    }
    sim.end();
    Outcome {
        violations,
        digest: sim.digest(),
        simulated_micros: sim.now().micros() - begun,
        story: sim.story(),
    }
}

impl World {
    fn new(sim: &Sim) -> Self {
        // The ids of a world come from its clock.
        simulated_clock::set(Some(sim.now().micros()));
        let overlap = sim.chance(|random| random.one_of(&[3, 10, 40]).copied());
        let overlap = overlap.unwrap_or(10);
        let stores: Vec<Store> = (0..sim.chance(|random| random.below(3) + 2))
            .map(|_| new_store(sim, overlap))
            .collect();
        let mut settings = processes::settings();
        settings.overlap = Duration::from_secs(overlap);
        settings.walk_yield =
            sim.chance(|random| random.duration(Duration::from_secs(3), Duration::from_secs(60)));
        let links: Linked = stores
            .iter()
            .filter_map(|store| {
                let linked = processes::link(store, store.verified_difference())?;
                Some((store.connection.clone(), linked))
            })
            .collect();
        simulated_clock::set(None);

        let (pollers, ingests) = sim.chance(|random| (random.below(2) + 1, random.below(2) + 1));
        let roles = [vec![Role::Poller; pollers], vec![Role::Ingest; ingests]].concat();
        let processes = (1..).map(ProcessId).zip(roles).collect();
        let poller_sql = Sql::new(sim, troubled(200, 5, 2));
        let ledger_sql = Sql::new(sim, troubled(200, 5, 2));
        let streams = Streams::new(sim, troubled(1_000, 60, 15));
        let noted = Arc::default();
        let stores = Arc::new(stores);
        let poller_tables = PollerTables::new(
            &poller_sql,
            judge::marks(&stores, &streams, &Arc::clone(&noted)),
        );
        let around = Surrounding {
            sim: sim.clone(),
            poller_tables,
            ledger_tables: LedgerTables::new(&ledger_sql),
            links: Arc::new(links),
            settings,
            noted,
            streams,
        };
        Self {
            sim: sim.clone(),
            around,
            stores,
            processes: Arc::new(processes),
            poller_sql,
            ledger_sql,
            healed: Arc::default(),
        }
    }

    /// Lives until nothing is left to do.
    fn live(&self) -> Vec<String> {
        let begun = self.sim.now().micros();
        for store in self.stores.iter() {
            let (count, every) = self.sim.chance(|random| {
                let every = random.duration(Duration::from_secs(20), Duration::from_secs(100));
                (random.below(4), every)
            });
            self.place_earlier_orders(store, count);
            self.read_again(store, every, begun + ACTIVE + READ_ON);
        }
        let (changes, troubles) = self
            .sim
            .chance(|random| (random.between(25, 90), random.between(6, 30)));
        for _ in 0..changes {
            let own = self.clone();
            self.at_some_time(move |_| {
                if let Some(store) = own.sim.chance(|random| random.one_of(&own.stores).cloned()) {
                    own.happen(&store);
                }
            });
        }
        for _ in 0..troubles {
            let own = self.clone();
            self.at_some_time(move |_| own.go_wrong());
        }
        for (process, role) in self.processes.iter() {
            self.start(*process, *role);
        }

        let mut until = begun + ACTIVE;
        if let Err(stuck) = self.run_until(until) {
            return vec![stuck];
        }
        self.healed.store(true, Ordering::Relaxed);
        self.heal();
        let last = until + READ_ON + REST;
        until += READ_ON;
        while until <= last {
            if let Err(stuck) = self.run_until(until) {
                return vec![stuck];
            }
            if self.is_at_rest() {
                return Vec::new();
            }
            until += 20 * SECOND;
        }
        Vec::new()
    }

    fn run_until(&self, until: i64) -> Result<(), String> {
        let outcome = self
            .sim
            .run_until(Timestamp::from_micros(until), MOST_STEPS);
        outcome.map_err(|stuck| format!("the world does not come to rest: {stuck:?}"))
    }

    fn at_some_time(&self, then: impl FnOnce(&Sim) + Send + 'static) {
        let at = self.sim.chance(|random| random.between(0, ACTIVE));
        self.sim
            .after(Duration::from_micros(at.unsigned_abs()), then);
    }

    /// Starts a process that does not run.
    fn start(&self, process: ProcessId, role: Role) {
        if self.sim.is_alive(process) {
            return;
        }
        let error = self.sim.chance(|random| random.between(-SECOND, SECOND));
        self.sim.set_clock_error(process, error);
        let around = self.around.clone();
        match role {
            Role::Poller => self.sim.spawn(process, around.poll(process)),
            Role::Ingest => self.sim.spawn(process, around.ingest(process)),
        }
    }
}

fn new_store(sim: &Sim, overlap: u64) -> Store {
    // A commit that is shown later than the walks reach back is beyond what is promised.
    let latest = i64::try_from(overlap).unwrap_or_default() * SECOND * 8 / 10;
    let character = sim.chance(|random| store::character(random, latest));
    let start = sim.chance(sim_start);
    let start = sim.now().saturating_add(start);
    let wire = troubled(20_000, 400, 10);
    Store::new(sim, ConnectionId::generate(), start, character, wire)
}

/// The start lies somewhere in the first minute, between two seconds.
fn sim_start(random: &mut crate::kernel::Random) -> time::Duration {
    time::Duration::microseconds(random.between(0, 60 * SECOND))
}
