//! Stock changes and orders that go on while something else happens.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use rust_decimal::Decimal;
use storelink_simulators::{Action, OrderSpec, SimulatorClient};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::api::Api;
use crate::erp::Erp;
use crate::eventually::eventually;
use crate::world::LinkedStore;

/// How long a part of the load may take to go on, or to end.
const LIMIT: Duration = Duration::from_secs(60);
/// Every so many orders one is cancelled at once.
const CANCELLED_EVERY: usize = 5;

/// What happens, and how often.
#[derive(Debug, Clone)]
pub struct LoadPlan {
    /// The warehouse whose levels change.
    pub warehouse: String,
    /// The SKUs that change and are sold, in turn.
    pub skus: Vec<String>,
    /// Between two changes of a level.
    pub change_pause: Duration,
    /// Between two orders in each store.
    pub order_pause: Duration,
    /// Between two wishes to read the orders of each store.
    pub read_pause: Duration,
}

impl LoadPlan {
    /// About 40 stock changes and 4 orders per store in a second, read twice a second.
    #[must_use]
    pub fn moderate(warehouse: &str, skus: Vec<String>) -> Self {
        Self {
            warehouse: warehouse.to_owned(),
            skus,
            change_pause: Duration::from_millis(25),
            order_pause: Duration::from_millis(250),
            read_pause: Duration::from_millis(500),
        }
    }
}

/// Load on a system, until it is ended.
pub struct Load {
    counts: Arc<Counts>,
    tasks: Vec<JoinHandle<anyhow::Result<()>>>,
}

#[derive(Default)]
struct Counts {
    ended: AtomicBool,
    changes: AtomicU64,
    orders: AtomicU64,
}

impl Counts {
    fn goes_on(&self) -> bool {
        !self.ended.load(Ordering::SeqCst)
    }
}

impl Load {
    /// Begins. It goes on while roles, broker or database are away, and fails when the stores refuse
    /// or an event is not acknowledged after many attempts.
    #[must_use]
    pub fn begin(
        plan: &LoadPlan,
        links: &[LinkedStore],
        stores: SimulatorClient,
        erp: Arc<Erp>,
        api: Api,
    ) -> Self {
        let counts = Arc::new(Counts::default());
        let names = links.iter().map(|link| link.plan.name.clone()).collect();
        let connections = links.iter().map(|link| link.connection.clone()).collect();
        let tasks = vec![
            tokio::spawn(say_levels(Arc::clone(&counts), plan.clone(), erp)),
            tokio::spawn(place_orders(
                Arc::clone(&counts),
                plan.clone(),
                stores,
                names,
            )),
            tokio::spawn(read_orders(
                Arc::clone(&counts),
                plan.read_pause,
                api,
                connections,
            )),
        ];
        Self { counts, tasks }
    }

    /// Levels that were said so far.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.counts.changes.load(Ordering::SeqCst)
    }

    /// Orders that were placed so far.
    #[must_use]
    pub fn orders(&self) -> u64 {
        self.counts.orders.load(Ordering::SeqCst)
    }

    /// Waits until so many more changes and orders have happened.
    ///
    /// # Errors
    /// When the load does not go on.
    pub async fn more(&self, changes: u64, orders: u64) -> anyhow::Result<()> {
        let before = (self.changes(), self.orders());
        eventually("the load goes on", LIMIT, async || {
            let more = (self.changes() - before.0, self.orders() - before.1);
            anyhow::ensure!(more.0 >= changes && more.1 >= orders, "only {more:?}");
            Ok(())
        })
        .await
    }

    /// Ends it.
    ///
    /// # Errors
    /// When a part of it failed, or does not end.
    pub async fn end(self) -> anyhow::Result<()> {
        self.counts.ended.store(true, Ordering::SeqCst);
        for task in self.tasks {
            tokio::time::timeout(LIMIT, task)
                .await
                .context("the load does not end")???;
        }
        Ok(())
    }
}

async fn say_levels(counts: Arc<Counts>, plan: LoadPlan, erp: Arc<Erp>) -> anyhow::Result<()> {
    let mut level = 1_000_i64;
    for sku in plan.skus.iter().cycle() {
        if !counts.goes_on() {
            break;
        }
        level += 1;
        erp.say_stock(&plan.warehouse, &[(sku, Decimal::from(level))])
            .await?;
        counts.changes.fetch_add(1, Ordering::SeqCst);
        sleep(plan.change_pause).await;
    }
    Ok(())
}

async fn place_orders(
    counts: Arc<Counts>,
    plan: LoadPlan,
    stores: SimulatorClient,
    names: Vec<String>,
) -> anyhow::Result<()> {
    for (number, sku) in plan.skus.iter().cycle().enumerate() {
        for name in &names {
            if !counts.goes_on() {
                return Ok(());
            }
            let id = stores.place_order(name, OrderSpec::of(&[(sku, 1)])).await?;
            if number.is_multiple_of(CANCELLED_EVERY) {
                let status = "cancelled".to_owned();
                stores
                    .act(name, &Action::SetOrderStatus { id, status })
                    .await?;
            }
            counts.orders.fetch_add(1, Ordering::SeqCst);
        }
        sleep(plan.order_pause).await;
    }
    Ok(())
}

/// Asks for reads all the while; refusals are expected while a role is away.
async fn read_orders(
    counts: Arc<Counts>,
    pause: Duration,
    api: Api,
    connections: Vec<String>,
) -> anyhow::Result<()> {
    while counts.goes_on() {
        let began = Instant::now();
        for connection in &connections {
            api.run_now(connection, "orders").await.ok();
        }
        sleep(pause.saturating_sub(began.elapsed())).await;
    }
    Ok(())
}
