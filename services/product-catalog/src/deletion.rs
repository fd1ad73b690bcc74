//! Connections that were deleted: what is kept of them goes.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use storelink_bus::Bus;
use storelink_bus::kv::Bucket;
use storelink_bus::streams::{bucket_stream, names};
use storelink_events::subject;
use storelink_model::ConnectionId;
use storelink_persistence::{Database, DbError, args};
use time::OffsetDateTime;

use crate::store;

/// How long a connection must have been without a record. A lost bucket is filled again sooner, and a
/// poller has published the last of what it was reading.
pub(crate) const GRACE: Duration = Duration::from_secs(3_600);

/// Forgets connections that have no record any more.
pub(crate) struct Deletions {
    bus: Bus,
    database: Database,
    grace: Duration,
    /// When the bucket was made that `absent` speaks of.
    bucket: Option<OffsetDateTime>,
    /// Since when this process has missed them.
    absent: HashMap<ConnectionId, Instant>,
}

/// They are forgotten later.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeletionError {
    #[error(transparent)]
    Database(#[from] DbError),
    #[error("the broker cannot be asked about deleted connections: {0}")]
    Broker(String),
}

impl DeletionError {
    fn broker(error: impl std::fmt::Display) -> Self {
        Self::Broker(error.to_string())
    }
}

impl Deletions {
    pub(crate) fn new(bus: &Bus, database: &Database, grace: Duration) -> Self {
        Self {
            bus: bus.clone(),
            database: database.clone(),
            grace,
            bucket: None,
            absent: HashMap::new(),
        }
    }

    /// Forgets what has been absent for the time of grace. `linked` are the connections that this
    /// process knows to be there.
    pub(crate) async fn forget(
        &mut self,
        linked: &HashSet<ConnectionId>,
    ) -> Result<(), DeletionError> {
        if !self.bucket_can_be_trusted().await? {
            return Ok(());
        }
        let known = store::connections(&self.database).await?;
        self.absent
            .retain(|id, _| known.contains_key(id) && !linked.contains(id));
        for id in known.into_keys().filter(|id| !linked.contains(id)) {
            if self.has_record(&id).await? {
                self.absent.remove(&id);
                continue;
            }
            let since = *self.absent.entry(id.clone()).or_insert_with(Instant::now);
            if since.elapsed() >= self.grace {
                self.forget_one(&id).await?;
                self.absent.remove(&id);
            }
        }
        Ok(())
    }

    /// A bucket that is empty or was made anew proves nothing: it may have been lost.
    async fn bucket_can_be_trusted(&mut self) -> Result<bool, DeletionError> {
        let stream = bucket_stream(names::CONNECTIONS);
        let stream = self.bus.jetstream().get_stream(stream).await;
        let info = stream.map_err(DeletionError::broker)?.cached_info().clone();
        if self.bucket != Some(info.created) {
            self.bucket = Some(info.created);
            self.absent.clear();
        }
        let old_enough = OffsetDateTime::now_utc() - info.created >= self.grace;
        if info.state.messages == 0 || !old_enough {
            self.absent.clear();
            return Ok(false);
        }
        Ok(true)
    }

    /// Records of platforms that this release does not know are in the bucket alone.
    async fn has_record(&self, id: &ConnectionId) -> Result<bool, DeletionError> {
        let bucket = Bucket::new(&self.bus, names::CONNECTIONS);
        let record = bucket.get(&subject::connection_key(id)).await;
        Ok(record.map_err(DeletionError::broker)?.is_some())
    }

    /// The row of the connection goes last: until then this is done again.
    async fn forget_one(&self, id: &ConnectionId) -> Result<(), DeletionError> {
        let mut transaction = self.database.begin().await?;
        for sql in [
            "DELETE FROM articles WHERE connection = $1",
            "DELETE FROM products WHERE connection = $1",
            "DELETE FROM shards WHERE connection = $1",
        ] {
            transaction.execute(sql, args![id.as_str()]).await?;
        }
        transaction.commit().await?;
        self.purge(names::LISTINGS, format!("listing.{id}.*"))
            .await?;
        self.purge(names::PRODUCTS, format!("product.{id}.*"))
            .await?;
        self.database
            .execute(
                "DELETE FROM connections WHERE connection = $1",
                args![id.as_str()],
            )
            .await?;
        tracing::info!(connection = %id, "the catalogue of a deleted connection is gone");
        Ok(())
    }

    async fn purge(&self, stream: &str, filter: String) -> Result<(), DeletionError> {
        let stream = self.bus.jetstream().get_stream_no_info(stream).await;
        let stream = stream.map_err(DeletionError::broker)?;
        let purged = stream.purge().filter(filter).await;
        purged.map(drop).map_err(DeletionError::broker)
    }
}

#[cfg(test)]
mod tests;
