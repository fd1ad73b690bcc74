//! A store applies a write long after its connection was closed, when a newer value was confirmed.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use rust_decimal::Decimal;
use storelink_simulators::{Fault, FaultEffect, FaultMatch, LedgerEntry, Requests, Source};
use storelink_test_support::eventually::eventually;
use storelink_test_support::stores::ledger;
use tokio::time::Instant;

use crate::outcome::{Outcome, RunId};
use crate::settle::Demand;
use crate::stage::{DatabaseKind, LISTS, Setup, Stage, WAREHOUSE, price};
use crate::traffic::{Rates, Traffic};

const LIMIT: Duration = Duration::from_secs(60);
/// Values that the traffic never says.
const OLD_LEVEL: i64 = 500_001;
const NEW_LEVEL: i64 = 600_001;
const OLD_CENTS: i64 = 700_001;
const NEW_CENTS: i64 = 800_001;
/// How long the store holds the connection before it closes it.
const HOLD_MS: u64 = 300;

/// How late.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The world.
    pub setup: Setup,
    /// How long after its arrival a request takes effect.
    pub late: Duration,
    /// What must hold at the end.
    pub demand: Demand,
}

impl Plan {
    /// So late, with the recheck after it.
    #[must_use]
    pub fn new(database: DatabaseKind, late: Duration, recheck_seconds: u64) -> Self {
        Self {
            setup: Setup::on(database)
                .with("STORELINK_LANES__RECHECK_AFTER_SECONDS", recheck_seconds),
            late,
            demand: Demand::new(Duration::from_secs(recheck_seconds + 60), recheck_seconds),
        }
    }

    /// Carries it out: of each store, stock and price of a simple article and of a variation.
    ///
    /// # Errors
    /// When the run cannot be carried out; what it finds is no error.
    pub async fn run(&self, run: RunId) -> anyhow::Result<Outcome> {
        let mut stage = Stage::open(&self.setup).await?;
        let chosen = stage.simple_and_variation().await?;
        let rates = Rates {
            orders: 5,
            levels: 20,
            prices: 2,
            ..Rates::full()
        };
        let traffic = Traffic::beside(&stage, &rates, run.seed, &chosen);
        let began = Instant::now();
        traffic.more(40, 10).await?;
        stage.memory.is_warm();

        let cases = stage.links.len() * chosen.len() * 2;
        self.arm(&stage, chosen.len()).await?;
        say(&stage, &chosen, OLD_LEVEL, OLD_CENTS).await?;
        eventually("every old value is held back", LIMIT, async || {
            let held = count(&stage, |entry| {
                entry.faults.iter().any(|f| f == "apply_late")
            })
            .await?;
            ensure!(held >= cases, "{held} of {cases}");
            Ok(())
        })
        .await?;
        say(&stage, &chosen, NEW_LEVEL, NEW_CENTS).await?;
        let new_values = new_values(chosen.len());
        eventually("every newer value is shown", LIMIT, async || {
            let shown = count_values(&stage, Source::Request, &new_values).await?;
            ensure!(shown >= cases, "{shown} of {cases}");
            Ok(())
        })
        .await?;
        let too_early = count(&stage, |entry| entry.source == Source::Late).await?;
        let limit = self.late + LIMIT;
        eventually("every old value takes effect", limit, async || {
            let late = count(&stage, |entry| entry.source == Source::Late).await?;
            ensure!(late >= cases, "{late} of {cases}");
            Ok(())
        })
        .await?;
        let last_fault = Instant::now();
        let lasted = began.elapsed();
        let settled = stage.settle(traffic, last_fault, &self.demand).await?;
        let mut outcome = Outcome::of(run, self.setup.layout(), lasted, settled);
        outcome
            .measured
            .insert("late_writes".to_owned(), i64::try_from(cases)?);
        outcome.at_most("late_before_the_newer_value", i64::try_from(too_early)?, 0);
        let regressions = i64::try_from(outcome.judged.regressions)?;
        outcome.at_least(
            "older_values_seen_again",
            regressions,
            i64::try_from(cases)?,
        );
        Ok(outcome)
    }

