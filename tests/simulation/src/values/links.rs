//! The connections and what the stores list, and how both change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use secrecy::ExposeSecret as _;
use storelink_adapter_api::{CapabilityProfile, Credentials, RequestGate, StoreIds};
use storelink_events::connection::{ConnectionRecord, ConnectionSettings};
use storelink_events::internal::{Blocked, Listing, ListingShard};
use storelink_lanes::ports::Links;
use storelink_model::{ConnectionId, Quantity, TenantId};
use storelink_outbound_http::{HttpClient, OutboundPolicy};
use storelink_service::{LinkedConnection, simulation};
use storelink_vault::{CreateMissing, Vault};
use tokio::sync::watch;

use super::World;
use super::bucket::Bucket;
use super::erp::{TENANT, WAREHOUSES};
use super::stores::Platform;
use crate::kernel::ProcessId;

/// Shards of the listings of a store.
const SHARDS: u16 = 2;

/// Vault and client, which no world changes.
struct Outside {
    vault: Arc<Vault>,
    http: HttpClient,
    _keys: tempfile::TempDir,
}

#[allow(clippy::expect_used)]
fn outside() -> &'static Outside {
    static OUTSIDE: OnceLock<Outside> = OnceLock::new();
    OUTSIDE.get_or_init(|| {
        let keys = tempfile::tempdir().expect("a folder for keys");
        let vault = Vault::open(&keys.path().join("keys"), CreateMissing::Yes).expect("a vault");
        let http = HttpClient::new(OutboundPolicy::loopback()).expect("a client");
        Outside {
            vault: Arc::new(vault),
            http,
            _keys: keys,
        }
    })
}

/// What a store lists of an article.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) ids: StoreIds,
    pub(super) blocked: bool,
}

/// What the registry and the catalogue know.
#[derive(Default)]
pub(crate) struct Registry {
    pub(super) records: BTreeMap<ConnectionId, ConnectionRecord>,
    pub(super) listed: BTreeMap<ConnectionId, BTreeMap<String, Listed>>,
    pub(super) writes_paused: bool,
    shard_revisions: BTreeMap<(ConnectionId, u16), u64>,
    generation: u64,
}

/// The connections as one process knows them.
pub(crate) struct ProcessLinks {
    world: Arc<World>,
    process: ProcessId,
    platform: Platform,
    known: Mutex<Known>,
    changes: watch::Sender<u64>,
}

#[derive(Default)]
struct Known {
    linked: BTreeMap<ConnectionId, Arc<LinkedConnection>>,
    gates: BTreeMap<ConnectionId, Arc<dyn RequestGate>>,
    writes_paused: bool,
}

impl ProcessLinks {
    /// Everything that is there is known at once.
    pub(super) fn start(world: &Arc<World>, process: ProcessId) -> Arc<Self> {
        let links = Arc::new(Self {
            world: world.clone(),
            process,
            platform: Platform::of(world, process),
            known: Mutex::default(),
            changes: watch::channel(0).0,
        });
        let (records, paused) = {
            let registry = world.registry();
            let records: Vec<_> = registry.records.values().cloned().collect();
            (records, registry.writes_paused)
        };
        for record in records {
            links.learn(record);
        }
        links.pause_writes(paused);
        world.links().insert(process, links.clone());
        links
    }

    fn learn(&self, record: ConnectionRecord) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.linked.get(&record.id);
        if before.is_some_and(|before| before.record.revision > record.revision) {
            return;
        }
        let bucket = Bucket {
            world: self.world.clone(),
        };
        let gate = known.gates.entry(record.id.clone());
        let gate = gate
            .or_insert_with(|| simulation::gate(&record, 2, Arc::new(bucket)))
            .clone();
        self.world
            .judge()
            .learnt(self.process, &record, &self.world.sim);
        let platform = Arc::new(self.platform.clone());
        let outside = outside();
        let (vault, http) = (outside.vault.clone(), outside.http.clone());
        let id = record.id.clone();
        let linked = simulation::linked(record, platform, gate, vault, http);
        known.linked.insert(id, Arc::new(linked));
        drop(known);
        self.changes.send_modify(|changes| *changes += 1);
    }

    fn pause_writes(&self, paused: bool) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.writes_paused = paused;
        drop(known);
        self.changes.send_modify(|changes| *changes += 1);
    }
}

