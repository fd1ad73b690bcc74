//! A store applies a write long after its connection was closed, when a newer value was confirmed.

use std::collections::BTreeSet;
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
/// Levels that the traffic never says.
const OLD_LEVEL: i64 = 500_001;
const NEW_LEVEL: i64 = 600_001;
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
        let old = Words::choose(&stage, &chosen, OLD_LEVEL, &[])?;
        let new = Words::choose(&stage, &chosen, NEW_LEVEL, &old.0)?;
        let rates = Rates {
            orders: 5,
            levels: 20,
            // The prices of others might be the same ones.
            prices: 0,
            ..Rates::full()
        };
        let traffic = Traffic::beside(&stage, &rates, run.seed, &chosen);
        let began = Instant::now();
        traffic.more(40, 10).await?;
        stage.memory.is_warm();

        let cases = stage.links.len() * chosen.len() * 2;
        self.arm(&stage, &old).await?;
        old.say(&stage).await?;
        eventually("every old value is held back", LIMIT, async || {
            let held = count(&stage, |entry| {
                entry.faults.iter().any(|f| f == "apply_late")
            })
            .await?;
            ensure!(held >= cases, "{held} of {cases}");
            Ok(())
        })
        .await?;
        new.say(&stage).await?;
        eventually("every newer value is shown", LIMIT, async || {
            let shown = new.shown(&stage).await?;
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
        // A slow machine may be later with a newer value than the store with the old one: such a case
        // shows nothing.
        outcome.measured.insert(
            "late_before_the_newer_value".to_owned(),
            i64::try_from(too_early)?,
        );
        let regressions = i64::try_from(outcome.judged.regressions)?;
        outcome.at_least(
            "older_values_seen_again",
            regressions,
            i64::try_from(cases / 2)?,
        );
        Ok(outcome)
    }

    /// The next write of each old value is held back in every store.
    async fn arm(&self, stage: &Stage, words: &Words) -> anyhow::Result<()> {
        let effect = FaultEffect::ApplyLate {
            after_ms: u64::try_from(self.late.as_millis())?,
            hold_ms: HOLD_MS,
        };
        for link in &stage.links {
            for text in words.texts() {
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

/// What is said of the chosen articles.
struct Words(Vec<Word>);

struct Word {
    sku: String,
    level: Decimal,
    price: Decimal,
}

impl Words {
    /// Each article gets its own level, and a price that is near the one it has and of no other
    /// article: a large step would be held until a person allows it.
    fn choose(stage: &Stage, skus: &[String], level: i64, before: &[Word]) -> anyhow::Result<Self> {
        let mut words: Vec<Word> = Vec::new();
        for (sku, level) in skus.iter().zip(level..) {
            let known = stage.articles.iter().find(|(known, _)| known == sku);
            let base = known.context("an article is not known")?.1;
            let is_taken = |price: Decimal| {
                stage.articles.iter().any(|(_, known)| *known == price)
                    || before.iter().chain(&words).any(|word| word.price == price)
                    // Its text would depend on who writes it.
                    || price.normalize().scale() < 2
            };
            let mut prices = (1..).map(|cents| base + Decimal::new(cents, 2));
            words.push(Word {
                sku: sku.clone(),
                level: Decimal::from(level),
                price: prices
                    .find(|price| !is_taken(*price))
                    .context("no price is free")?,
            });
        }
        Ok(Self(words))
    }

    async fn say(&self, stage: &Stage) -> anyhow::Result<()> {
        let levels: Vec<_> = self
            .0
            .iter()
            .map(|word| (word.sku.as_str(), word.level))
            .collect();
        stage.erp.say_stock(WAREHOUSE, &levels).await?;
        for (list, gross) in LISTS.iter().zip([true, false]) {
            let prices: Vec<_> = self
                .0
                .iter()
                .map(|word| (word.sku.as_str(), price(word.price, gross)))
                .collect();
            stage.erp.say_prices(list, "EUR", &prices).await?;
        }
        Ok(())
    }

    /// The values as JSON writes them in requests.
    fn texts(&self) -> Vec<String> {
        let levels = self.0.iter().map(|word| word.level.to_string());
        let prices = self.0.iter().map(|word| format!("\"{}\"", word.price));
        levels.chain(prices).collect()
    }

    /// How many of the values requests have set, each counted once in each store.
    async fn shown(&self, stage: &Stage) -> anyhow::Result<usize> {
        let mut shown = 0;
        for link in &stage.links {
            let entries = ledger(&stage.stores.client(), &link.plan.name, true).await?;
            let requests = entries
                .iter()
                .filter(|entry| entry.source == Source::Request);
            let effects = requests.flat_map(|entry| &entry.effects);
            let set: BTreeSet<String> = effects.map(|effect| effect.new.to_string()).collect();
            shown += self
                .texts()
                .iter()
                .filter(|text| set.contains(*text))
                .count();
        }
        Ok(shown)
    }
}

async fn count(stage: &Stage, takes: impl Fn(&LedgerEntry) -> bool) -> anyhow::Result<usize> {
    let mut found = 0;
    for link in &stage.links {
        let entries = ledger(&stage.stores.client(), &link.plan.name, true).await?;
        found += entries.iter().filter(|entry| takes(entry)).count();
    }
    Ok(found)
}
