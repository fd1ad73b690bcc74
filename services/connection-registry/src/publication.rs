//! What other services see of connections and tenants: records in the bucket `connections`.
//!
//! SQL is the truth and is written first. Each row carries a revision and the revision that was
//! published last; what differs is published again until it does not. The bucket is written by
//! compare-and-set, so that an older record never replaces a newer one.

use std::time::Duration;

use storelink_bus::kv::{Bucket, Entry, KvError, KvEvent, Watch};
use storelink_events::connection::{ConnectionRecord, TenantRecord};
use storelink_events::subject;
use storelink_model::{ConnectionId, TenantId};
use storelink_persistence::{DbError, args};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::connections::store;
use crate::registry::{Registry, Shared};
use crate::{schedules, tenants};

/// How long a caller's request waits for the broker; afterwards the sweep goes on with it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3);
pub(crate) const SWEEP_EVERY: Duration = Duration::from_secs(5);
/// Everything is compared with the bucket this often, in case it was lost or changed.
pub(crate) const COMPARE_EVERY: Duration = Duration::from_secs(300);
pub(crate) const ATTEMPTS: u32 = 8;
pub(crate) const BATCH: i64 = 500;

/// A record could not be published; it is tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublicationError {
    #[error(transparent)]
    Database(#[from] DbError),
    #[error(transparent)]
    Bucket(#[from] KvError),
    #[error("the record changes faster than it can be published")]
    Contention,
}

/// What is to be done so that the bucket shows the record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Nothing,
    Create,
    Replace {
        revision: u64,
    },
    /// The bucket is ahead of the database, which was restored: the row's revision has to pass it.
    Overtake {
        revision: u64,
    },
}

/// Publishes what waits, and compares everything now and then and whenever the bucket is another
/// one than before, until cancelled.
pub(crate) async fn run(registry: Shared, cancel: CancellationToken) {
    let mut bucket = registry.bucket.watch();
    let mut compare = interval(COMPARE_EVERY);
    compare.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut all = true;
    loop {
        match registry.publish_waiting(all).await {
            Ok(()) => all = false,
            Err(error) => tracing::warn!(%error, "records of connections wait to be published"),
        }
        tokio::select! {
            biased;
            () = cancel.cancelled() => return,
            () = registry.unpublished.notified() => {}
            () = recreated(&mut bucket) => all = true,
            _ = compare.tick() => all = true,
            () = sleep(SWEEP_EVERY) => {}
        }
    }
}

/// Waits until the bucket was lost and made again.
pub(crate) async fn recreated(bucket: &mut Watch) {
    while bucket.next().await != KvEvent::Recreated {}
}

impl Registry {
    /// Publishes a connection's record now if the broker answers soon, else leaves it to the sweep:
    /// the change itself is already kept.
    pub(crate) async fn publish_soon(&self, id: &ConnectionId) {
        let outcome = timeout(PATIENCE, self.publish_connection(id)).await;
        if let Ok(Err(error)) = &outcome {
            tracing::warn!(connection = %id, %error, "a record waits to be published");
        }
        if !matches!(outcome, Ok(Ok(()))) {
            self.unpublished.notify_one();
        }
    }

    /// The same for a tenant's record.
    pub(crate) async fn publish_tenant_soon(&self, tenant: &TenantId) {
        if !matches!(
            timeout(PATIENCE, self.publish_tenant(tenant)).await,
            Ok(Ok(()))
        ) {
            self.unpublished.notify_one();
        }
    }

    /// Publishes what is not published, or compares everything when `all`.
    pub(crate) async fn publish_waiting(&self, all: bool) -> Result<(), PublicationError> {
        for tenant in self.tenants_to_publish(all).await? {
            self.publish_tenant(&tenant).await?;
        }
        let mut after = String::new();
        loop {
            let ids = self.connections_to_publish(all, &after).await?;
            let Some(last) = ids.last() else {
                return Ok(());
            };
            after = last.as_str().to_owned();
            for id in &ids {
                self.publish_connection(id).await?;
            }
        }
    }

    /// Makes the bucket show what the database holds of a connection.
    pub(crate) async fn publish_connection(
        &self,
        id: &ConnectionId,
    ) -> Result<(), PublicationError> {
        let key = subject::connection_key(id);
        for attempt in 0..ATTEMPTS {
            let Some(row) = store::any(&self.database, id).await? else {
                return Ok(());
            };
            if !row.is_active() {
                return Ok(());
            }
            let entities = schedules::store::active_entities(&self.database, id).await?;
            let found = self.bucket.get(&key).await?;
            let written = match row.record(entities) {
                Some(record) => {
                    match step(found.as_ref(), &record, |record: &ConnectionRecord| {
                        record.revision
                    }) {
                        Step::Overtake { revision } => {
                            self.overtake_connection(id, row.revision, revision).await?;
                            continue;
                        }
                        step => {
                            if step == Step::Create {
                                // Who hears of a connection must know whether its tenant writes.
                                self.publish_tenant(&row.tenant).await?;
                            }
                            write(&self.bucket, &key, step, &record).await
                        }
                    }
                }
                None => match found {
                    Some(entry) => self.bucket.delete_revision(&key, entry.revision).await,
                    None => Ok(()),
                },
            };
            if settled(written)? && self.mark_connection(id, row.revision).await? {
                return Ok(());
            }
            sleep(Duration::from_millis(20) * attempt).await;
        }
        Err(PublicationError::Contention)
    }

