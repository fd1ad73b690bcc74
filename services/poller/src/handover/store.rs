use std::collections::HashMap;

use async_trait::async_trait;
use storelink_model::{ConnectionId, Timestamp};
use storelink_persistence::{Arg, Database, DbError, args};
use storelink_planted_faults::planted;

use super::{Handover, Kept, Seen, decide};

/// How often a decision is made anew because another process changed a row meanwhile.
const ATTEMPTS: usize = 8;

/// What was decided about one order, and whether an earlier read showed it with the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decided {
    pub(crate) handover: Handover,
    pub(crate) news: bool,
    /// The read that overtook this one has not reached the stream, and may never do so.
    pub(crate) open: bool,
}

/// Where it is kept what became of the orders that were read.
#[async_trait]
pub trait HandoverStore: Send + Sync {
    /// What is known of these orders of a connection, by the store's id.
    async fn handed_on(
        &self,
        connection: &ConnectionId,
        orders: &[Seen],
    ) -> Result<HashMap<String, Kept>, DbError>;

    /// Writes all of these, or none when one of their rows has another read number than expected, and
    /// tells whether it did.
    async fn note(&self, connection: &ConnectionId, notes: &[Note]) -> Result<bool, DbError>;

    /// Notes that the stream acknowledged these orders; one whose read number is another by now stays
    /// as it is.
    async fn mark_stored(
        &self,
        connection: &ConnectionId,
        orders: &[Acknowledged],
    ) -> Result<(), DbError>;

    /// Some orders of a connection that the stream has, those first that the store touched last.
    async fn latest(&self, connection: &ConnectionId) -> Result<Vec<String>, DbError>;

    /// Forgets what no walk from `before` on shows again unless it is modified; of an order without a
    /// time, what no walk showed since then.
    async fn prune(&self, connection: &ConnectionId, before: Timestamp) -> Result<(), DbError>;

    /// Forgets everything of a connection.
    async fn forget(&self, connection: &ConnectionId) -> Result<(), DbError>;
}

/// An order that the stream has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    /// The store's id.
    pub external_id: String,
    /// The read that it came from.
    pub read_number: i64,
    /// Where the stream keeps it.
    pub sequence: u64,
}

/// What is to be known of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The store's id.
    pub external_id: String,
    /// What becomes known.
    pub kept: Kept,
    /// The read number that its row has; none while it has no row.
    pub expected: Option<i64>,
}

/// Decides about the orders of a page, which are distinct, and notes the decisions; `reached` as with
/// [`decide`].
pub(crate) async fn decide_page(
    handovers: &dyn HandoverStore,
    connection: &ConnectionId,
    page: &[Seen],
    reached: Option<u64>,
) -> Result<Vec<Decided>, DbError> {
    for _ in 0..ATTEMPTS {
        let kept = handovers.handed_on(connection, page).await?;
        let decided: Vec<Decided> = page
            .iter()
            .map(|seen| {
                let kept = kept.get(&seen.external_id);
                let handover = decide(kept, seen, reached);
                let stored = kept.is_some_and(|kept| kept.sequence.is_some());
                Decided {
                    handover,
                    news: kept.is_none_or(|kept| kept.modified != seen.modified),
                    open: handover == Handover::Overtaken && !stored,
                }
            })
            .collect();
        let notes = page.iter().zip(&decided);
        let notes: Vec<Note> = notes
            .filter_map(|(seen, decided)| note_of(seen, decided.handover, &kept))
            .collect();
        if notes.is_empty() || handovers.note(connection, &notes).await? {
            return Ok(decided);
        }
    }
    Err(DbError::Contention(
        "the orders of a page change too often".to_owned(),
    ))
}

/// What a decision leaves to be known; nothing new when the read was overtaken.
fn note_of(seen: &Seen, handover: Handover, kept: &HashMap<String, Kept>) -> Option<Note> {
    let kept = kept.get(&seen.external_id);
    let sequence = match handover {
        Handover::Overtaken => return None,
        Handover::Known => kept.and_then(|kept| kept.sequence),
        Handover::Publish => planted!(StoredBeforeStream).then_some(0),
    };
    let before = kept.map(|kept| kept.read_number);
    let read_number = match before {
        Some(before) if handover == Handover::Known && planted!(NoFence) => before,
        _ => seen.read_number,
    };
    Some(Note {
        external_id: seen.external_id.clone(),
        kept: Kept {
            content_hash: seen.content_hash.clone(),
            read_number,
            modified: seen.modified,
            sequence,
        },
        expected: before,
    })
}

