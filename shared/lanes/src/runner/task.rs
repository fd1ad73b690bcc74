//! The task of a lane.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use storelink_adapter_api::Denied;
use storelink_model::{ConnectionId, Timestamp};
use storelink_runtime::{sleep, timeout};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::handle::LaneHandle;
use super::state::OpenAccess;
use super::step::Step;
use crate::kind::LaneKind;
use crate::metrics::LaneMetrics;
use crate::ownership::Lease;
use crate::records::{LaneName, Loaded, Note, Records, understand};

/// A store that has not answered after this time no longer holds a place among the requests in flight:
/// many that hang at once must not stop the others. A lane has one request, so they stay bounded.
const SLOW: Duration = Duration::from_secs(2);

/// Pause of a lane whose process could not renew its ownership in time.
const UNTIL_RENEWED: Duration = Duration::from_millis(200);

/// What all lanes of a process share.
pub(crate) struct Shared {
    pub(crate) records: Records,
    pub(crate) metrics: LaneMetrics,
    pub(crate) lease: Lease,
    pub(crate) recheck_after: time::Duration,
    /// A snapshot is taken after so many attempts at the earliest.
    pub(crate) attempts_between_snapshots: i64,
    /// Requests in flight over all lanes, but for those of stores that are slow to answer.
    pub(crate) in_flight: Semaphore,
    /// Lanes that read their memory at once: a thousand at once would wait for each other's
    /// connections to the database until they gave up.
    pub(crate) loading: Semaphore,
    /// Told the connection of every lane whose state may have changed.
    pub(crate) states: mpsc::Sender<ConnectionId>,
}

impl Shared {
    /// Tells that the state of a lane may have changed. When many are told of at once, one that is
    /// passed over is found by the regular look at all lanes.
    pub(super) fn state_changed(&self, connection: &ConnectionId) {
        self.states.try_send(connection.clone()).ok();
    }
}

/// Runs a lane in an epoch until `stop` is cancelled; a request under way ends first. Then the lane
/// is given back, behind everything that was noted of it.
pub(super) async fn run<K: LaneKind>(
    handle: Arc<LaneHandle<K>>,
    epoch: i64,
    shared: Arc<Shared>,
    stop: CancellationToken,
) {
    let _alone = handle.run.lock().await;
    let name = handle.prepare(epoch);
    if let Some(loaded) = load_memory(&handle, &shared, &stop).await {
        let notes = handle.start(&name, loaded, shared.recheck_after);
        shared.records.note(&name, notes).await;
        shared.state_changed(&handle.connection);
        work(&handle, &name, &shared, &stop).await;
    }
    handle.end();
    shared.records.note(&name, vec![Note::GiveBack]).await;
}

async fn work<K: LaneKind>(
    handle: &Arc<LaneHandle<K>>,
    name: &Arc<LaneName>,
    shared: &Arc<Shared>,
    stop: &CancellationToken,
) {
    while !stop.is_cancelled() {
        let now = Timestamp::now();
        let (step, effects) = handle.next_step(&shared.lease, stop, now);
        shared.records.note(name, handle.notes(effects, now)).await;
        if handle.began_or_ended_to_ask() {
            shared.state_changed(&handle.connection);
        }
        match step {
            Step::Rest(until) => rest(handle, until, stop).await,
            // Boxed: a resting lane, and most lanes rest, should not carry a request's state.
            Step::Write(open) => Box::pin(write(handle, name, shared, open, stop)).await,
        }
    }
}

async fn load_memory<K: LaneKind>(
    handle: &LaneHandle<K>,
    shared: &Shared,
    stop: &CancellationToken,
) -> Option<Loaded<K::Wanted>> {
    while !stop.is_cancelled() {
        let _turn = shared.loading.acquire().await.ok()?;
        match shared.records.read(&handle.connection).await {
            Ok(rows) => return Some(understand(&handle.connection, rows)),
            Err(error) => {
                tracing::warn!(connection = %handle.connection, %error, "a lane cannot start yet");
                pause(stop).await;
            }
        }
    }
    None
}

async fn rest<K: LaneKind>(
    handle: &LaneHandle<K>,
    until: Option<Timestamp>,
    stop: &CancellationToken,
) {
    let timer = async {
        match until {
            Some(until) => {
                let wait = until.since(Timestamp::now());
                sleep(Duration::try_from(wait).unwrap_or_default()).await;
            }
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        () = handle.wake.notified() => {}
        () = timer => {}
    }
}

async fn write<K: LaneKind>(
    handle: &Arc<LaneHandle<K>>,
    name: &Arc<LaneName>,
    shared: &Arc<Shared>,
    open: OpenAccess,
    stop: &CancellationToken,
) {
    // The store's own turn first: who waits for it must not take the place of another store.
    let places = async {
        open.gate.reserve().await?;
        let place = shared.in_flight.acquire().await;
        place.map_err(|_| Denied::Stopped)
    };
    let place = tokio::select! {
        biased;
        () = stop.cancelled() => Err(Denied::Stopped),
        place = places => place,
    };
    match place {
        Ok(place) if shared.lease.is_fresh() => {
            let mut sent = pin!(super::send::send(handle, name, shared, &open));
            let answered = timeout(SLOW, sent.as_mut()).await.is_ok();
            drop(place);
            if !answered {
                sent.await;
            }
        }
        // Not renewed in time, or the connection was deleted and its lane ends soon.
        Ok(_) | Err(Denied::Stopped | Denied::NotOwner | Denied::Busy) => pause(stop).await,
    }
    open.gate.release();
}

async fn pause(stop: &CancellationToken) {
    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        () = sleep(UNTIL_RENEWED) => {}
    }
}
