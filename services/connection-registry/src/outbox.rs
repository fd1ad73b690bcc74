//! Events that a transaction decided: committed with it, published after it, repeated until the
//! broker took them.

use storelink_bus::{Publication, PublishError};
use storelink_events::{Envelope, EventData};
use storelink_model::{TenantId, Timestamp};
use storelink_persistence::{DbError, Transaction, args};

use crate::registry::Registry;
use crate::trace;

const BATCH: i64 = 200;

/// Adds an event to a transaction.
pub(crate) async fn add<T: EventData>(
    transaction: &mut Transaction,
    subject: &str,
    event: &Envelope<T>,
) -> Result<(), DbError> {
    let payload = String::from_utf8(event.to_json()).unwrap_or_default();
    transaction
        .execute(
            "INSERT INTO outbox (id, tenant, subject, payload, created) VALUES ($1, $2, $3, $4, $5)",
            args![
                &event.id,
                event.tenant.as_str(),
                subject,
                payload,
                Timestamp::now().micros(),
            ],
        )
        .await
        .map(drop)
}

impl Registry {
    /// Publishes what waits, oldest first, and stops where the broker does.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn relay_outbox(&self) -> Result<(), DbError> {
        let rows = self
            .database
            .fetch_all(
                "SELECT * FROM outbox ORDER BY created, id LIMIT $1",
                args![BATCH],
            )
            .await?;
        for row in rows {
            let (id, subject) = (row.text("id")?, row.text("subject")?);
            let tenant = row.text("tenant")?.parse::<TenantId>();
            let mut publication =
                Publication::new(subject.as_str(), row.text("payload")?).message_id(id.as_str());
            if let Ok(tenant) = &tenant {
                publication = publication.headers(trace::headers(tenant));
            }
            match self.bus.publish(publication).await {
                Ok(_) => {}
                // Kept for ever it would block what follows; the log has it.
                Err(
                    error @ (PublishError::TooLarge { .. } | PublishError::InvalidSubject { .. }),
                ) => {
                    tracing::error!(%error, event = id, "an event cannot be published");
                }
                Err(error) => {
                    tracing::warn!(%error, code = error.code(), "events wait to be published");
                    return Ok(());
                }
            }
            self.database
                .execute("DELETE FROM outbox WHERE id = $1", args![id])
                .await?;
        }
        Ok(())
    }
}
