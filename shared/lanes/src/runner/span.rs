//! How a write belongs to the events that brought it: its trace and its delay.

use std::time::Duration;

use storelink_model::Timestamp;
use storelink_telemetry::trace_context;

use crate::lane::{Batch, BatchItem};
use crate::records::LaneName;

/// Traces that a request is linked to; an item more adds nothing for a reader.
const MOST_LINKS: usize = 100;

/// From the ERP's event, unless the article waits for another reason than that event.
pub(super) fn lag_of<W>(item: &BatchItem<W>, now: Timestamp) -> Duration {
    let on_the_way = time::Duration::ZERO..=time::Duration::MINUTE;
    let event = item
        .event_time
        .filter(|event| on_the_way.contains(&item.dirty_since.since(*event)));
    let since = event.unwrap_or(item.dirty_since);
    Duration::try_from(now.since(since)).unwrap_or_default()
}

/// The span of a request: below the trace of its first item, so that an event can be followed to
/// the store, and linked to those of the others.
pub(super) fn span_of<W>(name: &LaneName, entity: &'static str, batch: &Batch<W>) -> tracing::Span {
    let span = tracing::info_span!(
        "write",
        connection = %name.connection,
        entity,
        items = batch.items.len()
    );
    let mut traces = batch.items.iter().filter_map(|item| item.trace.as_deref());
    if let Some(first) = traces.next() {
        trace_context::parent_from(&span, first);
    }
    for other in traces.take(MOST_LINKS) {
        trace_context::link_from(&span, other);
    }
    span
}
