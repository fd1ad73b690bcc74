//! Makes the lanes that run equal to the connections that are there and owned.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock, Weak};

use storelink_adapter_api::ValueKind;
use storelink_model::ConnectionId;
use storelink_runtime::{Instant, sleep_until};
use storelink_service::LinkedConnection;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::handle::LaneHandle;
use super::links::Links;
use super::listings::{EarlyShards, PlacedShard};
use super::task::Shared;
use super::tasks::Tasks;
use crate::kind::LaneKind;
use crate::levels::Levels;
use crate::ownership::Ownership;

/// The lanes of all connections, owned by this process or not. Cheap to clone.
pub(crate) struct Lanes<K: LaneKind>(Arc<Inner<K>>);

struct Inner<K: LaneKind> {
    handles: RwLock<BTreeMap<ConnectionId, Arc<LaneHandle<K>>>>,
    early: EarlyShards,
    levels: Levels<K>,
    shared: Arc<Shared>,
    doubted: Notify,
}

/// The lanes, as long as they are there.
pub(crate) struct WeakLanes<K: LaneKind>(Weak<Inner<K>>);

impl<K: LaneKind> WeakLanes<K> {
    pub(crate) fn all(&self) -> Vec<Arc<LaneHandle<K>>> {
        self.0
            .upgrade()
            .map(|inner| Lanes(inner).all())
            .unwrap_or_default()
    }
}

impl<K: LaneKind> Clone for Lanes<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: LaneKind> Lanes<K> {
    pub(crate) fn new(levels: Levels<K>, shared: Arc<Shared>) -> Self {
        let (handles, early) = (RwLock::default(), EarlyShards::default());
        Self(Arc::new(Inner {
            handles,
            early,
            levels,
            shared,
            doubted: Notify::new(),
        }))
    }

    pub(crate) fn get(&self, connection: &ConnectionId) -> Option<Arc<LaneHandle<K>>> {
        let handles = self
            .0
            .handles
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        handles.get(connection).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<LaneHandle<K>>> {
        let handles = self
            .0
            .handles
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        handles.values().cloned().collect()
    }

    /// A reference that does not keep the lanes alive.
    pub(crate) fn weak(&self) -> WeakLanes<K> {
        WeakLanes(Arc::downgrade(&self.0))
    }

    /// Whether this process runs the lane: it knows it and may send for it.
    pub(crate) fn runs(&self, handle: &LaneHandle<K>) -> bool {
        self.0.shared.lease.is_fresh() && handle.state().owned.is_some()
    }

    /// Told when a doubt was committed that no lane opened itself.
    pub(crate) fn doubted(&self) -> &Notify {
        &self.0.doubted
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.0.shared
    }

    pub(super) fn early(&self) -> &EarlyShards {
        &self.0.early
    }

    /// Hands a shard to its lane.
    pub(super) async fn list(&self, handle: &LaneHandle<K>, shard: &PlacedShard) {
        if let Some((name, notes)) = handle.list(shard) {
            self.0.shared.records.note(&name, notes).await;
        }
    }

    /// Hands shards to a lane that came before its connection did.
    pub(super) async fn list_early(&self, connection: &ConnectionId) {
        let Some(handle) = self.get(connection) else {
            return;
        };
        for shard in self.0.early.take(connection) {
            self.list(&handle, &shard).await;
        }
    }

    /// Brings the handles up to date with the connections. Gives those that are gone.
    pub(crate) async fn follow(&self, connections: &dyn Links) -> Vec<ConnectionId> {
        let mut there = BTreeSet::new();
        for linked in connections.all() {
            if !is_written::<K>(&linked) {
                continue;
            }
            let id = linked.record.id.clone();
            let writes_paused = connections.writes_paused(&linked.record.tenant);
            there.insert(id.clone());
            match self.get(&id) {
                Some(handle) => handle.change(linked, writes_paused),
                None => {
                    let levels = self.0.levels.tenant(&linked.record.tenant);
                    let handle = Arc::new(LaneHandle::new(linked, levels, writes_paused));
                    {
                        let mut handles = self
                            .0
                            .handles
                            .write()
                            .unwrap_or_else(PoisonError::into_inner);
                        handles.insert(id.clone(), handle);
                    }
                    self.list_early(&id).await;
                }
            }
        }
        let mut handles = self
            .0
            .handles
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let gone: Vec<_> = handles
            .keys()
            .filter(|id| !there.contains(*id))
            .cloned()
            .collect();
        for id in &gone {
            handles.remove(id);
        }
        gone
    }
}

/// Connections that were deleted and of which something may still stand in SQL.
#[derive(Default)]
struct Leaving(BTreeSet<ConnectionId>);

impl Leaving {
    /// Forgets them. What fails is tried again at the next call: nobody else may have heard of it.
    async fn forget<K: LaneKind>(&mut self, lanes: &Lanes<K>) {
        // Linked again meanwhile.
        self.0.retain(|id| lanes.get(id).is_none());
        while let Some(id) = self.0.first().cloned() {
            if let Err(error) = lanes.shared().records.forget(&id).await {
                tracing::warn!(connection = %id, %error, "a deleted connection is forgotten later");
                return;
            }
            self.0.remove(&id);
        }
    }
}

/// Whether values of this kind are written to this platform at all.
fn is_written<K: LaneKind>(linked: &LinkedConnection) -> bool {
    let capabilities = linked.adapter.descriptor().capabilities;
    match K::value_kind() {
        ValueKind::Stock => capabilities.stock,
        ValueKind::Price => capabilities.prices,
    }
}

/// Runs lanes until cancelled, then lets the requests under way end and gives the lanes back. What
/// is left to give back when all records are written is for the caller.
pub(crate) async fn supervise<K: LaneKind>(
    lanes: Lanes<K>,
    connections: &dyn Links,
    ownership: &mut Ownership,
    shutdown: CancellationToken,
) {
    let mut changes = connections.subscribe();
    let mut due = Instant::now();
    let mut tasks = Tasks::default();
    let mut leaving = Leaving::default();
    loop {
        let renewal_is_due = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            () = sleep_until(due) => true,
            changed = changes.changed() => if changed.is_ok() { false } else { break },
        };
        if renewal_is_due {
            due = Instant::now() + ownership.renewal_interval();
        }
        leaving.0.extend(lanes.follow(connections).await);
        leaving.forget(&lanes).await;
        let tended = tasks.tend(&lanes, ownership, renewal_is_due).await;
        if let Err(error) = tended {
            tracing::warn!(%error, "lanes could not be renewed or taken");
        }
    }
    let ((), left) = tokio::join!(tasks.end(), ownership.leave());
    if let Err(error) = left {
        tracing::warn!(%error, "others count this process for one lease more");
    }
}

