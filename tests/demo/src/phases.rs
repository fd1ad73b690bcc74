//! The four phases. Each waits until the stores are right and says what is missing when they are
//! not in time.

use std::time::Duration;

use futures::future::try_join_all;
use rust_decimal::Decimal;
use storelink_simulators::{Fault, FaultEffect, FaultMatch, FaultPage, OrderSpec, SimulatorClient};
use storelink_test_support::api::Api;
use storelink_test_support::erp::{Erp, Price};
use storelink_test_support::eventually::eventually_every;
use storelink_test_support::hub::Hub;
use storelink_test_support::judge::Judge;
use storelink_test_support::world::{LinkedStore, read_now};
use tokio::time::sleep;

use crate::cast::{BUSINESSES, CONSUMERS, Role, SKUS, Trait, sku_of};
use crate::orders::{self, EACH, Movements, TOLD};
use crate::progress::Progress;

const WAREHOUSE: &str = "main";
const CURRENCY: &str = "EUR";
const VAT: Decimal = Decimal::from_parts(22, 0, 0, false, 0);
/// How long a phase may take from its last event until everything is right.
const LIMIT: Duration = Duration::from_secs(90);
/// Between two looks: each reads a thousand articles.
const LOOK: Duration = Duration::from_millis(500);
/// Items of one event.
const BATCH: usize = 250;
const HOT_SKUS: usize = 20;
const HOT_ROUNDS: usize = 10;
/// Between two stock changes of phase 2: 200 of them fill the time in which a store fails.
const HOT_PAUSE: Duration = Duration::from_millis(40);
/// How long the failing store answers 503, and then closes connections.
const FAILURE_PART: Duration = Duration::from_secs(5);
const REPRICED: usize = 100;

/// The play and who is in it.
pub(crate) struct Play<'a> {
    pub(crate) progress: &'a Progress,
    pub(crate) api: &'a Api,
    pub(crate) erp: &'a Erp,
    pub(crate) stores: SimulatorClient,
    pub(crate) cast: &'a [Role],
    pub(crate) links: &'a [LinkedStore],
}

