//! The rows that say who runs which lane, and which processes there are.

use std::collections::BTreeMap;

use async_trait::async_trait;
use storelink_model::ConnectionId;
use storelink_persistence::{Backend, Database, DbError, args};

/// The row of a lane as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerRow {
    /// Whose lane.
    pub connection: String,
    /// Who owns it; empty when it was given back or never taken.
    pub owner: String,
    /// Grows with each owner.
    pub epoch: i64,
    /// Counts the renewals of an epoch.
    pub renewal: i64,
}

impl OwnerRow {
    /// A row that was never taken.
    #[must_use]
    pub fn new(connection: &str) -> Self {
        Self {
            connection: connection.to_owned(),
            owner: String::new(),
            epoch: 0,
            renewal: 0,
        }
    }
}

/// Where the rows stand. Each call is atomic for each row; one that fails may have had its effect.
#[async_trait]
pub trait OwnerRows: Send + Sync {
    /// Whether no other process can be there.
    fn is_alone(&self) -> bool;

    /// Counts up the rows of this owner and gives their epochs.
    async fn renew(&self, owner: &str) -> Result<BTreeMap<ConnectionId, i64>, DbError>;

    /// The rows that are not this owner's, in the order of their connections.
    async fn of_others(&self, owner: &str) -> Result<Vec<OwnerRow>, DbError>;

    /// Makes rows as [`OwnerRow::new`] for connections that have none.
    async fn add(&self, connections: &[&str]) -> Result<(), DbError>;

    /// Makes those of the rows this owner's that are another's and have still the epoch and the renewal
    /// that was read; the epoch grows by one. All of them or none. Gives the new epochs.
    async fn take(
        &self,
        owner: &str,
        rows: &[OwnerRow],
    ) -> Result<BTreeMap<ConnectionId, i64>, DbError>;

    /// Leaves rows in these epochs without an owner.
    async fn give_back(&self, rows: &[(ConnectionId, i64)]) -> Result<(), DbError>;

    /// Leaves all rows of this owner without one.
    async fn release(&self, owner: &str) -> Result<(), DbError>;

    /// Counts up the row of this process, and gives all processes with what they counted.
    async fn beat(&self, process: &str) -> Result<Vec<(String, i64)>, DbError>;

    /// Removes the row of a process that counts no more, if it did not count since.
    async fn bury(&self, process: &str, beat: i64) -> Result<(), DbError>;

    /// Removes the row of this process.
    async fn leave(&self, process: &str) -> Result<(), DbError>;
}

#[async_trait]
impl OwnerRows for Database {
    /// A SQLite file serves one process: its lock proves it.
    fn is_alone(&self) -> bool {
        self.backend() == Backend::Sqlite
    }

    async fn renew(&self, owner: &str) -> Result<BTreeMap<ConnectionId, i64>, DbError> {
        let rows = self
            .fetch_all(
                "UPDATE lane_owner SET renewal = renewal + 1 WHERE owner = $1 \
                 RETURNING connection, epoch",
                args![owner],
            )
            .await?;
        let mut owned = BTreeMap::new();
        for row in rows {
            if let Ok(connection) = row.text("connection")?.parse() {
                owned.insert(connection, row.int("epoch")?);
            }
        }
        Ok(owned)
    }

    async fn of_others(&self, owner: &str) -> Result<Vec<OwnerRow>, DbError> {
        let rows = self
            .fetch_all(
                "SELECT connection, owner, epoch, renewal FROM lane_owner WHERE owner <> $1 \
                 ORDER BY connection",
                args![owner],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(OwnerRow {
                    connection: row.text("connection")?,
                    owner: row.text("owner")?,
                    epoch: row.int("epoch")?,
                    renewal: row.int("renewal")?,
                })
            })
            .collect()
    }

    async fn add(&self, connections: &[&str]) -> Result<(), DbError> {
        let rows = connections
            .iter()
            .map(|connection| args![*connection, "", 0, 0]);
        self.execute_values(
            "INSERT INTO lane_owner (connection, owner, epoch, renewal) VALUES",
            "ON CONFLICT (connection) DO NOTHING",
            rows.collect(),
        )
        .await
        .map(drop)
    }

    async fn take(
        &self,
        owner: &str,
        rows: &[OwnerRow],
    ) -> Result<BTreeMap<ConnectionId, i64>, DbError> {
        let mut transaction = self.begin().await?;
        let mut taken = BTreeMap::new();
        for read in rows {
            let row = transaction
                .fetch_optional(
                    "UPDATE lane_owner SET owner = $1, epoch = epoch + 1, renewal = 0, \
                     gone = FALSE WHERE connection = $2 AND epoch = $3 AND renewal = $4 \
                     AND owner <> $1 RETURNING epoch",
                    args![owner, read.connection.as_str(), read.epoch, read.renewal],
                )
                .await?;
            if let (Some(row), Ok(id)) = (row, read.connection.parse()) {
                taken.insert(id, row.int("epoch")?);
            }
        }
        transaction.commit().await?;
        Ok(taken)
    }

    async fn give_back(&self, rows: &[(ConnectionId, i64)]) -> Result<(), DbError> {
        let rows = rows
            .iter()
            .map(|(connection, epoch)| args![connection.as_str(), *epoch]);
        self.execute_values(
            "WITH given (connection, epoch) AS (VALUES",
            ") UPDATE lane_owner SET owner = '' FROM given g \
             WHERE lane_owner.connection = g.connection AND lane_owner.epoch = g.epoch",
            rows.collect(),
        )
        .await
        .map(drop)
    }

    async fn release(&self, owner: &str) -> Result<(), DbError> {
        self.execute(
            "UPDATE lane_owner SET owner = '' WHERE owner = $1",
            args![owner],
        )
        .await
        .map(drop)
    }

    async fn beat(&self, process: &str) -> Result<Vec<(String, i64)>, DbError> {
        self.execute(
            "INSERT INTO replicas (id, beat) VALUES ($1, 1) \
             ON CONFLICT (id) DO UPDATE SET beat = replicas.beat + 1",
            args![process],
        )
        .await?;
        let rows = self
            .fetch_all("SELECT id, beat FROM replicas", args![])
            .await?;
        rows.iter()
            .map(|row| Ok((row.text("id")?, row.int("beat")?)))
            .collect()
    }

    async fn bury(&self, process: &str, beat: i64) -> Result<(), DbError> {
        self.execute(
            "DELETE FROM replicas WHERE id = $1 AND beat = $2",
            args![process, beat],
        )
        .await
        .map(drop)
    }

    async fn leave(&self, process: &str) -> Result<(), DbError> {
        self.execute("DELETE FROM replicas WHERE id = $1", args![process])
            .await
            .map(drop)
    }
}
