//! A thousand changes of one SKU in a second for a store that takes two requests a second.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use rust_decimal::Decimal;
use storelink_simulators::{Fault, FaultEffect, FaultMatch, LedgerEntry};
use storelink_test_support::eventually::eventually;
use tokio::time::{MissedTickBehavior, interval};

use crate::figure::{Figure, Judged, Unit};
use crate::rig::{LIMIT, Rig, Shop, ended_us};

/// A warehouse of its own: the other scenarios' changes do not concern this store.
const WAREHOUSE: &str = "outlet";
const CHANGES: u64 = 1_000;
const BETWEEN: Duration = Duration::from_millis(1);
const REQUESTS_PER_SECOND: u32 = 2;
/// One at once, one after half a second, one after a second.
const REQUESTS: u64 = 3;
/// The longest wait for the next turn.
const TURN_US: u64 = 500_000;

/// The store with its limit and what was measured so far.
pub(crate) struct Coalescing {
    shops: [Shop; 1],
    changes: u64,
    requests: Figure,
    refused: Figure,
    last_after: Figure,
    nearest: Figure,
    said_in: Figure,
}

impl Coalescing {
    /// Opens and links the store with a limit of two requests a second on both sides.
    pub(crate) async fn open(rig: &Rig) -> anyhow::Result<Self> {
        let per_minute = REQUESTS_PER_SECOND * 60;
        let shop = rig
            .open("limited", 1, |mut plan| {
                plan.warehouses = vec![WAREHOUSE.to_owned()];
                plan.setting("requests_per_minute", per_minute)
            })
            .await?;
        shop.handle.set_fault(Fault {
            on: FaultMatch::default(),
            effect: FaultEffect::Throttle {
                per_second: REQUESTS_PER_SECOND,
                burst: REQUESTS_PER_SECOND,
            },
        });
        Ok(Self {
            shops: [shop],
            changes: 0,
            requests: Figure::limited("coalescing.requests", Unit::Count, Judged::Every),
            refused: Figure::limited("coalescing.answers_429", Unit::Count, Judged::Every),
            last_after: Figure::limited(
                "coalescing.last_value_after",
                Unit::Microseconds,
                Judged::Every,
            ),
            nearest: Figure::told("coalescing.least_distance", Unit::Microseconds),
            said_in: Figure::told("coalescing.changes_said_in", Unit::Microseconds),
        })
    }

    /// Says the changes once and waits for the last.
    pub(crate) async fn repeat(&mut self, rig: &Rig) -> anyhow::Result<()> {
        // The next turn is free when the store was left alone for as long as one takes.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let place = rig.place();
        let began = rig.mono_us();
        let said_at = self.say_changes(rig).await?;
        self.said_in.tell(rig.mono_us() - began);
        let last = self.last_write(place).await?;
        rig.settled(&self.shops).await?;

        let [shop] = &self.shops;
        let requests = shop.writes_after(place);
        let refused = requests
            .iter()
            .filter(|request| request.status == Some(429));
        self.refused.add(refused.count() as u64, 0);
        self.requests.add(requests.len() as u64, REQUESTS);
        let answered = ended_us(&last).saturating_sub(said_at);
        self.last_after.add(answered, TURN_US + last.duration_us);
        self.nearest.tell(least_distance(&requests));
        let shown = shop
            .handle
            .articles()
            .first()
            .and_then(|article| article.stock_quantity);
        let wanted = i64::try_from(self.changes)?;
        ensure!(
            shown == Some(wanted),
            "the store ended on {shown:?}, not on {wanted}"
        );
        Ok(())
    }

    pub(crate) fn figures(self) -> [Figure; 5] {
        [
            self.requests,
            self.refused,
            self.last_after,
            self.nearest,
            self.said_in,
        ]
    }

    /// Answers when the last change was said.
    async fn say_changes(&mut self, rig: &Rig) -> anyhow::Result<u64> {
        let [shop] = &self.shops;
        let sku = shop.skus().pop().context("the store has an article")?;
        let mut ticks = interval(BETWEEN);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut said_at = rig.mono_us();
        for _ in 0..CHANGES {
            ticks.tick().await;
            self.changes += 1;
            said_at = rig.mono_us();
            let level = Decimal::from(self.changes);
            rig.erp.say_stock(WAREHOUSE, &[(&sku, level)]).await?;
        }
        Ok(said_at)
    }

    /// The request that brought the last value.
    async fn last_write(&self, place: u64) -> anyhow::Result<LedgerEntry> {
        let [shop] = &self.shops;
        eventually("the last value is shown", LIMIT, async || {
            let writes = shop.writes_after(place);
            let brings = |entry: &LedgerEntry| {
                let mut effects = entry.effects.iter();
                effects.any(|e| e.field == "stock_quantity" && e.new.as_u64() == Some(self.changes))
            };
            writes.into_iter().find(brings).context("not yet")
        })
        .await
    }
}

/// The least time from the beginning of one request to that of the next.
fn least_distance(requests: &[LedgerEntry]) -> u64 {
    let mut began: Vec<u64> = requests.iter().map(|entry| entry.started_mono_us).collect();
    began.sort_unstable();
    let distances = began.iter().zip(began.iter().skip(1));
    distances
        .map(|(earlier, later)| later - earlier)
        .min()
        .unwrap_or(0)
}