impl Play<'_> {
    /// Phase 1: the stores learn every level and price for the first time.
    pub(crate) async fn first_synchronisation(&self) -> anyhow::Result<()> {
        let articles = self.articles().await?;
        let skus: Vec<&str> = articles.iter().map(|(sku, _)| sku.as_str()).collect();
        let levels: Vec<(&str, Decimal)> = skus
            .iter()
            .enumerate()
            .map(|(n, sku)| (*sku, Decimal::from(100 + n % 400)))
            .collect();
        let consumers: Vec<(&str, Price)> = articles
            .iter()
            .enumerate()
            .map(|(n, (sku, base))| (sku.as_str(), consumer(n, *base)))
            .collect();
        let businesses: Vec<(&str, Price)> = articles
            .iter()
            .map(|(sku, base)| (sku.as_str(), business(*base)))
            .collect();
        for batch in levels.chunks(BATCH) {
            self.erp.say_stock(WAREHOUSE, batch).await?;
        }
        for batch in consumers.chunks(BATCH) {
            self.erp.say_prices(CONSUMERS, CURRENCY, batch).await?;
        }
        for batch in businesses.chunks(BATCH) {
            self.erp.say_prices(BUSINESSES, CURRENCY, batch).await?;
        }
        self.progress.done(&format!(
            "phase 1: the ERP said {SKUS} levels and twice {SKUS} prices"
        ));
        let reads = self
            .links
            .iter()
            .map(|link| read_now(self.api, &link.connection, "products"));
        try_join_all(reads).await?;
        self.progress
            .done("phase 1: the articles of all stores are read");
        self.values_are_right("phase 1").await?;
        self.progress
            .done("phase 1: every store shows every level and price");
        Ok(())
    }

    /// Phase 2: many changes of few SKUs, while one store fails.
    pub(crate) async fn hot_skus(&self) -> anyhow::Result<()> {
        let articles = self.articles().await?;
        let hot: Vec<&str> = articles
            .iter()
            .map(|(sku, _)| sku.as_str())
            .rev()
            .step_by(7)
            .take(HOT_SKUS)
            .collect();
        let say = async {
            for round in 1..=HOT_ROUNDS {
                for (place, sku) in hot.iter().enumerate() {
                    let level = Decimal::from(1_000 + 50 * round + place);
                    self.erp.say_stock(WAREHOUSE, &[(sku, level)]).await?;
                    sleep(HOT_PAUSE).await;
                }
            }
            anyhow::Ok(())
        };
        tokio::try_join!(say, self.fail_for_a_while())?;
        self.progress
            .done("phase 2: the ERP said 200 changes of 20 SKUs, one store failed for 10 s");
        self.values_are_right("phase 2").await?;
        self.progress
            .done("phase 2: every store shows the last level");
        Ok(())
    }

    /// Phase 3: new prices, gross for consumers and net for businesses, some of them sales.
    pub(crate) async fn price_change(&self) -> anyhow::Result<()> {
        let articles = self.articles().await?;
        let changed = || articles.iter().step_by(9).take(REPRICED).enumerate();
        let consumers: Vec<(&str, Price)> = changed()
            .map(|(n, (sku, base))| (sku.as_str(), on_sale(n, consumer(n, raised(*base)))))
            .collect();
        let businesses: Vec<(&str, Price)> = changed()
            .map(|(n, (sku, base))| (sku.as_str(), on_sale(n, business(raised(*base)))))
            .collect();
        self.erp.say_prices(CONSUMERS, CURRENCY, &consumers).await?;
        self.erp
            .say_prices(BUSINESSES, CURRENCY, &businesses)
            .await?;
        self.progress.done(&format!(
            "phase 3: the ERP said {REPRICED} new prices in each of two lists"
        ));
        self.values_are_right("phase 3").await?;
        self.progress
            .done("phase 3: every store shows the new prices, gross or net");
        Ok(())
    }

    /// Phase 4: orders, and what becomes of them.
    pub(crate) async fn orders(&self, hub: &mut Hub) -> anyhow::Result<()> {
        let skus: Vec<String> = self
            .articles()
            .await?
            .into_iter()
            .map(|(sku, _)| sku)
            .collect();
        let mut placed: Vec<Vec<(u64, OrderSpec)>> = Vec::new();
        let mut moved = Movements::new();
        for (place, link) in self.links.iter().enumerate() {
            let mut in_store = Vec::new();
            for number in 0..EACH {
                let order = orders::order(place * EACH + number, &skus);
                add(&mut moved, orders::taken(&order));
                let id = self
                    .stores
                    .place_order(&link.plan.name, order.clone())
                    .await?;
                in_store.push((id, order));
            }
            placed.push(in_store);
        }
        let count = placed.iter().map(Vec::len).sum::<usize>();
        self.progress
            .done(&format!("phase 4: {count} orders are placed"));
        self.orders_are_right("phase 4, placed orders", hub).await?;
        self.book(&moved).await?;
        self.progress
            .done("phase 4: every order arrived once; the ERP lowered its levels");

        let mut back = Movements::new();
        for (link, placed) in self.links.iter().zip(&placed) {
            add(
                &mut back,
                orders::change(self.stores, &link.plan.name, placed).await?,
            );
        }
        self.progress
            .done("phase 4: in each store two orders are refunded, one edited, one cancelled");
        self.orders_are_right("phase 4, changed orders", hub)
            .await?;
        for (link, placed) in self.links.iter().zip(&placed) {
            changes_were_told(link, placed, hub)?;
        }
        self.book(&back).await?;
        self.values_are_right("phase 4").await?;
        self.progress
            .done("phase 4: every change arrived, and every store shows the ERP's levels");
        Ok(())
    }

    /// The judge of this play.
    pub(crate) fn judge(&self, delays_since_us: i64) -> Judge<'_> {
        Judge {
            api: self.api,
            stores: self.stores,
            erp: self.erp,
            links: self.links,
            delays_since_us,
        }
    }

    /// Compares what the API says about lanes and some SKUs with what the ERP said.
    pub(crate) async fn what_the_api_says(&self) -> anyhow::Result<Vec<String>> {
        let articles = self.articles().await?;
        let mut wrong = Vec::new();
        for link in self.links {
            let name = &link.plan.name;
            let status = self.api.status(&link.connection).await?;
            for (lane, state) in [("stock", &status.stock), ("prices", &status.prices)] {
                if let Err(why) = state.must_be_settled() {
                    wrong.push(format!("{name}: the lane of {lane} is not settled: {why}"));
                }
            }
            for (sku, _) in articles.iter().step_by(SKUS / 10) {
                let known = self.api.sku(&link.connection, sku).await?;
                let level = self
                    .erp
                    .level(WAREHOUSE, sku)
                    .map(|level| level.to_string());
                if known.stock.confirmed != level || known.stock.wanted != level {
                    wrong.push(format!(
                        "{name}: the API says {:?} about {sku}, the ERP {level:?}",
                        known.stock
                    ));
                }
            }
        }
        Ok(wrong)
    }

    /// SKUs with the price they had at first; all stores sell the same ones.
    async fn articles(&self) -> anyhow::Result<Vec<(String, Decimal)>> {
        let Some(first) = self.links.first() else {
            return Ok(Vec::new());
        };
        let articles = self.stores.articles(&first.plan.name).await?;
        let priced = articles.iter().filter_map(|article| {
            let sku = sku_of(article)?;
            // Never moved far from where it was, whatever the phase.
            let price: Decimal = article.regular_price.parse().ok()?;
            Some((sku.to_owned(), price))
        });
        Ok(priced.collect())
    }

    async fn fail_for_a_while(&self) -> anyhow::Result<()> {
        let failing = self
            .cast
            .iter()
            .find(|role| role.trait_of == Trait::Failing);
        let Some(store) = failing.map(|role| role.plan.name.as_str()) else {
            return Ok(());
        };
        let unavailable = FaultEffect::Answer(FaultPage::Unavailable(None));
        for effect in [unavailable, FaultEffect::CloseBeforeAnswer] {
            let fault = Fault {
                on: FaultMatch::default(),
                effect,
            };
            let id = self.stores.set_fault(store, &fault).await?;
            sleep(FAILURE_PART).await;
            self.stores.clear_faults(store, Some(id)).await?;
        }
        Ok(())
    }

    async fn values_are_right(&self, phase: &str) -> anyhow::Result<()> {
        let judge = self.judge(0);
        let mut right = vec![false; self.links.len()];
        eventually_every(LOOK, phase, LIMIT, async || {
            for (link, right) in self.links.iter().zip(&mut right) {
                if *right {
                    continue;
                }
                let shown = async {
                    judge.stock(link).await?.must_be_right(SKUS)?;
                    judge.prices(link).await?.must_be_right(SKUS)
                };
                shown
                    .await
                    .map_err(|missing| missing.context(link.plan.name.clone()))?;
                *right = true;
            }
            Ok(())
        })
        .await
    }

    /// Lets all stores be read until every order is there as it is now.
    async fn orders_are_right(&self, phase: &str, hub: &mut Hub) -> anyhow::Result<()> {
        let judge = self.judge(0);
        eventually_every(LOOK, phase, LIMIT, async || {
            let reads = self
                .links
                .iter()
                .map(|link| read_now(self.api, &link.connection, "orders"));
            try_join_all(reads).await?;
            hub.read().await?;
            for link in self.links {
                let tally = judge.orders(link, hub).await?;
                tally
                    .must_be_right()
                    .map_err(|missing| missing.context(link.plan.name.clone()))?;
            }
            Ok(())
        })
        .await
    }

    /// The ERP moves its levels and says them.
    async fn book(&self, moved: &Movements) -> anyhow::Result<()> {
        let levels: Vec<(&str, Decimal)> = moved
            .iter()
            .filter_map(|(sku, pieces)| {
                Some((
                    sku.as_str(),
                    self.erp.level(WAREHOUSE, sku)? + Decimal::from(*pieces),
                ))
            })
            .collect();
        self.erp.say_stock(WAREHOUSE, &levels).await
    }
}

