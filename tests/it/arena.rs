//! A small world: the system, some stores, an ERP, and a judge.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures::future::try_join_all;
use rust_decimal::Decimal;
use storelink_simulators::woocommerce::{StoreSpec, Version};
use storelink_test_support::api::Api;
use storelink_test_support::erp::{Erp, Price};
use storelink_test_support::eventually::eventually;
use storelink_test_support::hub::Hub;
use storelink_test_support::judge::{Judge, Verdict};
use storelink_test_support::stores::Stores;
use storelink_test_support::system::{System, SystemOptions};
use storelink_test_support::world::{LinkPlan, LinkedStore, link, read_now};

pub(crate) const TENANT: &str = "default";
pub(crate) const WAREHOUSE: &str = "main";
/// Articles of each store, six of them variations.
pub(crate) const SKUS: usize = 30;
/// How long the world may take to be right again.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// Everything that a test needs. The system ends when it is dropped.
pub(crate) struct Arena {
    pub(crate) system: System,
    pub(crate) stores: Stores,
    pub(crate) api: Api,
    pub(crate) erp: Arc<Erp>,
    pub(crate) hub: Hub,
    pub(crate) links: Vec<LinkedStore>,
}

/// Stores as most tests need them: a new one for consumers, an old one for businesses.
pub(crate) fn two_stores() -> Vec<StoreSpec> {
    let consumers = StoreSpec {
        prices_include_tax: true,
        ..StoreSpec::seeded("ljubljana", 7, SKUS, 6)
    };
    let businesses = StoreSpec {
        version: Version::V7_9,
        time_zone: "America/New_York".to_owned(),
        ..StoreSpec::seeded("new-york", 7, SKUS, 6)
    };
    vec![consumers, businesses]
}

impl Arena {
    /// Starts a system, opens and links the stores: those whose prices include tax with the list
    /// B2C, gross, the others with B2B, net.
    pub(crate) async fn open(options: SystemOptions, specs: &[StoreSpec]) -> anyhow::Result<Self> {
        let system = System::start(options).await?;
        let stores = Stores::in_process().await?;
        let api = Api::new(system.api_url(), system.admin_token()?)?;
        let erp = Arc::new(Erp::over_nats(system.broker_url(), TENANT).await?);
        let hub = Hub::connect(system.broker_url()).await?;
        let mut links = Vec::new();
        for spec in specs {
            let opened = stores.open(spec).await?;
            let gross = spec.prices_include_tax;
            let plan = LinkPlan::of(spec, &opened).prices(if gross { "B2C" } else { "B2B" }, gross);
            links.push(link(&api, plan).await?);
        }
        Ok(Self {
            system,
            stores,
            api,
            erp,
            hub,
            links,
        })
    }

    /// The same with every article read, and a level and two prices for each.
    pub(crate) async fn synchronised(
        options: SystemOptions,
        specs: &[StoreSpec],
    ) -> anyhow::Result<Self> {
        let arena = Self::open(options, specs).await?;
        arena.read("products").await?;
        arena.say_everything().await?;
        arena.values_are_right().await?;
        Ok(arena)
    }

    /// Lets an entity of all stores be read.
    pub(crate) async fn read(&self, entity: &str) -> anyhow::Result<()> {
        let reads = self
            .links
            .iter()
            .map(|link| read_now(&self.api, &link.connection, entity));
        try_join_all(reads).await.map(drop)
    }

    /// The ERP says a level and a price in each list for every article.
    pub(crate) async fn say_everything(&self) -> anyhow::Result<()> {
        let articles = self.articles().await?;
        let vat = Decimal::from(22);
        let level = |n: usize| Decimal::from(100 + n);
        let levels: Vec<_> = articles
            .iter()
            .enumerate()
            .map(|(n, (sku, _))| (sku.as_str(), level(n)))
            .collect();
        let gross = |base: Decimal| Price {
            tax_rate: Some(vat),
            ..Price::gross(base)
        };
        let net = |base: Decimal| Price::net((base / Decimal::new(122, 2)).round_dp(2), vat);
        let consumers: Vec<_> = articles
            .iter()
            .map(|(sku, base)| (sku.as_str(), gross(*base)))
            .collect();
        let businesses: Vec<_> = articles
            .iter()
            .map(|(sku, base)| (sku.as_str(), net(*base)))
            .collect();
        self.erp.say_stock(WAREHOUSE, &levels).await?;
        self.erp.say_prices("B2C", "EUR", &consumers).await?;
        self.erp.say_prices("B2B", "EUR", &businesses).await
    }

