//! Forgets what is kept for a time only.

use std::time::Duration;

use storelink_model::Timestamp;
use storelink_persistence::{DbError, args};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::registry::{Registry, Shared};
use crate::{api::idempotency, holds, runs};

const EVERY: Duration = Duration::from_secs(600);
/// How long reports of verifications are kept.
const REPORTS_KEPT: time::Duration = time::Duration::days(90);

/// Cleans up until cancelled.
pub(crate) async fn run(registry: Shared, cancel: CancellationToken) {
    let mut clock = interval(EVERY);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = cancel.cancelled() => return,
            _ = clock.tick() => {}
        }
        if let Err(error) = registry.forget_old().await {
            tracing::warn!(%error, code = error.code(), "old rows were not removed");
        }
    }
}

impl Registry {
    async fn forget_old(&self) -> Result<(), DbError> {
        idempotency::forget_old(&self.database).await?;
        runs::forget_old(&self.database).await?;
        holds::forget_old(&self.database).await?;
        let before = Timestamp::now().saturating_sub(REPORTS_KEPT).micros();
        self.database
            .execute(
                "DELETE FROM verifications WHERE made_at < $1",
                args![before],
            )
            .await
            .map(drop)
    }
}
