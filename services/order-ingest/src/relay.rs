//! Publishing the events that transactions wrote.
//!
//! SQL is the record: the relay publishes what a row says, with the id that the row has, and marks
//! the row afterwards. What was published and not marked is published again, and the broker or
//! whoever reads recognises it by its id and, for orders, by its subject.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::StreamExt;
use storelink_bus::{Bus, Headers, Publication, PublishError, Published, TraceContext};
use storelink_events::subject;
use storelink_model::Timestamp;
use storelink_persistence::Database;
use storelink_planted_faults::planted;
use storelink_runtime::{Instant, sleep, timeout};
use storelink_telemetry::trace_context;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::broker::Broker;
use crate::outbox::{Claimed, Outbox, Waiting};
use crate::{IngestError, hub_store};

/// Rows of one claim, and publishes on their way at the same time.
const BATCH: i64 = 200;
const IN_FLIGHT: usize = 64;
/// What the events in hand may have together, in characters; a larger one is in hand alone.
const IN_HAND: i64 = 12 * 1024 * 1024;
/// For how long a row that one replica publishes is left alone by the others.
const CLAIM: Duration = Duration::from_secs(20);
/// Without a wake-up the rows are looked at this often.
const SLOW_TICK: Duration = Duration::from_secs(5);
const PAUSE_AFTER_TROUBLE: Duration = Duration::from_secs(1);
/// How long the last pass may take when the process ends.
const LAST_PASS: Duration = Duration::from_secs(5);

const FIRST_PAUSE_MICROS: i64 = 1_000_000;
const LONGEST_PAUSE_MICROS: i64 = 15_000_000;
const LONGEST_PAUSE_REFUSED_MICROS: i64 = 300_000_000;

/// Publishes the outbox. Several may run on one database. Clones share the wake-up.
#[derive(Clone)]
pub struct Relay {
    outbox: Arc<dyn Outbox>,
    broker: Arc<dyn Broker>,
    wake: Arc<Notify>,
    /// The sequence that the stream had when this relay looked, or took an event of it.
    reached: Arc<AtomicU64>,
}

impl Relay {
    /// A relay of the ledger in this database.
    #[must_use]
    pub fn new(database: Database, bus: Bus) -> Self {
        Self::within(Arc::new(database), Arc::new(bus))
    }

    /// A relay of the events that wait here.
    pub(crate) fn within(outbox: Arc<dyn Outbox>, broker: Arc<dyn Broker>) -> Self {
        Self {
            outbox,
            broker,
            wake: Arc::new(Notify::new()),
            reached: Arc::default(),
        }
    }

