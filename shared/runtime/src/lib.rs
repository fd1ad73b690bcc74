#![doc = include_str!("../README.md")]

mod instant;
#[cfg(feature = "simulated")]
pub mod simulated;
mod tasks;
mod timer;

pub use instant::Instant;
pub use tasks::{Ended, TaskId, TaskSet, spawn};
pub use timer::{Elapsed, sleep, sleep_until, timeout};

/// A random number.
#[must_use]
pub fn random() -> u64 {
    #[cfg(feature = "simulated")]
    if let Some(machine) = simulated::current() {
        return machine.random();
    }
    rand::random()
}
