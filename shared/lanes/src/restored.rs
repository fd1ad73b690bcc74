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

#[cfg(test)]
mod tests {
    use storelink_model::ConnectionId;
    use storelink_persistence::Database;
    use storelink_test_support::database::TestDatabase;
    use storelink_test_support::on_each_database;

    use super::*;
    use crate::MIGRATOR;
    use crate::records::{LaneRecords, understand};

    on_each_database!(a_restored_publisher_knows_no_store_and_keeps_its_receipts);

    async fn a_restored_publisher_knows_no_store_and_keeps_its_receipts(place: TestDatabase) {
        let settings = place.settings();
        let db = Database::open(&settings, "stock-publisher").await.unwrap();
        db.migrate(&MIGRATOR).await.unwrap();
        let connection = ConnectionId::generate();
        for (epoch, number, answer) in [(1, 9, Some("c")), (2, 1, Some("c")), (2, 2, None)] {
            let items = format!(r#"["https://store.example",[["SKU-{epoch}{number}","1",5]]]"#);
            let completed = answer.map(|_| 3_i64);
            let row = args![connection.as_str(), epoch, number, items, completed, answer];
            let sql = "INSERT INTO attempts
                (connection, epoch, number, tenant, started, items, completed, outcomes)
                VALUES ($1, $2, $3, 'acme', 1, $4, $5, $6)";
            db.execute(sql, row).await.unwrap();
        }
        let known = r#"["https://store.example",[["SKU-0","1",5,3]]]"#;
        for (sql, text) in [
            ("INSERT INTO snapshots VALUES ($1, 1, 8, 2, $2)", known),
            ("INSERT INTO approvals VALUES ($1, 2, $2)", "[]"),
        ] {
            let row = args![connection.as_str(), text];
            db.execute(sql, row).await.unwrap();
        }
        let level = "INSERT INTO levels VALUES ('acme', 'main', 'SKU-0', '5', 'time', 7, 5000, 7)";
        db.execute(level, args![]).await.unwrap();
        let before = understand::<u32>(&connection, db.read(&connection).await.unwrap());
        assert_eq!(before.memory.confirmed.len(), 3);

        settle_restored(&db).await.unwrap();

        let rows = db.read(&connection).await.unwrap();
        assert_eq!((rows.attempts.len(), rows.approvals.len()), (0, 0));
        let after = understand::<u32>(&connection, rows);
        assert!(after.memory.confirmed.is_empty() && after.memory.unfinished.is_empty());
        assert!(after.interrupted.is_empty());
        for (sql, wanted) in [
            ("SELECT COUNT(*) AS n FROM attempts", 3),
            (
                "SELECT COUNT(*) AS n FROM attempts WHERE completed IS NULL",
                0,
            ),
            // An event of the new stream with an equal time wins with any sequence.
            ("SELECT sequence AS n FROM levels", 0),
        ] {
            let row = db.fetch_one(sql, args![]).await.unwrap();
            assert_eq!(row.int("n").unwrap(), wanted, "{sql}");
        }
    }
}
