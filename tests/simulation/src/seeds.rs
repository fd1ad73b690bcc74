//! Runs many seeds on all cores, and says exactly how to see a failure again.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use storelink_planted_faults::{Fault, plant};

use crate::Plane;

/// How the run of one seed ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What is wrong; empty when nothing is.
    pub violations: Vec<String>,
    /// A fingerprint of all steps.
    pub digest: u64,
    /// Simulated time, in microseconds.
    pub simulated_micros: i64,
    /// The last lines of what happened, when they were asked for.
    pub story: Vec<String>,
}

/// A seed that failed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Of which plane.
    pub plane: Plane,
    /// The seed.
    pub seed: u64,
    /// What is wrong.
    pub violations: Vec<String>,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            plane,
            seed,
            violations,
        } = self;
        write!(f, "{plane} seed {seed}: ")?;
        for violation in violations.iter().take(5) {
            write!(f, "{violation}; ")?;
        }
        write!(
            f,
            "see it again: cargo run -p storelink-simulation -- replay --plane {plane} --seed {seed}"
        )
    }
}

/// What many seeds gave.
#[derive(Debug, Default)]
pub struct Tally {
    /// Seeds that were run.
    pub run: usize,
    /// Simulated time of all of them, in microseconds.
    pub simulated_micros: i64,
    /// A fingerprint of all their steps.
    pub digest: u64,
    /// Those that failed.
    pub failures: Vec<Failure>,
}

/// Where seeds begin that nobody ran before.
#[must_use]
pub fn fresh_base() -> u64 {
    rand::random::<u64>() >> 1
}

/// Runs seeds on all cores; stops early when `first_only` and one failed.
#[must_use]
pub fn run(plane: Plane, seeds: &[u64], fault: Option<Fault>, first_only: bool) -> Tally {
    let next = AtomicUsize::new(0);
    let found = AtomicBool::new(false);
    let tally = Mutex::new(Tally::default());
    let work = || {
        let _planted = fault.map(plant);
        while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
            if first_only && found.load(Ordering::Relaxed) {
                return;
            }
            let outcome = plane.run(*seed, false);
            let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
            tally.run += 1;
            // The sum is the same whichever thread comes first.
            let digest = outcome
                .digest
                .rotate_left(u32::try_from(seed % 64).unwrap_or_default());
            tally.digest = tally.digest.wrapping_add(digest);
            tally.simulated_micros += outcome.simulated_micros;
            if !outcome.violations.is_empty() {
                found.store(true, Ordering::Relaxed);
                tally.failures.push(Failure {
                    plane,
                    seed: *seed,
                    violations: outcome.violations,
                });
            }
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(work);
        }
    });
    let mut tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    tally.failures.sort_by_key(|failure| failure.seed);
    tally
}

/// The first seed that finds a fault, of those that pass without it.
#[must_use]
pub fn search(plane: Plane, fault: Fault, count: u64) -> Option<Failure> {
    let all: Vec<u64> = (0..count).collect();
    for some in all.chunks(40) {
        let found = run(plane, some, Some(fault), true);
        let true_find = |failure: &Failure| plane.run(failure.seed, false).violations.is_empty();
        if let Some(failure) = found.failures.into_iter().find(true_find) {
            return Some(failure);
        }
    }
    None
}
