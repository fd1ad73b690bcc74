//! Orders whose event the broker refuses for good: too large, or no permission.

use storelink_bus::PublishError;
use storelink_model::Timestamp;
use storelink_persistence::{Database, DbError, args};

/// The broker refuses the order's event.
const EVENT_REFUSED: &str = "order.event_refused";

/// Parks an order unless it is parked already. No event tells of it: the way for events is what is
/// in trouble. The row stays in the outbox and is tried again every few minutes.
pub(crate) async fn park(
    database: &Database,
    order: &str,
    revision: i64,
    error: &PublishError,
) -> Result<(), DbError> {
    let text = format!("The broker refuses the event of revision {revision}: {error}");
    database
        .execute(
            "INSERT INTO parked (order_id, tenant, connection, external_id, revision, code, text, \
             since) SELECT id, tenant, connection, external_id, $2, $3, $4, $5 FROM orders \
             WHERE id = $1 ON CONFLICT (order_id) DO NOTHING",
            args![
                order,
                revision,
                EVENT_REFUSED,
                text,
                Timestamp::now().micros()
            ],
        )
        .await
        .map(drop)
}

/// The broker took the event after all.
pub(crate) async fn close(database: &Database, order: &str, revision: i64) -> Result<(), DbError> {
    database
        .execute(
            "DELETE FROM parked WHERE order_id = $1 AND code = $2 AND revision <= $3",
            args![order, EVENT_REFUSED, revision],
        )
        .await
        .map(drop)
}
