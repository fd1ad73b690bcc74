use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use storelink_adapter_api::{Adapters, Article, ProductReading, StockKeeping, StoreIds};
use storelink_bus::streams::{self, names};
use storelink_bus::{
    Bus, BusOptions, DeadLetter, DeadLetters, LastValueEvent, LastValueReader, Publication,
};
use storelink_events::internal::{Listing, ListingShard, ProductRead};
use storelink_events::subject;
use storelink_model::{ConnectionId, Timestamp};
use storelink_outbound_http::{HttpClient, OutboundPolicy};
use storelink_persistence::{Database, DatabaseSettings, Row, args};
use storelink_service::{ServiceContext, ServiceParts};
use storelink_settings::Loader;
use storelink_telemetry::Readiness;
use storelink_test_support::broker::{BrokerOptions, TestBroker};
use storelink_test_support::database::TestDatabase;
use storelink_test_support::eventually::eventually;
use storelink_vault::{CreateMissing, Vault};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Longer than the broker waits before it gives a message of an ended process to another one (30 s).
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) type Listings = BTreeMap<String, Listing>;

/// The catalogue at work on a broker of its own.
pub(crate) struct World {
    pub(crate) connection: ConnectionId,
    broker: TestBroker,
    bus: Bus,
    settings: DatabaseSettings,
    keys: tempfile::TempDir,
    service: JoinHandle<()>,
    shutdown: CancellationToken,
}

pub(crate) fn article(sku: &str, product: &str, variation: Option<&str>) -> Article {
    Article {
        sku: Some(sku.parse().unwrap()),
        ids: StoreIds {
            product: product.to_owned(),
            variation: variation.map(str::to_owned),
            stock_row: None,
        },
        name: sku.to_owned(),
        barcode: None,
        active: true,
        stock: StockKeeping::Own,
        quantity: None,
        price: None,
        sale_price: None,
    }
}

pub(crate) fn product(id: &str, articles: Vec<Article>) -> ProductReading {
    ProductReading {
        external_id: id.to_owned(),
        name: id.to_owned(),
        modified: None,
        articles,
    }
}

/// What a crash may leave behind.
pub(crate) struct Rows(Database);

impl Rows {
    /// As if the process had ended between commit and publication.
    pub(crate) async fn forget_publication(self, sku: &str) {
        self.0
            .execute(
                "UPDATE shards SET published = 0 WHERE shard IN \
                 (SELECT shard FROM articles WHERE sku = $1)",
                args![sku],
            )
            .await
            .unwrap();
        self.0.close().await;
    }

    pub(crate) async fn close(self) {
        self.0.close().await;
    }

    /// The products of ERPs, one line each.
    pub(crate) async fn erp_products(self) -> Vec<String> {
        let sql =
            "SELECT tenant, sku, name, barcode, removed, version FROM erp_products ORDER BY sku";
        let rows = self.0.fetch_all(sql, args![]).await.unwrap();
        let line = |row: &Row| {
            format!(
                "{} {} {:?} {:?} {} {}",
                row.text("tenant").unwrap(),
                row.text("sku").unwrap(),
                row.opt_text("name").unwrap(),
                row.opt_text("barcode").unwrap(),
                row.bool("removed").unwrap(),
                row.int("version").unwrap(),
            )
        };
        let lines = rows.iter().map(line).collect();
        self.0.close().await;
        lines
    }

    /// As if the database had been restored from before most publications.
    pub(crate) async fn forget_revisions(self) {
        let sql = "UPDATE shards SET revision = 1, published = 1, sequence = 1";
        self.0.execute(sql, args![]).await.unwrap();
        self.0.close().await;
    }
}

impl World {
    pub(crate) async fn start(database: &TestDatabase) -> Self {
        Self::start_with(database, BrokerOptions::default()).await
    }

    pub(crate) async fn start_with(database: &TestDatabase, options: BrokerOptions) -> Self {
        let broker = TestBroker::start_with(options).await.unwrap();
        let bus = Bus::connect(&BusOptions::new(broker.url(), "test"))
            .await
            .unwrap();
        streams::apply(&bus, bus.options().sizing).await.unwrap();
        let keys = tempfile::tempdir().unwrap();
        let shutdown = CancellationToken::new();
        let settings = database.settings();
        let service = run(&bus, &settings, &keys, &shutdown);
        let connection = ConnectionId::generate();
        Self {
            connection,
            broker,
            bus,
            settings,
            keys,
            service,
            shutdown,
        }
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.service.await.unwrap();
    }

