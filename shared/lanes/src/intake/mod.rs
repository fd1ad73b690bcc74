//! Intake: events of ERPs become last values.
//!
//! SQL first, then the stream, then the acknowledgement. On redelivery every step is repeated from
//! the committed row.

mod coalesce;
mod event;
mod log;
mod mirror;
mod rejections;
mod sources;
mod value_stream;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use storelink_bus::{Bus, Outcome, WorkItem, WorkLoop, WorkLoopError};
use storelink_model::Timestamp;
use storelink_planted_faults::planted;
use storelink_service::{TENANT_AGAIN, TenantKnown, Tenants, tenant_known};
use storelink_telemetry::trace_context;
use tokio_util::sync::CancellationToken;
use tracing::Span;

use crate::kind::LaneKind;
use crate::metrics::LaneMetrics;
pub use coalesce::Winner;
use event::IntakeEvent;
pub(crate) use log::BrokerLog;
pub use log::{ValueLog, ValueWindow};
pub(crate) use mirror::Mirror;
pub use mirror::{Committed, MirrorPlace, MirrorRow, MirrorRows};
pub(crate) use rejections::HubRejections;
pub use rejections::Rejections;
use sources::SourceOrders;
pub use sources::{SourceKey, SourceRows};
use value_stream::ValueStreamError;
pub(crate) use value_stream::{Outgoing, ValueStream};

/// Events taken at once: what is there, not what is waited for.
const BATCH: usize = 500;
/// Pause before events are tried again that the database or the broker did not take.
const AFTER_OUTAGE: Duration = Duration::from_secs(2);

/// Reads the ERP's events of one kind.
pub(crate) struct Intake<K: LaneKind> {
    rejections: Arc<dyn Rejections>,
    stream: Arc<ValueStream<K>>,
    sources: SourceOrders,
    tenants: Arc<dyn Tenants>,
    metrics: LaneMetrics,
}

type Event<K> = IntakeEvent<<K as LaneKind>::Source, <K as LaneKind>::Value>;

