//! What a seed decides before anything begins.

use std::time::Duration;

use crate::kernel::{Random, Wire};

/// The lease of a lane.
pub(super) const LEASE: Duration = Duration::from_secs(24);
/// When an unknown outcome is looked at again.
pub(super) const RECHECK: Duration = Duration::from_secs(40);
/// No effect of a request comes later than this after its answer was given up: less than the recheck
/// by what two clocks may differ.
pub(super) const LATEST_EFFECT: Duration = Duration::from_secs(34);
/// When an order's article is looked at again although the ERP said nothing.
pub(super) const ORDER_RECHECK: Duration = Duration::from_secs(60);
/// How wrong a clock may be, in microseconds.
const CLOCK_ERROR: i64 = 2_000_000;
/// The same where processes share a budget: the spare time of the pace covers it.
const PACED_CLOCK_ERROR: i64 = 250_000;

/// The size of a world and how bad it is.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(super) stores: usize,
    pub(super) skus: usize,
    pub(super) replicas: usize,
    /// The database serves one process alone.
    pub(super) alone: bool,
    pub(super) events: usize,
    pub(super) faults: usize,
    pub(super) sales: usize,
    pub(super) chaos: Duration,
    /// Calls of a thousand whose way there, or back, is lost.
    pub(super) lost: u32,
    /// Requests of a thousand that a store does not answer properly.
    pub(super) misbehaviour: u32,
    /// A snapshot after so many attempts.
    pub(super) snapshot_after: i64,
    /// Stores have budgets, and nothing stands still that would use a turn late.
    pub(super) paced: bool,
    /// Quantities of a thousand that are none at all.
    pub(super) sold_out: u32,
}

impl Plan {
    pub(super) fn of(random: &mut Random) -> Self {
        let between = |random: &mut Random, least: i64, most: i64| {
            usize::try_from(random.between(least, most)).unwrap_or_default()
        };
        let replicas = between(random, 1, 4);
        Self {
            stores: between(random, 3, 5),
            skus: between(random, 15, 40),
            replicas,
            alone: replicas == 1 && random.per_mille(500),
            events: between(random, 50, 140),
            faults: between(random, 20, 50),
            sales: between(random, 0, 50),
            chaos: random.duration(Duration::from_secs(60), Duration::from_secs(150)),
            lost: u32::try_from(random.between(0, 25)).unwrap_or_default(),
            misbehaviour: u32::try_from(random.between(0, 350)).unwrap_or_default(),
            snapshot_after: random.between(2, 12),
            paced: random.per_mille(300),
            sold_out: u32::try_from(random.between(0, 600)).unwrap_or_default(),
        }
    }

    /// How wrong the clock of a process is, in microseconds.
    pub(super) fn clock_error(&self, random: &mut Random) -> i64 {
        let most = match self.paced {
            true => PACED_CLOCK_ERROR,
            false => CLOCK_ERROR,
        };
        random.between(-most, most)
    }
}

/// How the network behaves now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weather {
    /// Nothing fails any more.
    pub(super) calm: bool,
    /// The database does not answer.
    pub(super) database_out: bool,
    /// The database takes its time.
    pub(super) database_slow: bool,
    /// Whoever commits an attempt next stands still before it hears of it.
    pub(super) freezes_at_commit: bool,
    /// Calls of a thousand that are lost, in each direction.
    pub(super) lost: u32,
}

impl Weather {
    /// The way to the database, and whether it refuses because others are in the way.
    pub(super) fn database(self, sim: &crate::kernel::Sim) -> (Wire, bool) {
        let mut wire = match self.database_slow {
            true => self.wire(100, 2_000, 5),
            false => self.wire(2, 30, 5),
        };
        if self.database_out {
            wire.lost_there = 700;
            wire.lost_back = 300;
        }
        let refused = !self.calm && sim.chance(|random| random.per_mille(self.lost / 2));
        (wire, refused)
    }

    /// The way to the broker.
    pub(super) fn broker(self) -> Wire {
        self.wire(1, 20, 2)
    }

    /// The way to a store.
    pub(super) fn store(self) -> Wire {
        Wire::reliable(Duration::from_millis(20), Duration::from_millis(700))
    }

    fn wire(self, quickest: u64, slowest: u64, patience: u64) -> Wire {
        let lost = if self.calm { 0 } else { self.lost };
        Wire {
            quickest: Duration::from_millis(quickest),
            slowest: Duration::from_millis(slowest),
            lost_there: lost,
            lost_back: lost,
            patience: Duration::from_secs(patience),
        }
    }
}
