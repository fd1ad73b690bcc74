//! Where the records of lanes stand.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use storelink_model::{ConnectionId, Sku, Timestamp};
use storelink_persistence::{Database, DbError};

use super::group::Group;
use super::{Attempt, LaneName, Note, load, outside, retention};
use crate::lane::DoubtKind;

/// The records of a lane as they stand. What belongs to several rows may have changed between them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LaneRows {
    /// Epoch, number of the last attempt that it covers, and body.
    pub snapshot: Option<(i64, i64, String)>,
    /// The attempts after the snapshot, in their order.
    pub attempts: Vec<AttemptRow>,
    /// Open doubts.
    pub doubts: Vec<(Sku, DoubtKind, Timestamp)>,
    /// What was parked when a person asked for another try, of the doubts of that kind.
    pub retries: BTreeMap<Sku, String>,
    /// Parked articles with what was tried.
    pub parked: BTreeMap<Sku, String>,
    /// What people approved, oldest first.
    pub approvals: Vec<ApprovalRow>,
}

/// An attempt as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRow {
    /// In which epoch.
    pub epoch: i64,
    /// Its number there.
    pub number: i64,
    /// As `memory::pack_items` writes them.
    pub items: String,
    /// When it was answered, and the letters of the answer.
    pub answer: Option<(String, Timestamp)>,
}

/// What a person approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalRow {
    /// A list of article and wanted value, as JSON.
    pub changes: String,
    /// When.
    pub at: Timestamp,
}

/// A doubt that did not come from the lane itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutsideDoubt {
    /// Of which connection.
    pub connection: ConnectionId,
    /// Which article.
    pub sku: Sku,
    /// Why.
    pub kind: DoubtKind,
    /// When it is due.
    pub due: Timestamp,
    /// What was parked when a person asked for another try.
    pub input: Option<String>,
    /// Its number: who has seen it has seen all below it.
    pub number: i64,
}

/// Where the records stand. A call that fails may have had its effect, or may still have it.
#[async_trait]
pub trait LaneRecords: Send + Sync {
    /// Makes attempts and notes lasting, all of them or none; of several notes about one key the last
    /// counts.
    ///
    /// An attempt is taken only in the epoch that its lane has now: gives connection and number of
    /// those that were. Notes of another epoch change nothing, but for the clear answer to an attempt
    /// of that epoch. A doubt is closed only if it is not due later than the note says. A lane is
    /// given back behind everything else.
    async fn commit(
        &self,
        begun: &[&Attempt],
        notes: &[(Arc<LaneName>, Note)],
    ) -> Result<HashSet<(String, i64)>, DbError>;

    /// Reads what is kept of a lane: first the snapshot, then the attempts after it, then doubts,
    /// parked articles and approvals.
    async fn read(&self, connection: &ConnectionId) -> Result<LaneRows, DbError>;

    /// Removes attempts that the snapshot covers and that are too old to be of interest. A failure
    /// leaves them.
    async fn drop_old_attempts(&self, connection: &ConnectionId);

    /// Removes what waits for a connection that was deleted, all of it or nothing.
    async fn forget(&self, connection: &ConnectionId) -> Result<(), DbError>;

    /// Opens doubts of connections that have a lane, for somebody else than the lane itself. One that
    /// stands becomes due later in any case. All get one number, larger than every number that
    /// anybody has seen.
    async fn open_doubts(
        &self,
        kind: DoubtKind,
        articles: &BTreeSet<(String, Sku)>,
        due: Timestamp,
    ) -> Result<(), DbError>;

    /// The number drawn last.
    async fn last_doubt(&self) -> Result<i64, DbError>;

    /// Doubts of others behind a number, in the order of their numbers.
    async fn doubts_since(&self, number: i64) -> Result<Vec<OutsideDoubt>, DbError>;
}

#[async_trait]
impl LaneRecords for Database {
    async fn commit(
        &self,
        begun: &[&Attempt],
        notes: &[(Arc<LaneName>, Note)],
    ) -> Result<HashSet<(String, i64)>, DbError> {
        Group::new(begun.iter().copied(), notes).commit(self).await
    }

    async fn read(&self, connection: &ConnectionId) -> Result<LaneRows, DbError> {
        load::rows(self, connection).await
    }

    async fn drop_old_attempts(&self, connection: &ConnectionId) {
        retention::drop_old_attempts(self, connection).await;
    }

    async fn forget(&self, connection: &ConnectionId) -> Result<(), DbError> {
        retention::forget(self, connection).await
    }

    async fn open_doubts(
        &self,
        kind: DoubtKind,
        articles: &BTreeSet<(String, Sku)>,
        due: Timestamp,
    ) -> Result<(), DbError> {
        let articles = articles
            .iter()
            .map(|(connection, sku)| (connection.as_str(), sku));
        outside::open(self, kind, articles, due).await
    }

    async fn last_doubt(&self) -> Result<i64, DbError> {
        outside::last_number(self).await
    }

    async fn doubts_since(&self, number: i64) -> Result<Vec<OutsideDoubt>, DbError> {
        outside::since(self, number).await
    }
}
