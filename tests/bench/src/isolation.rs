//! A store that answers in five seconds beside nine healthy ones.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use rust_decimal::Decimal;
use storelink_simulators::LedgerEntry;
use storelink_test_support::erp::Price;
use tokio::time::{MissedTickBehavior, interval};

use crate::figure::{Figure, Judged, Unit};
use crate::rig::{ANSWER_MS, PRICES, Rig, Shop, ended_us, latency, percentile};

const WAREHOUSE: &str = "main";
const STORES: usize = 10;
const ARTICLES: usize = 100;
const EVENTS_PER_SECOND: u32 = 10;
const EVENTS: u64 = 150;
/// Every so many events one is a price.
const PRICE_EVERY: u64 = 5;
/// What the tenth store takes to answer while it is slow.
const SLOW_MS: u64 = 5_000;
/// How much later than without the slow store the nine may be: 1.2 times and 5 ms.
const TIMES: (u64, u64) = (6, 5);
const PLUS_US: u64 = 5_000;
/// Requests of stock and prices that may be open at once on the slow store.
const OPEN: u64 = 2;

/// Ten linked stores and what was measured so far.
pub(crate) struct Isolation {
    shops: Vec<Shop>,
    events: u64,
    alone: Figure,
    alone_median: Figure,
    beside: Figure,
    open: Figure,
    own_time: Figure,
}

/// One value of the ERP.
struct Said {
    field: &'static str,
    sku: String,
    value: u64,
    at_us: u64,
}

impl Isolation {
    /// Opens and links the stores, and writes every article once.
    pub(crate) async fn open(rig: &Rig) -> anyhow::Result<Self> {
        let mut shops = Vec::with_capacity(STORES);
        for number in 1..=STORES {
            let name = format!("shop-{number}");
            shops.push(
                rig.open(&name, ARTICLES, |plan| plan.prices(PRICES, true))
                    .await?,
            );
        }
        let first = shops.first().context("there are stores")?;
        rig.say_everything(WAREHOUSE, first).await?;
        rig.settled(&shops).await?;
        let of_nine = Unit::Microseconds;
        Ok(Self {
            shops,
            events: 0,
            alone: Figure::told("isolation.p99_without_slow_store", of_nine),
            alone_median: Figure::told("isolation.p50_without_slow_store", of_nine),
            beside: Figure::limited("isolation.p99_beside_slow_store", of_nine, Judged::Median),
            open: Figure::limited("isolation.open_on_slow_store", Unit::Count, Judged::Every),
            own_time: Figure::told("isolation.simulator_own_time_p99", of_nine),
        })
    }

    /// Measures once without and once with the slow store.
    pub(crate) async fn repeat(&mut self, rig: &Rig) -> anyhow::Result<()> {
        let place = rig.place();
        let mut alone = self.delays_of_nine(rig).await?;
        let p99 = percentile(&mut alone, 99)?;
        self.alone.tell(p99);
        self.alone_median.tell(percentile(&mut alone, 50)?);
        self.own_time.tell(self.own_time_of_nine(place)?);

        let slow = self
            .shops
            .last()
            .context("there are stores")?
            .handle
            .clone();
        let place = rig.place();
        let fault = slow.set_fault(latency(SLOW_MS - ANSWER_MS));
        let mut beside = self.delays_of_nine(rig).await?;
        slow.clear_faults(Some(fault));
        rig.settled(&self.shops).await?;
        self.beside.add(
            percentile(&mut beside, 99)?,
            p99 * TIMES.0 / TIMES.1 + PLUS_US,
        );
        let requests = self
            .shops
            .last()
            .map(|shop| shop.writes_after(place))
            .unwrap_or_default();
        self.open.add(most_at_once(&requests), OPEN);
        Ok(())
    }

    pub(crate) fn figures(self) -> [Figure; 5] {
        [
            self.alone_median,
            self.alone,
            self.beside,
            self.open,
            self.own_time,
        ]
    }

    /// Says the events and answers how long each took to each of the first nine stores.
    async fn delays_of_nine(&mut self, rig: &Rig) -> anyhow::Result<Vec<u64>> {
        let place = rig.place();
        let said = self.say_events(rig).await?;
        let nine = self
            .shops
            .get(..STORES - 1)
            .context("there are ten stores")?;
        rig.settled(nine).await?;
        let mut delays = Vec::new();
        for shop in nine {
            let shown = Shown::by(&shop.writes_after(place));
            for said in &said {
                let shown = shown.since(said).with_context(|| {
                    format!(
                        "{} of {} never reached {}",
                        said.value,
                        said.sku,
                        shop.handle.name()
                    )
                })?;
                delays.push(shown.saturating_sub(said.at_us));
            }
        }
        Ok(delays)
    }

