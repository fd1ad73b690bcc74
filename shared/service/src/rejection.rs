//! Tells the publisher of an event what of it was refused.

use storelink_bus::{Bus, Publication, PublishError, WorkItem};
use storelink_events::hub::EventRejected;
use storelink_events::{Envelope, Violation, subject};
use storelink_model::TenantId;

/// Violations that are listed; an event has at most a thousand items.
const LISTED: usize = 50;

/// Publishes `event.rejected` for a message that an ERP's subject brought. The id is the same when it
/// is told again.
///
/// # Errors
/// When the broker does not take it; tell it again when the message comes again.
pub async fn reject_event(
    bus: &Bus,
    service: &str,
    item: &WorkItem,
    event_id: Option<String>,
    partly_accepted: bool,
    violations: &[Violation],
) -> Result<(), PublishError> {
    let Some(tenant) = item
        .token(1)
        .and_then(|token| token.parse::<TenantId>().ok())
    else {
        return Ok(());
    };
    let rejected = EventRejected {
        event_id,
        subject: item.subject().to_owned(),
        partly_accepted,
        violations: violations.iter().take(LISTED).cloned().collect(),
    };
    let mut envelope = Envelope::new(tenant.clone(), format!("/services/{service}"), rejected);
    envelope.id = format!(
        "rejected-{}-{}-{}",
        item.stream(),
        item.sequence(),
        item.published().unix_timestamp_nanos()
    );
    envelope.traceparent = item.trace().map(|trace| trace.traceparent().to_owned());
    let publication = Publication::new(subject::hub_event_rejected(&tenant), envelope.to_json())
        .message_id(envelope.id.clone());
    bus.publish(publication).await.map(drop)
}
