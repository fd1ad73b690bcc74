//! Hands the runs of stock and prices to the publishers: they compare what a store shows with what it
//! should show, and tell how it ended like pollers do.
//!
//! A run is noted when it is due or a person asks for it. Whoever owns the lane carries it out; asking
//! twice for one run has the effect of asking once, so every replica may ask.

use std::time::Duration;

use futures::future::join_all;
use storelink_events::rpc::Reconcile;
use storelink_persistence::DbError;
use tokio_util::sync::CancellationToken;

use crate::registry::{Registry, Shared};
use crate::runs::{self, Run};
use crate::schedules;
use crate::ticks::Dispatch;

const EVERY: Duration = Duration::from_secs(1);
/// After a publisher did not answer.
const PAUSE: Duration = Duration::from_secs(10);
const BATCH: i64 = 200;
/// Questions under way at once.
const TOGETHER: usize = 16;

/// Hands runs over until cancelled; each publisher by itself, since one may be away.
pub(crate) async fn run(registry: Shared, cancel: CancellationToken) {
    tokio::join!(
        hand_over(&registry, "stock", &cancel),
        hand_over(&registry, "prices", &cancel),
    );
}

async fn hand_over(registry: &Registry, entity: &str, cancel: &CancellationToken) {
    let mut pause = EVERY;
    loop {
        tokio::select! {
            biased;
            () = cancel.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = match registry.hand_over_runs(entity).await {
            Ok(true) => EVERY,
            Ok(false) => PAUSE,
            Err(error) => {
                tracing::warn!(%error, code = error.code(), entity, "runs could not be handed over");
                PAUSE
            }
        };
    }
}

impl Registry {
    /// The publisher that carries a run out; none for what is polled.
    pub(crate) fn publisher_of(&self, run: &Run) -> Option<&'static str> {
        let descriptor = self.adapters.get(&run.platform)?.descriptor();
        schedules::is_reconciled(descriptor, &run.entity)
            .then(|| schedules::publisher(&run.entity))
            .flatten()
    }

    /// Hands over what was noted; false when somebody did not answer.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn hand_over_runs(&self, entity: &str) -> Result<bool, DbError> {
        let pending = runs::pending_of(&self.database, entity, BATCH).await?;
        for together in pending.chunks(TOGETHER) {
            let handed = together.iter().map(|run| self.hand_over_run(run));
            for handed in join_all(handed).await {
                if handed? == Some(Dispatch::Later) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    async fn hand_over_run(&self, run: &Run) -> Result<Option<Dispatch>, DbError> {
        if self.is_still_wanted(run).await? {
            return self.dispatch(run).await.map(Some);
        }
        runs::remove_pending(&self.database, run).await?;
        Ok(None)
    }

    pub(crate) async fn ask_for_reconciliation(&self, service: &str, run: &Run) -> Dispatch {
        let question = Reconcile {
            tenant: run.tenant.clone(),
            connection: run.connection.clone(),
            run: run.id.clone(),
        };
        match self.ask_reconcile(service, &question).await {
            Ok(answer) if answer.accepted => Dispatch::Queued,
            Ok(_) => Dispatch::Taken,
            Err(error) => {
                tracing::warn!(%error, run = %run.id, "a reconciliation waits for its publisher");
                Dispatch::Later
            }
        }
    }
}
