//! How long records are kept.

use std::collections::HashSet;

use storelink_model::{ConnectionId, Timestamp};
use storelink_persistence::{Database, DbError, args};
use time::Duration;

/// Receipts kept per connection beyond those that a start needs.
const RECEIPTS: i64 = 500;
/// How long receipts of a deleted connection are kept.
const RECEIPTS_OF_GONE: Duration = Duration::days(30);

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

/// Removes what waits for a connection that was deleted, all of it or nothing. Its receipts stay until
/// they are old.
///
/// The lane's epoch ends with it, so that nothing that is still noted of it counts; its row stays,
/// because an epoch must never be given twice. Every replica does this when it hears of the deletion.
pub(crate) async fn forget(db: &Database, connection: &ConnectionId) -> Result<(), DbError> {
    let mut transaction = db.begin().await?;
    for statement in [
        "UPDATE lane_owner SET owner = '', epoch = epoch + 1, gone = TRUE WHERE connection = $1",
        "DELETE FROM parked WHERE connection = $1",
        "DELETE FROM doubts WHERE connection = $1",
        "DELETE FROM snapshots WHERE connection = $1",
        "DELETE FROM reconciliations WHERE connection = $1",
        "DELETE FROM approvals WHERE connection = $1",
    ] {
        let args = args![connection.as_str()];
        transaction.execute(statement, args).await?;
    }
    transaction.commit().await
}

/// The connections that have or had a lane and of which nobody heard that they were deleted.
pub(crate) async fn known(db: &Database) -> Result<HashSet<ConnectionId>, DbError> {
    let sql = "SELECT connection FROM lane_owner WHERE NOT gone";
    let rows = db.fetch_all(sql, args![]).await?;
    let mut known = HashSet::with_capacity(rows.len());
    for row in &rows {
        known.extend(row.text("connection")?.parse::<ConnectionId>().ok());
    }
    Ok(known)
}

/// Removes what a process that heard of a deletion late still wrote of the connection, and receipts of
/// deleted connections that are old by now: no snapshot of theirs comes any more.
pub(crate) async fn clear_gone(db: &Database, now: Timestamp) -> Result<(), DbError> {
    for statement in [
        "DELETE FROM parked WHERE connection IN (SELECT connection FROM lane_owner WHERE gone)",
        "DELETE FROM doubts WHERE connection IN (SELECT connection FROM lane_owner WHERE gone)",
        "DELETE FROM snapshots WHERE connection IN (SELECT connection FROM lane_owner WHERE gone)",
        "DELETE FROM reconciliations WHERE connection IN \
         (SELECT connection FROM lane_owner WHERE gone)",
        "DELETE FROM approvals WHERE connection IN (SELECT connection FROM lane_owner WHERE gone)",
    ] {
        db.execute(statement, args![]).await?;
    }
    db.execute(
        "DELETE FROM attempts WHERE started < $1 \
         AND connection IN (SELECT connection FROM lane_owner WHERE gone)",
        args![now.saturating_sub(RECEIPTS_OF_GONE).micros()],
    )
    .await
    .map(drop)
}
