//! Publishers and a poller stand still for longer than what they own may be theirs, and wake up.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use storelink_simulators::{LedgerEntry, Source};
use storelink_test_support::erp::now_us;
use storelink_test_support::eventually::eventually;
use storelink_test_support::stores::ledger;
use storelink_test_support::system::Role;
use tokio::time::{Instant, sleep, sleep_until};

use crate::evidence::{Evidence, is_of};
use crate::outcome::{Outcome, RunId};
use crate::settle::Demand;
use crate::stage::{DatabaseKind, Setup, Stage};
use crate::traffic::{Rates, Traffic};

/// How long a publisher owns a lane without renewing.
const LEASE: Duration = Duration::from_secs(6);
/// How long a job belongs to a poller that says nothing: the ack wait of its consumer.
const JOB: Duration = Duration::from_secs(30);
const RECHECK_SECONDS: u64 = 15;
const LIMIT: Duration = Duration::from_secs(90);
const LOOK: Duration = Duration::from_millis(15);
/// How often a round is tried in which no new job comes after a poller woke up.
const TRIES: u32 = 4;
/// Levels that are said while somebody is watched after waking up: some seconds.
const WATCHED: u64 = 400;

/// How often.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The world.
    pub setup: Setup,
    /// What goes on in it.
    pub rates: Rates,
    /// In each, a poller and a publisher of stock and of prices freeze.
    pub rounds: u64,
    /// What must hold at the end.
    pub demand: Demand,
}

/// A process that stood still.
struct Frozen {
    process: String,
    role: Role,
    at: Instant,
    at_us: i64,
    thawed_us: i64,
    watched_until_us: i64,
}

impl Plan {
    /// Two replicas on PostgreSQL, so many rounds.
    #[must_use]
    pub fn new(rounds: u64) -> Self {
        Self {
            setup: Setup::on(DatabaseKind::Postgres)
                .with("STORELINK_LANES__RECHECK_AFTER_SECONDS", RECHECK_SECONDS)
                .with("STORELINK_LANES__LEASE_SECONDS", LEASE.as_secs()),
            rates: Rates::full(),
            rounds,
            demand: Demand::new(Duration::from_secs(240), RECHECK_SECONDS),
        }
    }

    /// Carries it out.
    ///
    /// # Errors
    /// When the run cannot be carried out; what it finds is no error.
    pub async fn run(&self, run: RunId) -> anyhow::Result<Outcome> {
        let mut stage = Stage::open(&self.setup).await?;
        let evidence = Evidence::new(stage.system.broker_url(), stage.stores.client()).await?;
        let traffic = Traffic::begin(&stage, &self.rates, run.seed);
        let began = Instant::now();
        // So many orders that some of each store have refunds.
        traffic.more(WATCHED, 250).await?;
        stage.memory.is_warm();
        let mut frozen = Vec::new();
        for _ in 0..self.rounds {
            let mut tries = 1;
            while !round(&mut stage, &traffic, &evidence, &mut frozen).await? {
                ensure!(tries < TRIES, "the pollers always get new jobs");
                tries += 1;
            }
        }
        let lasted = began.elapsed();
        let settled = stage.settle(traffic, Instant::now(), &self.demand).await?;
        let mut outcome = Outcome::of(run, self.setup.layout(), lasted, settled);
        outcome
            .measured
            .insert("freezes".to_owned(), i64::try_from(frozen.len())?);
        let (mut stock_and_prices, mut reads) = (0, 0);
        for one in &frozen {
            let sent = sent_after_waking(&stage, one).await?;
            match one.role {
                Role::WooCommercePoller => reads += sent,
                _ => stock_and_prices += sent,
            }
        }
        outcome.at_most("writes_after_the_lease", stock_and_prices, 0);
        outcome.at_most("reads_after_the_lease", reads, 0);
        Ok(outcome)
    }
}