fn changes_were_told(
    link: &LinkedStore,
    placed: &[(u64, OrderSpec)],
    hub: &Hub,
) -> anyhow::Result<()> {
    let events = hub.orders_of(&link.connection);
    for (place, verb) in TOLD {
        let Some((id, _)) = placed.get(place) else {
            continue;
        };
        let told = events
            .get(&id.to_string())
            .is_some_and(|events| events.iter().any(|e| e.verb == verb));
        anyhow::ensure!(
            told,
            "{}: order {id} was never told as {verb}",
            link.plan.name
        );
    }
    Ok(())
}

fn add(moved: &mut Movements, more: Movements) {
    for (sku, pieces) in more {
        *moved.entry(sku).or_default() += pieces;
    }
}

/// A price for consumers: known gross, or for every fifth article net with its rate.
fn consumer(number: usize, base: Decimal) -> Price {
    if number.is_multiple_of(5) {
        return Price::net(net(base), VAT);
    }
    Price {
        tax_rate: Some(VAT),
        ..Price::gross(base)
    }
}

fn business(base: Decimal) -> Price {
    Price::net(net(base), VAT)
}

fn net(gross: Decimal) -> Decimal {
    (gross / (Decimal::ONE + VAT / Decimal::ONE_HUNDRED)).round_dp(2)
}

fn raised(base: Decimal) -> Decimal {
    (base * Decimal::new(107, 2)).round_dp(2)
}

/// Every fourth one is on sale.
fn on_sale(number: usize, price: Price) -> Price {
    let regular = price.gross.or(price.net);
    let sale = regular
        .filter(|_| number.is_multiple_of(4))
        .map(|regular| (regular * Decimal::new(9, 1)).round_dp(2));
    Price { sale, ..price }
}
