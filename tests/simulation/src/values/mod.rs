//! The world of values: an ERP, publishers of stock that fail, and stores that misbehave.

mod bucket;
mod chaos;
mod database;
mod erp;
mod eye;
mod judge;
pub(crate) mod known;
mod level_tables;
mod links;
mod plan;
mod queue;
mod readers;
mod replica;
mod sales;
mod stores;
mod stream;
mod tables;
#[cfg(test)]
mod tests;
mod verdict;
mod wanted;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use storelink_bus::kv::Entry;
use storelink_lanes::simulation::Publisher;
use storelink_model::ConnectionId;

use crate::kernel::{ProcessId, Sim, Wire};
use crate::seeds::Outcome;

use erp::Erp;
use judge::Judge;
use links::{ProcessLinks, Registry};
use plan::{Plan, Weather};
use queue::Queue;
use replica::Replica;
use stores::Shop;
use stream::Stream;
use tables::Tables;

/// Steps after which a world does not come to rest any more.
const MOST_STEPS: u64 = 2_000_000;
/// How long a world may take to become right after the last fault.
const PATIENCE: Duration = Duration::from_secs(1_200);
/// How often it is looked at.
const LOOK: Duration = Duration::from_secs(20);
/// It must still be right so much later.
const AFTERWARDS: Duration = Duration::from_secs(70);

/// Everything around the publishers.
pub(crate) struct World {
    sim: Sim,
    plan: Plan,
    tables: Mutex<Tables>,
    values: Stream,
    listings: Stream,
    events: Queue,
    orders: Queue,
    bucket: Mutex<BTreeMap<String, Entry>>,
    shops: Mutex<BTreeMap<ConnectionId, Shop>>,
    erp: Mutex<Erp>,
    registry: Mutex<Registry>,
    judge: Mutex<Judge>,
    weather: Mutex<Weather>,
    replicas: Mutex<Vec<Replica>>,
    publishers: Mutex<BTreeMap<ProcessId, Arc<Publisher>>>,
    links: Mutex<BTreeMap<ProcessId, Arc<ProcessLinks>>>,
    next_process: Mutex<u32>,
}

/// Runs the world of a seed and judges it.
pub(crate) fn run(seed: u64, told: bool) -> Outcome {
    let sim = Sim::new(seed, told);
    let begun = sim.now();
    let plan = sim.chance(Plan::of);
    sim.tell(|| format!("{plan:?}"));
    let world = Arc::new(World::new(sim.clone(), plan));
    let mut violations = world.live();
    violations.append(&mut world.judge().violations);
    let outcome = Outcome {
        violations,
        digest: sim.digest(),
        simulated_micros: sim.now().micros() - begun.micros(),
        story: sim.story(),
    };
    let publishers = std::mem::take(&mut *world.publishers());
    let links = std::mem::take(&mut *world.links());
    sim.end();
    drop((publishers, links));
    outcome
}

impl World {
    fn new(sim: Sim, plan: Plan) -> Self {
        let weather = Weather {
            calm: false,
            database_out: false,
            database_slow: false,
            freezes_at_commit: false,
            lost: plan.lost,
        };
        Self {
            sim,
            plan,
            tables: Mutex::default(),
            values: Stream::default(),
            listings: Stream::default(),
            events: Queue::default(),
            orders: Queue::default(),
            bucket: Mutex::default(),
            shops: Mutex::default(),
            erp: Mutex::default(),
            registry: Mutex::default(),
            judge: Mutex::default(),
            weather: Mutex::new(weather),
            replicas: Mutex::default(),
            publishers: Mutex::default(),
            links: Mutex::default(),
            next_process: Mutex::default(),
        }
    }

    /// Everything happens; gives what is wrong in the end.
    fn live(self: &Arc<Self>) -> Vec<String> {
        self.link_stores();
        self.plan_words();
        self.plan_faults();
        self.start_readers();
        for _ in 0..self.plan.replicas {
            self.start_replica();
        }
        if let Some(stuck) = self.pass(self.plan.chaos) {
            return vec![stuck];
        }
        self.calm_down();
        let mut passed = Duration::ZERO;
        if let Some(stuck) = self.pass(LOOK) {
            return vec![stuck];
        }
        // A person looks at what is parked when nothing is refused any more.
        self.retry_parked();
        loop {
            if let Some(stuck) = self.pass(LOOK) {
                return vec![stuck];
            }
            passed += LOOK;
            self.approve_everything();
            if passed < AFTERWARDS {
                continue;
            }
            let wrong = self.verdict();
            if wrong.is_empty() {
                break;
            }
            if passed > PATIENCE {
                return wrong;
            }
        }
        if let Some(stuck) = self.pass(AFTERWARDS) {
            return vec![stuck];
        }
        let mut wrong = self.verdict();
        self.judge_pace(&mut wrong);
        wrong
    }

    fn pass(&self, time: Duration) -> Option<String> {
        let time = time::Duration::try_from(time).unwrap_or_default();
        let until = self.sim.now().saturating_add(time);
        let stuck = self.sim.run_until(until, MOST_STEPS).err();
        stuck.map(|stuck| format!("it does not come to rest: {stuck:?}"))
    }

    fn skus(&self) -> Vec<String> {
        (0..self.plan.skus)
            .map(|sku| format!("A{sku:03}"))
            .collect()
    }

    fn connections(&self) -> Vec<ConnectionId> {
        self.registry().records.keys().cloned().collect()
    }

    fn shop<T>(&self, connection: &ConnectionId, ask: impl FnOnce(&mut Shop) -> T) -> T {
        let mut shops = self.shops.lock().unwrap_or_else(PoisonError::into_inner);
        ask(shops.entry(connection.clone()).or_default())
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn erp(&self) -> MutexGuard<'_, Erp> {
        self.erp.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn judge(&self) -> MutexGuard<'_, Judge> {
        self.judge.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn replicas(&self) -> MutexGuard<'_, Vec<Replica>> {
        self.replicas.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publishers(&self) -> MutexGuard<'_, BTreeMap<ProcessId, Arc<Publisher>>> {
        self.publishers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn links(&self) -> MutexGuard<'_, BTreeMap<ProcessId, Arc<ProcessLinks>>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn weather(&self) -> Weather {
        *self.weather.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change_weather(&self, change: impl FnOnce(&mut Weather)) {
        change(&mut self.weather.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// A way to the broker that loses nothing: where it is lost the pace is not promised.
    fn calm_broker(&self) -> Wire {
        Weather {
            calm: true,
            ..self.weather()
        }
        .broker()
    }
}
