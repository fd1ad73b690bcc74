//! A thousand events a second to a hundred stores.

use crate::feed::Manner;
use crate::figure::{Figure, Judged, Unit};
use crate::fleet::{By, Fleet};
use crate::rig::{Rig, percentile};

const EVENTS_PER_SECOND: u32 = 1_000;
/// The pace that must have been kept, or it was not this that was measured.
const LEAST_PER_SECOND: u64 = 950;
const AGE_US: u64 = 1_000_000;
/// Hundredths of a core.
const CORES: u64 = 100;

/// Measures once.
pub(crate) async fn measure(
    rig: &Rig,
    fleet: &mut Fleet,
    seconds: u32,
) -> anyhow::Result<Vec<Figure>> {
    let number = EVENTS_PER_SECOND * seconds;
    let manner = Manner {
        items: 1,
        per_second: Some(EVENTS_PER_SECOND),
    };
    let run = fleet
        .run(By::Storelink, &rig.processes(), number, manner)
        .await?;
    let mut ages = fleet.ages(&run.said, fleet.plan.stores)?;
    let unit = Unit::Microseconds;
    let mut pace = Figure::at_least("sustained.events", Unit::PerSecond, Judged::Every);
    pace.add(run.said.per_second(), LEAST_PER_SECOND);
    let mut half = Figure::told("sustained.age_p50", unit);
    half.tell(percentile(&mut ages, 50)?);
    let mut most = Figure::limited("sustained.age_p99", unit, Judged::Every);
    most.add(percentile(&mut ages, 99)?, AGE_US);
    let mut cores = Figure::limited("sustained.cores", Unit::Hundredths, Judged::Every);
    let used = u64::try_from(run.processor.as_micros())?;
    cores.add(used * 100 / run.took_us.max(1), CORES);
    let mut processor = Figure::told("sustained.cpu_per_10k", Unit::ProcessorMicroseconds);
    processor.tell(run.processor_us_per_10k()?);
    let mut items = Figure::told("sustained.items_per_request", Unit::Hundredths);
    items.tell(run.items_per_request());
    let mut rows = Figure::told("sustained.updates", Unit::PerSecond);
    rows.tell(run.rows_per_second());
    Ok(vec![pace, half, most, cores, processor, items, rows])
}