    /// Ends the service, changes its rows, loses the listings in the broker, and starts it again.
    pub(crate) async fn restart_after<F: Future<Output = ()>>(
        mut self,
        change: impl FnOnce(Rows) -> F,
    ) -> Self {
        change(self.halt().await).await;
        let stream = self
            .bus
            .jetstream()
            .get_stream(names::LISTINGS)
            .await
            .unwrap();
        stream.purge().await.unwrap();
        self.resume();
        self
    }

    /// Ends the service and gives its rows.
    pub(crate) async fn halt(&mut self) -> Rows {
        self.shutdown.cancel();
        (&mut self.service).await.unwrap();
        let rows = Database::open(&self.settings, "product-catalog").await;
        Rows(rows.unwrap())
    }

    pub(crate) fn resume(&mut self) {
        self.shutdown = CancellationToken::new();
        self.service = run(&self.bus, &self.settings, &self.keys, &self.shutdown);
    }

    /// Does something, after which the broker goes back to what it had on its disk before.
    pub(crate) async fn lose_tail(&mut self, work: impl AsyncFnOnce(&Self)) {
        let backup = self.broker.backup().await.unwrap();
        work(self).await;
        self.broker.go_back_to(&backup).await.unwrap();
    }

    pub(crate) async fn lose_broker_store(&mut self) {
        self.broker.stop().await.unwrap();
        self.broker.wipe_store().await.unwrap();
        self.broker.restart().await.unwrap();
        streams_again(&self.bus).await;
    }

    /// A reading of a product, as a poller publishes it.
    pub(crate) async fn read(&self, number: i64, product: &ProductReading) {
        self.read_of(&self.connection, number, product).await;
    }

    /// The same of another connection.
    pub(crate) async fn read_of(
        &self,
        connection: &ConnectionId,
        number: i64,
        product: &ProductReading,
    ) {
        let reading = ProductRead {
            tenant: "acme".parse().unwrap(),
            connection: connection.clone(),
            read_number: number,
            read_at: Timestamp::now(),
            product: Some(product.clone()),
            external_id: product.external_id.clone(),
        };
        let subject = subject::product(connection, &product.external_id);
        self.publish(&subject, &reading).await;
    }

    pub(crate) async fn publish(&self, subject: &str, message: &impl serde::Serialize) {
        let payload = serde_json::to_vec(message).unwrap();
        let publication = Publication::new(subject, payload);
        self.bus.publish(publication).await.unwrap();
    }

    /// The first message in DEAD that was on a subject of this filter.
    pub(crate) async fn dead_letter(&self, filter: &str) -> DeadLetter {
        let letters = DeadLetters::new(&self.bus);
        eventually("a dead letter", PATIENCE, async || {
            let mut found = letters.list(filter, 0, 1).await?;
            found.pop().ok_or_else(|| anyhow::anyhow!("none is there"))
        })
        .await
        .unwrap()
    }

    /// Every event of the ERPs is taken or refused.
    pub(crate) async fn erp_products_done(&self) {
        eventually("no event of an ERP waits", PATIENCE, async || {
            let stream = self.bus.jetstream().get_stream(names::ERP_PRODUCT).await?;
            let waiting = stream.cached_info().state.messages;
            anyhow::ensure!(waiting == 0, "{waiting} wait");
            Ok(())
        })
        .await
        .unwrap();
    }

    /// What of events was refused, in the order of the answers.
    pub(crate) async fn rejections(&self) -> Vec<serde_json::Value> {
        let mut reader = LastValueReader::new(&self.bus, names::HUB, &["hub.*.event.rejected"]);
        let mut found = Vec::new();
        while let LastValueEvent::Value(message) = reader.next().await {
            let event: serde_json::Value = serde_json::from_slice(&message.payload).unwrap();
            found.extend(event["data"]["violations"].as_array().unwrap().clone());
        }
        found
    }

