//! Other processes that share the budget of a store with the lane that writes to it.

use std::sync::Arc;
use std::time::Duration;

use storelink_adapter_api::{Purpose, RequestGate};
use storelink_events::connection::ConnectionRecord;
use storelink_model::ConnectionId;
use storelink_service::simulation;

use super::World;
use super::bucket::Bucket;
use crate::kernel::ProcessId;

/// Readers of each store that has a budget.
const READERS: u32 = 2;
/// Requests that a reader has under way at once.
const TOGETHER: usize = 4;
/// Of a thousand, those after which the store answers with 429 for a while.
const REFUSED: u32 = 15;
const REFUSES: time::Duration = time::Duration::seconds(4);
/// Their processes are numbered from here on.
const FIRST: u32 = 1_000;

impl World {
    /// Starts the readers of the stores that have a budget.
    pub(super) fn start_readers(self: &Arc<Self>) {
        let records: Vec<ConnectionRecord> = self.registry().records.values().cloned().collect();
        let limited = records
            .into_iter()
            .filter(|record| record.settings.requests_per_minute.is_some());
        let mut process = FIRST;
        for record in limited {
            for _ in 0..READERS {
                process += 1;
                let process = ProcessId(process);
                let error = self.sim.chance(|random| self.plan.clock_error(random));
                self.sim.set_clock_error(process, error);
                let bucket = Bucket {
                    world: self.clone(),
                };
                let gate = simulation::gate(&record, TOGETHER, Arc::new(bucket));
                for _ in 0..TOGETHER {
                    let (world, id, gate) = (self.clone(), record.id.clone(), gate.clone());
                    self.sim.spawn(process, read(world, id, gate));
                }
            }
        }
    }

    /// What the store answers a reader.
    fn status(&self, connection: &ConnectionId) -> u16 {
        let now = self.sim.now();
        let begins = self.sim.chance(|random| random.per_mille(REFUSED));
        self.shop(connection, |shop| {
            if begins {
                shop.limited_until = Some(now.saturating_add(REFUSES));
            }
            match shop.limited_until.is_some_and(|until| until > now) {
                true => 429,
                false => 200,
            }
        })
    }
}

/// Reads in bursts, as fast as the gate lets it, until everything becomes calm.
async fn read(world: Arc<World>, connection: ConnectionId, gate: Arc<dyn RequestGate>) {
    while !world.weather().calm {
        let (rest, burst) = world.sim.chance(|random| {
            let rest = random.duration(Duration::ZERO, Duration::from_secs(30));
            (rest, random.between(1, 15))
        });
        world.sim.sleep(rest).await;
        for _ in 0..burst {
            if world.weather().calm {
                return;
            }
            let Ok(permit) = gate.admit(Purpose::Orders).await else {
                continue;
            };
            world.judge().sent(&connection, world.sim.now());
            world.sim.tell(|| format!("a reader asks {connection}"));
            let begun = world.sim.now();
            world.sim.call(world.weather().store(), |_| {}).await.ok();
            let took = world.sim.now().since(begun);
            let status = world.status(&connection);
            gate.observe(Some(status), Duration::try_from(took).unwrap_or_default());
            drop(permit);
        }
    }
}
