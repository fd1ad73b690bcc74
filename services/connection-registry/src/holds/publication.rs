//! What publishers see of holds: records in the bucket `holds`, one for each SKU, kept like those of
//! connections. A record is never deleted: one without a hold is what tells that there is none.

use std::time::Duration;

use storelink_events::hold::SkuHolds;
use storelink_events::subject;
use storelink_model::{Sku, TenantId};
use storelink_persistence::{DbError, args};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Hold;
use crate::publication::{
    ATTEMPTS, BATCH, COMPARE_EVERY, PATIENCE, PublicationError, SWEEP_EVERY, Step, recreated,
    settled, step, write,
};
use crate::registry::{Registry, Shared};

/// Publishes what waits, and compares everything now and then and whenever the bucket is another one
/// than before, until cancelled.
pub(crate) async fn run(registry: Shared, cancel: CancellationToken) {
    let mut bucket = registry.holds.watch();
    let mut compare = interval(COMPARE_EVERY);
    compare.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut all = true;
    loop {
        match registry.publish_waiting_holds(all).await {
            Ok(()) => all = false,
            Err(error) => tracing::warn!(%error, "holds wait to be published"),
        }
        tokio::select! {
            biased;
            () = cancel.cancelled() => return,
            () = registry.unpublished_holds.notified() => {}
            () = recreated(&mut bucket) => all = true,
            _ = compare.tick() => all = true,
            () = sleep(SWEEP_EVERY) => {}
        }
    }
}

impl Registry {
    /// Publishes the holds of a SKU now if the broker answers soon, else leaves them to the sweep.
    pub(crate) async fn publish_holds_soon(&self, tenant: &TenantId, sku: &Sku) {
        let published = timeout(PATIENCE, self.publish_holds(tenant, sku)).await;
        if !matches!(published, Ok(Ok(()))) {
            self.unpublished_holds.notify_one();
        }
    }

    async fn publish_waiting_holds(&self, all: bool) -> Result<(), PublicationError> {
        let mut after = (String::new(), String::new());
        loop {
            let rows = self
                .database
                .fetch_all(
                    "SELECT tenant, sku FROM held_skus WHERE (tenant, sku) > ($1, $2)
                     AND ($3 OR published <> revision) ORDER BY tenant, sku LIMIT $4",
                    args![&after.0, &after.1, all, BATCH],
                )
                .await?;
            if rows.is_empty() {
                return Ok(());
            }
            for row in rows {
                after = (row.text("tenant")?, row.text("sku")?);
                if let (Ok(tenant), Ok(sku)) = (after.0.parse(), after.1.parse()) {
                    self.publish_holds(&tenant, &sku).await?;
                }
            }
        }
    }

    /// Makes the bucket show what the database holds of a SKU.
    async fn publish_holds(&self, tenant: &TenantId, sku: &Sku) -> Result<(), PublicationError> {
        let key = subject::hold_key(tenant, sku);
        for attempt in 0..ATTEMPTS {
            let Some((record, read)) = self.holds_record(tenant, sku).await? else {
                return Ok(());
            };
            let found = self.holds.get(&key).await?;
            let revision = |record: &SkuHolds| record.revision;
            let written = match step(found.as_ref(), &record, revision) {
                Step::Overtake { revision } => {
                    self.overtake_holds(&record, read, revision).await?;
                    continue;
                }
                step => write(&self.holds, &key, step, &record).await,
            };
            if settled(written)? && self.mark_holds(&record, read).await? {
                return Ok(());
            }
            sleep(Duration::from_millis(20) * attempt).await;
        }
        Err(PublicationError::Contention)
    }

    /// The record as it should be, with the revision of its row.
    async fn holds_record(
        &self,
        tenant: &TenantId,
        sku: &Sku,
    ) -> Result<Option<(SkuHolds, i64)>, DbError> {
        let row = self
            .database
            .fetch_optional(
                "SELECT revision FROM held_skus WHERE tenant = $1 AND sku = $2",
                args![tenant.as_str(), sku.as_str()],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        let revision = row.int("revision")?;
        let rows = self
            .database
            .fetch_all(
                "SELECT * FROM holds WHERE tenant = $1 AND sku = $2 ORDER BY id",
                args![tenant.as_str(), sku.as_str()],
            )
            .await?;
        let holds: Vec<Hold> = rows.iter().map(Hold::from_row).collect::<Result<_, _>>()?;
        let record = SkuHolds {
            tenant: tenant.clone(),
            sku: sku.clone(),
            revision: u64::try_from(revision).unwrap_or_default(),
            holds: holds.into_iter().map(Into::into).collect(),
        };
        Ok(Some((record, revision)))
    }

    /// False when the row changed meanwhile.
    async fn mark_holds(&self, record: &SkuHolds, revision: i64) -> Result<bool, DbError> {
        let marked = self
            .database
            .execute(
                "UPDATE held_skus SET published = $3
                 WHERE tenant = $1 AND sku = $2 AND revision = $3",
                args![record.tenant.as_str(), record.sku.as_str(), revision],
            )
            .await?;
        Ok(marked == 1)
    }

    /// Lifts a row above what the bucket holds, unless it moved on by itself.
    async fn overtake_holds(
        &self,
        record: &SkuHolds,
        read: i64,
        found: u64,
    ) -> Result<(), DbError> {
        let found = i64::try_from(found).unwrap_or(i64::MAX - 1);
        self.database
            .execute(
                "UPDATE held_skus SET revision = $4 + 1
                 WHERE tenant = $1 AND sku = $2 AND revision = $3",
                args![record.tenant.as_str(), record.sku.as_str(), read, found],
            )
            .await
            .map(drop)
    }
}
