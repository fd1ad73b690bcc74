//! Attempts, snapshots, doubts and parked articles.

use std::collections::BTreeSet;
use std::sync::Arc;

use storelink_model::{Sku, Timestamp};
use storelink_persistence::DbError;

use super::connection;
use crate::lane::DoubtKind;
use crate::ports::{Attempt, AttemptRow, LaneName, LaneRecords, Note, OwnerRow, OwnerRows};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

#[allow(clippy::expect_used, reason = "these are checks")]
fn sku(code: &str) -> Sku {
    code.parse().expect("a code")
}

#[allow(clippy::expect_used, reason = "these are checks")]
fn lane(epoch: i64) -> Arc<LaneName> {
    Arc::new(LaneName {
        connection: connection(2),
        tenant: "acme".parse().expect("a tenant"),
        epoch,
    })
}

fn attempt(epoch: i64, number: i64) -> Attempt {
    Attempt {
        lane: lane(epoch),
        number,
        started: at(1),
        items: format!("[\"{epoch}-{number}\"]"),
    }
}

fn finished(epoch: i64, number: i64, outcomes: &str) -> Note {
    Note::Finished {
        epoch,
        number,
        completed: at(9),
        outcomes: outcomes.to_owned(),
        error_code: None,
    }
}

/// Brings the lane to its second epoch.
async fn second_epoch(owners: &dyn OwnerRows) -> Result<(), DbError> {
    let id = connection(2);
    owners.add(&[id.as_str()]).await?;
    owners.take("a", &[OwnerRow::new(id.as_str())]).await?;
    let read = owners.of_others("b").await?;
    let read: Vec<OwnerRow> = read
        .into_iter()
        .filter(|row| row.connection == id.as_str())
        .collect();
    owners.take("b", &read).await?;
    Ok(())
}

async fn note(records: &dyn LaneRecords, epoch: i64, notes: Vec<Note>) -> Result<(), DbError> {
    let notes: Vec<_> = notes.into_iter().map(|note| (lane(epoch), note)).collect();
    records.commit(&[], &notes).await.map(drop)
}

/// An attempt is taken in the lane's epoch alone, and comes back behind the snapshot.
///
/// # Errors
/// When a call fails.
pub async fn attempts_count_in_their_epoch(
    records: &dyn LaneRecords,
    owners: &dyn OwnerRows,
) -> Result<(), DbError> {
    second_epoch(owners).await?;
    let (old, first, second) = (attempt(1, 7), attempt(2, 1), attempt(2, 2));
    let taken = records.commit(&[&old, &first, &second], &[]).await?;
    let id = connection(2).as_str().to_owned();
    let expected = [(id.clone(), 1), (id, 2)].into_iter().collect();
    assert_eq!(taken, expected);
    note(records, 2, vec![finished(2, 1, "c")]).await?;
    let row = |number, answer: Option<&str>| AttemptRow {
        epoch: 2,
        number,
        items: format!("[\"2-{number}\"]"),
        answer: answer.map(|letters| (letters.to_owned(), at(9))),
    };
    let read = records.read(&connection(2)).await?;
    assert_eq!(read.attempts, [row(1, Some("c")), row(2, None)]);
    assert_eq!(read.snapshot, None);
    let snapshot = Note::Snapshot {
        number: 1,
        taken: at(9),
        body: "[]".to_owned(),
    };
    note(records, 2, vec![snapshot]).await?;
    let read = records.read(&connection(2)).await?;
    assert_eq!(read.attempts, [row(2, None)]);
    assert_eq!(read.snapshot, Some((2, 1, "[]".to_owned())));
    Ok(())
}

/// Whatever an epoch notes when it is over: only the clear answer to its own attempt counts.
///
/// # Errors
/// When a call fails.
pub async fn notes_of_an_epoch_that_is_over_change_nothing(
    records: &dyn LaneRecords,
    owners: &dyn OwnerRows,
) -> Result<(), DbError> {
    let id = connection(2);
    owners.add(&[id.as_str()]).await?;
    owners.take("a", &[OwnerRow::new(id.as_str())]).await?;
    let (clear, unclear) = (attempt(1, 1), attempt(1, 2));
    records.commit(&[&clear, &unclear], &[]).await?;
    let parked = Note::Park {
        sku: sku("A"),
        code: "refused".to_owned(),
        reason: "no".to_owned(),
        input: "A 1".to_owned(),
        since: at(1),
    };
    let kind = DoubtKind::LateEffect;
    let doubt = |code, due| Note::OpenDoubt {
        sku: sku(code),
        kind,
        due: at(due),
    };
    note(records, 1, vec![parked, doubt("A", 5)]).await?;
    let read = owners.of_others("b").await?;
    owners.take("b", &read).await?;
    let over = vec![
        finished(1, 1, "c"),
        finished(1, 2, "u"),
        Note::Unpark { sku: sku("A") },
        doubt("B", 5),
        Note::CloseDoubt {
            sku: sku("A"),
            kind,
            due: at(5),
        },
        Note::Snapshot {
            number: 9,
            taken: at(9),
            body: "[]".to_owned(),
        },
        Note::GiveBack,
    ];
    note(records, 1, over).await?;
    let read = records.read(&id).await?;
    let answers: Vec<_> = read
        .attempts
        .iter()
        .map(|row| row.answer.is_some())
        .collect();
    assert_eq!(answers, [true, false], "the clear one alone");
    assert_eq!(read.parked.get(&sku("A")).map(String::as_str), Some("A 1"));
    assert_eq!(read.doubts, [(sku("A"), kind, at(5))]);
    assert_eq!(read.snapshot, None);
    assert_eq!(
        owners.renew("b").await?.get(&id),
        Some(&2),
        "it is not given back"
    );
    // The epoch that lasts has the say; of two words about one key the last one counts.
    let lasting = vec![
        finished(1, 2, "u"),
        Note::Unpark { sku: sku("A") },
        doubt("B", 6),
        Note::CloseDoubt {
            sku: sku("B"),
            kind,
            due: at(6),
        },
        doubt("A", 7),
        Note::GiveBack,
    ];
    note(records, 2, lasting).await?;
    let read = records.read(&id).await?;
    assert!(read.attempts.iter().all(|row| row.answer.is_some()));
    assert!(read.parked.is_empty());
    assert_eq!(read.doubts, [(sku("A"), kind, at(7))]);
    assert!(owners.renew("b").await?.is_empty(), "it is given back");
    Ok(())
}

