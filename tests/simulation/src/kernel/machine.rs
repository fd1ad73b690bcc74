//! What the simulated machine gives to the program under test: time, waiting, tasks and chance.

use std::sync::Arc;
use std::time::Duration;

use storelink_model::simulated_clock;
use storelink_runtime::simulated::{Entered, Machine, enter};

use super::{ProcessId, Sim};

type Task = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// The machine as one process sees it.
struct ProcessMachine {
    sim: Sim,
    process: ProcessId,
}

impl Machine for ProcessMachine {
    fn now(&self) -> Duration {
        Duration::from_micros(self.sim.now().micros().unsigned_abs())
    }

    fn sleep(&self, duration: Duration) -> Task {
        let sim = self.sim.clone();
        Box::pin(async move { sim.sleep(duration).await })
    }

    fn spawn(&self, task: Task) {
        self.sim.spawn(self.process, task);
    }

    fn random(&self) -> u64 {
        self.sim.chance(super::Random::number)
    }
}

/// Clock and machine of a process in the current thread, until it is dropped.
pub(super) struct Inside {
    clock_before: Option<i64>,
    _machine: Entered,
}

impl Inside {
    /// `clock` is the time by the process's own clock.
    pub(super) fn of(sim: &Sim, process: ProcessId, clock: i64) -> Self {
        let clock_before = simulated_clock::now_micros();
        simulated_clock::set(Some(clock));
        let sim = sim.clone();
        let machine = enter(Arc::new(ProcessMachine { sim, process }));
        Self {
            clock_before,
            _machine: machine,
        }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        simulated_clock::set(self.clock_before);
    }
}
