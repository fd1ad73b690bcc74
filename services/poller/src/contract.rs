//! What the poller relies on where its rows are kept: the same for a database and for a simulated one.

use storelink_model::{ConnectionId, Timestamp};
use storelink_persistence::DbError;

use crate::cursor_store::{CursorStore, SavedCursor};
use crate::handover::{Acknowledged, HandoverStore, Kept, Note, Seen};

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

fn seen(id: &str) -> Seen {
    Seen {
        external_id: id.to_owned(),
        content_hash: String::new(),
        read_number: 0,
        modified: None,
    }
}

fn note(id: &str, read_number: i64, expected: Option<i64>) -> Note {
    Note {
        external_id: id.to_owned(),
        kept: Kept {
            content_hash: format!("content {read_number}"),
            read_number,
            modified: Some(at(100)),
            sequence: None,
        },
        expected,
    }
}

async fn number_of(
    store: &dyn HandoverStore,
    connection: &ConnectionId,
    id: &str,
) -> Result<Option<(i64, Option<u64>)>, DbError> {
    let rows = store.handed_on(connection, &[seen(id), seen("0")]).await?;
    Ok(rows.get(id).map(|row| (row.read_number, row.sequence)))
}

/// A cursor is saved over the version that it was made from, and over no other.
///
/// # Errors
/// When the store fails.
pub async fn cursors_move_by_compare_and_set(store: &dyn CursorStore) -> Result<(), DbError> {
    let (one, other) = (ConnectionId::generate(), ConnectionId::generate());
    assert_eq!(store.cursor(&one, "orders").await?, None);
    let save =
        |expected, text: &str| store.save_cursor(&one, "orders", expected, text.to_owned(), None);
    assert!(!save(1, "{}").await?, "there is no version 1");
    assert!(save(0, "1").await?);
    assert!(!save(0, "2").await?, "there is a version 1 by now");
    assert!(save(1, "3").await?);
    assert!(!save(1, "4").await?);
    let saved = SavedCursor {
        version: 2,
        cursor: "3".to_owned(),
        walk: None,
    };
    assert_eq!(store.cursor(&one, "orders").await?, Some(saved));
    assert_eq!(store.cursor(&other, "orders").await?, None);
    Ok(())
}

/// Numbers of a connection only grow, and are never behind the clock.
///
/// # Errors
/// When the store fails.
pub async fn read_numbers_only_grow(store: &dyn CursorStore) -> Result<(), DbError> {
    let connection = ConnectionId::generate();
    let mut last = Timestamp::now().micros() - 1;
    for _ in 0..20 {
        let number = store.draw_read_number(&connection).await?;
        assert!(number > last, "{number} after {last}");
        last = number;
    }
    Ok(())
}

/// Notes are written together, each over the row that it was decided from.
///
/// # Errors
/// When the store fails.
pub async fn notes_are_all_or_none(store: &dyn HandoverStore) -> Result<(), DbError> {
    let (one, other) = (ConnectionId::generate(), ConnectionId::generate());
    assert!(
        store
            .note(&one, &[note("1", 5, None), note("2", 5, None)])
            .await?
    );
    let stale = [note("1", 7, Some(5)), note("2", 7, Some(4))];
    assert!(!store.note(&one, &stale).await?);
    let there = [note("1", 7, None), note("3", 7, None)];
    assert!(!store.note(&one, &there).await?);
    assert_eq!(number_of(store, &one, "1").await?, Some((5, None)));
    assert_eq!(number_of(store, &one, "3").await?, None);
    let right = [note("1", 7, Some(5)), note("3", 7, None)];
    assert!(store.note(&one, &right).await?);
    assert_eq!(number_of(store, &one, "1").await?, Some((7, None)));
    assert_eq!(number_of(store, &other, "1").await?, None);
    Ok(())
}

/// Only the read that was acknowledged counts as stored.
///
/// # Errors
/// When the store fails.
pub async fn an_acknowledgement_is_of_one_read(store: &dyn HandoverStore) -> Result<(), DbError> {
    let connection = ConnectionId::generate();
    store
        .note(&connection, &[note("1", 5, None), note("2", 5, None)])
        .await?;
    let acknowledged =
        [("1", 4, 80), ("2", 5, 81), ("3", 5, 82)].map(|(id, number, sequence)| Acknowledged {
            external_id: id.to_owned(),
            read_number: number,
            sequence,
        });
    store.mark_stored(&connection, &acknowledged).await?;
    assert_eq!(number_of(store, &connection, "1").await?, Some((5, None)));
    let second = number_of(store, &connection, "2").await?;
    assert_eq!(second, Some((5, Some(81))));
    assert_eq!(number_of(store, &connection, "3").await?, None);
    Ok(())
}

/// What no walk shows any more is forgotten, of one connection alone.
///
/// # Errors
/// When the store fails.
pub async fn what_is_out_of_reach_is_forgotten(store: &dyn HandoverStore) -> Result<(), DbError> {
    let (one, other) = (ConnectionId::generate(), ConnectionId::generate());
    let undated = |id: &str, read_number| {
        let mut note = note(id, read_number, None);
        note.kept.modified = None;
        note
    };
    for connection in [&one, &other] {
        let notes = [note("1", 5, None), undated("2", 100), undated("3", 101)];
        store.note(connection, &notes).await?;
    }
    store.prune(&one, at(100)).await?;
    assert_eq!(number_of(store, &one, "1").await?, Some((5, None)));
    assert_eq!(number_of(store, &one, "2").await?, Some((100, None)));
    store.prune(&one, at(101)).await?;
    assert_eq!(number_of(store, &one, "1").await?, None);
    assert_eq!(number_of(store, &one, "2").await?, None);
    assert_eq!(number_of(store, &one, "3").await?, Some((101, None)));
    assert_eq!(number_of(store, &other, "1").await?, Some((5, None)));
    assert_eq!(number_of(store, &other, "2").await?, Some((100, None)));
    store.forget(&other).await?;
    assert_eq!(number_of(store, &other, "1").await?, None);
    Ok(())
}

#[cfg(test)]
mod tests {
    use storelink_persistence::Database;
    use storelink_test_support::database::TestDatabase;
    use storelink_test_support::on_each_database;

    on_each_database!(a_database_keeps_cursors_and_handovers_as_agreed);

    async fn a_database_keeps_cursors_and_handovers_as_agreed(test: TestDatabase) {
        let database = Database::open(&test.settings(), "poller").await.unwrap();
        database.migrate(&crate::MIGRATOR).await.unwrap();
        super::cursors_move_by_compare_and_set(&database)
            .await
            .unwrap();
        super::read_numbers_only_grow(&database).await.unwrap();
        super::notes_are_all_or_none(&database).await.unwrap();
        super::an_acknowledgement_is_of_one_read(&database)
            .await
            .unwrap();
        super::what_is_out_of_reach_is_forgotten(&database)
            .await
            .unwrap();
    }
}