    /// The next write of each old value is held back in every store.
    async fn arm(&self, stage: &Stage, articles: usize) -> anyhow::Result<()> {
        let effect = FaultEffect::ApplyLate {
            after_ms: u64::try_from(self.late.as_millis())?,
            hold_ms: HOLD_MS,
        };
        for link in &stage.links {
            for text in values(OLD_LEVEL, OLD_CENTS, articles) {
                let fault = Fault {
                    on: FaultMatch {
                        requests: Requests::Writes,
                        body_contains: Some(text),
                        times: Some(1),
                        ..FaultMatch::default()
                    },
                    effect: effect.clone(),
                };
                stage
                    .stores
                    .client()
                    .set_fault(&link.plan.name, &fault)
                    .await?;
            }
        }
        Ok(())
    }
}

impl Stage {
    /// A simple article and a variation.
    async fn simple_and_variation(&self) -> anyhow::Result<Vec<String>> {
        let store = &self.links.first().context("no store is linked")?.plan.name;
        let articles = self.stores.client().articles(store).await?;
        let sku = |is_variation: bool| {
            let found = articles.iter().find(|article| {
                !article.sku.is_empty() && (article.variation_id != 0) == is_variation
            });
            found.map(|article| article.sku.clone())
        };
        let both = sku(false).into_iter().chain(sku(true));
        Ok(both.collect())
    }
}

/// Each article its own level and price, counted up from these.
async fn say(stage: &Stage, skus: &[String], level: i64, cents: i64) -> anyhow::Result<()> {
    let levels: Vec<_> = skus
        .iter()
        .zip(level..)
        .map(|(sku, level)| (sku.as_str(), Decimal::from(level)))
        .collect();
    stage.erp.say_stock(WAREHOUSE, &levels).await?;
    for (list, gross) in LISTS.iter().zip([true, false]) {
        let prices: Vec<_> = skus
            .iter()
            .zip(cents..)
            .map(|(sku, cents)| (sku.as_str(), price(Decimal::new(cents, 2), gross)))
            .collect();
        stage.erp.say_prices(list, "EUR", &prices).await?;
    }
    Ok(())
}

/// The same values as they stand in requests.
fn values(level: i64, cents: i64, articles: usize) -> Vec<String> {
    let levels = (level..).take(articles).map(|level| level.to_string());
    let prices = (cents..)
        .take(articles)
        .map(|cents| Decimal::new(cents, 2).to_string());
    levels.chain(prices).collect()
}

fn new_values(articles: usize) -> Vec<String> {
    values(NEW_LEVEL, NEW_CENTS, articles)
}

/// How many of the values were set in how many stores, each counted once.
async fn count_values(stage: &Stage, source: Source, values: &[String]) -> anyhow::Result<usize> {
    let mut found = 0;
    for link in &stage.links {
        let entries = ledger(&stage.stores.client(), &link.plan.name, true).await?;
        let effects = || {
            let of_source = entries.iter().filter(|entry| entry.source == source);
            of_source.flat_map(|entry| &entry.effects)
        };
        let is_set = |value: &&String| {
            effects().any(|effect| {
                let text = effect.new.as_str().map(str::to_owned);
                text.unwrap_or_else(|| effect.new.to_string()) == **value
            })
        };
        found += values.iter().filter(is_set).count();
    }
    Ok(found)
}

async fn count(stage: &Stage, takes: impl Fn(&LedgerEntry) -> bool) -> anyhow::Result<usize> {
    let mut found = 0;
    for link in &stage.links {
        let entries = ledger(&stage.stores.client(), &link.plan.name, true).await?;
        found += entries.iter().filter(|entry| takes(entry)).count();
    }
    Ok(found)
}