/// Why a batch could not be worked on; it comes again.
#[derive(Debug, thiserror::Error)]
enum IntakeError {
    #[error(transparent)]
    Database(#[from] storelink_persistence::DbError),
    #[error(transparent)]
    Stream(#[from] ValueStreamError),
}

impl IntakeError {
    /// Whether the same events may be taken later. Everything about the broker passes.
    fn is_transient(&self) -> bool {
        match self {
            Self::Database(error) | Self::Stream(ValueStreamError::Database(error)) => {
                error.is_transient()
            }
            Self::Stream(_) => true,
        }
    }
}

impl<K: LaneKind> Intake<K> {
    pub(crate) fn new(
        rejections: Arc<dyn Rejections>,
        sources: Arc<dyn SourceRows>,
        stream: Arc<ValueStream<K>>,
        tenants: Arc<dyn Tenants>,
        metrics: LaneMetrics,
    ) -> Self {
        Self {
            rejections,
            stream,
            sources: SourceOrders::new(sources),
            tenants,
            metrics,
        }
    }

    /// Works until cancelled.
    pub(crate) async fn run(
        self,
        bus: &Bus,
        shutdown: CancellationToken,
    ) -> Result<(), WorkLoopError> {
        let work = WorkLoop::new(bus, K::names().intake).batch(BATCH);
        let intake = Arc::new(self);
        work.run_batches(
            move |items| {
                let intake = intake.clone();
                async move { intake.take(items).await }
            },
            shutdown,
        )
        .await
    }

    pub(crate) async fn take(&self, items: Vec<WorkItem>) -> Vec<Outcome> {
        let now = Timestamp::now();
        let mut spans = Vec::new();
        let mut events: Vec<Event<K>> = Vec::with_capacity(items.len());
        for item in &items {
            let mut event = event::read::<K>(item.subject(), item.payload(), item.sequence(), now);
            join_trace(item, &mut event, &mut spans);
            self.check_tenant(item, &mut event, now);
            events.push(event);
        }
        if let Err(error) = self.apply(&mut events).await {
            return self.not_applied(items, &error).await;
        }
        let outcomes = items
            .iter()
            .zip(&events)
            .map(|(item, event)| self.answer(item, event));
        futures::future::join_all(outcomes).await
    }

    fn check_tenant(&self, item: &WorkItem, event: &mut Event<K>, now: Timestamp) {
        let Some(taken) = &event.taken else { return };
        match tenant_known(self.tenants.as_ref(), &taken.tenant, item.published(), now) {
            TenantKnown::Yes => {}
            TenantKnown::NotYet => event.wait_for_tenant(),
            TenantKnown::No => event.refuse_tenant(),
        }
    }

    /// An outage is not the events' fault: no growing pauses, so that they go on soon after it. What
    /// the database refuses is found by taking the events one by one, and kept for a person.
    async fn not_applied(&self, items: Vec<WorkItem>, error: &IntakeError) -> Vec<Outcome> {
        tracing::warn!(%error, events = items.len(), "events were not taken");
        if planted!(AcknowledgeUnwritten) {
            return vec![Outcome::Done; items.len()];
        }
        if error.is_transient() {
            return vec![Outcome::retry_after(AFTER_OUTAGE, error); items.len()];
        }
        if items.len() == 1 {
            return vec![Outcome::park("event.not_stored", error.to_string())];
        }
        let mut outcomes = Vec::with_capacity(items.len());
        for item in items {
            outcomes.extend(Box::pin(self.take(vec![item])).await);
        }
        outcomes
    }

    async fn apply(&self, events: &mut [Event<K>]) -> Result<(), IntakeError> {
        self.keep_orders(events).await?;
        let arrived: usize = events
            .iter()
            .filter_map(|event| event.taken.as_ref())
            .map(|taken| taken.arrivals.len())
            .sum();
        let winners = coalesce::coalesce::<K>(events);
        if winners.is_empty() {
            return Ok(());
        }
        let stored = self.stream.mirror().store(&winners).await?;
        for place in &stored.conflicts {
            let winner = winners.get(*place);
            if let Some(winner) = winner
                && let Some(event) = events.get_mut(winner.event)
            {
                event.conflict(winner.item, &winner.key.sku);
            }
        }
        self.metrics.taken_in(arrived, stored.changed);
        let values = stored.rows.into_iter().map(|(place, row)| {
            let trace = winners.get(place).and_then(|winner| winner.trace.clone());
            Outgoing { row, trace }
        });
        self.stream.publish(values.collect()).await?;
        Ok(())
    }

    async fn keep_orders(&self, events: &mut [Event<K>]) -> Result<(), IntakeError> {
        let mut suggested = BTreeMap::new();
        for event in events.iter() {
            if let (Some(taken), Some(order)) = (&event.taken, event.order()) {
                let key = (taken.tenant.clone(), taken.source.as_ref().to_owned());
                suggested.entry(key).or_insert(order);
            }
        }
        let orders = self.sources.fix(suggested).await?;
        for event in events {
            let Some(taken) = &event.taken else { continue };
            let key = (taken.tenant.clone(), taken.source.as_ref().to_owned());
            if let Some(order) = orders.get(&key) {
                event.keep_ordered_by(*order);
            }
        }
        Ok(())
    }

    /// What becomes of the message: with violations it is told and kept for a person.
    async fn answer(&self, item: &WorkItem, event: &Event<K>) -> Outcome {
        if event.waits {
            return Outcome::retry_after(TENANT_AGAIN, "its tenant is not known yet");
        }
        let Some(first) = event.violations.first() else {
            return Outcome::Done;
        };
        let told = self.rejections.tell(
            item,
            event.id.clone(),
            event.accepted > 0,
            &event.violations,
        );
        if let Err(error) = told.await {
            return Outcome::retry(error);
        }
        self.metrics.rejected(event.violations.len());
        let others = match event.violations.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        Outcome::park(first.code.clone(), format!("{first}{others}"))
    }
}

/// Gives the event a span of its own below its publisher's, if that sent one. Without one no trace
/// begins here: a trace per stock change would cost more than the change.
fn join_trace<S, V>(item: &WorkItem, event: &mut IntakeEvent<S, V>, spans: &mut Vec<Span>) {
    let header = item.trace().map(|trace| trace.traceparent().to_owned());
    let Some(parent) = header.or(event.traceparent.take()) else {
        return;
    };
    let span = tracing::info_span!("intake", subject = item.subject());
    trace_context::parent_from(&span, &parent);
    let own = span.in_scope(trace_context::traceparent);
    event.traceparent = Some(own.unwrap_or(parent));
    spans.push(span);
}

/// Reads an event now; tells whether something of it is taken.
#[cfg(test)]
pub(crate) fn fuzz_event<K: LaneKind>(subject: &str, payload: &[u8]) -> bool {
    let event = event::read::<K>(subject, payload, 1, Timestamp::now());
    assert!(event.accepted > 0 || !event.violations.is_empty());
    event.accepted > 0
}
