//! Connections of which a service keeps something, and which have no record any more.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use storelink_bus::Bus;
use storelink_bus::kv::Bucket;
use storelink_bus::streams::{bucket_stream, names};
use storelink_events::subject;
use storelink_model::ConnectionId;
use storelink_runtime::Instant;
use time::OffsetDateTime;

/// Finds the connections that were deleted, also while nobody looked.
///
/// One counts as deleted when it had no record for the whole time of grace, as this process saw it. A
/// bucket that is empty, or younger than that, proves nothing: it may have been lost.
pub struct Absences {
    bus: Bus,
    grace: Duration,
    /// When the bucket was made that `since` speaks of.
    bucket: Option<OffsetDateTime>,
    since: HashMap<ConnectionId, Instant>,
}

/// The broker cannot be asked about deleted connections.
#[derive(Debug, thiserror::Error)]
#[error("the broker cannot be asked about deleted connections: {0}")]
pub struct AbsenceError(String);

impl AbsenceError {
    fn new(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

impl Absences {
    /// How long a connection must have been without a record. A lost bucket is filled again sooner, and
    /// who was still at work for the connection is done.
    pub const GRACE: Duration = Duration::from_secs(3_600);

    /// Has seen nothing yet.
    #[must_use]
    pub fn new(bus: &Bus, grace: Duration) -> Self {
        Self {
            bus: bus.clone(),
            grace,
            bucket: None,
            since: HashMap::new(),
        }
    }

    /// Those of the known connections that were deleted. `linked` are those that this process knows to be
    /// there.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn among(
        &mut self,
        known: &HashSet<ConnectionId>,
        linked: &HashSet<ConnectionId>,
    ) -> Result<Vec<ConnectionId>, AbsenceError> {
        if !self.bucket_can_be_trusted().await? {
            return Ok(Vec::new());
        }
        self.since
            .retain(|id, _| known.contains(id) && !linked.contains(id));
        let mut deleted = Vec::new();
        for id in known.difference(linked) {
            if self.has_record(id).await? {
                self.since.remove(id);
                continue;
            }
            let since = *self.since.entry(id.clone()).or_insert_with(Instant::now);
            if since.elapsed() >= self.grace {
                deleted.push(id.clone());
            }
        }
        Ok(deleted)
    }

    async fn bucket_can_be_trusted(&mut self) -> Result<bool, AbsenceError> {
        let stream = bucket_stream(names::CONNECTIONS);
        let stream = self.bus.jetstream().get_stream(stream).await;
        let info = stream.map_err(AbsenceError::new)?.cached_info().clone();
        if self.bucket != Some(info.created) {
            self.bucket = Some(info.created);
            self.since.clear();
        }
        let old_enough = OffsetDateTime::now_utc() - info.created >= self.grace;
        if info.state.messages == 0 || !old_enough {
            self.since.clear();
            return Ok(false);
        }
        Ok(true)
    }

    /// Records of platforms that this release does not know are in the bucket alone.
    async fn has_record(&self, id: &ConnectionId) -> Result<bool, AbsenceError> {
        let bucket = Bucket::new(&self.bus, names::CONNECTIONS);
        let record = bucket.get(&subject::connection_key(id)).await;
        Ok(record.map_err(AbsenceError::new)?.is_some())
    }
}
