//! Chance, from the seed.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// The only source of chance in a simulated world.
#[derive(Debug)]
pub struct Random(StdRng);

impl Random {
    /// The chance of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// A number from 0 up to but without `end`; 0 when `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        if end == 0 {
            0
        } else {
            self.0.random_range(0..end)
        }
    }

    /// A number between two, both included.
    pub fn between(&mut self, least: i64, most: i64) -> i64 {
        self.0.random_range(least..=most.max(least))
    }

    /// Whether something happens that happens so many times in a thousand.
    pub fn per_mille(&mut self, times: u32) -> bool {
        times > 0 && self.0.random_range(0..1_000) < times
    }

    /// A duration between two, both included.
    pub fn duration(&mut self, least: Duration, most: Duration) -> Duration {
        let micros = |duration: Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        let drawn = self.between(micros(least), micros(most));
        Duration::from_micros(drawn.unsigned_abs())
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0.random()
    }

    /// One of these; none when there are none.
    pub fn one_of<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        let place = self.below(all.len());
        all.get(place)
    }
}
