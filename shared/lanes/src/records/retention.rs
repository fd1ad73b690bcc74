//! How long records are kept.

use storelink_model::ConnectionId;
use storelink_persistence::{Database, args};

/// Receipts kept per connection beyond those that a start needs.
const RECEIPTS: i64 = 500;

/// Removes attempts that the stored snapshot covers and that are too old to be of interest: the one
/// that was just noted may have been refused, because its epoch is over. A failure only leaves them
/// until the next snapshot.
pub(super) async fn drop_old_attempts(db: &Database, connection: &ConnectionId) {
    let dropped = db
        .execute(
            "DELETE FROM attempts WHERE connection = $1 \
             AND (epoch, number) <= (SELECT epoch, number FROM snapshots WHERE connection = $1) \
             AND (epoch, number) < (SELECT epoch, number FROM attempts WHERE connection = $1 \
             ORDER BY epoch DESC, number DESC LIMIT 1 OFFSET $2)",
            args![connection.as_str(), RECEIPTS],
        )
        .await;
    if let Err(error) = dropped {
        tracing::warn!(%error, %connection, "old receipts stay for now");
    }
}

/// Removes what waits for a connection that was deleted. Its receipts stay until they are old.
///
/// The lane's epoch ends first, so that nothing that is still noted of it counts; its row stays,
/// because an epoch must never be given twice. Every replica does this when it hears of the
/// deletion, so the last one also removes what another one began before it heard.
pub(crate) async fn forget(db: &Database, connection: &ConnectionId) {
    for statement in [
        "UPDATE lane_owner SET owner = '', epoch = epoch + 1, gone = TRUE WHERE connection = $1",
        "DELETE FROM parked WHERE connection = $1",
        "DELETE FROM doubts WHERE connection = $1",
        "DELETE FROM snapshots WHERE connection = $1",
        "DELETE FROM reconciliations WHERE connection = $1",
        "DELETE FROM approvals WHERE connection = $1",
    ] {
        if let Err(error) = db.execute(statement, args![connection.as_str()]).await {
            tracing::warn!(%connection, %error, "records of a deleted connection stay");
        }
    }
}