    /// Says that rows were written.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Publishes until stopped, and what waits then in a last pass of a few seconds.
    pub async fn run(&self, stop: CancellationToken) {
        let mut looked_at_store: Option<Instant> = None;
        let mut started = false;
        while !stop.is_cancelled() {
            let pass = async {
                if !started && !planted!(ClaimForEver) {
                    self.outbox.take_over().await?;
                    started = true;
                }
                if looked_at_store.is_none_or(|at| at.elapsed() >= SLOW_TICK) {
                    let reached = hub_store::check(&*self.outbox, &*self.broker).await?;
                    self.reached.store(reached, Ordering::Relaxed);
                    looked_at_store = Some(Instant::now());
                }
                self.publish_waiting().await
            };
            let outcome = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                outcome = pass => outcome,
            };
            let pause = match outcome {
                Ok(_) => SLOW_TICK,
                Err(error) => {
                    tracing::warn!(code = error.code(), %error, "events wait to be published");
                    // The broker may come back without its last messages: nothing is to hide that.
                    looked_at_store = None;
                    PAUSE_AFTER_TROUBLE
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = self.wake.notified() => {}
                () = sleep(pause) => {}
            }
        }
        // What was under way is claimed and would wait: this process gives it to itself again.
        let last = async {
            self.outbox.take_over().await?;
            self.publish_waiting().await
        };
        match timeout(LAST_PASS, last).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::info!(%error, "events are left for the next start"),
            Err(_) => tracing::info!("events are left for the next start"),
        }
    }

    /// Publishes everything that is due, and gives how many rows are done.
    ///
    /// # Errors
    /// When the database fails, or the broker is not connected. A row that cannot be published
    /// waits by itself and is no error.
    pub async fn publish_waiting(&self) -> Result<usize, IngestError> {
        let mut all = 0;
        loop {
            if !self.broker.is_connected() {
                return Err(IngestError::Stream(
                    "the broker is not connected".to_owned(),
                ));
            }
            let (claimed, until) = self.claim().await?;
            if claimed.is_empty() {
                return Ok(all);
            }
            if planted!(MarkedBeforePublished) {
                let rows = self.outbox.load(&claimed).await?;
                self.mark(rows, until, 0).await?;
            }
            for portion in portions(claimed) {
                let rows = self.outbox.load(&portion).await?;
                all += self.publish_all(rows, until).await?;
            }
        }
    }

    /// Publishes rows that are claimed until then, and gives how many are done.
    async fn publish_all(&self, rows: Vec<Waiting>, until: i64) -> Result<usize, IngestError> {
        let before = self.reached.load(Ordering::Relaxed);
        let outcomes: Vec<(Waiting, Result<Taken, PublishError>)> = futures::stream::iter(rows)
            .map(|row| async move {
                let outcome = self.publish(&row).await;
                (row, outcome)
            })
            .buffer_unordered(IN_FLIGHT)
            .collect()
            .await;
        let (mut done, mut failed, mut reached) = (Vec::new(), Vec::new(), 0);
        let mut went_back = false;
        for (row, outcome) in outcomes {
            match outcome {
                Ok(taken) => {
                    reached = taken.sequence.max(reached);
                    went_back |= taken.now && taken.sequence <= before;
                    done.push(row);
                }
                Err(_) if planted!(FailureMarkedPublished) => done.push(row),
                Err(error) => failed.push((row, error)),
            }
        }
        if went_back {
            hub_store::went_back(&*self.outbox, &*self.broker).await?;
            self.reached.store(0, Ordering::Relaxed);
            done.clear();
        } else {
            self.reached.fetch_max(reached, Ordering::Relaxed);
        }
        let published = done.len();
        self.mark(done, until, reached).await?;
        for (row, error) in failed {
            self.postpone(&row, &error).await?;
        }
        Ok(published)
    }

    async fn claim(&self) -> Result<(Vec<Claimed>, i64), IngestError> {
        let now = Timestamp::now().micros();
        let until = if planted!(ClaimForEver) {
            i64::MAX
        } else {
            now + micros(CLAIM)
        };
        Ok((self.outbox.claim(now, until, BATCH).await?, until))
    }

    async fn publish(&self, row: &Waiting) -> Result<Taken, PublishError> {
        let span = tracing::info_span!(parent: None, "order.publish", subject = row.subject);
        if let Some(trace) = &row.trace {
            trace_context::parent_from(&span, trace);
        }
        let own = span.in_scope(trace_context::traceparent);
        let trace = own.or_else(|| row.trace.clone());

        let mut headers = Headers::new();
        // A tenant is a plain slug: such a header is never refused.
        headers.insert(subject::TENANT, &row.tenant).ok();
        let mut publication = Publication::new(row.subject.as_str(), row.payload.clone())
            .headers(headers)
            .message_id(row.id.as_str());
        if let Some(trace) = trace.and_then(|trace| TraceContext::new(&trace, None)) {
            publication = publication.trace(&trace);
        }
        if row.order_event && !planted!(EventWithoutExpectation) {
            publication = publication.expect_last_subject_sequence(0);
        }
        match self.broker.publish(publication).instrument(span).await {
            Ok(published) => Ok(published.into()),
            // The subject names order and revision: whatever lies there is this event.
            Err(PublishError::WrongLastSequence { found, .. }) if row.order_event => Ok(Taken {
                sequence: found.unwrap_or_default(),
                now: false,
            }),
            Err(error) => Err(error),
        }
    }

    async fn mark(
        &self,
        mut done: Vec<Waiting>,
        until: i64,
        reached: u64,
    ) -> Result<(), IngestError> {
        // One sequence for all replicas, so that two of them never wait for each other.
        done.sort_by(|one, other| one.id.cmp(&other.id));
        let now = Timestamp::now().micros();
        self.outbox.mark(&done, until, now, reached).await?;
        for row in done
            .iter()
            .filter(|row| row.order_event && row.attempts > 0)
        {
            self.outbox.close(row).await?;
        }
        Ok(())
    }

    /// Leaves a row for later; others go on. One that was refused for good needs a person.
    async fn postpone(&self, row: &Waiting, error: &PublishError) -> Result<(), IngestError> {
        let longest = if error.is_transient() {
            LONGEST_PAUSE_MICROS
        } else {
            LONGEST_PAUSE_REFUSED_MICROS
        };
        let doubled = FIRST_PAUSE_MICROS << row.attempts.clamp(0, 16);
        let due = Timestamp::now().micros() + doubled.min(longest);
        tracing::warn!(
            subject = row.subject,
            code = error.code(),
            %error,
            attempts = row.attempts + 1,
            "an event waits to be published"
        );
        self.outbox.postpone(row, due).await?;
        if row.order_event && !error.is_transient() {
            self.outbox.park(row, error).await?;
        }
        Ok(())
    }
}

/// Where the stream keeps an event.
struct Taken {
    sequence: u64,
    /// Whether it took it just now; else it lay there before.
    now: bool,
}

impl From<Published> for Taken {
    fn from(published: Published) -> Self {
        Self {
            sequence: published.sequence,
            now: !published.duplicate,
        }
    }
}

/// Rows that are in hand together: orders may have megabytes.
fn portions(claimed: Vec<Claimed>) -> Vec<Vec<Claimed>> {
    let mut portions: Vec<Vec<Claimed>> = Vec::new();
    let mut size = IN_HAND;
    for row in claimed {
        size = size.saturating_add(row.size);
        match portions.last_mut().filter(|_| size <= IN_HAND) {
            Some(portion) => portion.push(row),
            None => {
                size = row.size;
                portions.push(vec![row]);
            }
        }
    }
    portions
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay").finish_non_exhaustive()
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_events_are_in_hand_alone_and_small_ones_together() {
        let sizes = [4_000, 5_000, IN_HAND - 9_000, 1, IN_HAND + 1, 7];
        let claimed = sizes.map(|size| Claimed {
            id: String::new(),
            size,
        });
        let portions: Vec<usize> = portions(claimed.into()).iter().map(Vec::len).collect();
        assert_eq!(portions, [3, 1, 1, 1]);
    }
}
