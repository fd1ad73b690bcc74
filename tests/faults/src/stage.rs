//! The world of a run: the system, three stores that are never idle, an ERP.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures::future::try_join_all;
use rust_decimal::Decimal;
use storelink_simulators::woocommerce::{StoreSpec, Version};
use storelink_simulators::{Fault, FaultEffect, FaultMatch, Requests};
use storelink_test_support::api::Api;
use storelink_test_support::database::TestDatabase;
use storelink_test_support::erp::{Erp, Price};
use storelink_test_support::eventually::eventually_every;
use storelink_test_support::hub::Hub;
use storelink_test_support::judge::Judge;
use storelink_test_support::stores::Stores;
use storelink_test_support::system::{Layout, System, SystemOptions};
use storelink_test_support::world::{LinkPlan, LinkedStore, link, read_now};

use crate::memory::Memory;

/// The warehouse whose levels are said.
pub const WAREHOUSE: &str = "main";
/// The lists whose prices are said: gross for consumers, net for businesses.
pub const LISTS: [&str; 2] = ["B2C", "B2B"];
const TENANT: &str = "default";
/// Articles of each store.
pub const SKUS: usize = 60;
const VARIATIONS: usize = 12;
const START_LIMIT: Duration = Duration::from_secs(90);

/// Where the services keep their rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseKind {
    /// A file per service: one process of each role.
    Sqlite,
    /// A server of the run's own, which can be halted.
    Postgres,
}

impl DatabaseKind {
    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }

    /// What the page caches of a process take at most, MiB: SQLite's own default of 2 MiB for each
    /// connection (`database.max_connections`, 8). A server has its own.
    fn page_caches_mib(self) -> u64 {
        match self {
            Self::Sqlite => 8 * 2,
            Self::Postgres => 0,
        }
    }
}

/// By what the orders of a store get read during a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Somebody asks for a read again and again.
    Asked,
    /// Its schedule alone.
    Scheduled,
    /// The store's own calls alone.
    Called,
}

/// The shortest interval of a schedule.
pub const SCHEDULE: Duration = Duration::from_secs(60);

/// That a world could not be set up: no fault had happened yet.
#[derive(Debug, thiserror::Error)]
#[error("the world of the run cannot be set up")]
pub struct NotSetUp;

/// How a world is set up.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The database.
    pub database: DatabaseKind,
    /// Processes of each role but the registry.
    pub replicas: usize,
    /// Settings as variables.
    pub settings: Vec<(String, String)>,
    /// Requests per minute that the connection of the first store allows; none for no limit.
    pub requests_per_minute: Option<u32>,
    /// What every request to a store takes at least.
    pub latency: Duration,
    /// How the stores' orders get read, store by store.
    pub ways: [Way; 3],
    /// Keeps logs here; in a temporary folder when none.
    pub folder: Option<PathBuf>,
}

impl Setup {
    /// One process of each role on SQLite, two on PostgreSQL.
    #[must_use]
    pub fn on(database: DatabaseKind) -> Self {
        Self {
            database,
            replicas: match database {
                DatabaseKind::Sqlite => 1,
                DatabaseKind::Postgres => 2,
            },
            settings: Vec::new(),
            requests_per_minute: None,
            latency: Duration::from_millis(40),
            ways: [Way::Asked; 3],
            folder: None,
        }
        // A walk that reached back over the whole run would hide what an earlier one left out.
        .with("STORELINK_ORDERS__OVERLAP_SECONDS", 2)
        .with("STORELINK_ORDERS__WALK_YIELD_SECONDS", 1)
    }

    /// With a setting.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.settings.push((name.to_owned(), value.to_string()));
        self
    }

    /// In words.
    #[must_use]
    pub fn layout(&self) -> String {
        format!("{}, {} of each role", self.database.name(), self.replicas)
    }
}

