//! The whole system with stores that were linked through its API. The stores live in this process,
//! so that the ERP's word and the store's value are read from one monotonic clock.

use std::time::Duration;

use anyhow::Context as _;
use futures::future::try_join_all;
use rust_decimal::Decimal;
use storelink_simulators::woocommerce::StoreSpec;
use storelink_simulators::{
    Fault, FaultEffect, FaultMatch, LedgerEntry, LedgerFilter, Simulators, Source, StoreHandle,
    StoreInfo,
};
use storelink_test_support::api::Api;
use storelink_test_support::erp::{Erp, Price};
use storelink_test_support::eventually::eventually;
use storelink_test_support::system::{Layout, System, SystemOptions};
use storelink_test_support::world::{LinkPlan, LinkedStore, link, read_now};

use crate::process::Processes;

/// The tenant that a new installation has.
pub(crate) const TENANT: &str = "default";
/// Times the usual room of the broker's streams: a million articles, each with what was last read of it,
/// do not fit into a single one.
const ROOM: &str = "4";
/// The price list of all stores.
pub(crate) const PRICES: &str = "B2C";
/// How long anything may take to settle.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);
/// What a healthy store takes to answer, milliseconds.
pub(crate) const ANSWER_MS: u64 = 20;

/// The running system with what surrounds it. It ends when dropped.
pub(crate) struct Rig {
    pub(crate) system: System,
    pub(crate) simulators: Simulators,
    pub(crate) erp: Erp,
    pub(crate) api: Api,
}

/// A store that is linked.
pub(crate) struct Shop {
    pub(crate) handle: StoreHandle,
    link: LinkedStore,
}

impl Rig {
    /// Starts every role as its own process, on SQLite.
    pub(crate) async fn start(sync_always: bool) -> anyhow::Result<Self> {
        Self::start_as(SystemOptions::process_per_role(), sync_always).await
    }

    /// Starts all roles in one process, on SQLite, beside a broker.
    pub(crate) async fn start_in_one_process(sync_always: bool) -> anyhow::Result<Self> {
        let options = SystemOptions {
            layout: Layout::OneProcessBesideBroker,
            ..SystemOptions::one_process()
        };
        let options = options.with("STORELINK_NATS__BYTES_FACTOR", ROOM);
        Self::start_as(options, sync_always).await
    }

    async fn start_as(options: SystemOptions, sync_always: bool) -> anyhow::Result<Self> {
        let options = SystemOptions {
            sync_always,
            ..options
        };
        let system = System::start(options).await?;
        let api = Api::new(system.api_url(), system.admin_token()?)?;
        let erp = Erp::over_nats(system.broker_url(), TENANT).await?;
        Ok(Self {
            system,
            simulators: Simulators::new(),
            erp,
            api,
        })
    }

    /// Opens a store of so many simple articles that answers in [`ANSWER_MS`], links it as `plan`
    /// says and reads its articles.
    pub(crate) async fn open(
        &self,
        name: &str,
        articles: usize,
        plan: impl FnOnce(LinkPlan) -> LinkPlan,
    ) -> anyhow::Result<Shop> {
        let mut spec = StoreSpec {
            prices_include_tax: true,
            ledger_bodies: false,
            ..StoreSpec::seeded(name, 7, articles, 0)
        };
        spec.faults.push(latency(ANSWER_MS));
        let handle = self.simulators.add_store(spec.clone()).await?;
        let opened = StoreInfo {
            name: name.to_owned(),
            url: handle.url().to_owned(),
            address: handle.address(),
            write_requests: 0,
            under_way: Vec::new(),
        };
        let link = link(&self.api, plan(LinkPlan::of(&spec, &opened))).await?;
        read_now(&self.api, &link.connection, "products").await?;
        Ok(Shop { handle, link })
    }

    /// All processes of the system, without the broker.
    pub(crate) fn processes(&self) -> Processes {
        Processes::of(self.system.process_ids().into_values())
    }

    /// Ends everything.
    pub(crate) async fn shut_down(mut self) -> anyhow::Result<()> {
        self.system.shut_down().await?;
        self.simulators.stop();
        Ok(())
    }

    /// Now, on the clock of the stores' records.
    pub(crate) fn mono_us(&self) -> u64 {
        self.simulators.ledger().mono_us()
    }

    /// The place in the stores' records at which the next entry will stand.
    pub(crate) fn place(&self) -> u64 {
        let nothing = LedgerFilter {
            after: u64::MAX,
            ..LedgerFilter::default()
        };
        self.simulators.ledger().read(&nothing).last_seq
    }

    /// Waits until nothing of these stores waits to be written.
    pub(crate) async fn settled(&self, shops: &[Shop]) -> anyhow::Result<()> {
        let waiting = shops.iter().map(|shop| async {
            let what = format!("{} is settled", shop.handle.name());
            eventually(&what, LIMIT, async || {
                let status = self.api.status(&shop.link.connection).await?;
                status.stock.must_be_settled()?;
                match shop.link.plan.prices {
                    Some(_) => status.prices.must_be_settled(),
                    None => Ok(()),
                }
            })
            .await
        });
        try_join_all(waiting).await.map(drop)
    }

    /// Says a level in a warehouse and a price for every article.
    pub(crate) async fn say_everything(&self, warehouse: &str, shop: &Shop) -> anyhow::Result<()> {
        let skus = shop.skus();
        let levels: Vec<_> = skus
            .iter()
            .map(|sku| (sku.as_str(), Decimal::TEN))
            .collect();
        self.erp.say_stock(warehouse, &levels).await?;
        let price = || Price::gross(Decimal::ONE_HUNDRED);
        let prices: Vec<_> = skus.iter().map(|sku| (sku.as_str(), price())).collect();
        self.erp.say_prices(PRICES, "EUR", &prices).await
    }
}

impl Shop {
    /// The codes of all articles.
    pub(crate) fn skus(&self) -> Vec<String> {
        self.handle
            .articles()
            .into_iter()
            .map(|article| article.sku)
            .collect()
    }

    /// All requests after a place in the stores' records that could change the store.
    pub(crate) fn writes_after(&self, place: u64) -> Vec<LedgerEntry> {
        let filter = LedgerFilter {
            after: place,
            limit: usize::MAX,
            writes_only: true,
            ..LedgerFilter::default()
        };
        let mut entries = self.handle.ledger(filter).entries;
        entries.retain(|entry| entry.source == Source::Request);
        entries
    }
}

/// Every answer takes so much longer.
pub(crate) fn latency(ms: u64) -> Fault {
    Fault {
        on: FaultMatch::default(),
        effect: FaultEffect::Latency {
            ms,
            jitter_ms: 0,
            row_ms: 0,
        },
    }
}

/// When the answer of a request was ready, on the clock of the records. Its effects come just before.
pub(crate) fn ended_us(entry: &LedgerEntry) -> u64 {
    entry.started_mono_us.saturating_add(entry.duration_us)
}

/// The value that so many percent of all do not exceed.
pub(crate) fn percentile(values: &mut [u64], percent: usize) -> anyhow::Result<u64> {
    values.sort_unstable();
    let rank = (values.len() * percent).div_ceil(100).max(1);
    values
        .get(rank - 1)
        .copied()
        .context("nothing was measured")
}
