//! Up to where a store is read, and what to read next: no I/O, so that it can be simulated.
//!
//! The promise: when a [`Walk`] ends, everything that the store shows as modified before the new
//! [`Cursor::mark`] was seen by this walk or an earlier one, and the next walk reaches back far enough
//! for what the store shows late.

mod clock;
mod walk;

use serde::{Deserialize, Serialize};
use storelink_model::Timestamp;
use storelink_planted_faults::planted;
use time::Duration;

pub use clock::ClockReading;
pub use walk::{Counts, Next, PageRead, Sighting, Walk};

/// Beyond this no clock is believed to be wrong: the widest difference between two time zones.
const LARGEST_CLOCK_ERROR: Duration = Duration::hours(26);

/// What is remembered of a connection and an entity between two walks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cursor {
    /// By the store's clock: everything modified before is handed on.
    pub mark: Option<Timestamp>,
    /// The latest order start that was in force since the last walk from there: what was placed before
    /// was passed over meanwhile, so that an earlier one asks for a walk from there.
    pub start: Option<Timestamp>,
    /// How long the last walk took.
    pub last_walk_micros: i64,
    /// The store's clock minus ours, as the last walk measured it.
    pub clock_offset_micros: i64,
    /// When everything was read last, by our clock.
    pub last_full: Option<Timestamp>,
}

/// How a connection is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// How far a walk reaches back at least.
    pub overlap: Duration,
    /// How wrong the store's clock may be.
    pub clock_error: Duration,
    /// Nothing that was placed before is wanted; none where there is no such limit.
    pub start: Option<Timestamp>,
    /// At most this many passes in one walk.
    pub passes: u32,
}

impl Rules {
    /// How wrong the clock may be that a store's dates are written by, from every difference that was
    /// ever measured, in microseconds: a proxy in front of the store may show a better clock than the
    /// store writes by.
    #[must_use]
    pub fn clock_error(offsets_micros: &[i64]) -> Duration {
        let widest = offsets_micros
            .iter()
            .map(|offset| offset.saturating_abs())
            .max();
        Duration::microseconds(widest.unwrap_or_default()).min(LARGEST_CLOCK_ERROR)
    }

    /// How far before the mark a walk begins.
    fn reach(&self, walk_micros: i64) -> Duration {
        let clock_error = if planted!(ClockTrusted) {
            Duration::ZERO
        } else {
            self.clock_error
        };
        let overlap = if planted!(NoOverlap) {
            Duration::ZERO
        } else {
            self.overlap
        };
        overlap + clock_error + Duration::microseconds(walk_micros.max(0))
    }

    /// Where a walk from this mark begins; none means at the beginning of everything.
    fn since(&self, mark: Option<Timestamp>, walk_micros: i64) -> Option<Timestamp> {
        let reach = self.reach(walk_micros);
        let by_mark = mark.map(|mark| mark.saturating_sub(reach));
        let by_start = self.start.map(|start| start.saturating_sub(reach));
        by_mark.max(by_start)
    }
}

impl Cursor {
    /// Notes that what follows is read by these rules. With a later order start than before, orders from
    /// before it are passed over from now on, edits of known ones too.
    pub fn read_by(&mut self, rules: &Rules) {
        self.start = self.start.map(|held| rules.start.unwrap_or(held).max(held));
    }

    /// Whether the mark says nothing for a connection with these rules: a walk begins at the start.
    fn is_void(&self, rules: &Rules) -> bool {
        match (rules.start, self.start) {
            _ if self.mark.is_none() => true,
            (Some(wanted), Some(held)) => wanted < held,
            (Some(_), None) => true,
            (None, _) => false,
        }
    }
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
