//! Makes the lanes that run equal to the connections that are there and owned.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use storelink_adapter_api::ValueKind;
use storelink_model::ConnectionId;
use storelink_persistence::{Database, DbError};
use storelink_service::{Connections, LinkedConnection};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::handle::LaneHandle;
use super::listings::{EarlyShards, PlacedShard};
use super::task::{self, Shared};
use crate::kind::LaneKind;
use crate::levels::Levels;
use crate::ownership::{Ownership, Place};
use crate::records::forget;

/// How long requests under way get when the process is asked to end.
const DRAIN: Duration = Duration::from_secs(20);

/// The lanes of all connections, owned by this process or not. Cheap to clone.
pub(crate) struct Lanes<K: LaneKind>(Arc<Inner<K>>);

struct Inner<K: LaneKind> {
    handles: RwLock<HashMap<ConnectionId, Arc<LaneHandle<K>>>>,
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
    pub(crate) async fn follow(&self, connections: &Connections) -> Vec<ConnectionId> {
        let mut there = HashSet::new();
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

/// Whether values of this kind are written to this platform at all.
fn is_written<K: LaneKind>(linked: &LinkedConnection) -> bool {
    let capabilities = linked.adapter.descriptor().capabilities;
    match K::value_kind() {
        ValueKind::Stock => capabilities.stock,
        ValueKind::Price => capabilities.prices,
    }
}

/// A lane that runs here.
struct Running {
    epoch: i64,
    /// Cancelled when it is to end: it gives its row back itself, after what it noted.
    stop: CancellationToken,
    task: tokio::task::Id,
}

/// The lanes that run here and their tasks.
struct Tasks {
    running: HashMap<ConnectionId, Running>,
    set: JoinSet<()>,
    /// As the last look at the other processes showed it; nothing is taken before the first one.
    place: Option<Place>,
}

/// Runs lanes until cancelled, then lets the requests under way end and gives the lanes back. What
/// is left to give back when all records are written is for the caller.
pub(crate) async fn supervise<K: LaneKind>(
    lanes: Lanes<K>,
    connections: Connections,
    db: Database,
    ownership: &mut Ownership,
    shutdown: CancellationToken,
) {
    let mut changes = connections.subscribe();
    let mut ticks = tokio::time::interval(ownership.renewal_interval());
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut tasks = Tasks {
        running: HashMap::new(),
        set: JoinSet::new(),
        place: None,
    };
    loop {
        let renewal_is_due = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            _ = ticks.tick() => true,
            changed = changes.changed() => if changed.is_ok() { false } else { break },
        };
        for gone in lanes.follow(&connections).await {
            forget(&db, &gone).await;
        }
        let tended = tasks.tend(&lanes, &db, ownership, renewal_is_due).await;
        if let Err(error) = tended {
            tracing::warn!(%error, "lanes could not be renewed or taken");
        }
    }
    if let Err(error) = ownership.leave().await {
        tracing::warn!(%error, "others count this process for one lease more");
    }
    tasks.end().await;
}

impl Tasks {
    /// Renews what this process owns, ends what it lost or has too much of, and starts what it can
    /// take.
    async fn tend<K: LaneKind>(
        &mut self,
        lanes: &Lanes<K>,
        db: &Database,
        ownership: &mut Ownership,
        renewal_is_due: bool,
    ) -> Result<(), DbError> {
        self.collect_ended();
        if renewal_is_due {
            self.renew(lanes, ownership).await?;
            self.place = Some(ownership.place().await?);
        }
        let Some(place) = self.place else {
            return Ok(());
        };
        let all: HashSet<ConnectionId> = lanes
            .all()
            .into_iter()
            .map(|handle| handle.connection.clone())
            .collect();
        let share = place.share(all.len());
        self.hand_over(share);
        let missing = all
            .into_iter()
            .filter(|id| !self.running.contains_key(id))
            .collect();
        let room = share.saturating_sub(self.staying());
        let taken = ownership.take(&missing, room, place).await?;
        let any_taken = !taken.is_empty();
        for (connection, epoch) in taken {
            let Some(handle) = lanes.get(&connection) else {
                continue;
            };
            let stop = CancellationToken::new();
            let shared = lanes.0.shared.clone();
            let lane = task::run(handle, epoch, db.clone(), shared, stop.clone());
            let task = self.set.spawn(lane).id();
            self.running
                .insert(connection, Running { epoch, stop, task });
        }
        if any_taken {
            self.renew(lanes, ownership).await?;
        }
        Ok(())
    }

    /// Lanes that are not about to end.
    fn staying(&self) -> usize {
        let lanes = self.running.values();
        lanes.filter(|lane| !lane.stop.is_cancelled()).count()
    }

    /// Ends what is above the share, each lane after its request under way.
    fn hand_over(&mut self, share: usize) {
        let surplus = self.staying().saturating_sub(share);
        let staying = self
            .running
            .iter()
            .filter(|(_, lane)| !lane.stop.is_cancelled());
        for (connection, lane) in staying.take(surplus) {
            tracing::info!(%connection, "a lane is handed over to another replica");
            lane.stop.cancel();
        }
    }

    /// Ends what others own now before the lease counts as renewed: a process that was frozen must
    /// not send for what it lost, however soon it renews the rest.
    async fn renew<K: LaneKind>(
        &mut self,
        lanes: &Lanes<K>,
        ownership: &mut Ownership,
    ) -> Result<(), DbError> {
        let renewal = ownership.renew().await?;
        self.running.retain(|connection, lane| {
            // One that ends gives its row back before its task is collected.
            let ends = lane.stop.is_cancelled();
            let owned = ends || renewal.owned.get(connection) == Some(&lane.epoch);
            let keep = owned && lanes.get(connection).is_some();
            if !keep {
                tracing::info!(%connection, "a lane ends here");
                lane.stop.cancel();
            }
            keep
        });
        ownership.lease().renewed(renewal.begun);
        let unused: Vec<(ConnectionId, i64)> = renewal
            .owned
            .into_iter()
            .filter(|(connection, _)| !self.running.contains_key(connection))
            .collect();
        ownership.give_back(&unused).await
    }

    /// A task that ended without being asked to panicked in its store's adapter: its row is given
    /// back at the next renewal, and its lane taken again, with a new epoch.
    fn collect_ended(&mut self) {
        while let Some(ended) = self.set.try_join_next_with_id() {
            let task = match ended {
                Ok((task, ())) => task,
                Err(error) => {
                    tracing::error!(%error, "a lane ended unexpectedly");
                    error.id()
                }
            };
            self.running.retain(|_, lane| lane.task != task);
        }
    }

    async fn end(mut self) {
        for lane in self.running.values() {
            lane.stop.cancel();
        }
        let all = async { while self.set.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN, all).await.is_err() {
            tracing::warn!(lanes = self.set.len(), "requests under way were given up");
            self.set.shutdown().await;
        }
    }
}