    /// The data of the last public event on a subject.
    pub(crate) async fn told(&self, subject: &str) -> serde_json::Value {
        eventually("an event", PATIENCE, async || {
            let stream = self.bus.jetstream().get_stream(names::HUB).await?;
            let message = stream.direct_get_last_for_subject(subject).await?;
            let event: serde_json::Value = serde_json::from_slice(&message.payload)?;
            Ok(event["data"].clone())
        })
        .await
        .unwrap()
    }

    /// The listings in the broker as soon as they are as wanted.
    pub(crate) async fn listings_when(&self, wanted: impl Fn(&Listings) -> bool) -> Listings {
        let mut reader = LastValueReader::new(&self.bus, names::LISTINGS, &[]);
        let mut shards: BTreeMap<_, ListingShard> = BTreeMap::new();
        let search = async {
            loop {
                match reader.next().await {
                    LastValueEvent::Value(message) => {
                        let shard: ListingShard = serde_json::from_slice(&message.payload).unwrap();
                        shards.insert((shard.connection.clone(), shard.shard), shard);
                    }
                    LastValueEvent::CaughtUp | LastValueEvent::Recreated => {}
                }
                let all = shards
                    .values()
                    .flat_map(|shard| shard.listings.iter().cloned());
                let found: Listings = all.map(|l| (l.sku.as_str().to_owned(), l)).collect();
                if wanted(&found) {
                    return found;
                }
            }
        };
        match tokio::time::timeout(PATIENCE, search).await {
            Ok(found) => found,
            Err(_) => panic!("the listings are not as wanted: {shards:?}"),
        }
    }

    /// The revision of the shard that a SKU is in.
    pub(crate) async fn revision_of(&self, sku: &str) -> u64 {
        let stream = self
            .bus
            .jetstream()
            .get_stream(names::LISTINGS)
            .await
            .unwrap();
        for shard in 0..16 {
            let subject = subject::listing(&self.connection, shard);
            let Ok(message) = stream.direct_get_last_for_subject(subject).await else {
                continue;
            };
            let shard: ListingShard = serde_json::from_slice(&message.payload).unwrap();
            if shard
                .listings
                .iter()
                .any(|listing| listing.sku.as_str() == sku)
            {
                return shard.revision;
            }
        }
        panic!("{sku} is in no shard");
    }

    /// How many shards wait to be published, once the service says so over the broker.
    pub(crate) async fn pending(&self) -> i64 {
        self.shutdown.cancel();
        while !self.service.is_finished() {
            tokio::task::yield_now().await;
        }
        let rows = Database::open(&self.settings, "product-catalog")
            .await
            .unwrap();
        let sql = "SELECT COUNT(*) AS pending FROM shards WHERE revision > published";
        let pending = rows
            .fetch_one(sql, args![])
            .await
            .unwrap()
            .int("pending")
            .unwrap();
        rows.close().await;
        pending
    }

    pub(crate) async fn ask<A: serde::de::DeserializeOwned>(
        &self,
        subject: &str,
        question: &impl serde::Serialize,
    ) -> A {
        self.bus.request(subject, question, PATIENCE).await.unwrap()
    }
}

fn run(
    bus: &Bus,
    settings: &DatabaseSettings,
    keys: &tempfile::TempDir,
    shutdown: &CancellationToken,
) -> JoinHandle<()> {
    let variables = [
        ("STORELINK_DATABASE__URL", settings.url.expose()),
        ("STORELINK_DATABASE__MIGRATE_AT_START", "true"),
    ];
    let context = ServiceContext::new(ServiceParts {
        settings: Arc::new(Loader::new().variables(variables).load().unwrap()),
        bus: bus.clone(),
        vault: Arc::new(Vault::open(&keys.path().join("keys"), CreateMissing::Yes).unwrap()),
        http: HttpClient::new(OutboundPolicy::default()).unwrap(),
        adapters: Adapters::default(),
        readiness: Readiness::new(),
        shutdown: shutdown.clone(),
    });
    tokio::spawn(async move { storelink_product_catalog::run(context).await.unwrap() })
}

/// Waits for the broker and makes its streams again.
async fn streams_again(bus: &Bus) {
    let again = async {
        while streams::apply(bus, bus.options().sizing).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, again).await.unwrap();
}