    /// Says one value ten times a second, each greater than all before it.
    async fn say_events(&mut self, rig: &Rig) -> anyhow::Result<Vec<Said>> {
        let skus = self.shops.first().context("there are stores")?.skus();
        let mut ticks = interval(Duration::from_secs(1) / EVENTS_PER_SECOND);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut events = Vec::new();
        for (number, sku) in (0..EVENTS).zip(skus.iter().cycle()) {
            ticks.tick().await;
            self.events += 1;
            let value = 10_000 + self.events;
            let at_us = rig.mono_us();
            let field = if number % PRICE_EVERY == 0 {
                let price = Price::gross(Decimal::new(value.try_into()?, 2));
                rig.erp.say_prices(PRICES, "EUR", &[(sku, price)]).await?;
                "regular_price"
            } else {
                rig.erp
                    .say_stock(WAREHOUSE, &[(sku, Decimal::from(value))])
                    .await?;
                "stock_quantity"
            };
            events.push(Said {
                field,
                sku: sku.clone(),
                value,
                at_us,
            });
        }
        Ok(events)
    }

    /// What the simulators themselves took for a request beside the time they are told to take.
    fn own_time_of_nine(&self, place: u64) -> anyhow::Result<u64> {
        let nine = self.shops.iter().take(STORES - 1);
        let requests = nine.flat_map(|shop| shop.writes_after(place));
        let mut own: Vec<u64> = requests
            .map(|entry| entry.duration_us.saturating_sub(ANSWER_MS * 1_000))
            .collect();
        percentile(&mut own, 99)
    }
}

/// The values that a store was given, with their times, by field and SKU.
struct Shown(BTreeMap<(String, String), Vec<(u64, u64)>>);

impl Shown {
    fn by(requests: &[LedgerEntry]) -> Self {
        let mut shown: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for request in requests {
            for effect in &request.effects {
                if let Some(value) = number(&effect.new) {
                    let key = (effect.field.clone(), effect.sku.clone());
                    shown
                        .entry(key)
                        .or_default()
                        .push((value, ended_us(request)));
                }
            }
        }
        Self(shown)
    }

    /// When the store first showed a value or a later one; values only grow.
    fn since(&self, said: &Said) -> Option<u64> {
        let shown = self.0.get(&(said.field.to_owned(), said.sku.clone()))?;
        let reached = shown.iter().filter(|(value, _)| *value >= said.value);
        reached.map(|(_, at)| *at).min()
    }
}

/// A quantity, or a price in cents.
fn number(value: &serde_json::Value) -> Option<u64> {
    let cents = || {
        value
            .as_str()?
            .parse::<Decimal>()
            .ok()?
            .checked_mul(Decimal::ONE_HUNDRED)
    };
    value.as_u64().or_else(|| cents()?.try_into().ok())
}

/// The greatest number of requests that were in work together.
fn most_at_once(requests: &[LedgerEntry]) -> u64 {
    let open_at = |moment: u64| {
        let open = requests
            .iter()
            .filter(|entry| entry.started_mono_us <= moment && moment < ended_us(entry));
        open.count() as u64
    };
    requests
        .iter()
        .map(|entry| open_at(entry.started_mono_us))
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use storelink_simulators::Source;

    use super::*;

    fn request(started_mono_us: u64, duration_us: u64) -> LedgerEntry {
        LedgerEntry {
            seq: 0,
            store: "shop".to_owned(),
            source: Source::Request,
            started_us: 0,
            started_mono_us,
            duration_us,
            in_flight: 1,
            method: "POST".to_owned(),
            path: String::new(),
            query: String::new(),
            body: String::new(),
            status: Some(200),
            answer_bytes: 0,
            faults: Vec::new(),
            effects: Vec::new(),
        }
    }

    #[test]
    fn requests_that_touch_are_not_open_at_once() {
        assert_eq!(most_at_once(&[]), 0);
        assert_eq!(
            most_at_once(&[request(0, 10), request(10, 10), request(20, 5)]),
            1
        );
        assert_eq!(
            most_at_once(&[request(0, 100), request(10, 20), request(20, 20)]),
            3
        );
    }

    #[test]
    fn a_value_that_was_passed_over_is_shown_with_the_next_one() {
        let mut first = request(0, 10);
        let effect = |field: &str, new| storelink_simulators::Effect {
            at_us: 0,
            entity: "product".to_owned(),
            id: 1,
            parent_id: 0,
            sku: "A".to_owned(),
            field: field.to_owned(),
            old: json!(null),
            new,
        };
        first.effects = vec![
            effect("stock_quantity", json!(5)),
            effect("regular_price", json!("1.07")),
        ];
        let mut second = request(20, 10);
        second.effects = vec![effect("stock_quantity", json!(8))];
        let shown = Shown::by(&[first, second]);
        let since = |field, value| {
            let sku = "A".to_owned();
            shown.since(&Said {
                field,
                sku,
                value,
                at_us: 0,
            })
        };
        assert_eq!(since("stock_quantity", 5), Some(10));
        assert_eq!(since("stock_quantity", 6), Some(30));
        assert_eq!(since("stock_quantity", 9), None);
        assert_eq!(since("regular_price", 107), Some(10));
    }
}
