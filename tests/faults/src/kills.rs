//! Processes are killed under load, with the broker and the database, and with stores that
//! misbehave where the plan says so.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use storelink_test_support::system::Role;
use tokio::time::{Instant, sleep};

use crate::evidence::Evidence;
use crate::outcome::{Outcome, RunId};
use crate::schedule::{Kill, Schedule};
use crate::settle::Demand;
use crate::stage::{DatabaseKind, Setup, Stage, Way};
use crate::traffic::{Rates, Traffic};

/// How long a process is looked at for work in flight before it is killed all the same.
const WORK_LIMIT: Duration = Duration::from_secs(4);
const LOOK: Duration = Duration::from_millis(15);
/// Traffic before the first fault; memory is then what it is in normal work.
const WARM_UP: (u64, u64) = (400, 80);

/// A store that is read by its schedule sells nothing any more so long before the last run of it that
/// lies within the traffic: its last orders are changed until then.
const BEFORE_ITS_RUN: Duration = Duration::from_secs(12);

/// How much is killed.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The world.
    pub setup: Setup,
    /// What goes on in it.
    pub rates: Rates,
    /// Kills with work in flight.
    pub kills: u64,
    /// Traffic goes on at least so long.
    pub traffic: Duration,
    /// Kills of the broker.
    pub broker_kills: u64,
    /// Immediate halts of the database.
    pub database_halts: u64,
    /// Whether the stores misbehave.
    pub store_faults: bool,
    /// What must hold at the end.
    pub demand: Demand,
}

/// What was done so far.
#[derive(Default)]
struct Done {
    kills: BTreeMap<String, u64>,
    counted: u64,
    idle: u64,
    broker_kills: u64,
    database_halts: u64,
    store_faults: u64,
}

impl Plan {
    /// Kills on a database: so many with work in flight, over at least this time.
    #[must_use]
    pub fn new(database: DatabaseKind, kills: u64, traffic: Duration) -> Self {
        let recheck_seconds = 15;
        let mut setup = Setup::on(database)
            .with("STORELINK_LANES__RECHECK_AFTER_SECONDS", recheck_seconds)
            .with("STORELINK_LANES__LEASE_SECONDS", 6);
        setup.ways = [Way::Asked, Way::Scheduled, Way::Called];
        Self {
            setup,
            rates: Rates {
                // Then the run of the schedule at the end of the traffic brings the last of them.
                scheduled_for: traffic.saturating_sub(BEFORE_ITS_RUN),
                // Longer than a walk reaches back, so that the next one puts nothing right.
                read_every: Duration::from_secs(8),
                // So often that the registry, too, is nearly always asked for something.
                articles_every: Duration::from_millis(300),
                ..Rates::full()
            },
            kills,
            traffic,
            broker_kills: 2,
            database_halts: match database {
                DatabaseKind::Sqlite => 0,
                DatabaseKind::Postgres => 2,
            },
            store_faults: false,
            demand: Demand::new(Duration::from_secs(240), recheck_seconds),
        }
    }

    /// The same with stores that misbehave. One that refuses what a schedule or a call asked for may
    /// have to be asked again.
    #[must_use]
    pub fn mixed(mut self) -> Self {
        self.store_faults = true;
        self.demand.unasked = false;
        self
    }

