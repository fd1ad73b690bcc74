//! Who is told what of an event was refused.

use async_trait::async_trait;
use storelink_bus::{Bus, PublishError, WorkItem};
use storelink_events::Violation;
use storelink_service::reject_event;

/// Tells publishers of events what was refused. It may be told twice.
#[async_trait]
pub trait Rejections: Send + Sync {
    /// Tells it lastingly, before the event's message is acknowledged.
    async fn tell(
        &self,
        item: &WorkItem,
        event_id: Option<String>,
        partly_accepted: bool,
        violations: &[Violation],
    ) -> Result<(), PublishError>;
}

/// Tells it on the hub, in the name of a service.
pub(crate) struct HubRejections {
    pub(crate) bus: Bus,
    pub(crate) service: &'static str,
}

#[async_trait]
impl Rejections for HubRejections {
    async fn tell(
        &self,
        item: &WorkItem,
        event_id: Option<String>,
        partly_accepted: bool,
        violations: &[Violation],
    ) -> Result<(), PublishError> {
        reject_event(
            &self.bus,
            self.service,
            item,
            event_id,
            partly_accepted,
            violations,
        )
        .await
    }
}
