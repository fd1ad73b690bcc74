//! One poll job from its message to its end.

use std::sync::Arc;

use storelink_adapter_api::StoreAccess;
use storelink_bus::{Hold, Outcome, WorkItem};
use storelink_events::internal::{PollJob, RunReport};
use storelink_model::{ConnectionId, Platform, Timestamp};
use storelink_outbound_http::{AnswerLease, AnswerMemory};
use storelink_planted_faults::planted;
use storelink_runtime::Instant;
use storelink_service::LinkedConnection;
use storelink_settings::OrderSettings;
use storelink_telemetry::trace_context;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::cursor_store::CursorStore;
use crate::handover::HandoverStore;
use crate::in_work::InWork;
use crate::job_gate::JobGate;
use crate::links::Links;
use crate::metrics::PollerMetrics;
use crate::read_streams::ReadStreams;
use crate::report::RunReports;
use crate::run::{Ended, Failure, Run};
use crate::stopped::Stopped;
use crate::{PollerError, one_order, orders, products};

/// A connection whose record is not here is waited for so many deliveries: the record and the job
/// travel by different ways.
const DELIVERIES_WITHOUT_RECORD: i64 = 5;
/// A single order is tried so often: polling carries the guarantee, while a job on hold takes a place
/// of the queue from other stores.
const DELIVERIES_OF_ONE: i64 = 5;
/// The result of a read of a single order that is left to the next walk.
const GIVEN_UP: &str = "given_up";
/// A store that asks for one pause after the other is told of after so many; the job goes on waiting.
const PAUSES_UNTOLD: i64 = 5;

/// Pause after a trouble of our own: database, broker, another process. It does not grow with the
/// number of deliveries, which counts kills and pauses of long walks too, while the store's whole
/// queue waits behind the job.
const OWN_TROUBLE: std::time::Duration = std::time::Duration::from_secs(5);

/// The poller of one platform.
pub(crate) struct Poller {
    pub(crate) platform: Platform,
    pub(crate) cursors: Arc<dyn CursorStore>,
    pub(crate) handovers: Arc<dyn HandoverStore>,
    pub(crate) streams: Arc<dyn ReadStreams>,
    pub(crate) connections: Arc<dyn Links>,
    pub(crate) settings: OrderSettings,
    pub(crate) metrics: PollerMetrics,
    pub(crate) reports: Arc<dyn RunReports>,
    pub(crate) stopped: Stopped,
    pub(crate) in_work: InWork,
    pub(crate) memory: AnswerMemory,
    pub(crate) shutdown: CancellationToken,
}

/// A job with its connection.
pub(crate) struct Job<'a> {
    pub(crate) poller: &'a Poller,
    pub(crate) link: Arc<LinkedConnection>,
    pub(crate) job: &'a PollJob,
    /// Whether it is still this process's own.
    pub(crate) hold: &'a Hold,
    /// The trace of the run.
    pub(crate) trace: Option<String>,
}

impl Job<'_> {
    /// What the adapter needs; a person must act when the credentials cannot be opened.
    pub(crate) fn access(&self, link: &LinkedConnection) -> Result<StoreAccess, Failure> {
        let mut access = link
            .access()
            .map_err(|error| Failure::new(error.code(), error.to_string()).needing_attention())?;
        access.gate = Arc::new(JobGate {
            connection: access.gate,
            hold: self.hold.clone(),
        });
        Ok(access)
    }

    /// The same access for one page. Its room in memory is held until the lease is dropped: after what
    /// was read is handed on.
    pub(crate) fn with_room(&self, access: &StoreAccess) -> (StoreAccess, AnswerLease) {
        let lease = self.poller.memory.lease();
        let access = StoreAccess {
            http: access.http.within(&lease),
            ..access.clone()
        };
        (access, lease)
    }
}

impl Poller {
    /// The connection as it is now, unless nothing may be read from it.
    pub(crate) fn current(&self, id: &ConnectionId) -> Result<Arc<LinkedConnection>, Failure> {
        let Some(link) = self.connections.get(id) else {
            return Err(Failure::new(
                "connection.unknown",
                "the connection is not there any more",
            ));
        };
        if link.record.paused {
            return Err(Failure::new(
                "connection.paused",
                "the connection is paused",
            ));
        }
        Ok(link)
    }

    /// Does a job.
    pub(crate) async fn work(&self, item: WorkItem) -> Outcome {
        let job: PollJob = match serde_json::from_slice(item.payload()) {
            Ok(job) => job,
            Err(error) => return Outcome::park("poller.job_unreadable", error.to_string()),
        };
        if self.connections.get(&job.connection).is_none()
            && item.delivered() < DELIVERIES_WITHOUT_RECORD
        {
            let pause = std::time::Duration::from_millis(500);
            return Outcome::retry_after(pause, "the connection's record is not here yet");
        }
        let started = Timestamp::now();
        let link = match self.current(&job.connection) {
            Ok(link) => link,
            Err(failure) => return self.over(&job, started, Run::failed(failure)),
        };
        if let Some(failure) = self.stopped.reason(&link.record, &job.entity) {
            return self.over(&job, started, Run::failed(failure));
        }
        let Some(_place) = self.in_work.enter(&job.connection) else {
            return self.without_place(&job, &item, started);
        };

        let span = tracing::info_span!(
            "poll",
            connection = %job.connection,
            tenant = %job.tenant,
            platform = %self.platform,
            entity = job.entity,
            run = job.run,
        );
        if let Some(trace) = item.trace() {
            trace_context::parent_from(&span, trace.traceparent());
        }
        let begun = Instant::now();
        let ended = self
            .carry_out(&job, item.hold(), link.clone())
            .instrument(span)
            .await;
        let (result, outcome) = self.conclude(&job, &item, &link, started, ended);
        self.metrics
            .run(&self.platform, &job.entity, result, begun.elapsed());
        outcome
    }