    /// The SKUs of the first store with their prices now; all stores have the same ones.
    pub(crate) async fn articles(&self) -> anyhow::Result<Vec<(String, Decimal)>> {
        let articles = self
            .stores
            .client()
            .articles(&self.first().plan.name)
            .await?;
        let priced = articles
            .into_iter()
            .filter(|article| !article.sku.is_empty());
        priced
            .map(|article| {
                let price = article
                    .regular_price
                    .parse()
                    .context("a price is no number")?;
                Ok((article.sku, price))
            })
            .collect()
    }

    /// Only the SKUs.
    pub(crate) async fn skus(&self) -> anyhow::Result<Vec<String>> {
        Ok(self
            .articles()
            .await?
            .into_iter()
            .map(|(sku, _)| sku)
            .collect())
    }

    pub(crate) fn first(&self) -> &LinkedStore {
        self.links.first().expect("every arena has a store")
    }

    pub(crate) fn judge(&self) -> Judge<'_> {
        judge(&self.api, &self.stores, &self.erp, &self.links)
    }

    /// Waits until every store shows the right stock and prices.
    pub(crate) async fn values_are_right(&self) -> anyhow::Result<()> {
        let judge = self.judge();
        eventually("every store shows the right values", LIMIT, async || {
            for link in &self.links {
                judge
                    .stock(link)
                    .await?
                    .must_be_right(SKUS)
                    .context(link.plan.name.clone())?;
                judge
                    .prices(link)
                    .await?
                    .must_be_right(SKUS)
                    .context(link.plan.name.clone())?;
            }
            Ok(())
        })
        .await
    }

    /// Waits until every store has confirmed the last level that the ERP said of every article. It
    /// says nothing anew: a word that was lost stays missing here.
    pub(crate) async fn every_word_was_heard(&self) -> anyhow::Result<()> {
        let skus = self.skus().await?;
        eventually(
            "every level that was said is confirmed",
            LIMIT,
            async || {
                for link in &self.links {
                    for sku in &skus {
                        let said = self
                            .erp
                            .level(WAREHOUSE, sku)
                            .map(|level| level.normalize());
                        let state = self.api.sku(&link.connection, sku).await?.stock;
                        let confirmed = state.confirmed.as_deref().map(str::parse::<Decimal>);
                        anyhow::ensure!(
                            said.map(Ok) == confirmed,
                            "{sku}: the ERP said {said:?}, {} confirmed {:?}",
                            link.plan.name,
                            state.confirmed
                        );
                    }
                }
                Ok(())
            },
        )
        .await
    }

    /// Reads the stores until every order has arrived as it is now.
    pub(crate) async fn orders_are_right(&mut self) -> anyhow::Result<()> {
        let judge = judge(&self.api, &self.stores, &self.erp, &self.links);
        let hub = &mut self.hub;
        eventually("every order has arrived", LIMIT, async || {
            for link in &self.links {
                read_now(&self.api, &link.connection, "orders").await?;
            }
            hub.read().await?;
            for link in &self.links {
                let tally = judge.orders(link, hub).await?;
                tally.must_be_right().context(link.plan.name.clone())?;
            }
            Ok(())
        })
        .await
    }

    /// The final judgement; fails with everything that is wrong.
    pub(crate) async fn must_be_right(&mut self) -> anyhow::Result<Verdict> {
        let judge = judge(&self.api, &self.stores, &self.erp, &self.links);
        let verdict = judge.verdict(&mut self.hub).await?;
        verdict.must_be_right()?;
        Ok(verdict)
    }
}

fn judge<'a>(api: &'a Api, stores: &Stores, erp: &'a Erp, links: &'a [LinkedStore]) -> Judge<'a> {
    Judge {
        api,
        stores: stores.client(),
        erp,
        links,
        delays_since_us: 0,
    }
}
