//! Quiet after the faults: waiting until all is right, and the judgement.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::ensure;
use rust_decimal::Decimal;
use storelink_test_support::erp::now_us;
use storelink_test_support::eventually::eventually_every;
use storelink_test_support::hub::Hub;
use storelink_test_support::judge::LastWord;
use storelink_test_support::stores::ledger;
use storelink_test_support::world::LinkedStore;
use tokio::time::Instant;

use crate::memory::LIMIT_MIB;
use crate::outcome::Judged;
use crate::stage::{SKUS, Stage, WAREHOUSE, Way};
use crate::traffic::{Counts, Traffic};

const LOOK: Duration = Duration::from_millis(500);
/// What the time of a regression may exceed the recheck time by: a batch, an answer, a look.
const SLACK: Duration = Duration::from_secs(5);

/// What a run demands.
#[derive(Debug, Clone)]
pub struct Demand {
    /// How long it may take until all is right after the last fault.
    pub recovery: Duration,
    /// How long an older value may stand.
    pub regression: Duration,
    /// Orders of stores that are read by a schedule or by calls must arrive without being asked for.
    pub unasked: bool,
}

impl Demand {
    /// All right within this time; an older value stands no longer than the recheck time of
    /// `recheck_seconds`.
    #[must_use]
    pub fn new(recovery: Duration, recheck_seconds: u64) -> Self {
        Self {
            recovery,
            regression: Duration::from_secs(recheck_seconds) + SLACK,
            unasked: true,
        }
    }
}

/// How a run came to rest.
pub struct Settled {
    /// What the records show.
    pub judged: Judged,
    /// From the last fault until every value that was said last was written.
    pub values: Duration,
    /// From the last fault until all was right, orders too.
    pub recovery: Duration,
    /// Requests that a fault of a store took part in, by its kind; slowness is none.
    pub faults_met: BTreeMap<String, u64>,
    /// Highest resident memory of each process, MiB.
    pub memory_peak_mib: BTreeMap<String, u64>,
    /// What is wrong.
    pub complaints: Vec<String>,
}

impl Stage {
    /// Ends the traffic, waits until all is right, and judges.
    ///
    /// # Errors
    /// When traffic, stores, API or broker fail; what is wrong is no error but a complaint.
    pub async fn settle(
        &mut self,
        traffic: Traffic,
        last_fault: Instant,
        demand: &Demand,
    ) -> anyhow::Result<Settled> {
        let counts = traffic.end().await?;
        let mut complaints = Vec::new();
        note(&mut complaints, self.system.all_run());
        let deadline = Instant::now() + demand.recovery;
        note(&mut complaints, self.values_are_written(deadline).await);
        let values = last_fault.elapsed();
        let arrived = self.orders_have_arrived(deadline, demand.unasked).await;
        note(&mut complaints, arrived);
        let recovery = last_fault.elapsed();
        if complaints.is_empty() {
            // Sales lowered the stores' own stock after the last level of some articles: of these
            // alone the ERP speaks once more.
            self.say_sold().await?;
            note(&mut complaints, self.stores_show_the_last_word().await);
        }
        let judged = self.judge_all(&counts, demand, &mut complaints).await?;
        note(&mut complaints, self.memory_falls_back().await);
        complaints.extend(self.memory_above_the_limit());
        note(&mut complaints, self.system.all_run());
        Ok(Settled {
            judged,
            values,
            recovery,
            faults_met: self.faults_met().await?,
            memory_peak_mib: self.memory.peaks(),
            complaints,
        })
    }

    /// Waits until the last word about every article is what was written last. It says nothing
    /// anew: a word that was lost stays missing here.
    async fn values_are_written(&self, deadline: Instant) -> anyhow::Result<()> {
        let skus = self.skus();
        let limit = left(deadline);
        eventually_every(LOOK, "every word was heard", limit, async || {
            for link in &self.links {
                let (stock, prices) = self.judge().last_words(link, &skus).await?;
                all_written(link, "stock", &stock)?;
                all_written(link, "prices", &prices)?;
            }
            Ok(())
        })
        .await
    }

    /// Waits until every order has arrived as it is now. Only stores that were asked all the while are
    /// asked here, too, unless the others' own ways may have been blocked for good: what a schedule or a
    /// call should have brought stays missing.
    async fn orders_have_arrived(
        &mut self,
        deadline: Instant,
        unasked: bool,
    ) -> anyhow::Result<()> {
        let ways: &[Way] = match unasked {
            true => &[Way::Asked],
            false => &[Way::Asked, Way::Scheduled, Way::Called],
        };
        let mut hub = Hub::connect(self.system.broker_url()).await?;
        let limit = left(deadline);
        eventually_every(LOOK, "every order has arrived", limit, async || {
            self.read_those("orders", ways).await?;
            hub.read().await?;
            for link in &self.links {
                self.all_there(link).await?;
            }
            for link in &self.links {
                self.judge().orders(link, &hub).await?.must_be_right()?;
            }
            Ok(())
        })
        .await
    }

    async fn faults_met(&self) -> anyhow::Result<BTreeMap<String, u64>> {
        let mut met: BTreeMap<String, u64> = BTreeMap::new();
        for link in &self.links {
            let entries = ledger(&self.stores.client(), &link.plan.name, false).await?;
            for fault in entries.iter().flat_map(|entry| &entry.faults) {
                if fault != "latency" {
                    *met.entry(fault.clone()).or_default() += 1;
                }
            }
        }
        Ok(met)
    }

    /// A quick look before every order is compared.
    async fn all_there(&self, link: &LinkedStore) -> anyhow::Result<()> {
        let in_store = self.stores.client().orders(&link.plan.name).await?.len();
        let in_ledger = self.api.orders(&link.connection).await?.len();
        let name = &link.plan.name;
        ensure!(
            in_store == in_ledger,
            "{in_store} orders in {name}, {in_ledger} in the ledger"
        );
        Ok(())
    }

