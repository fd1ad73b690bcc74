use storelink_persistence::{Database, DbError, args};

/// Makes a database that comes from a backup fit for another broker: the sequences of the ERP's events
/// were those of another stream, in which a new event of an equal time must win.
///
/// # Errors
/// When the database refuses.
pub async fn settle_restored(db: &Database) -> Result<(), DbError> {
    db.execute("UPDATE erp_products SET sequence = 0", args![])
        .await
        .map(drop)
}
