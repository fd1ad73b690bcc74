//! What a lane knows when it starts.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use storelink_model::{ConnectionId, Sku, Timestamp};
use storelink_persistence::{Database, DbError, Row, args};

use super::approvals::{Approval, approvals};
use super::memory::{LaneMemory, unpack_items};
use crate::lane::DoubtKind;

/// What SQL says of a lane.
pub(crate) struct Loaded<W> {
    pub(crate) memory: LaneMemory<W>,
    pub(crate) doubts: Vec<(Sku, DoubtKind, Timestamp)>,
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

/// Reads a lane's memory: the last snapshot, and every attempt after it.
pub(crate) async fn load<W: Clone + Serialize + DeserializeOwned>(
    db: &Database,
    connection: &ConnectionId,
) -> Result<Loaded<W>, DbError> {
    let snapshot = db
        .fetch_optional(
            "SELECT epoch, number, body FROM snapshots WHERE connection = $1",
            args![connection.as_str()],
        )
        .await?;
    let (mut memory, epoch, number) = match snapshot {
        Some(row) => {
            let body = row.text("body")?;
            let memory = LaneMemory::from_snapshot(&body).unwrap_or_else(|error| {
                // Losing it costs repeated values, never a missed one.
                tracing::error!(%connection, %error, "the snapshot of a lane cannot be read");
                LaneMemory::default()
            });
            (memory, row.int("epoch")?, row.int("number")?)
        }
        None => (LaneMemory::default(), -1, -1),
    };
    let attempts = db
        .fetch_all(
            "SELECT epoch, number, items, completed, outcomes FROM attempts \
             WHERE connection = $1 AND (epoch, number) > ($2, $3) ORDER BY epoch, number",
            args![connection.as_str(), epoch, number],
        )
        .await?;
    let mut interrupted = Vec::new();
    for row in &attempts {
        interrupted.extend(replay(connection, &mut memory, row)?);
    }
    Ok(Loaded {
        memory,
        interrupted,
        doubts: doubts(db, connection).await?,
        parked: parked(db, connection).await?,
        approvals: approvals(db, connection).await?,
    })
}

fn replay<W: Clone + Serialize + DeserializeOwned>(
    connection: &ConnectionId,
    memory: &mut LaneMemory<W>,
    row: &Row,
) -> Result<Option<Interrupted>, DbError> {
    let items = match unpack_items(&row.text("items")?) {
        Ok(items) => items,
        Err(error) => {
            tracing::error!(%connection, %error, "an attempt cannot be read");
            return Ok(None);
        }
    };
    let outcomes = row.opt_text("outcomes")?;
    let completed = row.opt_int("completed")?.map(Timestamp::from_micros);
    let answer = outcomes.as_deref().zip(completed);
    let interrupted = match answer {
        Some(_) => None,
        None => {
            let (epoch, number) = (row.int("epoch")?, row.int("number")?);
            Some(Interrupted {
                epoch,
                number,
                items: items.len(),
            })
        }
    };
    memory.replay(items, answer);
    Ok(interrupted)
}

async fn doubts(
    db: &Database,
    connection: &ConnectionId,
) -> Result<Vec<(Sku, DoubtKind, Timestamp)>, DbError> {
    let rows = db
        .fetch_all(
            "SELECT sku, kind, due FROM doubts WHERE connection = $1",
            args![connection.as_str()],
        )
        .await?;
    let mut doubts = Vec::with_capacity(rows.len());
    for row in rows {
        let due = Timestamp::from_micros(row.int("due")?);
        let kind = DoubtKind::from_text(&row.text("kind")?);
        if let (Ok(sku), Some(kind)) = (row.text("sku")?.parse(), kind) {
            doubts.push((sku, kind, due));
        }
    }
    Ok(doubts)
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