#[async_trait]
impl HandoverStore for Database {
    async fn handed_on(
        &self,
        connection: &ConnectionId,
        orders: &[Seen],
    ) -> Result<HashMap<String, Kept>, DbError> {
        let keys = orders
            .iter()
            .map(|seen| args![connection.as_str(), &seen.external_id])
            .collect();
        let rows = self
            .fetch_values(
                "WITH wanted(connection, external_id) AS (VALUES",
                ") SELECT h.external_id, h.content_hash, h.read_number, h.modified, h.sequence \
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
                    sequence: row.opt_int("sequence")?.map(i64::unsigned_abs),
                };
                Ok((row.text("external_id")?, kept))
            })
            .collect()
    }

    async fn note(&self, connection: &ConnectionId, notes: &[Note]) -> Result<bool, DbError> {
        let (mut new, mut changed): (Vec<Vec<Arg>>, Vec<Vec<Arg>>) = (Vec::new(), Vec::new());
        for Note {
            external_id,
            kept,
            expected,
        } in notes
        {
            let mut row = args![
                connection.as_str(),
                external_id,
                &kept.content_hash,
                kept.read_number,
                kept.modified.map(Timestamp::micros),
                kept.sequence.map(signed),
            ];
            match expected {
                None => new.push(row),
                Some(number) => {
                    row.push(Arg::from(*number));
                    changed.push(row);
                }
            }
        }
        let mut transaction = self.begin().await?;
        let inserted = transaction
            .execute_values(
                "INSERT INTO handed_on \
                 (connection, external_id, content_hash, read_number, modified, sequence) VALUES",
                "ON CONFLICT (connection, external_id) DO NOTHING",
                new,
            )
            .await?;
        let updated = transaction
            .execute_values(
                "WITH v(connection, external_id, content_hash, read_number, modified, sequence, \
                 expected) AS (VALUES",
                ") UPDATE handed_on SET content_hash = v.content_hash, \
                 read_number = v.read_number, modified = v.modified, sequence = v.sequence FROM v \
                 WHERE handed_on.connection = v.connection \
                 AND handed_on.external_id = v.external_id \
                 AND handed_on.read_number = v.expected",
                changed,
            )
            .await?;
        // Otherwise a row was changed since it was read, and dropping the transaction undoes the rest.
        let all = usize::try_from(inserted + updated) == Ok(notes.len());
        if all {
            transaction.commit().await?;
        }
        Ok(all)
    }

    async fn mark_stored(
        &self,
        connection: &ConnectionId,
        orders: &[Acknowledged],
    ) -> Result<(), DbError> {
        let rows = orders.iter().map(|order| {
            args![
                connection.as_str(),
                &order.external_id,
                order.read_number,
                signed(order.sequence)
            ]
        });
        self.execute_values(
            "WITH v(connection, external_id, read_number, sequence) AS (VALUES",
            ") UPDATE handed_on SET sequence = v.sequence FROM v \
             WHERE handed_on.connection = v.connection \
             AND handed_on.external_id = v.external_id \
             AND handed_on.read_number = v.read_number",
            rows.collect(),
        )
        .await
        .map(drop)
    }

    async fn latest(&self, connection: &ConnectionId) -> Result<Vec<String>, DbError> {
        self.fetch_all(
            "SELECT external_id FROM handed_on WHERE connection = $1 AND sequence IS NOT NULL \
             AND modified IS NOT NULL ORDER BY modified DESC LIMIT 64",
            args![connection.as_str()],
        )
        .await?
        .iter()
        .map(|row| row.text("external_id"))
        .collect()
    }

    async fn prune(&self, connection: &ConnectionId, before: Timestamp) -> Result<(), DbError> {
        self.execute(
            // Read numbers are at least the clock.
            "DELETE FROM handed_on WHERE connection = $1 \
             AND (modified < $2 OR (modified IS NULL AND read_number < $2))",
            args![connection.as_str(), before.micros()],
        )
        .await
        .map(drop)
    }

    async fn forget(&self, connection: &ConnectionId) -> Result<(), DbError> {
        self.execute(
            "DELETE FROM handed_on WHERE connection = $1",
            args![connection.as_str()],
        )
        .await
        .map(drop)
    }
}

