//! What is made lasting, and how it comes back.

mod approvals;
pub(crate) mod drift;
mod group;
mod load;
pub(crate) mod memory;
pub(crate) mod outside;
mod parked;
mod port;
mod questions;
mod receipts;
pub(crate) mod retention;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::Arc;

use storelink_model::{ConnectionId, Sku, TenantId, Timestamp};

use crate::lane::DoubtKind;

pub use approvals::Approval;
pub(crate) use load::{Loaded, understand};
pub use port::{ApprovalRow, AttemptRow, LaneRecords, LaneRows, OutsideDoubt};
pub(crate) use questions::Questions;
pub(crate) use writer::{BeginError, Records};

/// Which lane a record is of.
#[derive(Debug, PartialEq, Eq)]
pub struct LaneName {
    /// Of which connection.
    pub connection: ConnectionId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The epoch in which this process owns it.
    pub epoch: i64,
}

/// One write request before it leaves.
#[derive(Debug)]
pub struct Attempt {
    /// Of which lane.
    pub lane: Arc<LaneName>,
    /// Counts the attempts of an epoch from 1.
    pub number: i64,
    /// When its values were taken.
    pub started: Timestamp,
    /// As `memory::pack_items` writes them.
    pub items: String,
}

/// Something that is noted after the fact.
#[derive(Debug, Clone)]
pub enum Note {
    /// The answer to an attempt.
    Finished {
        /// In which epoch it was made.
        epoch: i64,
        /// Its number there.
        number: i64,
        /// When the answer came.
        completed: Timestamp,
        /// As `memory::letters` writes them.
        outcomes: String,
        /// Why it failed as a whole.
        error_code: Option<String>,
    },
    /// Everything that is confirmed, up to an attempt.
    Snapshot {
        /// The last attempt that it covers.
        number: i64,
        /// When it was taken.
        taken: Timestamp,
        /// As `LaneMemory::snapshot` writes it.
        body: String,
    },
    /// An article cannot go on without a person.
    Park {
        /// Which.
        sku: Sku,
        /// Stable code.
        code: String,
        /// In words.
        reason: String,
        /// What was tried.
        input: String,
        /// Since when.
        since: Timestamp,
    },
    /// A parked article goes on.
    Unpark {
        /// Which.
        sku: Sku,
    },
    /// Look at an article again later.
    OpenDoubt {
        /// Which.
        sku: Sku,
        /// Why.
        kind: DoubtKind,
        /// When.
        due: Timestamp,
    },
    /// It was looked at, as it was due then: one that was moved since stays open.
    CloseDoubt {
        /// Which.
        sku: Sku,
        /// Why.
        kind: DoubtKind,
        /// When it was due.
        due: Timestamp,
    },
    /// The lane ended here, and another process may take it.
    GiveBack,
    /// A reconciliation is over. What it found before stands in earlier notes.
    Reconciled {
        /// Which.
        run: String,
        /// When.
        finished: Timestamp,
        /// As JSON.
        drift: String,
    },
}