    async fn carry_out(
        &self,
        job: &PollJob,
        hold: &Hold,
        link: Arc<LinkedConnection>,
    ) -> Result<Ended, PollerError> {
        let work = Job {
            poller: self,
            link,
            job,
            hold,
            trace: trace_context::traceparent(),
        };
        match (job.entity.as_str(), job.external_id.as_deref()) {
            ("orders", None) => Box::pin(orders::walk(&work)).await,
            ("orders", Some(id)) => Box::pin(one_order::read(&work, id)).await,
            ("products", None) => Box::pin(products::walk(&work)).await,
            (entity, _) => {
                let text = format!("{entity} cannot be read in this way");
                Ok(Ended::Over(Run::failed(Failure::new(
                    "poller.entity_unknown",
                    text,
                ))))
            }
        }
    }

    /// A store that hangs, or many hints at once: others must not wait for its jobs, and the queue
    /// takes only so many that are on hold.
    fn without_place(&self, job: &PollJob, item: &WorkItem, started: Timestamp) -> Outcome {
        let reason = "other jobs of this connection are in work";
        if is_last_try(job, item) {
            let failure = Failure::new("poller.connection_busy", reason);
            let waited = std::time::Duration::ZERO;
            self.metrics
                .run(&self.platform, &job.entity, GIVEN_UP, waited);
            return self.over(job, started, Run::failed(failure));
        }
        let doublings = u32::try_from(item.delivered().clamp(1, 4) - 1).unwrap_or(0);
        Outcome::retry_after(std::time::Duration::from_secs(1 << doublings), reason)
    }

    /// The result for the metric, and what is told to the broker.
    fn conclude(
        &self,
        job: &PollJob,
        item: &WorkItem,
        link: &LinkedConnection,
        started: Timestamp,
        ended: Result<Ended, PollerError>,
    ) -> (&'static str, Outcome) {
        match ended {
            Ok(Ended::Over(run)) => {
                let failure = run.failure.as_ref();
                self.stopped.note(&link.record, &job.entity, failure);
                let result = match failure {
                    None => "done",
                    Some(failure) if failure.may_pass && job.external_id.is_some() => {
                        if !is_last_try(job, item) {
                            return ("failed", Outcome::retry(&failure.code));
                        }
                        GIVEN_UP
                    }
                    Some(_) => "failed",
                };
                (result, self.over(job, started, run))
            }
            Ok(Ended::Yielded) if planted!(JobLetGoUnfinished) => ("yielded", Outcome::Done),
            Ok(Ended::Yielded) => ("yielded", Outcome::Again),
            Ok(Ended::Later { reason, .. }) if is_last_try(job, item) => {
                let run = Run::failed(Failure::new("poller.store_limited", reason));
                (GIVEN_UP, self.over(job, started, run))
            }
            Ok(Ended::Later { pause, reason }) => {
                if item.delivered() % PAUSES_UNTOLD == 0 {
                    let failure = Failure::new("poller.store_limited", reason.clone());
                    self.tell(job, started, Run::failed(failure));
                }
                let outcome = match pause {
                    Some(pause) => Outcome::retry_after(pause, reason),
                    None => Outcome::retry(reason),
                };
                ("limited", outcome)
            }
            Err(error) => {
                tracing::warn!(
                    connection = %job.connection,
                    entity = job.entity,
                    code = error.code(),
                    %error,
                    "a poll job is tried again"
                );
                ("retried", Outcome::retry_after(OWN_TROUBLE, error))
            }
        }
    }

    /// Reports a run and lets the job go.
    fn over(&self, job: &PollJob, started: Timestamp, run: Run) -> Outcome {
        self.tell(job, started, run);
        Outcome::Done
    }

    /// Reports a run as it stands; a later report of the same run takes its place.
    fn tell(&self, job: &PollJob, started: Timestamp, run: Run) {
        let Run {
            counts,
            watermark,
            failure,
        } = run;
        if let Some(failure) = &failure {
            tracing::info!(
                connection = %job.connection,
                entity = job.entity,
                code = failure.code,
                text = failure.text,
                "a run failed"
            );
        }
        if counts.ignored > 0 {
            tracing::debug!(
                connection = %job.connection,
                ignored = counts.ignored,
                "orders from before the start are left out"
            );
        }
        self.reports.send(RunReport {
            run: job.run.clone(),
            connection: job.connection.clone(),
            entity: job.entity.clone(),
            started,
            finished: Timestamp::now(),
            read: counts.read,
            changed: counts.changed,
            failed: counts.failed,
            watermark,
            error_code: failure.as_ref().map(|failure| failure.code.clone()),
            error_text: failure.as_ref().map(|failure| failure.text.clone()),
            needs_attention: failure.is_some_and(|failure| failure.needs_attention),
        });
    }
}

/// Whether this delivery of a job for a single order is the last one.
fn is_last_try(job: &PollJob, item: &WorkItem) -> bool {
    job.external_id.is_some() && item.delivered() >= DELIVERIES_OF_ONE
}
