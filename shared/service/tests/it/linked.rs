use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::ExposeSecret;
use storelink_adapter_api::{Adapters, Credentials, Denied, Purpose};
use storelink_bus::kv::Bucket;
use storelink_bus::streams::{self, names};
use storelink_bus::{Bus, BusOptions};
use storelink_events::connection::{ConnectionRecord, ConnectionSettings, TenantRecord};
use storelink_events::subject;
use storelink_model::{ConnectionId, TenantId};
use storelink_outbound_http::{HttpClient, OutboundPolicy};
use storelink_service::{Connections, ServiceContext, ServiceParts};
use storelink_settings::{Loader, Settings};
use storelink_telemetry::Readiness;
use storelink_test_support::broker::TestBroker;
use storelink_test_support::platform::Silent;
use storelink_vault::{CreateMissing, Vault};
use tokio_util::sync::CancellationToken;

pub(crate) struct World {
    broker: TestBroker,
    vault: Arc<Vault>,
    _keys: tempfile::TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        let keys = tempfile::tempdir().unwrap();
        let vault = Vault::open(&keys.path().join("keys"), CreateMissing::Yes).unwrap();
        let world = Self {
            broker: TestBroker::start().await.unwrap(),
            vault: Arc::new(vault),
            _keys: keys,
        };
        let bus = world.bus().await;
        streams::apply(&bus, bus.options().sizing).await.unwrap();
        world
    }

    async fn bus(&self) -> Bus {
        Bus::connect(&BusOptions::new(self.broker.url(), "test"))
            .await
            .unwrap()
    }

    /// What one process sees.
    async fn process(&self) -> Connections {
        let settings = Loader::new().load().unwrap();
        self.context(settings).await.connections().await.unwrap()
    }

    pub(crate) async fn context(&self, settings: Settings) -> ServiceContext {
        ServiceContext::new(ServiceParts {
            settings: Arc::new(settings),
            bus: self.bus().await,
            vault: self.vault.clone(),
            http: HttpClient::new(OutboundPolicy::loopback()).unwrap(),
            adapters: Adapters::default().with(Silent::named("silent").unwrap()),
            readiness: Readiness::new(),
            shutdown: CancellationToken::new(),
        })
    }

    fn record(&self) -> ConnectionRecord {
        let id = ConnectionId::generate();
        let mut credentials = Credentials::default();
        credentials.set("consumer_key", "ck_secret".to_owned().into());
        let plain = credentials.to_sealable();
        let sealed = self
            .vault
            .seal(plain.expose_secret().as_bytes(), id.as_str())
            .unwrap();
        ConnectionRecord {
            id,
            tenant: "acme".parse().unwrap(),
            platform: "silent".parse().unwrap(),
            name: "Store".to_owned(),
            revision: 1,
            paused: false,
            address: "https://store.example".to_owned(),
            sealed_credentials: sealed.to_string(),
            credentials_revision: 1,
            profile: storelink_adapter_api::CapabilityProfile::default(),
            settings: ConnectionSettings::default(),
            active_entities: vec!["stock".to_owned()],
        }
    }

    async fn publish(&self, record: &ConnectionRecord) {
        let bucket = Bucket::new(&self.bus().await, names::CONNECTIONS);
        let value = serde_json::to_vec(record).unwrap();
        bucket
            .put(&subject::connection_key(&record.id), value)
            .await
            .unwrap();
    }
}

