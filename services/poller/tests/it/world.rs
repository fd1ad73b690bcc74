use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use storelink_adapter_api::{Adapters, CapabilityProfile, Credentials};
use storelink_bus::kv::Bucket;
use storelink_bus::rpc::Endpoint;
use storelink_bus::streams::{self, names};
use storelink_bus::{Bus, BusOptions, Publication};
use storelink_events::connection::{ConnectionRecord, ConnectionSettings};
use storelink_events::internal::{OrderRead, PollJob, ProductRead, RunReport, StoreHint};
use storelink_events::{rpc, subject};
use storelink_model::{ConnectionId, Timestamp};
use storelink_outbound_http::{HttpClient, OutboundPolicy};
use storelink_service::{ServiceContext, ServiceParts};
use storelink_settings::Loader;
use storelink_telemetry::Readiness;
use storelink_test_support::broker::TestBroker;
use storelink_test_support::database::TestDatabase;
use storelink_vault::{CreateMissing, Vault};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::store::{PLATFORM, Shelf, Store};

/// Longer than the broker waits before it gives a message of an ended process to another one (30 s).
const PATIENCE: Duration = Duration::from_secs(120);

/// One linked store.
pub(crate) struct Link {
    pub(crate) id: ConnectionId,
    pub(crate) store: Arc<Store>,
    pub(crate) record: ConnectionRecord,
}

/// A poller at work, and a registry that takes its reports.
pub(crate) struct World {
    pub(crate) bus: Bus,
    pub(crate) links: Vec<Link>,
    pub(crate) broker: TestBroker,
    reports: mpsc::UnboundedReceiver<RunReport>,
    runs: u32,
    service: JoinHandle<()>,
    shutdown: CancellationToken,
    _database: TestDatabase,
    _keys: tempfile::TempDir,
}

impl World {
    /// With this many stores of two orders per page.
    pub(crate) async fn start(database: TestDatabase, stores: usize) -> Self {
        Self::start_with(database, stores, 2).await
    }

    /// With this many stores of so many orders per page.
    pub(crate) async fn start_with(database: TestDatabase, stores: usize, page: usize) -> Self {
        let broker = TestBroker::start().await.unwrap();
        let bus = Bus::connect(&BusOptions::new(broker.url(), "test"))
            .await
            .unwrap();
        streams::apply(&bus, bus.options().sizing).await.unwrap();
        let keys = tempfile::tempdir().unwrap();
        let vault = Vault::open(&keys.path().join("keys"), CreateMissing::Yes).unwrap();
        let links: Vec<Link> = (0..stores).map(|_| link(&vault)).collect();
        for link in &links {
            publish_record(&bus, &link.record).await;
        }

        let shutdown = CancellationToken::new();
        let (sender, reports) = mpsc::unbounded_channel();
        registry(&bus, sender, &shutdown);
        let known = links
            .iter()
            .map(|link| (link.id.clone(), link.store.clone()));
        let shelf = Shelf::new(known.collect(), page);
        let context = context(&bus, &database, vault, shelf, &shutdown);
        let platform = PLATFORM.parse().unwrap();
        let service =
            tokio::spawn(async move { storelink_poller::run(context, platform).await.unwrap() });
        Self {
            bus,
            links,
            broker,
            reports,
            runs: 0,
            service,
            shutdown,
            _database: database,
            _keys: keys,
        }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.links[0].store
    }

    /// A job for the first store.
    pub(crate) fn job(&mut self, entity: &str) -> PollJob {
        self.job_of(0, entity)
    }

    pub(crate) fn job_of(&mut self, link: usize, entity: &str) -> PollJob {
        self.runs += 1;
        PollJob {
            tenant: "acme".parse().unwrap(),
            connection: self.links[link].id.clone(),
            entity: entity.to_owned(),
            external_id: None,
            full: false,
            run: format!("run_{}", self.runs),
        }
    }

    pub(crate) async fn give(&self, job: &PollJob) {
        let platform = PLATFORM.parse().unwrap();
        let subject = match &job.external_id {
            None => subject::poll(&platform, &job.connection, &job.entity),
            Some(id) => subject::poll_one(&platform, &job.connection, &job.entity, id),
        };
        // The last run is reported a moment before its job leaves the queue.
        let publish = async || {
            let payload = serde_json::to_vec(job).unwrap();
            self.bus
                .publish(Publication::new(subject.clone(), payload))
                .await
        };
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while let Err(error) = publish().await {
            assert!(tokio::time::Instant::now() < deadline, "{error}");
            tokio::task::yield_now().await;
        }
    }

    /// Gives a job and waits for the report of its run.
    pub(crate) async fn run(&mut self, job: PollJob) -> RunReport {
        self.give(&job).await;
        self.report_of(&job).await
    }

    pub(crate) async fn report_of(&mut self, job: &PollJob) -> RunReport {
        let search = async {
            loop {
                let report = self.reports.recv().await.unwrap();
                if report.run == job.run {
                    return report;
                }
            }
        };
        tokio::time::timeout(PATIENCE, search)
            .await
            .expect("a report in time")
    }

    /// A store calls: something of this order changed, or of one that it does not name.
    pub(crate) async fn hint(&self, connection: &ConnectionId, order: Option<u32>) {
        let platform = PLATFORM.parse().unwrap();
        let hint = StoreHint {
            connection: connection.clone(),
            platform,
            entity: "orders".to_owned(),
            topic: Some("order.updated".to_owned()),
            external_id: order.map(|id| id.to_string()),
            received_at: Timestamp::now(),
        };
        self.hint_as(&hint).await;
    }

