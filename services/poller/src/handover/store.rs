use std::collections::HashMap;

use storelink_model::{ConnectionId, Timestamp};
use storelink_persistence::{Arg, Database, DbError, Transaction, args};

use super::{Handover, Kept, Seen, decide};

/// How often a decision is made anew because another process changed a row meanwhile.
const ATTEMPTS: usize = 8;

/// What was decided about one order, and whether an earlier read showed it with the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decided {
    pub(crate) handover: Handover,
    pub(crate) news: bool,
}

/// Decides about the orders of a page, which are distinct, and notes the decisions.
pub(crate) async fn decide_page(
    database: &Database,
    connection: &ConnectionId,
    page: &[Seen],
    always: bool,
) -> Result<Vec<Decided>, DbError> {
    for _ in 0..ATTEMPTS {
        let mut transaction = database.begin().await?;
        let kept = kept(&mut transaction, connection, page).await?;
        let decided: Vec<Decided> = page
            .iter()
            .map(|seen| {
                let kept = kept.get(&seen.external_id);
                Decided {
                    handover: decide(kept, seen, always),
                    news: kept.is_none_or(|kept| kept.modified != seen.modified),
                }
            })
            .collect();
        if note(&mut transaction, connection, page, &decided, &kept).await? {
            transaction.commit().await?;
            return Ok(decided);
        }
        drop(transaction);
    }
    Err(DbError::Contention(
        "the orders of a page change too often".to_owned(),
    ))
}

async fn kept(
    transaction: &mut Transaction,
    connection: &ConnectionId,
    page: &[Seen],
) -> Result<HashMap<String, Kept>, DbError> {
    let keys = page
        .iter()
        .map(|seen| args![connection.as_str(), &seen.external_id])
        .collect();
    let rows = transaction
        .fetch_values(
            "WITH wanted(connection, external_id) AS (VALUES",
            ") SELECT h.external_id, h.content_hash, h.read_number, h.modified, h.stored \
             FROM handed_on h JOIN wanted w \
             ON h.connection = w.connection AND h.external_id = w.external_id",
            keys,
        )
        .await?;
    rows.iter()
        .map(|row| {
            let kept = Kept {
                content_hash: row.text("content_hash")?,
                read_number: row.int("read_number")?,
                modified: row.opt_int("modified")?.map(Timestamp::from_micros),
                stored: row.bool("stored")?,
            };
            Ok((row.text("external_id")?, kept))
        })
        .collect()
}

/// Writes the decisions; false when a row was changed since it was read.
async fn note(
    transaction: &mut Transaction,
    connection: &ConnectionId,
    page: &[Seen],
    decided: &[Decided],
    kept: &HashMap<String, Kept>,
) -> Result<bool, DbError> {
    let (mut new, mut changed): (Vec<Vec<Arg>>, Vec<Vec<Arg>>) = (Vec::new(), Vec::new());
    for (seen, decided) in page.iter().zip(decided) {
        let stored = match decided.handover {
            Handover::Overtaken => continue,
            Handover::Known => true,
            Handover::Publish => false,
        };
        let mut row = args![
            connection.as_str(),
            &seen.external_id,
            &seen.content_hash,
            seen.read_number,
            seen.modified.map(Timestamp::micros),
            stored,
        ];
        match kept.get(&seen.external_id) {
            None => new.push(row),
            Some(kept) => {
                row.push(Arg::from(kept.read_number));
                changed.push(row);
            }
        }
    }
    let wanted = new.len() + changed.len();
    let inserted = transaction
        .execute_values(
            "INSERT INTO handed_on \
             (connection, external_id, content_hash, read_number, modified, stored) VALUES",
            "ON CONFLICT (connection, external_id) DO NOTHING",
            new,
        )
        .await?;
    let updated = transaction
        .execute_values(
            "WITH v(connection, external_id, content_hash, read_number, modified, stored, expected) \
             AS (VALUES",
            ") UPDATE handed_on SET content_hash = v.content_hash, read_number = v.read_number, \
             modified = v.modified, stored = v.stored FROM v \
             WHERE handed_on.connection = v.connection \
             AND handed_on.external_id = v.external_id \
             AND handed_on.read_number = v.expected",
            changed,
        )
        .await?;
    Ok(usize::try_from(inserted + updated) == Ok(wanted))
}

/// Notes that the stream acknowledged these orders, each by its id and read number.
pub(crate) async fn mark_stored(
    database: &Database,
    connection: &ConnectionId,
    orders: &[(String, i64)],
) -> Result<(), DbError> {
    let rows = orders
        .iter()
        .map(|(external_id, read_number)| args![connection.as_str(), external_id, *read_number])
        .collect();
    database
        .execute_values(
            "WITH v(connection, external_id, read_number) AS (VALUES",
            ") UPDATE handed_on SET stored = TRUE FROM v \
             WHERE handed_on.connection = v.connection \
             AND handed_on.external_id = v.external_id \
             AND handed_on.read_number = v.read_number",
            rows,
        )
        .await
        .map(drop)
}

/// Some orders of a connection that the stream has, those first that the store touched last.
pub(crate) async fn latest(
    database: &Database,
    connection: &ConnectionId,
) -> Result<Vec<String>, DbError> {
    database
        .fetch_all(
            "SELECT external_id FROM handed_on WHERE connection = $1 AND stored \
             AND modified IS NOT NULL ORDER BY modified DESC LIMIT 64",
            args![connection.as_str()],
        )
        .await?
        .iter()
        .map(|row| row.text("external_id"))
        .collect()
}

