//! Brings doubts that others committed to the lanes that run here: orders and questions for another
//! try reach any replica, and the one that runs the lane may be another one.

use std::sync::Arc;
use std::time::Duration;

use storelink_persistence::DbError;
use storelink_planted_faults::planted;
use storelink_runtime::sleep;
use tokio_util::sync::CancellationToken;

use super::Lanes;
use crate::kind::LaneKind;
use crate::records::LaneRecords;

/// How often is looked without being told: what other replicas committed. One look at an index.
const REGULARLY: Duration = Duration::from_secs(2);

/// Follows the doubts by their numbers.
pub(crate) struct OutsideDoubts<K: LaneKind> {
    lanes: Lanes<K>,
    records: Arc<dyn LaneRecords>,
    /// Up to this number they are known to the lanes.
    last: i64,
}

impl<K: LaneKind> OutsideDoubts<K> {
    /// Begins with what is committed now. Every lane that starts later reads that itself.
    pub(crate) async fn begin(lanes: Lanes<K>, records: Arc<dyn LaneRecords>) -> Self {
        // From the beginning is more work and just as right.
        let last = records.last_doubt().await.unwrap_or(0);
        Self {
            lanes,
            records,
            last,
        }
    }

    /// Follows until cancelled.
    pub(crate) async fn follow(mut self, shutdown: CancellationToken) {
        loop {
            if let Err(error) = self.look().await {
                tracing::warn!(%error, "doubts of others are looked for later");
            }
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = self.lanes.doubted().notified() => {}
                () = sleep(REGULARLY) => {}
            }
        }
    }

    async fn look(&mut self) -> Result<(), DbError> {
        for doubt in self.records.doubts_since(self.last).await? {
            self.last = self.last.max(doubt.number);
            if let Some(handle) = self.lanes.get(&doubt.connection)
                && !planted!(DoubtsOfOthersUnheard)
            {
                handle.doubted(doubt);
            }
        }
        Ok(())
    }
}