fn signed(sequence: u64) -> i64 {
    i64::try_from(sequence).unwrap_or(i64::MAX)
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

    const SEQUENCE: u64 = 7;

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
        decide_page(database, connection, &[seen], Some(SEQUENCE))
            .await
            .unwrap()[0]
    }

    async fn acknowledge(database: &Database, connection: &ConnectionId, read_number: i64) {
        let order = Acknowledged {
            external_id: "1".to_owned(),
            read_number,
            sequence: SEQUENCE,
        };
        database.mark_stored(connection, &[order]).await.unwrap();
    }

    async fn only_acknowledged_content_is_known(test: TestDatabase) {
        let (database, connection) = (open(&test).await, ConnectionId::generate());
        let first = decided(&database, &connection, seen("1", "a", 1)).await;
        assert_eq!(
            first,
            Decided {
                handover: Handover::Publish,
                news: true,
                open: false
            }
        );
        let unacknowledged = decided(&database, &connection, seen("1", "a", 2)).await;
        assert_eq!(
            unacknowledged,
            Decided {
                handover: Handover::Publish,
                news: false,
                open: false
            }
        );
        acknowledge(&database, &connection, 1).await;
        let late = decided(&database, &connection, seen("1", "a", 3)).await;
        assert_eq!(
            late.handover,
            Handover::Publish,
            "an older handover was acknowledged"
        );
        acknowledge(&database, &connection, 3).await;
        let known = decided(&database, &connection, seen("1", "a", 4)).await;
        assert_eq!(
            known,
            Decided {
                handover: Handover::Known,
                news: false,
                open: false
            }
        );
        let other = decided(&database, &ConnectionId::generate(), seen("1", "a", 4)).await;
        assert_eq!(other.handover, Handover::Publish, "another store's order");
    }

    async fn a_read_that_was_overtaken_is_fenced_off(test: TestDatabase) {
        let (database, connection) = (open(&test).await, ConnectionId::generate());
        decided(&database, &connection, seen("1", "a", 5)).await;
        acknowledge(&database, &connection, 5).await;
        let again = decided(&database, &connection, seen("1", "a", 7)).await;
        assert_eq!(again.handover, Handover::Known);
        let overtaken = decided(&database, &connection, seen("1", "b", 6)).await;
        assert_eq!(overtaken.handover, Handover::Overtaken);
        assert!(!overtaken.open, "what overtook it is in the stream");

        decided(&database, &connection, seen("1", "c", 9)).await;
        let overtaken = decided(&database, &connection, seen("1", "c", 8)).await;
        assert_eq!(overtaken.handover, Handover::Overtaken);
        assert!(overtaken.open, "what overtook it may be lost");
    }

    async fn processes_at_the_same_order_agree(test: TestDatabase) {
        let (database, connection) = (open(&test).await, ConnectionId::generate());
        let reads = (1..=16_i64).map(|number| {
            let page = [seen("1", &format!("content {number}"), number)];
            let (database, connection) = (database.clone(), connection.clone());
            async move {
                loop {
                    match decide_page(&database, &connection, &page, Some(SEQUENCE)).await {
                        Ok(decided) => return (number, decided[0].handover),
                        // Fifteen others can overtake one more often than it tries: its job comes again.
                        Err(DbError::Contention(_)) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
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
        let undated = Seen {
            modified: None,
            ..seen("2", "a", 100)
        };
        decided(&database, &connection, undated).await;
        let rows = async || {
            let row = database
                .fetch_one("SELECT COUNT(*) AS n FROM handed_on", args![])
                .await;
            row.unwrap().int("n").unwrap()
        };
        database
            .prune(&connection, Timestamp::from_micros(100))
            .await
            .unwrap();
        assert_eq!(rows().await, 2);
        database
            .prune(&connection, Timestamp::from_micros(101))
            .await
            .unwrap();
        assert_eq!(rows().await, 0);
    }
}