    /// Carries it out.
    ///
    /// # Errors
    /// When the run cannot be carried out; what it finds is no error.
    pub async fn run(&self, run: RunId) -> anyhow::Result<Outcome> {
        let mut stage = Stage::open(&self.setup).await?;
        let evidence = Evidence::new(stage.system.broker_url(), stage.stores.client()).await?;
        stage.begin_schedules().await?;
        let traffic = Traffic::begin(&stage, &self.rates, run.seed);
        let began = Instant::now();
        traffic.more(WARM_UP.0, WARM_UP.1).await?;
        stage.memory.is_warm();

        let mut schedule = Schedule::new(run.seed, self.store_faults);
        let mut done = Done::default();
        while done.counted < self.kills || began.elapsed() < self.traffic {
            self.break_what_roles_need(&mut stage, &mut schedule, &mut done)
                .await?;
            let Some(kill) = schedule.next() else { break };
            carry_out(&mut stage, &evidence, &traffic, kill, &mut done).await?;
        }
        let last_fault = Instant::now();
        let lasted = began.elapsed();
        if self.store_faults {
            stage.stores_behave().await?;
        }
        let settled = stage.settle(traffic, last_fault, &self.demand).await?;
        let mut outcome = Outcome::of(run, self.setup.layout(), lasted, settled);
        if done.counted < self.kills {
            outcome.complain(format!("only {} kills count", done.counted));
        }
        outcome.kills = done.kills;
        outcome.kills_counted = done.counted;
        outcome.kills_idle = done.idle;
        outcome.broker_kills = done.broker_kills;
        outcome.database_halts = done.database_halts;
        outcome.store_faults = done.store_faults;
        Ok(outcome)
    }

    /// Kills the broker or halts the database when their turn has come: evenly over the kills.
    async fn break_what_roles_need(
        &self,
        stage: &mut Stage,
        schedule: &mut Schedule,
        done: &mut Done,
    ) -> anyhow::Result<()> {
        let all = self.broker_kills + self.database_halts;
        let so_far = done.broker_kills + done.database_halts;
        if so_far >= all || done.counted * (all + 1) < self.kills * (so_far + 1) {
            return Ok(());
        }
        let away = schedule.away();
        let halts_left = done.database_halts < self.database_halts;
        if !halts_left || done.broker_kills <= done.database_halts {
            let broker = stage.system.broker().context("there is no broker")?;
            broker.kill().await?;
            sleep(away).await;
            broker.restart().await?;
            done.broker_kills += 1;
        } else {
            let database = stage.system.database().context("there is no database")?;
            database.halt().await?;
            sleep(away).await;
            database.resume().await?;
            done.database_halts += 1;
        }
        Ok(())
    }
}

/// Kills one process as soon as it has work in flight, and starts it again at once.
async fn carry_out(
    stage: &mut Stage,
    evidence: &Evidence,
    traffic: &Traffic,
    kill: Kill,
    done: &mut Done,
) -> anyhow::Result<()> {
    sleep(kill.pause).await;
    if let Some((place, fault)) = &kill.store_fault {
        let link = stage.links.get(place % stage.links.len().max(1));
        let name = &link.context("no store is linked")?.plan.name;
        stage.stores.client().set_fault(name, fault).await?;
        done.store_faults += 1;
    }
    let processes = stage.system.processes_of(kill.role);
    let process = processes
        .get(kill.replica % processes.len().max(1))
        .with_context(|| format!("{} has no process", kill.role))?;
    match kill_at_work(stage, evidence, traffic, process, kill.role).await? {
        Some(_work) => {
            done.counted += 1;
            *done.kills.entry(kill.role.name().to_owned()).or_default() += 1;
        }
        None => done.idle += 1,
    }
    stage.system.restart(process).await?;
    stage.memory.follow(stage.system.process_ids());
    Ok(())
}

/// Kills a process while it has work in flight and answers what; one that has none for too long is
/// killed idle.
async fn kill_at_work(
    stage: &mut Stage,
    evidence: &Evidence,
    traffic: &Traffic,
    process: &str,
    role: Role,
) -> anyhow::Result<Option<String>> {
    let deadline = Instant::now() + WORK_LIMIT;
    let counts = traffic.counts();
    loop {
        let in_hand = evidence.in_hand(&stage.system, process, counts).await?;
        stage.system.freeze(process).await?;
        let work = evidence.left(&in_hand, process, role, counts).await?;
        if work.is_some() || Instant::now() >= deadline {
            stage.memory.look();
            let status = stage.system.kill(process).await?;
            ensure!(status.code().is_none(), "{process} ended by itself");
            return Ok(work);
        }
        stage.system.thaw(process)?;
        sleep(LOOK).await;
    }
}
