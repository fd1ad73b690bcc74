//! Doubts that do not come from the lane itself: an order of the store, a person who wants another
//! try. Whoever hears of one commits it; the owner of the lane finds it by its number.
//!
//! The number is drawn inside the transaction and its row held until the commit, so numbers become
//! visible in their order: who has seen one has seen all below it.

use storelink_model::{Sku, TenantId, Timestamp};
use storelink_persistence::{Arg, Database, DbError, Transaction, args};

use super::port::OutsideDoubt;
use crate::lane::DoubtKind;

/// Commits doubts of one kind, all due at the same time. Those of connections without a lane are
/// left out: a lane that was never taken has everything still to write, and one whose connection was
/// deleted has nothing.
///
/// A doubt that stands already becomes due later in any case, whatever the clocks of two processes
/// say: so its time tells the owner whether it was moved since.
pub(crate) async fn open(
    db: &Database,
    kind: DoubtKind,
    articles: impl Iterator<Item = (&str, &Sku)>,
    due: Timestamp,
) -> Result<(), DbError> {
    let rows: Vec<Vec<Arg>> = articles
        .map(|(connection, sku)| args![connection, sku.as_str(), kind.as_str(), due.micros()])
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let mut transaction = db.begin().await?;
    draw(&mut transaction).await?;
    transaction
        .execute_values(
            "WITH given (connection, sku, kind, due) AS (VALUES",
            ") INSERT INTO doubts (connection, sku, kind, due, number) \
             SELECT g.connection, g.sku, g.kind, g.due, c.value FROM given g \
             JOIN lane_owner o ON o.connection = g.connection AND NOT o.gone \
             JOIN counters c ON c.name = 'doubts' WHERE TRUE \
             ON CONFLICT (connection, sku, kind) DO UPDATE SET number = excluded.number, \
             due = CASE WHEN excluded.due > doubts.due THEN excluded.due ELSE doubts.due + 1 END",
            rows,
        )
        .await?;
    transaction.commit().await
}

/// A person wants what is parked under this id to be tried again: exactly that, so what was tried is
/// kept with the doubt. False when there is no such item, or its connection was deleted.
pub(crate) async fn retry(
    db: &Database,
    tenant: &TenantId,
    id: &str,
    due: Timestamp,
) -> Result<bool, DbError> {
    let mut transaction = db.begin().await?;
    draw(&mut transaction).await?;
    let opened = transaction
        .execute(
            "INSERT INTO doubts (connection, sku, kind, due, number, input) \
             SELECT p.connection, p.sku, $1, $2, c.value, p.input FROM parked p \
             JOIN lane_owner o ON o.connection = p.connection AND NOT o.gone \
             JOIN counters c ON c.name = 'doubts' WHERE p.tenant = $3 AND p.id = $4 \
             ON CONFLICT (connection, sku, kind) DO UPDATE SET number = excluded.number, \
             input = excluded.input, \
             due = CASE WHEN excluded.due > doubts.due THEN excluded.due ELSE doubts.due + 1 END",
            args![DoubtKind::Retry.as_str(), due.micros(), tenant.as_str(), id],
        )
        .await?;
    transaction.commit().await?;
    Ok(opened > 0)
}

/// The next number; its row is held until the commit.
async fn draw(transaction: &mut Transaction) -> Result<(), DbError> {
    let sql = "UPDATE counters SET value = value + 1 WHERE name = 'doubts'";
    transaction.execute(sql, args![]).await.map(drop)
}

/// The number drawn last.
pub(crate) async fn last_number(db: &Database) -> Result<i64, DbError> {
    db.fetch_one("SELECT value FROM counters WHERE name = 'doubts'", args![])
        .await?
        .int("value")
}

/// What was committed behind a number, in the order of the numbers.
pub(crate) async fn since(db: &Database, number: i64) -> Result<Vec<OutsideDoubt>, DbError> {
    let rows = db
        .fetch_all(
            "SELECT connection, sku, kind, due, input, number FROM doubts \
             WHERE number > 0 AND number > $1 ORDER BY number",
            args![number],
        )
        .await?;
    let mut doubts = Vec::with_capacity(rows.len());
    for row in rows {
        let connection = row.text("connection")?.parse().ok();
        let sku = row.text("sku")?.parse().ok();
        let kind = DoubtKind::from_text(&row.text("kind")?);
        let due = Timestamp::from_micros(row.int("due")?);
        let (number, input) = (row.int("number")?, row.opt_text("input")?);
        doubts.extend(
            connection
                .zip(sku)
                .zip(kind)
                .map(|((connection, sku), kind)| OutsideDoubt {
                    connection,
                    sku,
                    kind,
                    due,
                    input,
                    number,
                }),
        );
    }
    Ok(doubts)
}
