//! A store that is down during a million changes, beside one that is up.

use std::time::Duration;

use anyhow::Context as _;

use crate::feed::Manner;
use crate::figure::{Figure, Judged, Unit};
use crate::fleet::{By, Fleet, FleetPlan};
use crate::process::Processes;
use crate::rig::Rig;
use crate::sizes::Sizes;

/// So that the broker's room is enough when the reading is slower than the saying.
const ITEMS: u32 = 10;
/// Of the changes, one part in so many is the beginning.
const BEGINNING: u32 = 10;
/// Memory may be so much above that after the beginning: a tenth and 16 MiB.
const PARTS: (u64, u64) = (11, 10);
const PLUS: u64 = 16 << 20;
/// One request finds out that the store is up, and each of 10,000 articles is in one of a hundred.
const REQUESTS: u64 = 101;
const LOOK: Duration = Duration::from_millis(200);
const BATCH: u64 = 100;

/// Measures once.
pub(crate) async fn measure(sizes: &Sizes, sync_always: bool) -> anyhow::Result<Vec<Figure>> {
    let (changes, articles) = sizes.outage;
    let rig = Rig::start(sync_always).await?;
    let plan = FleetPlan {
        name: "outage",
        stores: 2,
        articles,
    };
    let mut fleet = Fleet::open(&rig, plan).await?;
    let processes = rig.processes();
    fleet.sinks.first().context("a store")?.set_down(true);

    let beginning = changes / BEGINNING;
    said_and_shown_by_the_other(&mut fleet, beginning, &processes).await?;
    let warm = processes.resident()?;
    let rest = changes - beginning;
    let most = said_and_shown_by_the_other(&mut fleet, rest, &processes).await?;

    let down = fleet.sinks.first().context("a store")?;
    let refused = down.refused();
    down.set_down(false);
    let mut requests = Figure::limited("outage.requests_to_catch_up", Unit::Count, Judged::Every);
    fleet.shown(rest).await?;
    processes.rest(LOOK * 10).await?;
    let down = fleet.sinks.first().context("a store")?;
    let least = u64::try_from(articles)?.div_ceil(BATCH);
    requests.add(down.book().requests, (least + 1).min(REQUESTS));
    let mut memory = Figure::limited("outage.memory", Unit::Bytes, Judged::Every);
    memory.add(most, warm * PARTS.0 / PARTS.1 + PLUS);
    let mut beginning = Figure::told("outage.memory_at_the_beginning", Unit::Bytes);
    beginning.tell(warm);
    let mut tries = Figure::told("outage.requests_while_down", Unit::Count);
    tries.tell(refused);
    drop(fleet);
    rig.shut_down().await?;
    Ok(vec![beginning, memory, tries, requests])
}

/// Answers the most memory that was seen meanwhile.
async fn said_and_shown_by_the_other(
    fleet: &mut Fleet,
    number: u32,
    processes: &Processes,
) -> anyhow::Result<u64> {
    let manner = Manner {
        items: ITEMS,
        per_second: None,
    };
    let mut most = 0;
    let watching = async {
        loop {
            most = processes.resident()?.max(most);
            tokio::time::sleep(LOOK).await;
        }
        #[expect(unreachable_code, reason = "names the type of the error")]
        anyhow::Ok(())
    };
    let working = async {
        fleet.say(By::Storelink, number, manner).await?;
        let others = fleet.plan.stores - 1;
        fleet.shown_in(others, number).await
    };
    tokio::select! {
        failed = watching => failed?,
        done = working => drop(done?),
    }
    Ok(most)
}
