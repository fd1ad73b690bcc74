//! Publishing the events that transactions wrote.
//!
//! SQL is the record: the relay publishes what a row says, with the id that the row has, and marks
//! the row afterwards. What was published and not marked is published again, and the broker or
//! whoever reads recognises it by its id and, for orders, by its subject.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use storelink_bus::{Bus, Headers, Publication, PublishError, TraceContext};
use storelink_events::subject;
use storelink_model::Timestamp;
use storelink_persistence::{Database, DbError, Row, args};
use storelink_telemetry::trace_context;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::{IngestError, hub_store, refused};

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
    database: Database,
    bus: Bus,
    wake: Arc<Notify>,
}

/// A row that this process publishes now.
struct Claimed {
    id: String,
    /// In characters.
    size: i64,
}

/// A row that waits.
struct Waiting {
    id: String,
    order_event: bool,
    chain: String,
    position: i64,
    tenant: String,
    subject: String,
    payload: String,
    trace: Option<String>,
    attempts: i64,
}

impl Relay {
    /// A relay of the ledger in this database.
    #[must_use]
    pub fn new(database: Database, bus: Bus) -> Self {
        Self {
            database,
            bus,
            wake: Arc::new(Notify::new()),
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
                if !started {
                    self.take_over().await?;
                    started = true;
                }
                if looked_at_store.is_none_or(|at| at.elapsed() >= SLOW_TICK) {
                    hub_store::check(&self.database, &self.bus).await?;
                    looked_at_store = Some(Instant::now());
                }
                self.publish_waiting().await
            };
            let outcome = tokio::select! {
                () = stop.cancelled() => break,
                outcome = pass => outcome,
            };
            let pause = match outcome {
                Ok(_) => SLOW_TICK,
                Err(error) => {
                    tracing::warn!(code = error.code(), %error, "events wait to be published");
                    PAUSE_AFTER_TROUBLE
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.wake.notified() => {}
                () = sleep(pause) => {}
            }
        }
        // What was under way is claimed and would wait: this process gives it to itself again.
        let last = async {
            self.take_over().await?;
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
            if !self.bus.is_connected() {
                return Err(IngestError::Stream(
                    "the broker is not connected".to_owned(),
                ));
            }
            let claimed = self.claim().await?;
            if claimed.is_empty() {
                return Ok(all);
            }
            for portion in portions(claimed) {
                let rows = self.load(&portion).await?;
                all += self.publish_all(rows).await?;
            }
        }
    }

    /// Publishes rows, and gives how many are done.
    async fn publish_all(&self, rows: Vec<Waiting>) -> Result<usize, IngestError> {
        let outcomes: Vec<(Waiting, Result<(), PublishError>)> = futures::stream::iter(rows)
            .map(|row| async move {
                let outcome = self.publish(&row).await;
                (row, outcome)
            })
            .buffer_unordered(IN_FLIGHT)
            .collect()
            .await;
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        for (row, outcome) in outcomes {
            match outcome {
                Ok(()) => done.push(row),
                Err(error) => failed.push((row, error)),
            }
        }
        let published = done.len();
        self.mark(done).await?;
        for (row, error) in failed {
            self.postpone(&row, &error).await?;
        }
        Ok(published)
    }

    /// A row that a process claimed and did not finish is due again when a process starts. Another
    /// replica may be publishing it at this moment: then it is published twice and stored once.
    async fn take_over(&self) -> Result<(), DbError> {
        self.database
            .execute(
                "UPDATE outbox SET due = 0 WHERE published IS NULL AND attempts = 0 AND due > 0",
                args![],
            )
            .await
            .map(drop)
    }

    /// Takes rows that are due and the first of their chain.
    async fn claim(&self) -> Result<Vec<Claimed>, IngestError> {
        let now = Timestamp::now();
        let until = now.micros() + micros(CLAIM);
        let rows = self
            .database
            .fetch_all(
                "UPDATE outbox SET due = $2 WHERE due <= $1 AND id IN (\
                   SELECT o.id FROM outbox o WHERE o.published IS NULL AND o.due <= $1 \
                   AND NOT EXISTS (SELECT 1 FROM outbox e WHERE e.chain = o.chain \
                     AND e.position < o.position AND e.published IS NULL) \
                   ORDER BY o.created, o.id LIMIT $3) \
                 RETURNING id, CAST(LENGTH(payload) AS BIGINT) AS size",
                args![now.micros(), until, BATCH],
            )
            .await?;
        let claimed = rows.iter().map(|row| {
            Ok(Claimed {
                id: row.text("id")?,
                size: row.int("size")?,
            })
        });
        Ok(claimed.collect::<Result<_, DbError>>()?)
    }

    /// What claimed rows hold.
    async fn load(&self, claimed: &[Claimed]) -> Result<Vec<Waiting>, DbError> {
        let ids = claimed.iter().map(|row| args![&row.id]).collect();
        self.database
            .fetch_values(
                "WITH claimed(id) AS (VALUES",
                ") SELECT o.* FROM outbox o JOIN claimed c ON o.id = c.id",
                ids,
            )
            .await?
            .iter()
            .map(Waiting::from_row)
            .collect()
    }

    async fn publish(&self, row: &Waiting) -> Result<(), PublishError> {
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
        if row.order_event {
            publication = publication.expect_last_subject_sequence(0);
        }
        match self.bus.publish(publication).instrument(span).await {
            Ok(_) => Ok(()),
            // The subject names order and revision: whatever lies there is this event.
            Err(PublishError::WrongLastSequence { .. }) if row.order_event => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn mark(&self, mut done: Vec<Waiting>) -> Result<(), IngestError> {
        let now = Timestamp::now().micros();
        // One sequence for all replicas, so that two of them never wait for each other.
        done.sort_by(|one, other| one.id.cmp(&other.id));
        let mut transaction = self.database.begin().await?;
        transaction
            .execute_values(
                "WITH done(id, at) AS (VALUES",
                ") UPDATE outbox SET published = done.at FROM done WHERE outbox.id = done.id",
                done.iter().map(|row| args![&row.id, now]).collect(),
            )
            .await?;
        let orders = done.iter().filter(|row| row.order_event);
        transaction
            .execute_values(
                "WITH done(order_id, revision, at) AS (VALUES",
                ") UPDATE revisions SET published = done.at FROM done \
                 WHERE revisions.order_id = done.order_id AND revisions.revision = done.revision",
                orders
                    .map(|row| args![&row.chain, row.position, now])
                    .collect(),
            )
            .await?;
        transaction.commit().await?;
        for row in done
            .iter()
            .filter(|row| row.order_event && row.attempts > 0)
        {
            refused::close(&self.database, &row.chain, row.position).await?;
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
        self.database
            .execute(
                "UPDATE outbox SET due = $2, attempts = attempts + 1 WHERE id = $1",
                args![&row.id, due],
            )
            .await?;
        if row.order_event && !error.is_transient() {
            refused::park(&self.database, &row.chain, row.position, error).await?;
        }
        Ok(())
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

impl Waiting {
    fn from_row(row: &Row) -> Result<Self, DbError> {
        Ok(Self {
            id: row.text("id")?,
            order_event: row.text("kind")? == "order",
            chain: row.text("chain")?,
            position: row.int("position")?,
            tenant: row.text("tenant")?,
            subject: row.text("subject")?,
            payload: row.text("payload")?,
            trace: row.opt_text("traceparent")?,
            attempts: row.int("attempts")?,
        })
    }
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
