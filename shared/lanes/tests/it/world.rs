//! Broker, database, stores in memory, and publishers that can be killed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use storelink_adapter_api::{Adapters, CapabilityProfile, Credentials, StoreIds};
use storelink_bus::kv::Bucket;
use storelink_bus::streams::{self, names};
use storelink_bus::{Bus, BusOptions, Publication};
use storelink_events::connection::{
    Audience, ConnectionRecord, ConnectionSettings, PriceListChoice, TenantRecord,
};
use storelink_events::hold::{Hold, SkuHolds};
use storelink_events::internal::{Listing, ListingShard};
use storelink_events::rpc::{
    self, ConnectionQuestion, LaneStatus, Page, PageQuestion, Receipt, SkuAnswer, SkuQuestion,
};
use storelink_events::subject;
use storelink_lanes::kind::LaneKind;
use storelink_model::{ConnectionId, Timestamp};
use storelink_outbound_http::{HttpClient, OutboundPolicy};
use storelink_service::{ServiceContext, ServiceParts};
use storelink_settings::{Loader, Settings};
use storelink_telemetry::Readiness;
use storelink_test_support::broker::TestBroker;
use storelink_test_support::database::TestDatabase;
use storelink_test_support::eventually::eventually;
use storelink_vault::{CreateMissing, Vault};
use tokio_util::sync::CancellationToken;

use crate::platform::Platform;

/// Longer than the broker waits before it gives a message of an ended process to another one (30 s).
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// Threads of a publisher.
const WORKERS: usize = 2;
const QUESTION: Duration = Duration::from_secs(5);

pub(crate) struct World {
    pub(crate) broker: TestBroker,
    pub(crate) database: TestDatabase,
    pub(crate) platform: Platform,
    pub(crate) bus: Bus,
    pub(crate) settings: Settings,
    vault: Arc<Vault>,
    _keys: tempfile::TempDir,
}

/// A publisher in a runtime of its own.
pub(crate) struct Publisher {
    runtime: Option<tokio::runtime::Runtime>,
    shutdown: CancellationToken,
    ended: tokio::sync::oneshot::Receiver<Result<(), String>>,
    readiness: Readiness,
}

impl Publisher {
    /// Ends it as SIGKILL would: nothing of it runs any more.
    pub(crate) fn kill(mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    /// Ends it as SIGTERM would.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        self.shutdown.cancel();
        let ended = tokio::time::timeout(PATIENCE, &mut self.ended).await;
        self.runtime
            .take()
            .context("it was ended already")?
            .shutdown_background();
        ended
            .context("the publisher did not end")??
            .map_err(anyhow::Error::msg)
    }