#[cfg(test)]
mod tests {
    use storelink_persistence::{Database, args};
    use storelink_settings::Loader;
    use storelink_test_support::database::TestDatabase;

    use super::*;
    use crate::MIGRATOR;
    use crate::kind::Stock;
    use crate::metrics::LaneMetrics;
    use crate::parts::Parts;

    #[tokio::test]
    async fn a_deletion_that_the_database_refuses_is_not_forgotten() {
        let place = TestDatabase::sqlite().unwrap();
        let settings = place.settings();
        let db = Database::open(&settings, "stock-publisher").await;
        let db = Arc::new(db.unwrap());
        db.migrate(&MIGRATOR).await.unwrap();
        let settings = Loader::new().load().unwrap().lanes;
        let metrics = LaneMetrics::new("stock");
        let parts = Parts::<Stock>::new(&settings, metrics, db.clone(), db.clone(), 200);
        let id = ConnectionId::generate();
        db.execute(
            "INSERT INTO lane_owner (connection, owner, epoch, renewal) VALUES ($1, 'me', 2, 0)",
            args![id.as_str()],
        )
        .await
        .unwrap();
        let rename = async |sql| db.execute(sql, args![]).await.unwrap();
        let mut leaving = Leaving(BTreeSet::from([id]));
        rename("ALTER TABLE approvals RENAME TO approvals_away").await;
        leaving.forget(&parts.lanes).await;
        assert_eq!(leaving.0.len(), 1, "it is tried again");
        rename("ALTER TABLE approvals_away RENAME TO approvals").await;
        leaving.forget(&parts.lanes).await;
        assert!(leaving.0.is_empty());
        let sql = "SELECT epoch FROM lane_owner WHERE gone";
        let row = db.fetch_one(sql, args![]).await.unwrap();
        assert_eq!(row.int("epoch").unwrap(), 3);
    }
}
