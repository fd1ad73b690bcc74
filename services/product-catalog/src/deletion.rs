//! Connections that were deleted: what is kept of them goes.

use std::collections::HashSet;
use std::time::Duration;

use storelink_bus::Bus;
use storelink_bus::streams::names;
use storelink_model::ConnectionId;
use storelink_persistence::{Database, DbError, args};
use storelink_service::{AbsenceError, Absences};

use crate::store;

/// Forgets connections that have no record any more.
pub(crate) struct Deletions {
    bus: Bus,
    database: Database,
    absences: Absences,
}

/// They are forgotten later.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeletionError {
    #[error(transparent)]
    Database(#[from] DbError),
    #[error(transparent)]
    Absence(#[from] AbsenceError),
    #[error("what is published of a deleted connection cannot be removed: {0}")]
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
            absences: Absences::new(bus, grace),
        }
    }

    /// Forgets what has been absent for the time of grace. `linked` are the connections that this
    /// process knows to be there.
    pub(crate) async fn forget(
        &mut self,
        linked: &HashSet<ConnectionId>,
    ) -> Result<(), DeletionError> {
        let known = store::connections(&self.database).await?;
        let known = known.into_keys().collect();
        for id in self.absences.among(&known, linked).await? {
            self.forget_one(&id).await?;
        }
        Ok(())
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