    /// Makes the bucket show what the database holds of a tenant.
    pub(crate) async fn publish_tenant(&self, id: &TenantId) -> Result<(), PublicationError> {
        let key = subject::tenant_key(id);
        for attempt in 0..ATTEMPTS {
            let Some(row) = tenants::get(&self.database, id).await? else {
                return Ok(());
            };
            let record = TenantRecord {
                tenant: row.id,
                revision: u64::try_from(row.revision).unwrap_or_default(),
                writes_paused: row.writes_paused,
            };
            let found = self.bucket.get(&key).await?;
            let written = match step(found.as_ref(), &record, |record: &TenantRecord| {
                record.revision
            }) {
                Step::Overtake { revision } => {
                    self.overtake_tenant(id, row.revision, revision).await?;
                    continue;
                }
                step => write(&self.bucket, &key, step, &record).await,
            };
            if settled(written)? && self.mark_tenant(id, row.revision).await? {
                return Ok(());
            }
            sleep(Duration::from_millis(20) * attempt).await;
        }
        Err(PublicationError::Contention)
    }

    async fn connections_to_publish(
        &self,
        all: bool,
        after: &str,
    ) -> Result<Vec<ConnectionId>, DbError> {
        let rows = self
            .database
            .fetch_all(
                "SELECT id FROM connections WHERE id > $1 AND activated IS NOT NULL
                    AND ($2 OR published <> revision) ORDER BY id LIMIT $3",
                args![after, all, BATCH],
            )
            .await?;
        let ids = rows
            .iter()
            .map(|row| row.text("id"))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
    }

    async fn tenants_to_publish(&self, all: bool) -> Result<Vec<TenantId>, DbError> {
        let rows = self
            .database
            .fetch_all(
                "SELECT id FROM tenants WHERE $1 OR published <> revision ORDER BY id",
                args![all],
            )
            .await?;
        let ids = rows
            .iter()
            .map(|row| row.text("id"))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
    }

    /// False when the row changed meanwhile.
    async fn mark_connection(&self, id: &ConnectionId, revision: i64) -> Result<bool, DbError> {
        let marked = self
            .database
            .execute(
                "UPDATE connections SET published = $2 WHERE id = $1 AND revision = $2",
                args![id.as_str(), revision],
            )
            .await?;
        Ok(marked == 1)
    }

    async fn mark_tenant(&self, id: &TenantId, revision: i64) -> Result<bool, DbError> {
        let marked = self
            .database
            .execute(
                "UPDATE tenants SET published = $2 WHERE id = $1 AND revision = $2",
                args![id.as_str(), revision],
            )
            .await?;
        Ok(marked == 1)
    }

    /// Lifts a row above what the bucket holds, unless the row moved on by itself: then the bucket
    /// was ahead of what this replica had read only.
    async fn overtake_connection(
        &self,
        id: &ConnectionId,
        read: i64,
        found: u64,
    ) -> Result<(), DbError> {
        let found = i64::try_from(found).unwrap_or(i64::MAX - 1);
        let lifted = self
            .database
            .execute(
                "UPDATE connections SET revision = $3 + 1,
                    credentials_revision = credentials_revision + 1
                 WHERE id = $1 AND revision = $2",
                args![id.as_str(), read, found],
            )
            .await?;
        if lifted == 1 {
            tracing::warn!(connection = %id, found, "the bucket was ahead of the database");
        }
        Ok(())
    }

    async fn overtake_tenant(&self, id: &TenantId, read: i64, found: u64) -> Result<(), DbError> {
        let found = i64::try_from(found).unwrap_or(i64::MAX - 1);
        self.database
            .execute(
                "UPDATE tenants SET revision = $3 + 1 WHERE id = $1 AND revision = $2",
                args![id.as_str(), read, found],
            )
            .await
            .map(drop)
    }
}

/// Carries a step out.
pub(crate) async fn write<T: serde::Serialize>(
    bucket: &Bucket,
    key: &str,
    step: Step,
    record: &T,
) -> Result<(), KvError> {
    let value = serde_json::to_vec(record).unwrap_or_default();
    match step {
        Step::Nothing | Step::Overtake { .. } => Ok(()),
        Step::Create => bucket.create(key, value).await.map(drop),
        Step::Replace { revision } => bucket.update(key, value, revision).await.map(drop),
    }
}

/// Whether the write stands; false when somebody else wrote in between and it is to be repeated.
pub(crate) fn settled(written: Result<(), KvError>) -> Result<bool, KvError> {
    match written {
        Ok(()) => Ok(true),
        Err(KvError::Conflict { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// What is to be done with what the bucket holds.
pub(crate) fn step<T>(found: Option<&Entry>, wanted: &T, revision: impl Fn(&T) -> u64) -> Step
where
    T: serde::de::DeserializeOwned + PartialEq,
{
    let Some(entry) = found else {
        return Step::Create;
    };
    // What cannot be read is replaced.
    let Ok(held) = serde_json::from_slice::<T>(&entry.value) else {
        return Step::Replace {
            revision: entry.revision,
        };
    };
    if held == *wanted {
        Step::Nothing
    } else if revision(&held) >= revision(wanted) {
        Step::Overtake {
            revision: revision(&held),
        }
    } else {
        Step::Replace {
            revision: entry.revision,
        }
    }
}