/// The world of a run. Everything ends when it is dropped.
pub struct Stage {
    /// The system under test.
    pub system: System,
    /// The simulated stores.
    pub stores: Stores,
    /// The API.
    pub api: Api,
    /// What is said.
    pub erp: Arc<Erp>,
    /// What is told.
    pub hub: Hub,
    /// The linked stores.
    pub links: Vec<LinkedStore>,
    /// How their orders get read, in the same order.
    pub ways: [Way; 3],
    /// The articles with their prices at the beginning.
    pub articles: Vec<(String, Decimal)>,
    /// The memory of the processes.
    pub memory: Memory,
}

impl Stage {
    /// Starts the system, opens and links three stores, reads their articles, gives each a level
    /// and two prices and waits until every store shows them.
    ///
    /// # Errors
    /// [`NotSetUp`] when a step fails or takes too long.
    pub async fn open(setup: &Setup) -> anyhow::Result<Self> {
        Self::set_up(setup).await.context(NotSetUp)
    }

    async fn set_up(setup: &Setup) -> anyhow::Result<Self> {
        let mut options = SystemOptions::process_per_role();
        options.layout = Layout::ProcessPerRole {
            replicas: setup.replicas,
        };
        options.folder.clone_from(&setup.folder);
        options.environment.clone_from(&setup.settings);
        if setup.database == DatabaseKind::Postgres {
            options.database = Some(TestDatabase::own_postgres().await?);
        }
        let system = System::start(options).await?;
        let stores = Stores::in_process().await?;
        let api = Api::new(system.api_url(), system.admin_token()?)?;
        let erp = Arc::new(Erp::over_nats(system.broker_url(), TENANT).await?);
        let hub = Hub::connect(system.broker_url()).await?;
        let mut links = Vec::new();
        for (number, spec) in three_stores().iter().enumerate() {
            let opened = stores.open(spec).await?;
            let gross = spec.prices_include_tax;
            let mut plan = LinkPlan::of(spec, &opened).prices(list(gross), gross);
            if let Some(limit) = setup.requests_per_minute.filter(|_| number == 0) {
                plan = plan.setting("requests_per_minute", limit);
            }
            links.push(link(&api, plan).await?);
        }
        let articles = articles(&stores, &links).await?;
        let memory = Memory::watch(setup.database.page_caches_mib());
        let stage = Self {
            system,
            stores,
            api,
            erp,
            hub,
            links,
            ways: setup.ways,
            articles,
            memory,
        };
        stage.memory.follow(stage.system.process_ids());
        stage.read("products").await?;
        stage.say_everything().await?;
        stage.values_are_right().await?;
        stage.slow_down(setup.latency).await?;
        Ok(stage)
    }