    pub(crate) async fn hint_as(&self, hint: &StoreHint) {
        let subject = subject::hook(&hint.platform, &hint.connection);
        let payload = serde_json::to_vec(hint).unwrap();
        self.bus
            .publish(Publication::new(subject, payload))
            .await
            .unwrap();
    }

    /// Messages that a stream holds.
    pub(crate) async fn messages(&self, stream: &str) -> u64 {
        let stream = self.bus.jetstream().get_stream(stream).await.unwrap();
        stream.cached_info().state.messages
    }

    /// Waits until a condition holds.
    pub(crate) async fn until(&self, what: &str, mut condition: impl AsyncFnMut() -> bool) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !condition().await {
            assert!(tokio::time::Instant::now() < deadline, "never: {what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until every hint and job is done.
    pub(crate) async fn at_rest(&self) {
        self.until("hints and jobs are done", async || {
            self.messages(names::HOOKS).await + self.messages(names::JOBS).await == 0
        })
        .await;
    }

    /// Reads the orders of the first store.
    pub(crate) async fn read_orders(&mut self) -> RunReport {
        let job = self.job("orders");
        self.run(job).await
    }

    /// Changes the record of a connection as the registry does.
    pub(crate) async fn change(&mut self, link: usize, change: impl FnOnce(&mut ConnectionRecord)) {
        let record = &mut self.links[link].record;
        record.revision += 1;
        change(record);
        publish_record(&self.bus, record).await;
    }

    /// What was handed on since the last call.
    pub(crate) async fn orders(&self) -> Vec<OrderRead> {
        self.taken(names::ORDERS).await
    }

    pub(crate) async fn products(&self) -> Vec<ProductRead> {
        self.taken(names::PRODUCTS).await
    }

    async fn taken<T: DeserializeOwned>(&self, name: &str) -> Vec<T> {
        let stream = self.bus.jetstream().get_stream(name).await.unwrap();
        let state = &stream.cached_info().state;
        let mut taken = Vec::new();
        for sequence in state.first_sequence..=state.last_sequence {
            if let Ok(message) = stream.direct_get(sequence).await {
                taken.push(serde_json::from_slice(&message.payload).unwrap());
                stream.delete_message(sequence).await.unwrap();
            }
        }
        taken
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.service.await.unwrap();
    }
}

/// The ids of orders, sorted.
pub(crate) fn ids(orders: &[OrderRead]) -> Vec<String> {
    let mut ids: Vec<String> = orders
        .iter()
        .map(|order| order.external_id.clone())
        .collect();
    ids.sort();
    ids
}

fn link(vault: &Vault) -> Link {
    let id = ConnectionId::generate();
    let credentials = vault.seal(b"{}", id.as_str()).unwrap();
    let record = ConnectionRecord {
        id: id.clone(),
        tenant: "acme".parse().unwrap(),
        platform: PLATFORM.parse().unwrap(),
        name: "Shelf".into(),
        revision: 1,
        paused: false,
        address: "https://shelf.example".into(),
        sealed_credentials: credentials.to_string(),
        credentials_revision: 1,
        profile: CapabilityProfile::default(),
        settings: ConnectionSettings {
            order_start: Timestamp::now().saturating_sub(time::Duration::hours(1)),
            ..ConnectionSettings::default()
        },
        active_entities: vec!["orders".into(), "products".into()],
    };
    assert!(Credentials::from_sealable(b"{}").is_ok());
    Link {
        id,
        store: Arc::default(),
        record,
    }
}

async fn publish_record(bus: &Bus, record: &ConnectionRecord) {
    let bucket = Bucket::new(bus, names::CONNECTIONS);
    let value = serde_json::to_vec(record).unwrap();
    bucket
        .put(&subject::connection_key(&record.id), value)
        .await
        .unwrap();
}

fn registry(bus: &Bus, reports: mpsc::UnboundedSender<RunReport>, shutdown: &CancellationToken) {
    let (bus, shutdown) = (bus.clone(), shutdown.clone());
    let question = subject::rpc("connection-registry", rpc::RUN);
    tokio::spawn(async move {
        let endpoint: Endpoint<RunReport> = Endpoint::new(&bus, question, "connection-registry");
        let note = move |call: storelink_bus::rpc::Call<RunReport>| {
            let _ = reports.send(call.request);
            async { Ok(()) }
        };
        endpoint.serve(note, shutdown).await
    });
}

fn context(
    bus: &Bus,
    database: &TestDatabase,
    vault: Vault,
    shelf: Shelf,
    shutdown: &CancellationToken,
) -> ServiceContext {
    let variables = [
        ("STORELINK_DATABASE__URL", database.url()),
        ("STORELINK_DATABASE__MIGRATE_AT_START", "true"),
        ("STORELINK_ORDERS__WALK_YIELD_SECONDS", "1"),
    ];
    ServiceContext::new(ServiceParts {
        settings: Arc::new(Loader::new().variables(variables).load().unwrap()),
        bus: bus.clone(),
        vault: Arc::new(vault),
        http: HttpClient::new(OutboundPolicy::default()).unwrap(),
        adapters: Adapters::default().with(shelf),
        readiness: Readiness::new(),
        shutdown: shutdown.clone(),
    })
}
