//! Ten events a second to ten stores that take 20 ms to answer.

use std::time::Duration;

use crate::feed::Manner;
use crate::figure::{Figure, Judged, Unit};
use crate::fleet::{By, Fleet};
use crate::process::Processes;
use crate::rig::{ANSWER_MS, Rig, percentile};

const EVENTS_PER_SECOND: u32 = 10;
/// What may be added to the store's own time: half of the values, and all but one in a hundred.
const HALF_US: u64 = 5_000;
const MOST_US: u64 = 15_000;

/// What was measured so far.
pub(crate) struct Latency {
    events: u32,
    half: Figure,
    most: Figure,
    floor_half: Figure,
    floor_most: Figure,
}

impl Latency {
    pub(crate) fn new(events: u32) -> Self {
        let unit = Unit::Microseconds;
        Self {
            events,
            half: Figure::limited("latency.added_p50", unit, Judged::Median),
            most: Figure::limited("latency.added_p99", unit, Judged::Median),
            floor_half: Figure::told("latency.floor_added_p50", unit),
            floor_most: Figure::told("latency.floor_added_p99", unit),
        }
    }

    /// Measures Storelink once and the floor once.
    pub(crate) async fn repeat(&mut self, rig: &Rig, fleet: &mut Fleet) -> anyhow::Result<()> {
        fleet.set_delay(Duration::from_millis(ANSWER_MS));
        let mut ours = self.added(By::Storelink, &rig.processes(), fleet).await?;
        let processes = fleet.floor();
        let mut floor = self.added(By::Floor, &processes, fleet).await?;
        fleet.set_delay(Duration::ZERO);
        self.half.add(percentile(&mut ours, 50)?, HALF_US);
        self.most.add(percentile(&mut ours, 99)?, MOST_US);
        self.floor_half.tell(percentile(&mut floor, 50)?);
        self.floor_most.tell(percentile(&mut floor, 99)?);
        Ok(())
    }

    /// The age of each value in each store beyond the store's own time.
    async fn added(
        &self,
        by: By,
        processes: &Processes,
        fleet: &mut Fleet,
    ) -> anyhow::Result<Vec<u64>> {
        let manner = Manner {
            items: 1,
            per_second: Some(EVENTS_PER_SECOND),
        };
        let run = fleet.run(by, processes, self.events, manner).await?;
        let mut ages = fleet.ages(&run.said, fleet.plan.stores)?;
        for age in &mut ages {
            *age = age.saturating_sub(ANSWER_MS * 1_000);
        }
        Ok(ages)
    }

    pub(crate) fn figures(self) -> [Figure; 4] {
        [self.half, self.most, self.floor_half, self.floor_most]
    }
}
