//! The parts of a publisher that know neither broker nor database.

use std::sync::Arc;

use storelink_model::ConnectionId;
use storelink_runtime::TaskSet;
use storelink_settings::LaneSettings;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::feed::ValueFeed;
use crate::kind::LaneKind;
use crate::levels::{Levels, follow_values};
use crate::metrics::LaneMetrics;
use crate::ownership::{OwnerRows, Ownership};
use crate::records::{LaneRecords, Records};
use crate::runner::{Lanes, Shared, follow_listings};

/// Connections whose state waits to be looked at; more are found by the regular look at all.
const STATES_WAITING: usize = 1_024;
/// Lanes that read their memory from SQL at once.
const LOADING: usize = 4;

/// What is read before lanes start, and followed then.
pub(crate) struct Feeds {
    pub(crate) values: Box<dyn ValueFeed>,
    /// Told when the stream of values is a new one.
    pub(crate) recreated: mpsc::Sender<()>,
    pub(crate) listings: Box<dyn ValueFeed>,
    /// Whether all holds are read.
    pub(crate) all_holds: watch::Receiver<bool>,
}

/// Levels, lanes and who owns them.
pub(crate) struct Parts<K: LaneKind> {
    pub(crate) levels: Levels<K>,
    pub(crate) lanes: Lanes<K>,
    pub(crate) ownership: Ownership,
    pub(crate) shared: Arc<Shared>,
    /// Lanes whose state may have changed.
    pub(crate) states: mpsc::Receiver<ConnectionId>,
    /// Told when the last record is written.
    pub(crate) written: oneshot::Receiver<()>,
    /// Ends the writing of records whatever waits.
    pub(crate) abandon: CancellationToken,
}

impl<K: LaneKind> Parts<K> {
    pub(crate) fn new(
        settings: &LaneSettings,
        metrics: LaneMetrics,
        records: Arc<dyn LaneRecords>,
        owners: Arc<dyn OwnerRows>,
        attempts_between_snapshots: i64,
    ) -> Self {
        let abandon = CancellationToken::new();
        let (records, written) = Records::start(records, abandon.clone());
        let ownership = Ownership::new(owners, settings.lease);
        let (tell_state, states) = mpsc::channel(STATES_WAITING);
        let shared = Arc::new(Shared {
            records,
            metrics,
            lease: ownership.lease(),
            recheck_after: time::Duration::try_from(settings.recheck_after)
                .unwrap_or(time::Duration::HOUR),
            attempts_between_snapshots,
            in_flight: Semaphore::new(settings.writes_in_flight),
            loading: Semaphore::new(LOADING),
            states: tell_state,
        });
        let levels = Levels::new();
        let lanes = Lanes::new(levels.clone(), shared.clone());
        Self {
            levels,
            lanes,
            ownership,
            shared,
            states,
            written,
            abandon,
        }
    }

    /// Reads levels, listings and holds and goes on following them. False when asked to end before all of
    /// what was there is read: no lane starts before that.
    pub(crate) async fn replay(
        &self,
        mut feeds: Feeds,
        shutdown: &CancellationToken,
        background: &mut TaskSet,
    ) -> bool {
        let (levels_read, mut all_levels) = watch::channel(false);
        let (listings_read, mut all_listings) = watch::channel(false);
        background.spawn(follow_values(
            feeds.values,
            self.levels.clone(),
            levels_read,
            feeds.recreated,
            shutdown.clone(),
        ));
        background.spawn(follow_listings(
            feeds.listings,
            self.lanes.clone(),
            listings_read,
            shutdown.clone(),
        ));
        let all = async {
            all_levels.wait_for(|read| *read).await.ok();
            all_listings.wait_for(|read| *read).await.ok();
            feeds.all_holds.wait_for(|read| *read).await.ok();
        };
        tokio::select! {
            biased;
            () = shutdown.cancelled() => false,
            () = all => true,
        }
    }
}