/// Forgets what no walk from `before` on shows again unless it is modified.
pub(crate) async fn prune(
    database: &Database,
    connection: &ConnectionId,
    before: Timestamp,
) -> Result<(), DbError> {
    database
        .execute(
            "DELETE FROM handed_on WHERE connection = $1 AND modified < $2",
            args![connection.as_str(), before.micros()],
        )
        .await
        .map(drop)
}

/// Forgets everything of a connection.
pub(crate) async fn forget(database: &Database, connection: &ConnectionId) -> Result<(), DbError> {
    database
        .execute(
            "DELETE FROM handed_on WHERE connection = $1",
            args![connection.as_str()],
        )
        .await
        .map(drop)
}

#[cfg(test)]
mod tests {
    use storelink_test_support::database::TestDatabase;
    use storelink_test_support::on_each_database;

    use super::*;
    use crate::MIGRATOR;

    on_each_database!(
        only_acknowledged_content_is_known,
        a_read_that_was_overtaken_is_fenced_off,
        processes_at_the_same_order_agree,
        what_is_out_of_reach_is_forgotten,
    );

    async fn open(database: &TestDatabase) -> Database {
        let opened = Database::open(&database.settings(), "poller")
            .await
            .unwrap();
        opened.migrate(&MIGRATOR).await.unwrap();
        opened
    }

    fn seen(id: &str, content: &str, read_number: i64) -> Seen {
        Seen {
            external_id: id.to_owned(),
            content_hash: content.to_owned(),
            read_number,
            modified: Some(Timestamp::from_micros(100)),
        }
    }

    async fn decided(database: &Database, connection: &ConnectionId, seen: Seen) -> Decided {
        decide_page(database, connection, &[seen], false)
            .await
            .unwrap()[0]
    }

    async fn only_acknowledged_content_is_known(test: TestDatabase) {
        let (database, connection) = (open(&test).await, ConnectionId::generate());
        let first = decided(&database, &connection, seen("1", "a", 1)).await;
        assert_eq!(
            first,
            Decided {
                handover: Handover::Publish,
                news: true
            }
        );
        let unacknowledged = decided(&database, &connection, seen("1", "a", 2)).await;
        assert_eq!(
            unacknowledged,
            Decided {
                handover: Handover::Publish,
                news: false
            }
        );
        mark_stored(&database, &connection, &[("1".to_owned(), 1)])
            .await
            .unwrap();
        let late = decided(&database, &connection, seen("1", "a", 3)).await;
        assert_eq!(
            late.handover,
            Handover::Publish,
            "an older handover was acknowledged"
        );
        mark_stored(&database, &connection, &[("1".to_owned(), 3)])
            .await
            .unwrap();
        let known = decided(&database, &connection, seen("1", "a", 4)).await;
        assert_eq!(
            known,
            Decided {
                handover: Handover::Known,
                news: false
            }
        );
        let other = decided(&database, &ConnectionId::generate(), seen("1", "a", 4)).await;
        assert_eq!(other.handover, Handover::Publish, "another store's order");
    }

    async fn a_read_that_was_overtaken_is_fenced_off(test: TestDatabase) {
        let (database, connection) = (open(&test).await, ConnectionId::generate());
        decided(&database, &connection, seen("1", "a", 5)).await;
        mark_stored(&database, &connection, &[("1".to_owned(), 5)])
            .await
            .unwrap();
        let again = decided(&database, &connection, seen("1", "a", 7)).await;
        assert_eq!(again.handover, Handover::Known);
        let overtaken = decided(&database, &connection, seen("1", "b", 6)).await;
        assert_eq!(overtaken.handover, Handover::Overtaken);
    }

    async fn processes_at_the_same_order_agree(test: TestDatabase) {
        let (database, connection) = (open(&test).await, ConnectionId::generate());
        let reads = (1..=16_i64).map(|number| {
            let page = [seen("1", &format!("content {number}"), number)];
            let (database, connection) = (database.clone(), connection.clone());
            async move {
                let decided = decide_page(&database, &connection, &page, false).await;
                (number, decided.unwrap()[0].handover)
            }
        });
        let mut tasks = tokio::task::JoinSet::new();
        reads.for_each(|read| drop(tasks.spawn(read)));
        let last = tasks
            .join_all()
            .await
            .into_iter()
            .max_by_key(|(number, _)| *number);
        assert_eq!(last, Some((16, Handover::Publish)));
        let row = database
            .fetch_one("SELECT read_number, content_hash FROM handed_on", args![])
            .await
            .unwrap();
        assert_eq!(row.int("read_number").unwrap(), 16);
        assert_eq!(row.text("content_hash").unwrap(), "content 16");
    }

    async fn what_is_out_of_reach_is_forgotten(test: TestDatabase) {
        let (database, connection) = (open(&test).await, ConnectionId::generate());
        decided(&database, &connection, seen("1", "a", 1)).await;
        let rows = async || {
            let row = database
                .fetch_one("SELECT COUNT(*) AS n FROM handed_on", args![])
                .await;
            row.unwrap().int("n").unwrap()
        };
        prune(&database, &connection, Timestamp::from_micros(100))
            .await
            .unwrap();
        assert_eq!(rows().await, 1);
        prune(&database, &connection, Timestamp::from_micros(101))
            .await
            .unwrap();
        assert_eq!(rows().await, 0);
    }
}
