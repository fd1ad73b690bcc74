//! The ledger: every order of a store with every content that it had.
//!
//! One transaction takes a batch of readings: it locks their orders, decides about each reading, and
//! writes orders, revisions, parked entries and the events that follow. What it wrote is published
//! afterwards by the [`Relay`](crate::Relay).

mod codes;
pub(crate) mod entry;
mod reassess;
pub(crate) mod records;
pub(crate) mod rows;

use std::collections::BTreeMap;
use std::sync::Arc;

use storelink_events::connection::RoundingChoice;
use storelink_events::internal::OrderRead;
use storelink_model::{ConnectionId, Timestamp};
use storelink_order::ContentHash;
use storelink_persistence::Database;
use tracing::Span;

use crate::IngestError;
use crate::revision::Decision;
use entry::Entry;
pub(crate) use reassess::HeldOrders;
use records::LedgerRecords;
use rows::Writes;

type RoundingOf = dyn Fn(&ConnectionId) -> RoundingChoice + Send + Sync;

/// The ledger. Clones share it.
#[derive(Clone)]
pub struct Ledger {
    records: Arc<dyn LedgerRecords>,
    rounding: Arc<RoundingOf>,
}

/// One reading of an order on its way into the ledger.
#[derive(Debug)]
pub struct Arrival {
    read: OrderRead,
    content: ContentHash,
    trace: Option<String>,
    /// Covers the work up to the commit.
    _span: Span,
}

impl Arrival {
    /// A reading within the trace that `traceparent` names; a trace of its own without one.
    #[must_use]
    pub fn new(read: OrderRead, traceparent: Option<&str>) -> Self {
        let span = tracing::info_span!(
            parent: None,
            "order.ingest",
            connection = %read.connection,
            platform = %read.platform,
            read_number = read.read_number,
        );
        if let Some(parent) = traceparent {
            storelink_telemetry::trace_context::parent_from(&span, parent);
        }
        let own = span.in_scope(storelink_telemetry::trace_context::traceparent);
        let content = match &read.order {
            Some(order) => order.content_hash(),
            None => ContentHash::of_bytes(read.raw.get().as_bytes()),
        };
        // Without tracing in this process the trace still goes on.
        let trace = own.or_else(|| traceparent.map(str::to_owned));
        Self {
            read,
            content,
            trace,
            _span: span,
        }
    }

    /// What was read.
    #[must_use]
    pub fn read(&self) -> &OrderRead {
        &self.read
    }

    /// The trace that goes on with what follows from it.
    #[must_use]
    pub fn trace(&self) -> Option<&str> {
        self.trace.as_deref()
    }

    /// Connection, and the store's id.
    pub(crate) fn key(&self) -> (String, String) {
        (
            self.read.connection.to_string(),
            self.read.external_id.clone(),
        )
    }
}

impl Ledger {
    /// A ledger in this database; `rounding` says how a connection treats differences by rounding.
    pub fn new(
        database: Database,
        rounding: impl Fn(&ConnectionId) -> RoundingChoice + Send + Sync + 'static,
    ) -> Self {
        Self::within(Arc::new(database), rounding)
    }

    /// A ledger that is kept here.
    pub(crate) fn within(
        records: Arc<dyn LedgerRecords>,
        rounding: impl Fn(&ConnectionId) -> RoundingChoice + Send + Sync + 'static,
    ) -> Self {
        Self {
            records,
            rounding: Arc::new(rounding),
        }
    }

    /// Takes readings, all or none, and says what each meant. Taking one again changes nothing.
    ///
    /// # Errors
    /// When the database fails; after a transient error the same readings may be given again,
    /// whether or not they were stored.
    pub async fn take(&self, arrivals: &[Arrival]) -> Result<Vec<Decision>, IngestError> {
        let now = Timestamp::now();
        let mut transaction = self.records.begin().await?;
        let mut entries = transaction.lock(arrivals, now).await?;
        transaction.recall(arrivals, &mut entries).await?;
        let mut writes = Writes::default();
        let mut decisions: Vec<(usize, Decision)> = Vec::with_capacity(arrivals.len());
        for (index, arrival) in by_read_number(arrivals) {
            let Some(entry) = entries.get_mut(&arrival.key()) else {
                return Err(IngestError::Stored {
                    what: "an order",
                    reason: "its row did not come back when it was locked".to_owned(),
                });
            };
            let rounding = (self.rounding)(&arrival.read.connection);
            decisions.push((index, entry.take(arrival, rounding, now, &mut writes)?));
        }
        let entries = entries.into_values().collect();
        transaction.save(entries, writes).await?;
        transaction.commit().await?;
        decisions.sort_by_key(|(index, _)| *index);
        Ok(decisions
            .into_iter()
            .map(|(_, decision)| decision)
            .collect())
    }
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").finish_non_exhaustive()
    }
}

/// Within a batch the sequence is ours to choose: the right one saves a fresh read.
fn by_read_number(arrivals: &[Arrival]) -> Vec<(usize, &Arrival)> {
    let mut ordered: Vec<(usize, &Arrival)> = arrivals.iter().enumerate().collect();
    ordered.sort_by_key(|(_, arrival)| arrival.read.read_number);
    ordered
}

/// Orders of a batch by connection and the store's id: one sequence for all replicas, so that two of
/// them never wait for each other.
pub type Entries = BTreeMap<(String, String), Entry>;
