//! What people approved.

use serde::Serialize;
use serde::de::DeserializeOwned;
use storelink_model::{ConnectionId, Sku, Timestamp};
use storelink_persistence::{Database, DbError, args};
use time::Duration;

use super::port::ApprovalRow;
use super::questions::Questions;

/// An approval says nothing any more when everything that it allowed was done long ago.
const KEPT: Duration = Duration::days(30);

/// Approved changes.
pub struct Approval<W> {
    /// Where the store was that they were shown for.
    pub address: String,
    /// What a person wants to be written.
    pub changes: Vec<(Sku, W)>,
    /// Since when.
    pub at: Timestamp,
}

impl<W: Serialize> Approval<W> {
    /// As it is kept.
    #[must_use]
    pub fn to_row(&self) -> ApprovalRow {
        let changes = serde_json::to_string(&(&self.address, &self.changes));
        ApprovalRow {
            changes: changes.unwrap_or_default(),
            at: self.at,
        }
    }
}

impl<W: DeserializeOwned> Approval<W> {
    fn from_row(row: &ApprovalRow) -> Result<Self, serde_json::Error> {
        let (address, changes) = serde_json::from_str(&row.changes)?;
        Ok(Self {
            address,
            changes,
            at: row.at,
        })
    }
}

impl Questions {
    /// Makes it lasting that a person wants these changes.
    pub(crate) async fn approve<W: Serialize>(
        &self,
        connection: &ConnectionId,
        approval: &Approval<W>,
    ) -> Result<(), DbError> {
        let ApprovalRow { changes, at } = approval.to_row();
        let connection = connection.as_str();
        let mut transaction = self.db.begin().await?;
        transaction
            .execute(
                "INSERT INTO approvals (connection, approved, changes) VALUES ($1, $2, $3) \
                 ON CONFLICT (connection, approved) DO UPDATE SET changes = excluded.changes",
                args![connection, at.micros(), changes],
            )
            .await?;
        transaction
            .execute(
                "DELETE FROM approvals WHERE connection = $1 AND approved < $2",
                args![connection, at.saturating_sub(KEPT).micros()],
            )
            .await?;
        transaction.commit().await
    }
}

/// The approvals of a lane, oldest first.
pub(super) async fn rows(
    db: &Database,
    connection: &ConnectionId,
) -> Result<Vec<ApprovalRow>, DbError> {
    let rows = db
        .fetch_all(
            "SELECT approved, changes FROM approvals WHERE connection = $1 ORDER BY approved",
            args![connection.as_str()],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(ApprovalRow {
                changes: row.text("changes")?,
                at: Timestamp::from_micros(row.int("approved")?),
            })
        })
        .collect()
}

pub(super) fn understand<W: DeserializeOwned>(
    connection: &ConnectionId,
    rows: &[ApprovalRow],
) -> Vec<Approval<W>> {
    let understood = rows.iter().filter_map(|row| {
        match Approval::from_row(row) {
            Ok(approval) => Some(approval),
            // Losing it costs that somebody is asked again.
            Err(error) => {
                tracing::error!(%connection, %error, "an approval cannot be read");
                None
            }
        }
    });
    understood.collect()
}
