//! Asking for a fresh read of one order.

use storelink_bus::{Publication, PublishError, TraceContext};
use storelink_events::internal::PollJob;
use storelink_events::subject;
use storelink_model::{ConnectionId, Platform, TenantId};

use crate::IngestError;
use crate::broker::Broker;

/// The order to be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) tenant: &'a TenantId,
    pub(crate) connection: &'a ConnectionId,
    pub(crate) platform: &'a Platform,
    pub(crate) external_id: &'a str,
    pub(crate) trace: Option<&'a str>,
}

/// What came of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The read begins after this.
    Queued,
    /// A job for this order waits, or is in work and may have sent its request before.
    Taken,
}

/// Queues a job that reads one order.
pub(crate) async fn ask(broker: &dyn Broker, wanted: Wanted<'_>) -> Result<Asked, IngestError> {
    let job = PollJob {
        tenant: wanted.tenant.clone(),
        connection: wanted.connection.clone(),
        entity: "orders".to_owned(),
        external_id: Some(wanted.external_id.to_owned()),
        full: false,
        run: format!("fresh-{}", storelink_model::unique_id().simple()),
    };
    let subject = subject::poll_one(
        wanted.platform,
        wanted.connection,
        &job.entity,
        wanted.external_id,
    );
    let body = serde_json::to_vec(&job).map_err(IngestError::encode("a poll job"))?;
    let mut publication = Publication::new(subject, body);
    if let Some(trace) = wanted
        .trace
        .and_then(|trace| TraceContext::new(trace, None))
    {
        publication = publication.trace(&trace);
    }
    match broker.publish(publication).await {
        Ok(_) => Ok(Asked::Queued),
        Err(PublishError::SubjectTaken { .. }) => Ok(Asked::Taken),
        Err(error) => Err(error.into()),
    }
}
