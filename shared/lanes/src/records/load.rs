//! What a lane knows when it starts.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use storelink_model::{ConnectionId, Sku, Timestamp};
use storelink_persistence::{Database, DbError, Row, args};
use storelink_planted_faults::planted;

use super::approvals::{self, Approval};
use super::memory::{LaneMemory, unpack_items};
use super::port::{AttemptRow, LaneRows};
use crate::lane::DoubtKind;

/// What SQL says of a lane.
pub(crate) struct Loaded<W> {
    pub(crate) memory: LaneMemory<W>,
    pub(crate) doubts: Vec<(Sku, DoubtKind, Timestamp)>,
    /// What was parked when a person asked for another try.
    pub(crate) retries: BTreeMap<Sku, String>,
    /// Attempts that were never answered.
    pub(crate) interrupted: Vec<Interrupted>,
    /// Parked articles with what was tried.
    pub(crate) parked: BTreeMap<Sku, String>,
    /// What people approved, oldest first.
    pub(crate) approvals: Vec<Approval<W>>,
}

/// An attempt whose process died before the answer was noted.
pub(crate) struct Interrupted {
    pub(crate) epoch: i64,
    pub(crate) number: i64,
    pub(crate) items: usize,
}

/// Makes a lane's memory of its rows: the last snapshot, and every attempt after it.
pub(crate) fn understand<W: Clone + Serialize + DeserializeOwned>(
    connection: &ConnectionId,
    rows: LaneRows,
) -> Loaded<W> {
    let mut memory = match &rows.snapshot {
        Some((_, _, body)) => LaneMemory::from_snapshot(body).unwrap_or_else(|error| {
            // Losing it costs repeated values, never a missed one.
            tracing::error!(%connection, %error, "the snapshot of a lane cannot be read");
            LaneMemory::default()
        }),
        None => LaneMemory::default(),
    };
    let mut interrupted = Vec::new();
    for row in &rows.attempts {
        interrupted.extend(replay(connection, &mut memory, row));
    }
    Loaded {
        memory,
        interrupted,
        doubts: rows.doubts,
        retries: rows.retries,
        parked: rows.parked,
        approvals: approvals::understand(connection, &rows.approvals),
    }
}

fn replay<W: Clone + Serialize + DeserializeOwned>(
    connection: &ConnectionId,
    memory: &mut LaneMemory<W>,
    row: &AttemptRow,
) -> Option<Interrupted> {
    let (address, items) = match unpack_items(&row.items) {
        Ok(items) => items,
        Err(error) => {
            tracing::error!(%connection, %error, "an attempt cannot be read");
            return None;
        }
    };
    let answer = row.answer.as_ref();
    let answer = answer.map(|(letters, at)| (letters.as_str(), *at));
    if answer.is_none() && planted!(ForgetUnfinishedAttempts) {
        return None;
    }
    let interrupted = answer.is_none().then_some(Interrupted {
        epoch: row.epoch,
        number: row.number,
        items: items.len(),
    });
    memory.replay(&address.into(), items, answer);
    interrupted
}

/// Reads the rows of a lane.
pub(super) async fn rows(db: &Database, connection: &ConnectionId) -> Result<LaneRows, DbError> {
    let snapshot = db
        .fetch_optional(
            "SELECT epoch, number, body FROM snapshots WHERE connection = $1",
            args![connection.as_str()],
        )
        .await?;
    let snapshot = snapshot
        .map(|row| Ok::<_, DbError>((row.int("epoch")?, row.int("number")?, row.text("body")?)))
        .transpose()?;
    let (epoch, number) = snapshot
        .as_ref()
        .map_or((-1, -1), |(epoch, number, _)| (*epoch, *number));
    let attempts = db
        .fetch_all(
            "SELECT epoch, number, items, completed, outcomes FROM attempts \
             WHERE connection = $1 AND (epoch, number) > ($2, $3) ORDER BY epoch, number",
            args![connection.as_str(), epoch, number],
        )
        .await?;
    let (doubts, retries) = doubts(db, connection).await?;
    Ok(LaneRows {
        snapshot,
        attempts: attempts.iter().map(attempt).collect::<Result<_, _>>()?,
        doubts,
        retries,
        parked: parked(db, connection).await?,
        approvals: approvals::rows(db, connection).await?,
    })
}

fn attempt(row: &Row) -> Result<AttemptRow, DbError> {
    let completed = row.opt_int("completed")?.map(Timestamp::from_micros);
    Ok(AttemptRow {
        epoch: row.int("epoch")?,
        number: row.int("number")?,
        items: row.text("items")?,
        answer: row.opt_text("outcomes")?.zip(completed),
    })
}

type Doubts = (Vec<(Sku, DoubtKind, Timestamp)>, BTreeMap<Sku, String>);

async fn doubts(db: &Database, connection: &ConnectionId) -> Result<Doubts, DbError> {
    let rows = db
        .fetch_all(
            "SELECT sku, kind, due, input FROM doubts WHERE connection = $1",
            args![connection.as_str()],
        )
        .await?;
    let (mut doubts, mut retries) = (Vec::with_capacity(rows.len()), BTreeMap::new());
    for row in rows {
        let due = Timestamp::from_micros(row.int("due")?);
        let kind = DoubtKind::from_text(&row.text("kind")?);
        if let (Ok(sku), Some(kind)) = (row.text("sku")?.parse::<Sku>(), kind) {
            retries.extend(row.opt_text("input")?.map(|input| (sku.clone(), input)));
            doubts.push((sku, kind, due));
        }
    }
    Ok((doubts, retries))
}

async fn parked(
    db: &Database,
    connection: &ConnectionId,
) -> Result<BTreeMap<Sku, String>, DbError> {
    let rows = db
        .fetch_all(
            "SELECT sku, input FROM parked WHERE connection = $1",
            args![connection.as_str()],
        )
        .await?;
    let mut parked = BTreeMap::new();
    for row in rows {
        if let Ok(sku) = row.text("sku")?.parse() {
            parked.insert(sku, row.text("input")?);
        }
    }
    Ok(parked)
}
