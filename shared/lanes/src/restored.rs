//! What has to be different in a publisher's database that comes from a backup.

use storelink_model::Timestamp;
use storelink_persistence::{Database, DbError, args};

use crate::records::memory::nothing_known;

/// Forgets what the database says of stores and of the broker's streams: both have gone on since.
///
/// A store shows what was written after the backup, so no value counts as confirmed any more: each is
/// written again, or found right by a reconciliation. Receipts stay. What people approved was shown
/// for values of that time and is asked for again. Sequences of the ERP's events were those of another
/// stream, in which a new event of an equal time must win.
///
/// # Errors
/// When the database refuses; nothing is changed then.
pub async fn settle_restored(db: &Database) -> Result<(), DbError> {
    let now = Timestamp::now().micros();
    let mut transaction = db.begin().await?;
    transaction
        .execute(
            "UPDATE attempts SET completed = $1, outcomes = '', error_code = 'lane.interrupted'
             WHERE completed IS NULL",
            args![now],
        )
        .await?;
    transaction
        .execute("DELETE FROM snapshots", args![])
        .await?;
    // One that covers every attempt and knows nothing.
    transaction
        .execute(
            "INSERT INTO snapshots (connection, epoch, number, taken, body)
             SELECT connection, epoch, MAX(number), $1, $2 FROM attempts
             WHERE epoch = (SELECT MAX(epoch) FROM attempts AS newest
                WHERE newest.connection = attempts.connection)
             GROUP BY connection, epoch",
            args![now, nothing_known()],
        )
        .await?;
    transaction
        .execute("DELETE FROM approvals", args![])
        .await?;
    transaction
        .execute("UPDATE levels SET sequence = 0", args![])
        .await?;
    transaction.commit().await
}
