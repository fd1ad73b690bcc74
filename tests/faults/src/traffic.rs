//! What goes on in the world while things break: levels, prices, sales and their changes.

mod calls;
mod sales;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rust_decimal::Decimal;
use storelink_test_support::api::Api;
use storelink_test_support::erp::Erp;
use storelink_test_support::eventually::eventually;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::stage::{LISTS, Stage, WAREHOUSE, Way, price};

/// How long a part may take to go on, or to end.
const LIMIT: Duration = Duration::from_secs(90);
const TICK: Duration = Duration::from_millis(50);
/// Most levels or prices in one event.
const MOST_IN_EVENT: u64 = 10;
/// Levels of the traffic begin here and only rise, so that every value is said once.
const FIRST_LEVEL: i64 = 10_000;

/// How much happens.
#[derive(Debug, Clone)]
pub struct Rates {
    /// Orders in all stores together, in a second.
    pub orders: u64,
    /// Changed levels in a second.
    pub levels: u64,
    /// Changed prices in a second.
    pub prices: u64,
    /// Between two wishes to read the orders of a store that is asked.
    pub read_every: Duration,
    /// Between two wishes to read articles, of one store after the other.
    pub articles_every: Duration,
    /// How long a store that is read by its schedule sells anything.
    pub scheduled_for: Duration,
}

impl Rates {
    /// 20 orders, 100 levels and 10 prices in a second.
    #[must_use]
    pub fn full() -> Self {
        Self {
            orders: 20,
            levels: 100,
            prices: 10,
            read_every: Duration::from_secs(2),
            articles_every: Duration::from_secs(3),
            scheduled_for: Duration::MAX,
        }
    }
}

/// What has happened so far.
#[derive(Default)]
pub struct Counts {
    ended: AtomicBool,
    /// No reads are asked for meanwhile.
    no_reads: AtomicBool,
    /// Levels that were said.
    pub levels: AtomicU64,
    /// Prices that were said.
    pub prices: AtomicU64,
    /// Orders that were placed.
    pub orders: AtomicU64,
    /// Edits, cancellations and refunds of orders.
    pub edits: AtomicU64,
    /// Calls of stores about their orders.
    pub announced: AtomicU64,
    /// Requests to the API, one after the other: counted when they begin and again when they end, so
    /// that an odd number says that one waits for its answer.
    pub calls: AtomicU64,
}

impl Counts {
    fn goes_on(&self) -> bool {
        !self.ended.load(Ordering::SeqCst)
    }
}

/// Traffic, until it is ended.
pub struct Traffic {
    counts: Arc<Counts>,
    tasks: Vec<JoinHandle<anyhow::Result<()>>>,
}

impl Traffic {
    /// Begins with all articles. It goes on while roles, broker or database are away, and fails when a store refuses
    /// or an event is not acknowledged after many attempts.
    #[must_use]
    pub fn begin(stage: &Stage, rates: &Rates, seed: u64) -> Self {
        Self::beside(stage, rates, seed, &[])
    }

    /// Begins with all articles but these.
    #[must_use]
    pub fn beside(stage: &Stage, rates: &Rates, seed: u64, left_out: &[String]) -> Self {
        let counts = Arc::new(Counts::default());
        let mut articles = stage.articles.clone();
        articles.retain(|(sku, _)| !left_out.contains(sku));
        let skus: Vec<String> = articles.iter().map(|(sku, _)| sku.clone()).collect();
        let shops_open = sales::Shop::all(stage, rates.scheduled_for);
        let reads = Reads::of(stage, rates);
        let (erp, api) = (Arc::clone(&stage.erp), stage.api.clone());
        let (announce, announced) = calls::channel();
        let shops = stage.stores.client();
        let tasks = vec![
            tokio::spawn(say_levels(
                Arc::clone(&counts),
                rates.levels,
                random(seed, 1),
                skus.clone(),
                Arc::clone(&erp),
            )),
            tokio::spawn(say_prices(
                Arc::clone(&counts),
                rates.prices,
                random(seed, 2),
                articles,
                Arc::clone(&erp),
            )),
            tokio::spawn(sales::go_on(
                Arc::clone(&counts),
                rates.orders,
                random(seed, 3),
                skus,
                shops,
                shops_open,
                announce,
            )),
            tokio::spawn(calls::go_on(
                Arc::clone(&counts),
                random(seed, 4),
                erp,
                announced,
            )),
            tokio::spawn(read(Arc::clone(&counts), api, reads)),
        ];
        Self { counts, tasks }
    }

    /// Stops asking for reads, or begins again; everything else goes on.
    pub fn ask_for_reads(&self, asks: bool) {
        self.counts.no_reads.store(!asks, Ordering::SeqCst);
    }

    /// What has happened so far.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Waits until so many more levels and orders have happened.
    ///
    /// # Errors
    /// When the traffic does not go on.
    pub async fn more(&self, levels: u64, orders: u64) -> anyhow::Result<()> {
        let now = || {
            (
                self.counts.levels.load(Ordering::SeqCst),
                self.counts.orders.load(Ordering::SeqCst),
            )
        };
        let before = now();
        eventually("the traffic goes on", LIMIT, async || {
            let more = (now().0 - before.0, now().1 - before.1);
            ensure!(more.0 >= levels && more.1 >= orders, "only {more:?}");
            Ok(())
        })
        .await
    }