/// A poller and two publishers freeze and wake up. False when the poller got new jobs after it woke up,
/// so that nobody can say whether what it read was its old one.
async fn round(
    stage: &mut Stage,
    traffic: &Traffic,
    evidence: &Evidence,
    frozen: &mut Vec<Frozen>,
) -> anyhow::Result<bool> {
    let poller = freeze(stage, evidence, Role::WooCommercePoller).await?;
    // What the frozen one had is the only work left, so that all it sends later is its old one.
    traffic.ask_for_reads(false);
    for role in [Role::StockPublisher, Role::PricePublisher] {
        let publisher = freeze(stage, evidence, role).await?;
        others_write(stage, &publisher).await?;
        sleep_until(publisher.at + LEASE * 3 / 2).await;
        frozen.push(wake(stage, traffic, publisher).await?);
    }
    sleep_until(poller.at + JOB * 3 / 2).await;
    let mut before = None;
    eventually("the other poller has done all jobs", LIMIT, async || {
        let jobs = evidence.jobs().await?;
        ensure!(jobs.open == 0, "{} jobs are left", jobs.open);
        before = Some(jobs.told);
        Ok(())
    })
    .await?;
    let poller = wake(stage, traffic, poller).await?;
    let alone = before == Some(evidence.jobs().await?.told);
    if alone {
        frozen.push(poller);
    }
    traffic.ask_for_reads(true);
    Ok(alone)
}

/// Freezes a process of a role while its request to a store is under way.
async fn freeze(stage: &mut Stage, evidence: &Evidence, role: Role) -> anyhow::Result<Frozen> {
    // Between the requests for single orders of a page nothing else is asked than whether the job is
    // still one's own.
    let asking = match role {
        Role::WooCommercePoller => "/refunds",
        _ => "/products",
    };
    let deadline = Instant::now() + LIMIT;
    while Instant::now() < deadline {
        for process in stage.system.processes_of(role) {
            stage.system.freeze(&process).await?;
            if evidence
                .request_under_way(&process, asking)
                .await?
                .is_some()
            {
                return Ok(Frozen {
                    process,
                    role,
                    at: Instant::now(),
                    at_us: now_us(),
                    thawed_us: 0,
                    watched_until_us: 0,
                });
            }
            stage.system.thaw(&process)?;
        }
        sleep(LOOK).await;
    }
    bail!("no {role} sends anything")
}

/// Waits until another process of the role writes to every store.
async fn others_write(stage: &Stage, frozen: &Frozen) -> anyhow::Result<()> {
    eventually(
        "another publisher takes the stores over",
        LIMIT,
        async || {
            for link in &stage.links {
                let name = &link.plan.name;
                let requests = requests(stage, name, frozen.role).await?;
                let taken_over = requests.iter().any(|entry| {
                    entry.started_us > frozen.at_us && !is_of(&entry.agent, &frozen.process)
                });
                ensure!(taken_over, "nobody writes to {name}");
            }
            Ok(())
        },
    )
    .await
}

/// Lets a process go on and watches it for some seconds under load.
async fn wake(stage: &mut Stage, traffic: &Traffic, mut frozen: Frozen) -> anyhow::Result<Frozen> {
    frozen.thawed_us = now_us();
    stage.system.thaw(&frozen.process)?;
    traffic.more(WATCHED, 0).await?;
    stage.system.wait_until_ready(&frozen.process).await?;
    frozen.watched_until_us = now_us();
    Ok(frozen)
}

/// How many requests a process sent for what was no longer its own.
///
/// Of a poller these are all: the jobs were done by others before it woke up and there were no new
/// ones. A publisher may have got a lane back in order; then nobody else writes to that store any
/// more, so that only requests count after which another publisher still wrote to the same store.
async fn sent_after_waking(stage: &Stage, frozen: &Frozen) -> anyhow::Result<i64> {
    let mut sent = 0;
    for link in &stage.links {
        let requests = requests(stage, &link.plan.name, frozen.role).await?;
        let watched: Vec<&LedgerEntry> = requests
            .iter()
            .filter(|entry| (frozen.thawed_us..frozen.watched_until_us).contains(&entry.started_us))
            .collect();
        let own = |entry: &&&LedgerEntry| is_of(&entry.agent, &frozen.process);
        sent += match frozen.role {
            Role::WooCommercePoller => watched.iter().filter(own).count(),
            _ => {
                let last = watched.iter().rposition(|entry| !own(&entry));
                watched.iter().take(last.unwrap_or(0)).filter(own).count()
            }
        };
    }
    i64::try_from(sent).context("too many requests")
}

/// The requests of the processes of a role to a store, in the order in which they began.
async fn requests(stage: &Stage, store: &str, role: Role) -> anyhow::Result<Vec<LedgerEntry>> {
    let writes_only = role != Role::WooCommercePoller;
    let processes = stage.system.processes_of(role);
    let mut entries = ledger(&stage.stores.client(), store, writes_only).await?;
    entries.retain(|entry| {
        entry.source == Source::Request && processes.iter().any(|p| is_of(&entry.agent, p))
    });
    entries.sort_by_key(|entry| entry.started_us);
    Ok(entries)
}