/// A doubt that is due later than what is closed stays.
///
/// # Errors
/// When a call fails.
pub async fn a_doubt_that_moved_stays_open(
    records: &dyn LaneRecords,
    owners: &dyn OwnerRows,
) -> Result<(), DbError> {
    second_epoch(owners).await?;
    let kind = DoubtKind::Order;
    let id = connection(2);
    let named: BTreeSet<_> = [(id.as_str().to_owned(), sku("A"))].into();
    records.open_doubts(kind, &named, at(5)).await?;
    records.open_doubts(kind, &named, at(5)).await?;
    let moved = Timestamp::from_micros(at(5).micros() + 1);
    assert_eq!(records.read(&id).await?.doubts, [(sku("A"), kind, moved)]);
    let close = |due| Note::CloseDoubt {
        sku: sku("A"),
        kind,
        due,
    };
    note(records, 2, vec![close(at(5))]).await?;
    assert_eq!(records.read(&id).await?.doubts.len(), 1);
    note(records, 2, vec![close(moved)]).await?;
    assert!(records.read(&id).await?.doubts.is_empty());
    Ok(())
}

/// Doubts of others are found by their numbers; those of the lane itself have none.
///
/// # Errors
/// When a call fails.
pub async fn doubts_of_others_are_numbered(
    records: &dyn LaneRecords,
    owners: &dyn OwnerRows,
) -> Result<(), DbError> {
    second_epoch(owners).await?;
    let id = connection(2).as_str().to_owned();
    let own = Note::OpenDoubt {
        sku: sku("C"),
        kind: DoubtKind::LateEffect,
        due: at(1),
    };
    note(records, 2, vec![own]).await?;
    let before = records.last_doubt().await?;
    let nobody = connection(3).as_str().to_owned();
    let named = [
        (id.clone(), sku("A")),
        (id.clone(), sku("B")),
        (nobody, sku("A")),
    ]
    .into();
    records.open_doubts(DoubtKind::Order, &named, at(5)).await?;
    let found = records.doubts_since(before).await?;
    let skus: BTreeSet<_> = found.iter().map(|doubt| doubt.sku.clone()).collect();
    assert_eq!(skus, [sku("A"), sku("B")].into(), "nobody owns the third");
    let last = records.last_doubt().await?;
    assert!(
        found
            .iter()
            .all(|doubt| doubt.number == last && last > before)
    );
    records
        .open_doubts(DoubtKind::Retry, &[(id, sku("B"))].into(), at(5))
        .await?;
    let found = records.doubts_since(last).await?;
    let found: Vec<_> = found.iter().map(|doubt| (&doubt.sku, doubt.kind)).collect();
    assert_eq!(found, [(&sku("B"), DoubtKind::Retry)]);
    Ok(())
}

/// What waits for a deleted connection is gone, and what is noted of it later changes nothing.
///
/// # Errors
/// When a call fails.
pub async fn a_forgotten_connection_keeps_its_epoch(
    records: &dyn LaneRecords,
    owners: &dyn OwnerRows,
) -> Result<(), DbError> {
    second_epoch(owners).await?;
    let id = connection(2);
    let doubt = || Note::OpenDoubt {
        sku: sku("A"),
        kind: DoubtKind::LateEffect,
        due: at(1),
    };
    note(records, 2, vec![doubt()]).await?;
    records.forget(&id).await?;
    note(records, 2, vec![doubt()]).await?;
    let named = [(id.as_str().to_owned(), sku("A"))].into();
    records.open_doubts(DoubtKind::Order, &named, at(5)).await?;
    assert!(records.read(&id).await?.doubts.is_empty());
    assert!(owners.renew("b").await?.is_empty());
    let rows = owners.of_others("b").await?;
    assert_eq!(owners.take("b", &rows).await?.get(&id), Some(&4));
    records.open_doubts(DoubtKind::Order, &named, at(5)).await?;
    assert_eq!(records.read(&id).await?.doubts.len(), 1);
    Ok(())
}
