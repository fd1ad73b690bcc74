//! The events that transactions wrote, until the broker has them.

use async_trait::async_trait;
use storelink_bus::PublishError;
use storelink_persistence::{Database, DbError, Row, args};

use crate::hub_store::{self, Store};
use crate::{IngestError, refused};

/// Where events wait.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Makes rows due that a process claimed and did not finish. Another replica may be publishing one
    /// of them at this moment: then it is published twice and stored once.
    async fn take_over(&self) -> Result<(), DbError>;

    /// Takes up to `limit` rows that are due at `now`, not published, and the first of their chain
    /// that is not, the oldest first; each is due again at `until`. Two claims never take one row.
    async fn claim(&self, now: i64, until: i64, limit: i64) -> Result<Vec<Claimed>, DbError>;

    /// What claimed rows hold.
    async fn load(&self, claimed: &[Claimed]) -> Result<Vec<Waiting>, DbError>;

    /// Notes that the broker has these, their revisions with them, and that the stream reached this
    /// sequence; all or none. Passes over rows whose claim, which is known by its `until`, is no longer
    /// the last word about them: the stream that took them may be gone.
    async fn mark(
        &self,
        done: &[Waiting],
        until: i64,
        now: i64,
        reached: u64,
    ) -> Result<(), DbError>;

    /// Leaves a row until `due`, and counts the attempt.
    async fn postpone(&self, row: &Waiting, due: i64) -> Result<(), DbError>;

    /// Parks the order of an event that the broker refuses for good.
    async fn park(&self, row: &Waiting, error: &PublishError) -> Result<(), DbError>;

    /// The broker took such an event after all.
    async fn close(&self, row: &Waiting) -> Result<(), DbError>;

    /// Which stream the events went to; none while nobody noted one.
    async fn known_store(&self) -> Result<Option<Store>, IngestError>;

    /// Notes which stream the events go to; what it is known to have reached stays. After a loss only
    /// this stream counts and, in the same transaction, every event waits again that was written after
    /// `again`, whoever has claimed it; tells how many.
    async fn keep_store(&self, store: Store, again: Option<i64>) -> Result<u64, IngestError>;
}

/// A row that a process publishes now.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Id of the event.
    pub id: String,
    /// In characters.
    pub size: i64,
}

/// A row that waits.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Id of the event and of the message.
    pub id: String,
    /// Whether it tells of a revision.
    pub order_event: bool,
    /// Events of one chain go out by position.
    pub chain: String,
    /// Its place in the chain: the revision.
    pub position: i64,
    /// Whose it is.
    pub tenant: String,
    /// Where it goes.
    pub subject: String,
    /// The event.
    pub payload: String,
    /// The trace that it goes on with.
    pub trace: Option<String>,
    /// How often it was tried in vain.
    pub attempts: i64,
}

#[async_trait]
impl Outbox for Database {
    async fn take_over(&self) -> Result<(), DbError> {
        self.execute(
            "UPDATE outbox SET due = 0 WHERE published IS NULL AND attempts = 0 AND due > 0",
            args![],
        )
        .await
        .map(drop)
    }

    async fn claim(&self, now: i64, until: i64, limit: i64) -> Result<Vec<Claimed>, DbError> {
        let rows = self
            .fetch_all(
                "UPDATE outbox SET due = $2 WHERE due <= $1 AND id IN (\
                   SELECT o.id FROM outbox o WHERE o.published IS NULL AND o.due <= $1 \
                   AND NOT EXISTS (SELECT 1 FROM outbox e WHERE e.chain = o.chain \
                     AND e.position < o.position AND e.published IS NULL) \
                   ORDER BY o.created, o.id LIMIT $3) \
                 RETURNING id, CAST(LENGTH(payload) AS BIGINT) AS size",
                args![now, until, limit],
            )
            .await?;
        let claimed = rows.iter().map(|row| {
            Ok(Claimed {
                id: row.text("id")?,
                size: row.int("size")?,
            })
        });
        claimed.collect()
    }

    async fn load(&self, claimed: &[Claimed]) -> Result<Vec<Waiting>, DbError> {
        let ids = claimed.iter().map(|row| args![&row.id]).collect();
        let rows = self
            .fetch_values(
                "WITH claimed(id) AS (VALUES",
                ") SELECT o.* FROM outbox o JOIN claimed c ON o.id = c.id",
                ids,
            )
            .await?;
        rows.iter().map(Waiting::from_row).collect()
    }

    async fn mark(
        &self,
        done: &[Waiting],
        until: i64,
        now: i64,
        reached: u64,
    ) -> Result<(), DbError> {
        let mut transaction = self.begin().await?;
        let marked = transaction
            .execute_values(
                "WITH done(id, until, at) AS (VALUES",
                ") UPDATE outbox SET published = done.at FROM done \
                 WHERE outbox.id = done.id AND outbox.due = done.until",
                done.iter().map(|row| args![&row.id, until, now]).collect(),
            )
            .await?;
        let orders = done.iter().filter(|row| row.order_event);
        transaction
            .execute_values(
                "WITH done(id, order_id, revision, at) AS (VALUES",
                ") UPDATE revisions SET published = done.at FROM done \
                 WHERE revisions.order_id = done.order_id AND revisions.revision = done.revision \
                 AND EXISTS (SELECT 1 FROM outbox o \
                 WHERE o.id = done.id AND o.published IS NOT NULL)",
                orders
                    .map(|row| args![&row.id, &row.chain, row.position, now])
                    .collect(),
            )
            .await?;
        if marked > 0 {
            hub_store::raise(&mut transaction, reached).await?;
        }
        transaction.commit().await
    }

    async fn postpone(&self, row: &Waiting, due: i64) -> Result<(), DbError> {
        self.execute(
            "UPDATE outbox SET due = $2, attempts = attempts + 1 WHERE id = $1",
            args![&row.id, due],
        )
        .await
        .map(drop)
    }

    async fn park(&self, row: &Waiting, error: &PublishError) -> Result<(), DbError> {
        refused::park(self, &row.chain, row.position, error).await
    }

    async fn close(&self, row: &Waiting) -> Result<(), DbError> {
        refused::close(self, &row.chain, row.position).await
    }

    async fn known_store(&self) -> Result<Option<Store>, IngestError> {
        hub_store::known(self).await
    }

    async fn keep_store(&self, store: Store, again: Option<i64>) -> Result<u64, IngestError> {
        hub_store::keep(self, store, again).await
    }
}

impl Waiting {
    fn from_row(row: &Row) -> Result<Self, DbError> {
        Ok(Self {
            id: row.text("id")?,
            order_event: row.text("kind")? == "order",
            chain: row.text("chain")?,
            position: row.int("position")?,
            tenant: row.text("tenant")?,
            subject: row.text("subject")?,
            payload: row.text("payload")?,
            trace: row.opt_text("traceparent")?,
            attempts: row.int("attempts")?,
        })
    }
}
