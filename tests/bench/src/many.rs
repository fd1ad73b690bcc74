//! A thousand small stores and twenty large ones, all in one process of the program.

use std::time::Duration;

use anyhow::Context as _;
use storelink_test_support::system::System;

use crate::clock::now_us;
use crate::feed::{AT_ONCE, Manner};
use crate::figure::{Figure, Judged, Unit};
use crate::fleet::{By, Fleet, FleetPlan};
use crate::report::progress;
use crate::rig::{ANSWER_MS, Rig, percentile};
use crate::sizes::Sizes;

const MEMORY: u64 = 3 << 29;
const RESTART_US: u64 = 60_000_000;
/// How often the processor time is measured; it is counted in hundredths of a second.
const ROUNDS: usize = 3;
/// Times the processor time that ten stores need, in one process as well.
const TIMES: u64 = 2;
const TEN: usize = 10;
const EVENTS: u32 = 100;
const EVENTS_PER_SECOND: u32 = 10;
const SLOW: Duration = Duration::from_secs(5);
/// How much later than without the slow store the others may be: 1.2 times and 5 ms.
const LATER: (u64, u64) = (6, 5);
const PLUS_US: u64 = 5_000;
const OPEN: u64 = 2;
/// The one process.
const PROCESS: &str = "dev";

/// Measures once.
pub(crate) async fn measure(sizes: &Sizes, sync_always: bool) -> anyhow::Result<Vec<Figure>> {
    let ten = processor_of_ten(sizes, sync_always).await?;
    let mut rig = Rig::start_in_one_process(sync_always).await?;
    let began = now_us();
    let plan = |name, (stores, articles)| FleetPlan {
        name,
        stores,
        articles,
    };
    let mut twenty = Fleet::open(&rig, plan("twenty", sizes.twenty)).await?;
    let mut thousand = Fleet::open(&rig, plan("thousand", sizes.thousand)).await?;
    let mut linked = Figure::told("many.linked_in", Unit::Microseconds);
    linked.tell(now_us() - began);
    progress("A thousand stores are linked.");

    let mut processor = Figure::limited(
        "many.cpu_per_10k",
        Unit::ProcessorMicroseconds,
        Judged::Median,
    );
    let mut ten_processor = Figure::told("many.cpu_per_10k_of_ten", Unit::ProcessorMicroseconds);
    let mut rate = Figure::told("many.updates", Unit::PerSecond);
    for ten in ten {
        let number = thousand.articles()?;
        let run = thousand
            .run(By::Storelink, &rig.processes(), number, AT_ONCE)
            .await?;
        processor.add(run.processor_us_per_10k()?, TIMES * ten);
        ten_processor.tell(ten);
        rate.tell(run.rows_per_second());
    }
    let isolation = isolation(&rig, &mut twenty).await?;
    let before = rig.processes().most_resident()?;
    let restart = restart(&mut rig.system, &mut thousand).await?;
    let mut memory = Figure::limited("many.memory", Unit::Bytes, Judged::Every);
    memory.add(before, MEMORY);
    memory.add(rig.processes().most_resident()?, MEMORY);
    rig.shut_down().await?;
    let figures = [linked, rate, processor, ten_processor, memory];
    Ok(figures
        .into_iter()
        .chain(isolation)
        .chain(restart)
        .collect())
}

/// What ten stores need in one process, microseconds for 10,000 updates.
async fn processor_of_ten(sizes: &Sizes, sync_always: bool) -> anyhow::Result<Vec<u64>> {
    let rig = Rig::start_in_one_process(sync_always).await?;
    let plan = FleetPlan {
        name: "ten",
        stores: TEN,
        articles: sizes.ten_articles,
    };
    let mut fleet = Fleet::open(&rig, plan).await?;
    let number = fleet.articles()?;
    let processes = rig.processes();
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let run = fleet
            .run(By::Storelink, &processes, number, AT_ONCE)
            .await?;
        times.push(run.processor_us_per_10k()?);
    }
    rig.shut_down().await?;
    Ok(times)
}

/// The large stores, once without and once with a slow one among them.
async fn isolation(rig: &Rig, fleet: &mut Fleet) -> anyhow::Result<[Figure; 3]> {
    let healthy = Duration::from_millis(ANSWER_MS);
    fleet.set_delay(healthy);
    let alone = most_of_the_others(rig, fleet).await?;
    let slow = fleet.sinks.last().context("there are stores")?;
    slow.set_delay(SLOW);
    slow.most_open();
    let beside = most_of_the_others(rig, fleet).await?;
    let slow = fleet.sinks.last().context("there are stores")?;
    let unit = Unit::Microseconds;
    let mut without = Figure::told("many.p99_without_slow_store", unit);
    without.tell(alone);
    let mut with = Figure::limited("many.p99_beside_slow_store", unit, Judged::Every);
    with.add(beside, alone * LATER.0 / LATER.1 + PLUS_US);
    let mut open = Figure::limited("many.open_on_slow_store", Unit::Count, Judged::Every);
    open.add(slow.most_open(), OPEN);
    fleet.set_delay(Duration::ZERO);
    Ok([without, with, open])
}

async fn most_of_the_others(rig: &Rig, fleet: &mut Fleet) -> anyhow::Result<u64> {
    let manner = Manner {
        items: 1,
        per_second: Some(EVENTS_PER_SECOND),
    };
    let processes = rig.processes();
    let run = fleet.run(By::Storelink, &processes, EVENTS, manner).await?;
    let mut ages = fleet.ages(&run.said, fleet.plan.stores - 1)?;
    percentile(&mut ages, 99)
}

/// Ends the process, says one value while it is away, starts it and waits for the value.
async fn restart(system: &mut System, fleet: &mut Fleet) -> anyhow::Result<[Figure; 2]> {
    system.stop(PROCESS).await?;
    fleet.say(By::Storelink, 1, AT_ONCE).await?;
    let began = now_us();
    system.launch(PROCESS)?;
    let unit = Unit::Microseconds;
    let mut first = Figure::limited("many.restart_to_first_write", unit, Judged::Every);
    first.add(fleet.first_shown().await?.saturating_sub(began), RESTART_US);
    let mut all = Figure::told("many.restart_to_all_stores", unit);
    all.tell(fleet.shown(1).await?.saturating_sub(began));
    system.wait_until_ready(PROCESS).await?;
    Ok([first, all])
}
