//! How long records are kept.

use storelink_model::ConnectionId;
use storelink_persistence::{Database, args};

use super::LaneName;

/// Receipts kept per connection beyond those that a start needs.
const RECEIPTS: i64 = 500;

/// Removes attempts that a snapshot covers and that are too old to be of interest. A failure only
/// leaves them until the next snapshot.
pub(super) async fn drop_old_attempts(db: &Database, lane: &LaneName, number: i64) {
    let dropped = db
        .execute(
            "DELETE FROM attempts WHERE connection = $1 AND (epoch, number) <= ($2, $3) \
             AND (epoch, number) < (SELECT epoch, number FROM attempts WHERE connection = $1 \
             ORDER BY epoch DESC, number DESC LIMIT 1 OFFSET $4)",
            args![lane.connection.as_str(), lane.epoch, number, RECEIPTS],
        )
        .await;
    if let Err(error) = dropped {
        tracing::warn!(%error, connection = %lane.connection, "old receipts stay for now");
    }
}

/// Removes what waits for a connection that was deleted. Its receipts stay until they are old.
pub(crate) async fn forget(db: &Database, connection: &ConnectionId) {
    for statement in [
        "DELETE FROM parked WHERE connection = $1",
        "DELETE FROM doubts WHERE connection = $1",
        "DELETE FROM snapshots WHERE connection = $1",
        "DELETE FROM approvals WHERE connection = $1",
    ] {
        if let Err(error) = db.execute(statement, args![connection.as_str()]).await {
            tracing::warn!(%connection, %error, "records of a deleted connection stay");
        }
    }
}
