use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use storelink_adapter_api::{Adapters, CapabilityProfile, StoreAdapter};
use storelink_bus::Bus;
use storelink_bus::kv::{Bucket, KvEvent, Watch};
use storelink_events::connection::{ConnectionRecord, TenantRecord};
use storelink_model::{ConnectionId, TenantId};
use storelink_outbound_http::HttpClient;
use storelink_vault::Vault;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::LinkedConnection;
use crate::gate::ConnectionGate;
use crate::pace::Pace;
use crate::refill::Refill;

/// All connections of the installation, kept current in the background. Cheap to clone.
#[derive(Clone)]
pub struct Connections(Arc<Shared>);

struct Shared {
    state: RwLock<State>,
    changes: watch::Sender<u64>,
    parts: Parts,
}

/// What a connection is put together from.
pub(crate) struct Parts {
    pub(crate) bus: Bus,
    pub(crate) vault: Arc<Vault>,
    pub(crate) http: HttpClient,
    pub(crate) adapters: Adapters,
}

#[derive(Default)]
struct State {
    connections: HashMap<ConnectionId, Arc<LinkedConnection>>,
    gates: HashMap<ConnectionId, Arc<ConnectionGate>>,
    tenants: HashMap<TenantId, TenantRecord>,
    /// While a bucket that was lost is filled again.
    refill: Option<Refill>,
}

impl Connections {
    /// Starts the watch; what was there at the start is there when this returns.
    pub(crate) async fn start(parts: Parts, shutdown: CancellationToken) -> Self {
        let mut watch = Bucket::new(&parts.bus, storelink_bus::streams::names::CONNECTIONS).watch();
        let (changes, _) = watch::channel(0);
        let connections = Self(Arc::new(Shared {
            state: RwLock::default(),
            changes,
            parts,
        }));
        while let Some(event) = next(&mut watch, &shutdown).await {
            if matches!(event, KvEvent::SnapshotComplete) {
                break;
            }
            connections.apply(event);
        }
        let kept = connections.clone();
        tokio::spawn(async move {
            loop {
                let refilled = kept.read(|state| state.refill.as_ref().and_then(Refill::ends));
                tokio::select! {
                    event = next(&mut watch, &shutdown) => match event {
                        Some(event) => kept.apply(event),
                        None => return,
                    },
                    () = until(refilled) => kept.forget_what_did_not_come_back(),
                }
            }
        });
        connections
    }

    /// The connection with this id, unless it was deleted or its platform is not known here.
    #[must_use]
    pub fn get(&self, id: &ConnectionId) -> Option<Arc<LinkedConnection>> {
        self.read(|state| state.connections.get(id).cloned())
    }