    /// Stops all of it as SIGSTOP would, for so long: no task of it runs, no timer fires.
    #[expect(clippy::disallowed_methods, reason = "its threads are to stand still")]
    pub(crate) fn freeze(&self, duration: Duration) -> anyhow::Result<()> {
        let runtime = self.runtime.as_ref().context("it was ended already")?;
        for _ in 0..WORKERS {
            runtime.spawn(async move { std::thread::sleep(duration) });
        }
        Ok(())
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.readiness.is_ready()
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl World {
    pub(crate) async fn on(database: TestDatabase) -> anyhow::Result<Self> {
        let broker = TestBroker::start().await?;
        let keys = tempfile::tempdir()?;
        let vault = Vault::open(&keys.path().join("keys"), CreateMissing::Yes)?;
        let bus = Bus::connect(&BusOptions::new(broker.url(), "test")).await?;
        streams::apply(&bus, bus.options().sizing).await?;
        let mut settings = Loader::new().load()?;
        settings.database = database.settings();
        settings.lanes.recheck_after = Duration::from_secs(2);
        settings.lanes.lease = Duration::from_secs(6);
        let vault = Arc::new(vault);
        let platform = Platform::new()?;
        Ok(Self {
            broker,
            database,
            platform,
            bus,
            settings,
            vault,
            _keys: keys,
        })
    }

    pub(crate) async fn sqlite() -> anyhow::Result<Self> {
        Self::on(TestDatabase::sqlite()?).await
    }

    /// Starts a publisher and waits until it is ready.
    pub(crate) async fn start<K: LaneKind>(&self) -> anyhow::Result<Publisher> {
        let publisher = self.launch::<K>()?;
        eventually("the publisher is ready", PATIENCE, async || {
            ensure!(publisher.is_ready());
            Ok(())
        })
        .await?;
        Ok(publisher)
    }

    /// Starts a publisher without waiting.
    pub(crate) fn launch<K: LaneKind>(&self) -> anyhow::Result<Publisher> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .enable_all()
            .build()?;
        let shutdown = CancellationToken::new();
        let readiness = Readiness::new();
        let starting = readiness.check("test");
        let (end, ended) = tokio::sync::oneshot::channel();
        let (settings, vault) = (Arc::new(self.settings.clone()), self.vault.clone());
        let (url, platform) = (self.broker.url(), self.platform.for_next_process());
        let (its_shutdown, its_readiness) = (shutdown.clone(), readiness.clone());
        runtime.spawn(async move {
            let work = async {
                let name = K::names().service;
                let bus = Bus::connect(&BusOptions::new(url, name)).await?;
                let context = ServiceContext::new(ServiceParts {
                    settings,
                    bus,
                    vault,
                    http: HttpClient::new(OutboundPolicy::loopback())?,
                    adapters: Adapters::default().with(platform),
                    readiness: its_readiness,
                    shutdown: its_shutdown,
                });
                loop {
                    let check = context.readiness.check(name);
                    starting.ready();
                    let result = storelink_lanes::run::<K>(context.clone()).await;
                    // The file of a publisher that was killed is free a moment later.
                    match result {
                        Err(error) if error.to_string().contains("in use") => {
                            check.not_ready("the database is in use");
                            tokio::time::sleep(Duration::from_millis(20)).await;
                        }
                        result => return result.map_err(anyhow::Error::from),
                    }
                }
            };
            let result: anyhow::Result<()> = work.await;
            end.send(result.map_err(|error| format!("{error:#}"))).ok();
        });
        Ok(Publisher {
            runtime: Some(runtime),
            shutdown,
            ended,
            readiness,
        })
    }

    /// Links a store that publishes warehouse `main` and price list `B2C`, everything switched on.
    pub(crate) async fn link(&self) -> anyhow::Result<ConnectionRecord> {
        let record = self.record()?;
        self.publish_record(&record).await?;
        Ok(record)
    }

    pub(crate) fn record(&self) -> anyhow::Result<ConnectionRecord> {
        let id = ConnectionId::generate();
        let plain = Credentials::default().to_sealable();
        let sealed = self
            .vault
            .seal(plain.expose_secret().as_bytes(), id.as_str())?;
        let price_list = PriceListChoice {
            code: "B2C".parse()?,
            audience: Audience::Consumers,
            format: None,
        };
        Ok(ConnectionRecord {
            id,
            tenant: "acme".parse()?,
            platform: "memory".parse()?,
            name: "Store".to_owned(),
            revision: 1,
            paused: false,
            address: "https://store.example".to_owned(),
            sealed_credentials: sealed.to_string(),
            credentials_revision: 1,
            profile: CapabilityProfile {
                currency: Some("EUR".parse()?),
                ..CapabilityProfile::default()
            },
            settings: ConnectionSettings {
                warehouses: vec!["main".parse()?],
                price_list: Some(price_list),
                ..ConnectionSettings::default()
            },
            active_entities: vec!["stock".to_owned(), "prices".to_owned()],
        })
    }

    pub(crate) async fn publish_record(&self, record: &ConnectionRecord) -> anyhow::Result<()> {
        let key = subject::connection_key(&record.id);
        let bucket = Bucket::new(&self.bus, names::CONNECTIONS);
        bucket.put(&key, serde_json::to_vec(record)?).await?;
        Ok(())
    }

    pub(crate) async fn pause_writes(&self, paused: bool, revision: u64) -> anyhow::Result<()> {
        self.publish_tenant("acme", paused, revision).await
    }

    /// Makes `acme` the one tenant that the registry knows.
    pub(crate) async fn tenants_are_known(&self) -> anyhow::Result<()> {
        self.tenant_is_known("acme").await
    }

    pub(crate) async fn tenant_is_known(&self, tenant: &str) -> anyhow::Result<()> {
        self.publish_tenant(tenant, false, 1).await
    }

    async fn publish_tenant(
        &self,
        tenant: &str,
        writes_paused: bool,
        revision: u64,
    ) -> anyhow::Result<()> {
        let tenant = tenant.parse()?;
        let key = subject::tenant_key(&tenant);
        let record = TenantRecord {
            tenant,
            revision,
            writes_paused,
        };
        let bucket = Bucket::new(&self.bus, names::CONNECTIONS);
        bucket.put(&key, serde_json::to_vec(&record)?).await?;
        Ok(())
    }

    /// Publishes all holds of a SKU, as the registry does.
    pub(crate) async fn hold(
        &self,
        sku: &str,
        holds: Vec<Hold>,
        revision: u64,
    ) -> anyhow::Result<()> {
        let record = SkuHolds {
            tenant: "acme".parse()?,
            sku: sku.parse()?,
            revision,
            holds,
        };
        let key = subject::hold_key(&record.tenant, &record.sku);
        let bucket = Bucket::new(&self.bus, names::HOLDS);
        bucket.put(&key, serde_json::to_vec(&record)?).await?;
        Ok(())
    }

    /// Lists articles in one shard; their ids are `id-<sku>`.
    pub(crate) async fn list(
        &self,
        connection: &ConnectionId,
        skus: &[&str],
    ) -> anyhow::Result<()> {
        let listings = skus.iter().map(|sku| {
            Ok(Listing {
                sku: sku.parse()?,
                ids: StoreIds {
                    product: format!("id-{sku}"),
                    variation: None,
                    stock_row: None,
                },
                stock_blocked: None,
                price_blocked: None,
            })
        });
        let listings = listings.collect::<anyhow::Result<Vec<_>>>()?;
        self.publish_shard(connection, listings).await
    }

    pub(crate) async fn publish_shard(
        &self,
        connection: &ConnectionId,
        listings: Vec<Listing>,
    ) -> anyhow::Result<()> {
        let shard = ListingShard {
            connection: connection.clone(),
            shard: 0,
            shards: 1,
            revision: 1,
            listings,
        };
        let payload = serde_json::to_vec(&shard)?;
        self.bus
            .publish(Publication::new(subject::listing(connection, 0), payload))
            .await?;
        Ok(())
    }

    /// Publishes a level of warehouse `main`.
    pub(crate) async fn level(
        &self,
        sku: &str,
        quantity: &str,
        revision: u64,
    ) -> anyhow::Result<()> {
        self.levels(&[(sku, quantity, revision)]).await
    }

    pub(crate) async fn levels(&self, levels: &[(&str, &str, u64)]) -> anyhow::Result<()> {
        let item = |(sku, quantity, revision): &(&str, &str, u64)| json!({ "sku": sku, "quantity": quantity, "revision": revision });
        let items: Vec<Value> = levels.iter().map(item).collect();
        self.event("stock", json!({ "warehouse": "main", "items": items }))
            .await
    }

    /// Publishes an event of the ERP that happens now.
    pub(crate) async fn event(&self, entity: &str, data: Value) -> anyhow::Result<()> {
        self.event_at(entity, data, Timestamp::now()).await
    }

    pub(crate) async fn event_at(
        &self,
        entity: &str,
        data: Value,
        time: Timestamp,
    ) -> anyhow::Result<()> {
        let event = self.envelope(entity, data, time);
        let subject = format!("erp.acme.{entity}.changed");
        self.bus
            .publish(Publication::new(subject, event.to_string()))
            .await?;
        Ok(())
    }

    pub(crate) fn envelope(&self, entity: &str, data: Value, time: Timestamp) -> Value {
        json!({
            "specversion": "1.0", "id": uuid::Uuid::now_v7().to_string(), "source": "/erp",
            "type": format!("storelink.{entity}.changed.v1"), "time": time.to_string(),
            "datacontenttype": "application/json", "tenant": "acme", "data": data,
        })
    }

    /// Waits until a store shows exactly these values.
    pub(crate) async fn shows(
        &self,
        connection: &ConnectionId,
        values: &[(&str, &str)],
    ) -> anyhow::Result<()> {
        let expected: BTreeMap<String, String> = values
            .iter()
            .map(|(sku, value)| (format!("id-{sku}"), (*value).to_owned()))
            .collect();
        eventually("the store shows the values", PATIENCE, async || {
            let shown = self.platform.shop(connection, |shop| shop.shown.clone());
            ensure!(
                shown == expected,
                "it shows {shown:?} instead of {expected:?}"
            );
            Ok(())
        })
        .await
    }

    /// Waits until a value is what a store should show; values of one event may come in any order.
    pub(crate) async fn wants<K: LaneKind>(
        &self,
        connection: &ConnectionId,
        sku: &str,
        value: &str,
    ) -> anyhow::Result<()> {
        eventually("the value is wanted", PATIENCE, async || {
            let answer = self.sku::<K>(connection, sku).await?;
            ensure!(answer.wanted.as_deref() == Some(value), "{sku}: {answer:?}");
            Ok(())
        })
        .await
    }

    /// Waits until nothing of a lane waits any more.
    pub(crate) async fn quiet<K: LaneKind>(&self, connection: &ConnectionId) -> anyhow::Result<()> {
        eventually("the lane is quiet", PATIENCE, async || {
            let status = self.status::<K>(connection).await?;
            ensure!(status.running && status.dirty == 0, "{status:?}");
            Ok(())
        })
        .await
    }

    pub(crate) async fn status<K: LaneKind>(
        &self,
        connection: &ConnectionId,
    ) -> anyhow::Result<LaneStatus> {
        let question = ConnectionQuestion {
            connection: connection.clone(),
        };
        self.ask::<K, _, _>(rpc::LANE, &question).await
    }

    pub(crate) async fn sku<K: LaneKind>(
        &self,
        connection: &ConnectionId,
        sku: &str,
    ) -> anyhow::Result<SkuAnswer> {
        let question = SkuQuestion {
            connection: connection.clone(),
            sku: sku.parse()?,
        };
        self.ask::<K, _, _>(rpc::SKU, &question).await
    }

    pub(crate) async fn receipts<K: LaneKind>(
        &self,
        connection: &ConnectionId,
        limit: u32,
        after: Option<String>,
    ) -> anyhow::Result<Page<Receipt>> {
        let question = self.page(connection, limit, after)?;
        self.ask::<K, _, _>(rpc::RECEIPTS, &question).await
    }

    pub(crate) fn page(
        &self,
        connection: &ConnectionId,
        limit: u32,
        after: Option<String>,
    ) -> anyhow::Result<PageQuestion> {
        let connection = Some(connection.clone());
        Ok(PageQuestion {
            tenant: "acme".parse()?,
            connection,
            after,
            limit,
        })
    }

    pub(crate) async fn ask<K, Q, A>(&self, verb: &str, question: &Q) -> anyhow::Result<A>
    where
        K: LaneKind,
        Q: serde::Serialize,
        A: serde::de::DeserializeOwned,
    {
        let subject = subject::rpc(K::names().service, verb);
        Ok(self.bus.request(&subject, question, QUESTION).await?)
    }

    pub(crate) fn requests(&self, connection: &ConnectionId) -> usize {
        self.platform.shop(connection, |shop| shop.requests.len())
    }
}
