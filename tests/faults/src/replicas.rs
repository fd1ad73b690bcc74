//! Replicas come and go under load: 1, 4, 1 again, with a store that allows few requests.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use storelink_simulators::Source;
use storelink_test_support::stores::ledger;
use storelink_test_support::system::Role;
use tokio::time::{Instant, sleep_until};

use crate::evidence::is_of;
use crate::outcome::{Outcome, RunId};
use crate::settle::Demand;
use crate::stage::{DatabaseKind, Setup, Stage};
use crate::traffic::{Rates, Traffic};

const PER_MINUTE: u32 = 120;
const RECHECK_SECONDS: u64 = 15;
const MINUTE_US: i64 = 60_000_000;
/// Traffic after which the memory of a process is what it is in normal work.
const WARM_UP: (u64, u64) = (400, 20);
/// Processes of each of these roles in the middle of the run.
const MOST: usize = 4;
const ROLES: [Role; 4] = [
    Role::WooCommercePoller,
    Role::OrderIngest,
    Role::StockPublisher,
    Role::PricePublisher,
];

/// How long.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The world.
    pub setup: Setup,
    /// What goes on in it.
    pub rates: Rates,
    /// How long each number of replicas works.
    pub phase: Duration,
    /// What must hold at the end.
    pub demand: Demand,
}

impl Plan {
    /// On PostgreSQL; each number of replicas works so long.
    #[must_use]
    pub fn new(phase: Duration) -> Self {
        let mut setup = Setup::on(DatabaseKind::Postgres)
            .with("STORELINK_LANES__RECHECK_AFTER_SECONDS", RECHECK_SECONDS)
            .with("STORELINK_LANES__LEASE_SECONDS", 6);
        setup.replicas = 1;
        setup.requests_per_minute = Some(PER_MINUTE);
        Self {
            setup,
            rates: Rates {
                orders: 6,
                read_every: Duration::from_secs(5),
                ..Rates::full()
            },
            phase,
            // Two requests in a second: reading all orders of the run takes its time.
            demand: Demand::new(Duration::from_secs(240), RECHECK_SECONDS),
        }
    }

    /// Carries it out.
    ///
    /// # Errors
    /// When the run cannot be carried out; what it finds is no error.
    pub async fn run(&self, run: RunId) -> anyhow::Result<Outcome> {
        let mut stage = Stage::open(&self.setup).await?;
        let traffic = Traffic::begin(&stage, &self.rates, run.seed);
        let began = Instant::now();
        traffic.more(WARM_UP.0, WARM_UP.1).await?;
        stage.memory.is_warm();
        sleep_until(began + self.phase).await;

        let first: Vec<String> = ROLES
            .iter()
            .flat_map(|r| stage.system.processes_of(*r))
            .collect();
        let mut added = Vec::new();
        for role in ROLES {
            for _ in 1..MOST {
                added.push(stage.system.add_replica(role)?);
            }
        }
        for process in &added {
            stage.system.wait_until_ready(process).await?;
        }
        stage.memory.follow(stage.system.process_ids());
        let all_ready = Instant::now();
        traffic.more(WARM_UP.0, WARM_UP.1).await?;
        stage.memory.is_warm();
        sleep_until(all_ready + self.phase).await;

        // The first ones go, and all others but the last of each role.
        let last = |name: &&String| !name.ends_with(&format!("-{MOST}"));
        for process in first.iter().chain(added.iter().filter(last)) {
            let status = stage.system.stop(process).await?;
            ensure!(status.success(), "{process} ended with {status}");
        }
        stage.memory.follow(stage.system.process_ids());
        let last_change = Instant::now();
        sleep_until(last_change + self.phase).await;
        let lasted = began.elapsed();

        let settled = stage.settle(traffic, Instant::now(), &self.demand).await?;
        let layout = format!(
            "{}, 1 to {MOST} to 1 of each role",
            self.setup.database.name()
        );
        let mut outcome = Outcome::of(run, layout, lasted, settled);
        let most = most_in_a_minute(&stage).await?;
        outcome.at_most("most_requests_in_a_minute", most, i64::from(PER_MINUTE));
        Ok(outcome)
    }
}

/// The most requests that the first store got in any 60 seconds. Those of the registry are a
/// person's who verifies the connection, and are not counted.
async fn most_in_a_minute(stage: &Stage) -> anyhow::Result<i64> {
    let store = &stage.links.first().context("no store is linked")?.plan.name;
    let registry = stage.system.processes_of(Role::ConnectionRegistry);
    let mut times: Vec<i64> = ledger(&stage.stores.client(), store, false)
        .await?
        .into_iter()
        .filter(|entry| entry.source == Source::Request)
        .filter(|entry| !registry.iter().any(|process| is_of(&entry.agent, process)))
        .map(|entry| entry.started_us)
        .collect();
    times.sort_unstable();
    i64::try_from(most_within(&times, MINUTE_US)).context("too many requests")
}

/// The most of these sorted times that lie within a span.
fn most_within(times: &[i64], span: i64) -> usize {
    let counts = times.iter().enumerate().map(|(place, begin)| {
        let later = times.get(place..).unwrap_or_default();
        later.partition_point(|time| time - begin < span)
    });
    counts.max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fullest_span_is_found_wherever_it_begins() {
        assert_eq!(most_within(&[], 10), 0);
        assert_eq!(most_within(&[0, 10, 20], 10), 1);
        assert_eq!(most_within(&[0, 9, 12, 17, 18, 19, 30], 10), 4);
    }
}