impl Links for ProcessLinks {
    fn all(&self) -> Vec<Arc<LinkedConnection>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.linked.values().cloned().collect()
    }

    fn writes_paused(&self, _: &TenantId) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.writes_paused
    }

    fn subscribe(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

impl World {
    /// Links the stores and lists their articles.
    #[allow(clippy::expect_used)]
    pub(super) fn link_stores(self: &Arc<Self>) {
        for number in 0..self.plan.stores {
            let id: ConnectionId = format!("con_{number:032}").parse().expect("an id");
            let plain = Credentials::default().to_sealable();
            let sealed = outside()
                .vault
                .seal(plain.expose_secret().as_bytes(), id.as_str())
                .expect("sealed");
            let (warehouses, reserve, budget) = self.sim.chance(|random| {
                let mut warehouses: Vec<_> = WAREHOUSES.iter().map(|one| one.0).collect();
                let dropped = random.below(WAREHOUSES.len() + 1);
                if dropped < warehouses.len() {
                    warehouses.remove(dropped);
                }
                let paced = self.plan.paced && random.per_mille(600);
                let budget = paced.then(|| random.between(20, 90));
                (warehouses, random.between(0, 5), budget)
            });
            let settings = ConnectionSettings {
                warehouses: warehouses
                    .iter()
                    .map(|code| code.parse().expect("a warehouse"))
                    .collect(),
                reserve: quantity(reserve),
                requests_per_minute: budget.and_then(|budget| u32::try_from(budget).ok()),
                ..ConnectionSettings::default()
            };
            let record = ConnectionRecord {
                id: id.clone(),
                tenant: TENANT.parse().expect("a tenant"),
                platform: "memory".parse().expect("a platform"),
                name: format!("Store {number}"),
                revision: 1,
                paused: false,
                address: "https://store.example".to_owned(),
                sealed_credentials: sealed.to_string(),
                credentials_revision: 1,
                profile: CapabilityProfile::default(),
                settings,
                active_entities: vec!["stock".to_owned()],
            };
            let listed: Vec<String> = self.skus();
            let listed = listed.into_iter().filter(|_| {
                let most = 800;
                self.sim.chance(|random| random.per_mille(most))
            });
            let listed: BTreeSet<String> = listed.collect();
            self.registry().records.insert(id.clone(), record);
            for sku in &listed {
                self.relist(&id, sku);
            }
            for shard in 0..SHARDS {
                self.publish_shard(&id, shard);
            }
        }
    }

    /// Gives an article new ids in a store.
    fn relist(&self, connection: &ConnectionId, sku: &str) {
        let mut registry = self.registry();
        registry.generation += 1;
        let generation = registry.generation;
        let variation = sku.ends_with(['1', '4', '7']);
        let ids = StoreIds {
            product: match variation {
                true => format!("p{}", sku.len()),
                false => format!("{sku}-{generation}"),
            },
            variation: variation.then(|| format!("{sku}-{generation}")),
            stock_row: None,
        };
        let listed = Listed {
            ids,
            blocked: false,
        };
        let of = registry.listed.entry(connection.clone()).or_default();
        of.insert(sku.to_owned(), listed);
    }

    fn publish_shard(&self, connection: &ConnectionId, shard: u16) {
        let mut registry = self.registry();
        let revision = registry
            .shard_revisions
            .entry((connection.clone(), shard))
            .or_default();
        *revision += 1;
        drop(registry);
        self.put_shard(connection, shard);
    }

    /// The catalogue publishes again what the broker does not have any more.
    pub(super) fn publish_lost_shards(&self) {
        for connection in self.connections() {
            for shard in 0..SHARDS {
                if self
                    .listings
                    .last(&subject_of(&connection, shard))
                    .is_none()
                {
                    self.put_shard(&connection, shard);
                }
            }
        }
    }

    fn put_shard(&self, connection: &ConnectionId, shard: u16) {
        let registry = self.registry();
        let of = (connection.clone(), shard);
        let revision = registry.shard_revisions.get(&of).copied();
        let listed = registry.listed.get(connection).cloned().unwrap_or_default();
        drop(registry);
        let listings = listed.iter().filter(|(sku, _)| shard_of(sku) == shard);
        let listings = listings.filter_map(|(sku, listed)| {
            Some(Listing {
                sku: sku.parse().ok()?,
                ids: listed.ids.clone(),
                stock_blocked: listed.blocked.then_some(Blocked::StockOff),
                price_blocked: None,
            })
        });
        let shard = ListingShard {
            connection: connection.clone(),
            shard,
            shards: SHARDS,
            revision: revision.unwrap_or_default(),
            listings: listings.collect(),
        };
        let subject = subject_of(connection, shard.shard);
        let payload = serde_json::to_vec(&shard).unwrap_or_default();
        self.listings.put(&subject, Bytes::from(payload));
    }

    /// Changes what a store lists of an article: other ids, gone, back, blocked.
    pub(super) fn change_listing(self: &Arc<Self>) {
        let Some((connection, sku)) = self.some_article() else {
            return;
        };
        let kind = self.sim.chance(|random| random.below(6));
        {
            let mut registry = self.registry();
            let of = registry.listed.entry(connection.clone()).or_default();
            match kind {
                0 => drop(of.remove(&sku)),
                1 | 2 => {
                    if let Some(listed) = of.get_mut(&sku) {
                        listed.blocked = !listed.blocked;
                    }
                }
                _ => {
                    drop(registry);
                    self.relist(&connection, &sku);
                }
            }
        }
        self.sim
            .tell(|| format!("listing of {sku} in {connection} changes, kind {kind}"));
        self.publish_shard(&connection, shard_of(&sku));
    }

    /// Changes what a merchant chose for a store, or what a person switched.
    pub(super) fn change_settings(self: &Arc<Self>) {
        let connections = self.connections();
        let drawn = self.sim.chance(|random| {
            let connection = random.one_of(&connections).cloned();
            (connection, random.below(8), random.between(0, 9))
        });
        let (Some(connection), kind, number) = drawn else {
            return;
        };
        if kind == 7 {
            let paused = !self.registry().writes_paused;
            self.pause_all(paused);
            return;
        }
        self.change_record(&connection, |record| match kind {
            0..=3 => record.settings.reserve = quantity(number),
            4 => {
                let place = usize::try_from(number).unwrap_or_default() % WAREHOUSES.len();
                let rotated = (0..WAREHOUSES.len() - 1)
                    .map(|next| WAREHOUSES[(place + next) % WAREHOUSES.len()].0);
                record.settings.warehouses = rotated.filter_map(|code| code.parse().ok()).collect();
            }
            5 => record.paused = !record.paused,
            _ => record.settings.observe_only = !record.settings.observe_only,
        });
    }

    /// The revision of the keys that a process sends to a store.
    pub(super) fn keys_of(&self, process: ProcessId, connection: &ConnectionId) -> u64 {
        let links = self.links().get(&process).cloned();
        let Some(links) = links else { return 0 };
        let known = links.known.lock().unwrap_or_else(PoisonError::into_inner);
        let linked = known.linked.get(connection);
        linked.map_or(0, |linked| linked.record.credentials_revision)
    }

    /// A person enters other keys.
    pub(super) fn change_credentials(self: &Arc<Self>, connection: &ConnectionId) {
        self.change_record(connection, |record| record.credentials_revision += 1);
    }

    /// Everything is switched on again.
    pub(super) fn switch_everything_on(self: &Arc<Self>) {
        self.pause_all(false);
        for connection in self.connections() {
            self.change_record(&connection, |record| {
                record.paused = false;
                record.settings.observe_only = false;
            });
        }
    }

    fn change_record(
        self: &Arc<Self>,
        connection: &ConnectionId,
        change: impl FnOnce(&mut ConnectionRecord),
    ) {
        let record = {
            let mut registry = self.registry();
            let Some(record) = registry.records.get_mut(connection) else {
                return;
            };
            change(record);
            record.revision += 1;
            record.clone()
        };
        self.sim.tell(|| {
            let settings = &record.settings;
            let warehouses = &settings.warehouses;
            format!(
                "{connection} r{}: paused {} observe {} reserve {} {warehouses:?}",
                record.revision, record.paused, settings.observe_only, settings.reserve
            )
        });
        let all: Vec<_> = self.links().values().cloned().collect();
        for links in all {
            let record = record.clone();
            self.sim
                .after(self.news_take(), move |_| links.learn(record));
        }
    }

    fn pause_all(self: &Arc<Self>, paused: bool) {
        self.registry().writes_paused = paused;
        let all: Vec<_> = self.links().values().cloned().collect();
        for links in all {
            let world = self.clone();
            self.sim.after(self.news_take(), move |_| {
                let now = world.registry().writes_paused;
                links.pause_writes(now);
            });
        }
    }

    fn news_take(&self) -> Duration {
        self.sim
            .chance(|random| random.duration(Duration::from_millis(1), Duration::from_millis(800)))
    }

    /// An article that some store lists or listed.
    pub(super) fn some_article(&self) -> Option<(ConnectionId, String)> {
        let (connections, skus) = (self.connections(), self.skus());
        let under_way = self.judge().under_way();
        self.sim.chance(|random| {
            // Often one that is just being written.
            if let Some(article) = random.one_of(&under_way)
                && random.per_mille(300)
            {
                return Some(article.clone());
            }
            let connection = random.one_of(&connections)?.clone();
            // Few articles are talked about often.
            let most = if random.per_mille(600) { 5 } else { skus.len() };
            Some((connection, skus.get(random.below(most))?.clone()))
        })
    }
}

pub(super) fn quantity(number: i64) -> Quantity {
    number.to_string().parse().unwrap_or(Quantity::ZERO)
}

fn subject_of(connection: &ConnectionId, shard: u16) -> String {
    format!("listing.{connection}.{shard}")
}

fn shard_of(sku: &str) -> u16 {
    u16::try_from(sku.bytes().map(usize::from).sum::<usize>()).unwrap_or_default() % SHARDS
}