    /// The judge of this world.
    #[must_use]
    pub fn judge(&self) -> Judge<'_> {
        Judge {
            api: &self.api,
            stores: self.stores.client(),
            erp: &self.erp,
            links: &self.links,
            delays_since_us: 0,
        }
    }

    /// The SKUs.
    #[must_use]
    pub fn skus(&self) -> Vec<String> {
        self.articles.iter().map(|(sku, _)| sku.clone()).collect()
    }

    /// Lets an entity of all stores be read to its end.
    ///
    /// # Errors
    /// When a read fails.
    pub async fn read(&self, entity: &str) -> anyhow::Result<()> {
        self.read_those(entity, &[Way::Asked, Way::Scheduled, Way::Called])
            .await
    }

    /// The same of the stores whose orders get read in one of these ways.
    ///
    /// # Errors
    /// When a read fails.
    pub async fn read_those(&self, entity: &str, ways: &[Way]) -> anyhow::Result<()> {
        let of_these = self.links.iter().zip(&self.ways);
        let reads = of_these
            .filter(|(_, way)| ways.contains(way))
            .map(|(link, _)| read_now(&self.api, &link.connection, entity));
        try_join_all(reads).await.map(drop)
    }

    /// Switches the shortest schedule on where nothing else gets orders read: its first run is an
    /// interval from now.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn begin_schedules(&self) -> anyhow::Result<()> {
        for (link, way) in self.links.iter().zip(&self.ways) {
            if *way == Way::Scheduled {
                let seconds = SCHEDULE.as_secs();
                let id = &link.connection;
                self.api.switch_on(id, "orders", seconds).await?;
            }
        }
        Ok(())
    }

    /// Every request to a store takes at least so long from now on: one is nearly always under way.
    async fn slow_down(&self, latency: Duration) -> anyhow::Result<()> {
        let ms = u64::try_from(latency.as_millis())?;
        let fault = Fault {
            on: FaultMatch {
                requests: Requests::All,
                ..FaultMatch::default()
            },
            effect: FaultEffect::Latency {
                ms,
                jitter_ms: ms,
                row_ms: 0,
            },
        };
        for link in &self.links {
            let client = self.stores.client();
            client.set_fault(&link.plan.name, &fault).await?;
        }
        Ok(())
    }

    /// Ends every fault of the stores, their slowness too.
    ///
    /// # Errors
    /// When a store does not answer.
    pub async fn stores_behave(&self) -> anyhow::Result<()> {
        for link in &self.links {
            let client = self.stores.client();
            client.clear_faults(&link.plan.name, None).await?;
        }
        Ok(())
    }

    async fn say_everything(&self) -> anyhow::Result<()> {
        let level = |(n, (sku, _)): (i64, &(String, Decimal))| (sku.clone(), Decimal::from(n));
        let levels: Vec<_> = (1_000..).zip(&self.articles).map(level).collect();
        let levels: Vec<_> = levels.iter().map(|(sku, n)| (sku.as_str(), *n)).collect();
        self.erp.say_stock(WAREHOUSE, &levels).await?;
        for (list, gross) in [(LISTS[0], true), (LISTS[1], false)] {
            let prices: Vec<_> = self
                .articles
                .iter()
                .map(|(sku, base)| (sku.as_str(), price(*base, gross)))
                .collect();
            self.erp.say_prices(list, "EUR", &prices).await?;
        }
        Ok(())
    }

    async fn values_are_right(&self) -> anyhow::Result<()> {
        let judge = self.judge();
        let pause = Duration::from_millis(200);
        eventually_every(
            pause,
            "every store shows its values",
            START_LIMIT,
            async || {
                for link in &self.links {
                    let name = || link.plan.name.clone();
                    judge
                        .stock(link)
                        .await?
                        .must_be_right(SKUS)
                        .with_context(name)?;
                    judge
                        .prices(link)
                        .await?
                        .must_be_right(SKUS)
                        .with_context(name)?;
                }
                Ok(())
            },
        )
        .await
    }
}

/// A price of a list.
#[must_use]
pub fn price(base: Decimal, gross: bool) -> Price {
    let vat = Decimal::from(22);
    if gross {
        Price {
            tax_rate: Some(vat),
            ..Price::gross(base)
        }
    } else {
        Price::net(base, vat)
    }
}

fn list(gross: bool) -> &'static str {
    if gross { LISTS[0] } else { LISTS[1] }
}

/// Two new stores for consumers and an old one for businesses, with the same articles.
fn three_stores() -> [StoreSpec; 3] {
    let seeded = |name: &str| StoreSpec::seeded(name, 7, SKUS, VARIATIONS);
    [
        StoreSpec {
            prices_include_tax: true,
            ..seeded("ljubljana")
        },
        StoreSpec {
            version: Version::V7_9,
            time_zone: "America/New_York".to_owned(),
            ..seeded("new-york")
        },
        StoreSpec {
            prices_include_tax: true,
            time_zone: "Pacific/Chatham".to_owned(),
            ..seeded("chatham")
        },
    ]
}

async fn articles(
    stores: &Stores,
    links: &[LinkedStore],
) -> anyhow::Result<Vec<(String, Decimal)>> {
    let first = links.first().context("no store is linked")?;
    let articles = stores.client().articles(&first.plan.name).await?;
    let named = articles
        .into_iter()
        .filter(|article| !article.sku.is_empty());
    named
        .map(|article| {
            let price = article.regular_price.parse();
            Ok((article.sku, price.context("a price is no number")?))
        })
        .collect()
}