    /// Ends it.
    ///
    /// # Errors
    /// When a part of it failed, or does not end.
    pub async fn end(self) -> anyhow::Result<Arc<Counts>> {
        self.counts.ended.store(true, Ordering::SeqCst);
        for task in self.tasks {
            tokio::time::timeout(LIMIT, task)
                .await
                .context("the traffic does not end")???;
        }
        Ok(self.counts)
    }
}

/// Tells how many of something are due, also when the last ones came late.
struct Beat {
    began: Instant,
    per_second: u64,
    done: u64,
}

impl Beat {
    fn new(per_second: u64) -> Self {
        Self {
            began: Instant::now(),
            per_second,
            done: 0,
        }
    }

    /// Waits until some are due and answers how many; they count as done.
    async fn due(&mut self, most: u64) -> u64 {
        loop {
            let elapsed = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
            let all = elapsed.saturating_mul(self.per_second) / 1_000;
            let due = all.saturating_sub(self.done).min(most);
            if due > 0 {
                self.done += due;
                return due;
            }
            sleep(TICK).await;
            if self.per_second == 0 {
                return 0;
            }
        }
    }
}

async fn say_levels(
    counts: Arc<Counts>,
    per_second: u64,
    mut random: StdRng,
    skus: Vec<String>,
    erp: Arc<Erp>,
) -> anyhow::Result<()> {
    let mut beat = Beat::new(per_second);
    let mut level = FIRST_LEVEL;
    while counts.goes_on() {
        let due = beat.due(random.random_range(1..=MOST_IN_EVENT)).await;
        let chosen: Vec<_> = skus
            .choose_multiple(&mut random, usize::try_from(due)?)
            .map(|sku| {
                level += 1;
                (sku.as_str(), Decimal::from(level))
            })
            .collect();
        if !chosen.is_empty() {
            erp.say_stock(WAREHOUSE, &chosen).await?;
            counts.levels.fetch_add(due, Ordering::SeqCst);
        }
    }
    Ok(())
}

/// Prices only rise, each by cents of its own, so that every value is said once.
async fn say_prices(
    counts: Arc<Counts>,
    per_second: u64,
    mut random: StdRng,
    articles: Vec<(String, Decimal)>,
    erp: Arc<Erp>,
) -> anyhow::Result<()> {
    let mut beat = Beat::new(per_second);
    let mut cents = 0_i64;
    while counts.goes_on() {
        let due = beat.due(MOST_IN_EVENT).await;
        let chosen: Vec<_> = articles
            .choose_multiple(&mut random, usize::try_from(due)?)
            .map(|(sku, base)| {
                cents += 1;
                (sku.as_str(), *base + Decimal::new(cents, 2))
            })
            .collect();
        if chosen.is_empty() {
            continue;
        }
        for (list, gross) in LISTS.iter().zip([true, false]) {
            let prices: Vec<_> = chosen
                .iter()
                .map(|(sku, value)| (*sku, price(*value, gross)))
                .collect();
            erp.say_prices(list, "EUR", &prices).await?;
        }
        counts.prices.fetch_add(due, Ordering::SeqCst);
    }
    Ok(())
}

/// What is asked for, and how often.
struct Reads {
    orders: Vec<String>,
    orders_every: Duration,
    products: Vec<String>,
    products_every: Duration,
}

impl Reads {
    /// The orders of those stores that are asked, the products of all.
    fn of(stage: &Stage, rates: &Rates) -> Self {
        let of_links = stage.links.iter().zip(&stage.ways);
        let asked = of_links.filter(|(_, way)| **way == Way::Asked);
        Self {
            orders: asked.map(|(link, _)| link.connection.clone()).collect(),
            orders_every: rates.read_every,
            products: stage.links.iter().map(|l| l.connection.clone()).collect(),
            products_every: rates.articles_every,
        }
    }
}

/// Asks for reads all the while; refusals are expected while a role is away.
async fn read(counts: Arc<Counts>, api: Api, reads: Reads) -> anyhow::Result<()> {
    let (mut orders_due, mut products_due) = (Instant::now(), Instant::now());
    let mut products = reads.products.iter().cycle();
    while counts.goes_on() {
        let now = Instant::now();
        let mut due: Vec<(&String, &str)> = Vec::new();
        if orders_due <= now {
            orders_due = now + reads.orders_every;
            due.extend(reads.orders.iter().map(|store| (store, "orders")));
        }
        if products_due <= now {
            products_due = now + reads.products_every;
            due.extend(products.next().map(|store| (store, "products")));
        }
        for (connection, entity) in due {
            if counts.no_reads.load(Ordering::SeqCst) {
                break;
            }
            counts.calls.fetch_add(1, Ordering::SeqCst);
            api.run_now(connection, entity).await.ok();
            counts.calls.fetch_add(1, Ordering::SeqCst);
        }
        sleep(TICK).await;
    }
    Ok(())
}

fn random(seed: u64, part: u64) -> StdRng {
    StdRng::seed_from_u64(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(part))
}
