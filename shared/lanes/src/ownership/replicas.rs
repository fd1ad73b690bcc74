//! The processes that share the lanes of one database, and which part of them is whose.

use std::sync::Arc;
use std::time::Duration;

use storelink_persistence::DbError;
use storelink_runtime::Instant;

use super::rows::OwnerRows;
use super::stillness::Stillness;

/// A process among the live ones, in the order of their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    rank: usize,
    of: usize,
}

impl Place {
    /// The place of a process that is alone.
    pub(crate) const ALONE: Self = Self { rank: 0, of: 1 };

    /// How many of so many lanes it should run. The shares of all places add up to the lanes and
    /// differ by one at most, so who keeps to them ends at the same division and nothing moves after
    /// that.
    pub(crate) fn share(self, lanes: usize) -> usize {
        lanes / self.of + usize::from(self.rank < lanes % self.of)
    }

    /// Where it begins among so many free lanes: processes that all begin at the first one would
    /// get in each other's way.
    pub(super) fn begin(self, free: usize) -> usize {
        free * self.rank / self.of
    }
}

/// The rows of the processes.
pub(super) struct Replicas {
    rows: Arc<dyn OwnerRows>,
    id: String,
    beats: Stillness<i64>,
}

impl Replicas {
    pub(super) fn new(rows: Arc<dyn OwnerRows>, id: String, length: Duration) -> Self {
        let beats = Stillness::new(length);
        Self { rows, id, beats }
    }

    /// Counts up this process's row and looks who else is there. One that is seen for the first
    /// time counts: to share with one too many for a lease costs nothing that was not waited for
    /// anyway, since its lanes are free no sooner.
    pub(super) async fn beat(&mut self) -> Result<Place, DbError> {
        // The file lock proves that no other process is there.
        if self.rows.is_alone() {
            return Ok(Place::ALONE);
        }
        let rows = self.rows.beat(&self.id).await?;
        let now = Instant::now();
        let (mut live, mut gone) = (Vec::with_capacity(rows.len()), Vec::new());
        for (id, beat) in rows {
            if id != self.id && self.beats.is_over(&id, beat, now) {
                gone.push((id, beat));
            } else {
                live.push(id);
            }
        }
        self.beats.retain(|known| live.iter().any(|id| id == known));
        for (id, beat) in gone {
            tracing::info!(replica = id, "a replica is gone");
            self.rows.bury(&id, beat).await?;
        }
        let rank = live.iter().filter(|id| **id < self.id).count();
        Ok(Place {
            rank,
            of: live.len().max(1),
        })
    }

    /// Takes this process out, so that the others share all lanes at once.
    pub(super) async fn leave(&self) -> Result<(), DbError> {
        self.rows.leave(&self.id).await
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn shares_add_up_and_differ_by_one_at_most(lanes in 0_usize..5_000, of in 1_usize..40) {
            let shares: Vec<usize> = (0..of).map(|rank| Place { rank, of }.share(lanes)).collect();
            prop_assert_eq!(shares.iter().sum::<usize>(), lanes);
            let (least, most) = (shares.iter().min(), shares.iter().max());
            prop_assert!(most.zip(least).is_some_and(|(most, least)| most - least <= 1));
        }
    }

    #[test]
    fn one_that_is_alone_runs_everything() {
        assert_eq!(Place::ALONE.share(7), 7);
        assert_eq!(Place::ALONE.begin(7), 0);
    }
}