    async fn say_sold(&self) -> anyhow::Result<()> {
        let stock = self.erp.stock();
        let highest = stock
            .get(WAREHOUSE)
            .into_iter()
            .flat_map(|skus| skus.values().flatten())
            .map(|said| said.value)
            .max()
            .unwrap_or_default();
        let mut sold: Vec<String> = Vec::new();
        for link in &self.links {
            let tally = self.judge().stock(link).await?;
            let skus = tally
                .wrong
                .iter()
                .filter_map(|text| text.split(" shows ").next());
            sold.extend(skus.map(str::to_owned));
        }
        sold.sort();
        sold.dedup();
        let anew: Vec<_> = sold
            .iter()
            .zip(1_i64..)
            .map(|(sku, n)| (sku.as_str(), highest + Decimal::from(n)))
            .collect();
        if anew.is_empty() {
            return Ok(());
        }
        self.erp.say_stock(WAREHOUSE, &anew).await
    }

    async fn stores_show_the_last_word(&self) -> anyhow::Result<()> {
        let limit = Duration::from_secs(60);
        eventually_every(LOOK, "every store shows the last word", limit, async || {
            for link in &self.links {
                self.judge().stock(link).await?.must_be_right(SKUS)?;
                self.judge().prices(link).await?.must_be_right(SKUS)?;
            }
            Ok(())
        })
        .await
    }

    async fn judge_all(
        &mut self,
        counts: &Arc<Counts>,
        demand: &Demand,
        complaints: &mut Vec<String>,
    ) -> anyhow::Result<Judged> {
        let mut hub = Hub::connect(self.system.broker_url()).await?;
        let verdict = self.judge().verdict(&mut hub).await?;
        complaints.extend(verdict.complaints());
        let mut judged = Judged {
            levels_said: counts.levels.load(Ordering::SeqCst),
            prices_said: counts.prices.load(Ordering::SeqCst),
            order_edits: counts.edits.load(Ordering::SeqCst),
            calls_of_stores: counts.announced.load(Ordering::SeqCst),
            ..Judged::default()
        };
        for store in &verdict.stores {
            judged.orders += long(store.orders.in_store);
            judged.orders_missing += long(store.orders.missing);
            judged.orders_doubled += long(store.orders.doubled);
            judged.orders_different += long(store.orders.different);
            judged.quantities += long(store.stock.total);
            judged.quantities_wrong += long(store.stock.wrong.len());
            judged.prices += long(store.prices.total);
            judged.prices_wrong += long(store.prices.wrong.len());
            judged.write_requests += long(store.writes.requests);
            judged.writes_foreign += long(store.writes.foreign.len());
        }
        for link in &self.links {
            let gone_back = self.judge().orders_gone_back(link, &hub);
            judged.orders_gone_back += long(gone_back.len());
            complaints.extend(gone_back.first().cloned());
        }
        self.judge_regressions(demand, &mut judged, complaints)
            .await?;
        for (name, log) in self.system.logs() {
            let panics = log.matches("panicked at").count();
            judged.panics += long(panics);
            if let Some(line) = log.lines().find(|line| line.contains("panicked at")) {
                complaints.push(format!("{name} panicked {panics} times: {line}"));
            }
        }
        Ok(judged)
    }

    async fn judge_regressions(
        &self,
        demand: &Demand,
        judged: &mut Judged,
        complaints: &mut Vec<String>,
    ) -> anyhow::Result<()> {
        for link in &self.links {
            for regression in self.judge().regressions(link).await? {
                let lasted = u64::try_from(regression.lasted_us(now_us()))?;
                judged.regressions += 1;
                judged.regression_longest_ms = judged.regression_longest_ms.max(lasted / 1_000);
                if Duration::from_micros(lasted) > demand.regression {
                    judged.regressions_lasting += 1;
                    complaints.push(format!("{}: {regression:?}", link.plan.name));
                }
            }
        }
        Ok(())
    }

    /// The judge itself has just asked for every order: what that took is given back, too.
    async fn memory_falls_back(&self) -> anyhow::Result<()> {
        let limit = Duration::from_secs(30);
        eventually_every(LOOK, "memory falls back", limit, async || {
            let stayed = self.memory.not_fallen_back();
            ensure!(stayed.is_empty(), "{}", stayed.join("; "));
            Ok(())
        })
        .await
    }

    fn memory_above_the_limit(&self) -> Vec<String> {
        let peaks = self.memory.peaks();
        let above = peaks.into_iter().filter(|(_, mib)| *mib > LIMIT_MIB);
        above
            .map(|(name, mib)| format!("{name} took {mib} MiB, more than {LIMIT_MIB}"))
            .collect()
    }
}

fn all_written(link: &LinkedStore, what: &str, words: &[LastWord]) -> anyhow::Result<()> {
    ensure!(
        words.len() >= SKUS,
        "only {} words about {what}",
        words.len()
    );
    let lost = words.iter().find(|word| word.written != Some(word.said));
    ensure!(lost.is_none(), "{}, {what}: {lost:?}", link.plan.name);
    Ok(())
}

/// What is left of the time; a last look is always taken.
fn left(deadline: Instant) -> Duration {
    const LAST_LOOK: Duration = Duration::from_secs(10);
    deadline
        .saturating_duration_since(Instant::now())
        .max(LAST_LOOK)
}

fn note(complaints: &mut Vec<String>, outcome: anyhow::Result<()>) {
    if let Err(error) = outcome {
        complaints.push(format!("{error:#}"));
    }
}

fn long(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