async fn until(connections: &Connections, holds: impl Fn(&Connections) -> bool) {
    let mut changes = connections.subscribe();
    let wait = async {
        while !holds(connections) {
            changes.changed().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait)
        .await
        .unwrap();
}

#[tokio::test]
async fn what_was_published_before_is_there_and_changes_arrive() {
    let world = World::new().await;
    let mut record = world.record();
    world.publish(&record).await;
    let connections = world.process().await;
    let linked = connections.get(&record.id).unwrap();
    let access = linked.access().unwrap();
    assert_eq!(
        access
            .credentials
            .get("consumer_key")
            .unwrap()
            .expose_secret(),
        "ck_secret"
    );
    assert!(!format!("{access:?} {linked:?}").contains("ck_secret"));

    record.revision = 2;
    record.paused = true;
    world.publish(&record).await;
    until(&connections, |c| {
        c.get(&record.id).is_some_and(|linked| linked.record.paused)
    })
    .await;

    let bucket = Bucket::new(&world.bus().await, names::CONNECTIONS);
    bucket
        .delete(&subject::connection_key(&record.id))
        .await
        .unwrap();
    until(&connections, |c| c.get(&record.id).is_none()).await;
    let denied = access.gate.admit(Purpose::Write).await;
    assert_eq!(denied.unwrap_err(), Denied::Stopped);
}

#[tokio::test]
async fn a_tenant_that_pauses_writes_is_seen() {
    let world = World::new().await;
    let connections = world.process().await;
    let tenant = "acme".parse().unwrap();
    assert!(!connections.writes_paused(&tenant));
    let record = TenantRecord {
        tenant: tenant.clone(),
        revision: 1,
        writes_paused: true,
    };
    let bucket = Bucket::new(&world.bus().await, names::CONNECTIONS);
    bucket
        .put(
            &subject::tenant_key(&tenant),
            serde_json::to_vec(&record).unwrap(),
        )
        .await
        .unwrap();
    until(&connections, |c| c.writes_paused(&tenant)).await;
}

/// A restored older bucket must not let writes go on that a tenant paused.
#[tokio::test]
async fn an_older_or_unreadable_record_of_a_tenant_unpauses_nothing() {
    let world = World::new().await;
    let connections = world.process().await;
    let bucket = Bucket::new(&world.bus().await, names::CONNECTIONS);
    let (acme, other) = ("acme".parse().unwrap(), "other".parse().unwrap());
    let put = async |tenant: &TenantId, revision: u64, writes_paused: bool| {
        let record = TenantRecord {
            tenant: tenant.clone(),
            revision,
            writes_paused,
        };
        let value = serde_json::to_vec(&record).unwrap();
        bucket
            .put(&subject::tenant_key(tenant), value)
            .await
            .unwrap();
    };
    put(&acme, 5, true).await;
    put(&acme, 4, false).await;
    bucket
        .put(&subject::tenant_key(&other), "later form")
        .await
        .unwrap();
    until(&connections, |c| c.writes_paused(&other)).await;
    assert!(connections.writes_paused(&acme));
    put(&other, 1, false).await;
    put(&acme, 6, false).await;
    until(&connections, |c| !c.writes_paused(&acme)).await;
    assert!(!connections.writes_paused(&other));
}

/// A later release wrote it: what changed is not known, so nothing is sent.
#[tokio::test]
async fn a_connection_whose_record_cannot_be_read_stands_still() {
    let world = World::new().await;
    let mut record = world.record();
    world.publish(&record).await;
    let connections = world.process().await;
    assert!(
        connections
            .get(&record.id)
            .unwrap()
            .record
            .is_active("stock")
    );
    let bucket = Bucket::new(&world.bus().await, names::CONNECTIONS);
    let key = subject::connection_key(&record.id);
    bucket.put(&key, r#"{"revision":2}"#).await.unwrap();
    let active = |c: &Connections| {
        c.get(&record.id)
            .is_some_and(|linked| linked.record.is_active("stock"))
    };
    until(&connections, |c| !active(c)).await;
    assert!(connections.get(&record.id).is_some());
    record.revision = 3;
    world.publish(&record).await;
    until(&connections, |c| active(c)).await;
}

#[tokio::test]
async fn credentials_of_another_connection_are_refused() {
    let world = World::new().await;
    let mut record = world.record();
    record.sealed_credentials = world.record().sealed_credentials;
    world.publish(&record).await;
    let connections = world.process().await;
    let error = connections.get(&record.id).unwrap().access().unwrap_err();
    assert_eq!(error.code(), "connection.credentials_sealed");
}

#[tokio::test]
async fn two_processes_keep_the_distance_together() {
    let world = World::new().await;
    let mut record = world.record();
    record.settings.requests_per_minute = Some(600);
    record.settings.concurrency = Some(8);
    world.publish(&record).await;
    let (one, two) = (world.process().await, world.process().await);
    let gates = [&one, &two].map(|c| c.get(&record.id).unwrap().access().unwrap().gate);

    let started = Instant::now();
    let turns = (0..8).map(|turn| {
        let gate = gates[turn % 2].clone();
        async move { drop(gate.admit(Purpose::Write).await.unwrap()) }
    });
    futures::future::join_all(turns).await;
    // Eight turns are seven distances of 100 ms, however the two take them.
    assert!(
        started.elapsed() >= Duration::from_millis(695),
        "{:?}",
        started.elapsed()
    );
}
