//! The lanes that run here: begun, handed over, lost and ended.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use storelink_model::ConnectionId;
use storelink_persistence::DbError;
use storelink_runtime::{TaskId, TaskSet, timeout};
use tokio_util::sync::CancellationToken;

use super::supervisor::Lanes;
use super::task;
use crate::kind::LaneKind;
use crate::ownership::{Ownership, Place};

/// How long requests under way get when the process is asked to end.
const DRAIN: Duration = Duration::from_secs(20);

/// A lane that runs here.
struct Running {
    epoch: i64,
    /// Cancelled when it is to end: it gives its row back itself, after what it noted.
    stop: CancellationToken,
    task: TaskId,
}

/// The lanes that run here and their tasks.
#[derive(Default)]
pub(super) struct Tasks {
    running: BTreeMap<ConnectionId, Running>,
    set: TaskSet,
    /// As the last look at the other processes showed it; nothing is taken before the first one.
    place: Option<Place>,
}

impl Tasks {
    /// Renews what this process owns, ends what it lost or has too much of, and starts what it can
    /// take.
    pub(super) async fn tend<K: LaneKind>(
        &mut self,
        lanes: &Lanes<K>,
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
        let all: BTreeSet<ConnectionId> = lanes
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
            let shared = lanes.shared().clone();
            let lane = task::run(handle, epoch, shared, stop.clone());
            let task = self.set.spawn(lane);
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
        while let Some(ended) = self.set.try_join_next() {
            if let Some(words) = ended.panicked {
                tracing::error!(words, "a lane ended unexpectedly");
            }
            self.running.retain(|_, lane| lane.task != ended.task);
        }
    }

    /// Lets the requests under way end.
    pub(super) async fn end(mut self) {
        for lane in self.running.values() {
            lane.stop.cancel();
        }
        let all = async { while self.set.join_next().await.is_some() {} };
        if timeout(DRAIN, all).await.is_err() {
            tracing::warn!(lanes = self.set.len(), "requests under way were given up");
            self.set.shutdown().await;
        }
    }
}
