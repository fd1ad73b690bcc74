//! The clock of all schedules: publishes the poll jobs that are due, and notes the reconciliations.
//!
//! Every replica ticks. Whoever moves `next_run` by compare-and-set notes the run in the same
//! transaction and publishes its job; the queue refuses a second job of the same entity. A run that
//! was noted and not published is published by the sweep of any replica.

use std::time::Duration;

use storelink_bus::{Publication, PublishError};
use storelink_events::internal::PollJob;
use storelink_events::subject;
use storelink_model::Timestamp;
use storelink_persistence::DbError;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::connections::store;
use crate::registry::{Registry, Shared};
use crate::runs::{self, Run};
use crate::schedules::{self, Schedule};
use crate::trace;

const EVERY: Duration = Duration::from_secs(1);
/// Schedules of one tick; more of them wait for the next second.
const BATCH: i64 = 200;
/// A noted run is this old before another replica may publish it.
const PATIENCE: time::Duration = time::Duration::seconds(20);

/// What became of a job on its way to the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dispatch {
    /// It waits in the queue, or at the publisher.
    Queued,
    /// A run of the same entity waits or is in work.
    Taken,
    /// Nobody answered; the sweep tries again.
    Later,
}

/// Ticks until cancelled.
pub(crate) async fn run(registry: Shared, cancel: CancellationToken) {
    let mut clock = interval(EVERY);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = cancel.cancelled() => return,
            _ = clock.tick() => {}
        }
        if let Err(error) = registry.tick(Timestamp::now()).await {
            tracing::warn!(%error, code = error.code(), "a tick failed and is repeated");
        }
        if let Err(error) = registry.publish_pending_runs().await {
            tracing::warn!(%error, code = error.code(), "noted runs could not be read");
        }
    }
}

impl Registry {
    /// Begins every run that is due at `now`; returns how many this replica began.
    ///
    /// # Errors
    /// When the database does not answer; nothing is lost, the next tick repeats it.
    pub(crate) async fn tick(&self, now: Timestamp) -> Result<usize, DbError> {
        let mut begun = 0;
        for schedule in schedules::store::due(&self.database, now, BATCH).await? {
            if let Some(run) = self.begin(&schedule, now).await? {
                begun += 1;
                // A publisher that does not answer must not hold the clock up.
                let handed_over_later = self.publisher_of(&run).is_some();
                if !handed_over_later && self.dispatch(&run).await? == Dispatch::Later {
                    // Without a broker the others stay due: no use to note them all.
                    break;
                }
            }
        }
        Ok(begun)
    }

    /// Moves a due schedule on and notes its run; none when another replica was first.
    async fn begin(&self, schedule: &Schedule, now: Timestamp) -> Result<Option<Run>, DbError> {
        let Some(connection) = store::any(&self.database, &schedule.connection).await? else {
            return Ok(None);
        };
        let descriptor = self
            .adapters
            .get(&connection.platform)
            .map(|adapter| adapter.descriptor());
        let next = descriptor.map(|_| {
            let seed = format!("{} {}", schedule.connection, schedule.entity);
            let planned = schedule.next_run.unwrap_or(now);
            schedule
                .rhythm
                .next_on_grid(planned, now, &schedule.time_zone, &seed)
        });
        let run = Run::pending(&connection, &schedule.entity, "schedule", false);

        let mut transaction = self.database.begin().await?;
        if !schedules::store::move_on(&mut transaction, schedule, next, &run.id).await? {
            return Ok(None);
        }
        if next.is_some() {
            runs::insert(&mut transaction, &run).await?;
        }
        transaction.commit().await?;
        Ok(next.map(|_| run))
    }

    /// Hands a noted run over, to the queue of poll jobs or to the publisher that compares, and notes
    /// what became of it.
    ///
    /// # Errors
    /// When the database does not answer; the sweep repeats it.
    pub(crate) async fn dispatch(&self, run: &Run) -> Result<Dispatch, DbError> {
        let handed = match self.publisher_of(run) {
            Some(service) => self.ask_for_reconciliation(service, run).await,
            None => self.hand_to_queue(run).await,
        };
        match handed {
            Dispatch::Queued => runs::mark_queued(&self.database, run).await?,
            Dispatch::Taken => {
                runs::remove_pending(&self.database, run).await?;
                schedules::store::count_skipped(&self.database, &run.connection, &run.entity)
                    .await?;
            }
            Dispatch::Later => {}
        }
        Ok(handed)
    }

    async fn hand_to_queue(&self, run: &Run) -> Dispatch {
        let span = tracing::info_span!(
            "poll_job.publish", otel.kind = "producer", tenant = %run.tenant,
            connection = %run.connection, entity = %run.entity, run = %run.id,
        );
        match self.publish_job(run).instrument(span).await {
            Ok(()) => Dispatch::Queued,
            Err(PublishError::SubjectTaken { .. }) => Dispatch::Taken,
            Err(error) => {
                tracing::warn!(%error, code = error.code(), run = %run.id, "a poll job waits");
                Dispatch::Later
            }
        }
    }

    async fn publish_job(&self, run: &Run) -> Result<(), PublishError> {
        let job = PollJob {
            tenant: run.tenant.clone(),
            connection: run.connection.clone(),
            entity: run.entity.clone(),
            external_id: None,
            full: run.full,
            run: run.id.clone(),
        };
        let subject = subject::poll(&run.platform, &run.connection, &run.entity);
        let publication = Publication::new(subject, serde_json::to_vec(&job).unwrap_or_default())
            .headers(trace::headers(&run.tenant))
            .message_id(run.id.as_str());
        self.bus.publish(publication).await.map(drop)
    }

    /// Publishes the jobs of runs that were noted a while ago, for example before a crash.
    pub(crate) async fn publish_pending_runs(&self) -> Result<usize, DbError> {
        let before = Timestamp::now().saturating_sub(PATIENCE);
        let pending = runs::pending_since(&self.database, before, BATCH).await?;
        let mut published = 0;
        for run in pending {
            if !self.is_still_wanted(&run).await? {
                runs::remove_pending(&self.database, &run).await?;
                continue;
            }
            match self.dispatch(&run).await? {
                Dispatch::Queued | Dispatch::Taken => published += 1,
                // The broker does not answer: no use to ask it for each.
                Dispatch::Later => break,
            }
        }
        Ok(published)
    }

    /// Whether a run that was noted earlier may be handed over now.
    pub(crate) async fn is_still_wanted(&self, run: &Run) -> Result<bool, DbError> {
        let connection = store::any(&self.database, &run.connection).await?;
        Ok(connection.is_some_and(|connection| {
            connection.deleted.is_none() && connection.is_active() && !connection.is_paused()
        }))
    }
}
