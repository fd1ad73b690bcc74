//! Brings doubts that others committed to the lanes that run here: orders and questions for another
//! try reach any replica, and the one that runs the lane may be another one.

use std::time::Duration;

use storelink_persistence::{Database, DbError};
use tokio_util::sync::CancellationToken;

use super::Lanes;
use crate::kind::LaneKind;
use crate::records::outside;

/// How often is looked without being told: what other replicas committed. One look at an index.
const REGULARLY: Duration = Duration::from_secs(2);

/// Follows the doubts by their numbers.
pub(crate) struct OutsideDoubts<K: LaneKind> {
    lanes: Lanes<K>,
    db: Database,
    /// Up to this number they are known to the lanes.
    last: i64,
}

impl<K: LaneKind> OutsideDoubts<K> {
    /// Begins with what is committed now. Every lane that starts later reads that itself.
    pub(crate) async fn begin(lanes: Lanes<K>, db: Database) -> Self {
        // From the beginning is more work and just as right.
        let last = outside::last_number(&db).await.unwrap_or(0);
        Self { lanes, db, last }
    }

    /// Follows until cancelled.
    pub(crate) async fn follow(mut self, shutdown: CancellationToken) {
        loop {
            if let Err(error) = self.look().await {
                tracing::warn!(%error, "doubts of others are looked for later");
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.lanes.doubted().notified() => {}
                () = tokio::time::sleep(REGULARLY) => {}
            }
        }
    }

    async fn look(&mut self) -> Result<(), DbError> {
        for doubt in outside::since(&self.db, self.last).await? {
            self.last = self.last.max(doubt.number);
            if let Some(handle) = self.lanes.get(&doubt.connection) {
                handle.doubted(&doubt.sku, doubt.kind, doubt.due);
            }
        }
        Ok(())
    }
}