    /// All connections.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<LinkedConnection>> {
        self.read(|state| state.connections.values().cloned().collect())
    }

    /// Whether no write may leave for any store of this tenant.
    #[must_use]
    pub fn writes_paused(&self, tenant: &TenantId) -> bool {
        self.read(|state| {
            state
                .tenants
                .get(tenant)
                .is_some_and(|record| record.writes_paused)
        })
    }

    /// Whether the registry says that there is this tenant; none before it said of any, and while the
    /// bucket is filled again.
    pub(crate) fn lists_tenant(&self, tenant: &TenantId) -> Option<bool> {
        self.read(|state| {
            let listed = state.tenants.contains_key(tenant);
            let sure = listed || (state.refill.is_none() && !state.tenants.is_empty());
            sure.then_some(listed)
        })
    }

    /// A number that grows with every change of a connection or a tenant.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.0.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn apply(&self, event: KvEvent) {
        {
            let mut state = self.0.state.write().unwrap_or_else(PoisonError::into_inner);
            match event {
                KvEvent::Put(entry) => self.put(&mut state, &entry.key, &entry.value),
                KvEvent::Deleted { key, .. } => {
                    if let Some(id) = connection_of(&key) {
                        delete(&mut state, &id);
                    }
                }
                // The bucket was made anew. The registry fills it again; until then the records in
                // hand stay right.
                KvEvent::Recreated => state.refill = Some(Refill::begin(Instant::now())),
                KvEvent::SnapshotComplete => {}
            }
        }
        self.0
            .changes
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Connections that were deleted while the bucket was lost.
    fn forget_what_did_not_come_back(&self) {
        {
            let mut state = self.0.state.write().unwrap_or_else(PoisonError::into_inner);
            let Some(refill) = state.refill.take() else {
                return;
            };
            let known: Vec<ConnectionId> = state.connections.keys().cloned().collect();
            for id in known.iter().filter(|id| !refill.has(id)) {
                tracing::warn!(connection = %id, "deleted while the broker's data was lost");
                delete(&mut state, id);
            }
        }
        self.0
            .changes
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    fn put(&self, state: &mut State, key: &str, value: &[u8]) {
        if let Some(refill) = &mut state.refill {
            refill.put(connection_of(key), Instant::now());
        }
        match key.split_once('.') {
            Some(("connection", _)) => match serde_json::from_slice::<ConnectionRecord>(value) {
                Ok(record) => self.link(state, record),
                Err(error) => {
                    tracing::error!(key, %error, "a connection record cannot be read: nothing is sent");
                    pause_connection(state, key);
                }
            },
            Some(("tenant", _)) => match serde_json::from_slice::<TenantRecord>(value) {
                Ok(record) => put_tenant(state, record),
                Err(error) => {
                    tracing::error!(key, %error, "a tenant record cannot be read: nothing is written");
                    pause_tenant(state, key);
                }
            },
            _ => tracing::debug!(key, "a key of another release is passed over"),
        }
    }

    fn link(&self, state: &mut State, record: ConnectionRecord) {
        let known = state.connections.get(&record.id);
        if known.is_some_and(|known| known.record.revision > record.revision) {
            return;
        }
        let Some(adapter) = self.0.parts.adapters.get(&record.platform) else {
            tracing::warn!(connection = %record.id, platform = %record.platform, "platform is not known");
            return;
        };
        let concurrency = concurrency(&record, adapter.as_ref());
        let pace = record.settings.requests_per_minute.map(|per_minute| {
            let bucket = Bucket::new(&self.0.parts.bus, storelink_bus::streams::names::PACE);
            Pace::new(&record.id, per_minute, Arc::new(bucket))
        });
        let gate = match state.gates.get(&record.id) {
            Some(gate) => {
                gate.adjust(concurrency, pace);
                gate.clone()
            }
            None => {
                let gate = Arc::new(ConnectionGate::new(concurrency, pace));
                state.gates.insert(record.id.clone(), gate.clone());
                gate
            }
        };
        let linked = LinkedConnection {
            adapter: adapter.clone(),
            gate,
            vault: self.0.parts.vault.clone(),
            http: self.0.parts.http.clone(),
            record,
        };
        state
            .connections
            .insert(linked.record.id.clone(), Arc::new(linked));
    }
}

impl std::fmt::Debug for Connections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count = self.read(|state| state.connections.len());
        f.debug_struct("Connections")
            .field("count", &count)
            .finish()
    }
}

/// What the merchant allows, within what the platform stands.
fn concurrency(record: &ConnectionRecord, adapter: &dyn StoreAdapter) -> usize {
    let profile: &CapabilityProfile = &record.profile;
    let platform = adapter.limits(profile).concurrency;
    let chosen = record
        .settings
        .concurrency
        .and_then(|chosen| usize::try_from(chosen).ok());
    chosen.unwrap_or(platform)
}

fn connection_of(key: &str) -> Option<ConnectionId> {
    key.strip_prefix("connection.")?.parse().ok()
}

fn delete(state: &mut State, id: &ConnectionId) {
    state.connections.remove(id);
    if let Some(gate) = state.gates.remove(id) {
        gate.stop();
    }
}

/// What is written there may be a pause, another key or other warehouses: going on with the record
/// in hand could be wrong in each of them.
fn pause_connection(state: &mut State, key: &str) {
    let known = connection_of(key).and_then(|id| state.connections.get(&id));
    if let Some(known) = known {
        let paused = known.paused();
        state
            .connections
            .insert(paused.record.id.clone(), Arc::new(paused));
    }
}

fn put_tenant(state: &mut State, record: TenantRecord) {
    let known = state.tenants.get(&record.tenant);
    if known.is_none_or(|known| known.revision <= record.revision) {
        state.tenants.insert(record.tenant.clone(), record);
    }
}

fn pause_tenant(state: &mut State, key: &str) {
    let tenant = key.strip_prefix("tenant.").unwrap_or_default();
    let Ok(tenant) = tenant.parse::<TenantId>() else {
        return;
    };
    let unknown = TenantRecord {
        tenant: tenant.clone(),
        revision: 0,
        writes_paused: true,
    };
    state.tenants.entry(tenant).or_insert(unknown).writes_paused = true;
}

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant.into()).await,
        None => std::future::pending().await,
    }
}

async fn next(watch: &mut Watch, shutdown: &CancellationToken) -> Option<KvEvent> {
    tokio::select! {
        biased;
        () = shutdown.cancelled() => None,
        event = watch.next() => Some(event),
    }
}
