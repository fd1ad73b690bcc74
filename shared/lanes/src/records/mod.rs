//! What is made lasting, and how it comes back.

mod approvals;
pub(crate) mod drift;
mod group;
mod load;
pub(crate) mod memory;
pub(crate) mod outside;
mod parked;
mod questions;
mod receipts;
mod retention;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::Arc;

use storelink_model::{ConnectionId, Sku, TenantId, Timestamp};

use crate::lane::DoubtKind;

pub(crate) use load::{Loaded, load};
pub(crate) use questions::Questions;
pub(crate) use retention::forget;
pub(crate) use writer::{BeginError, Records};

/// Which lane a record is of.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LaneName {
    pub(crate) connection: ConnectionId,
    pub(crate) tenant: TenantId,
    /// The epoch in which this process owns it.
    pub(crate) epoch: i64,
}

/// One write request before it leaves.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) lane: Arc<LaneName>,
    /// Counts the attempts of an epoch from 1.
    pub(crate) number: i64,
    pub(crate) started: Timestamp,
    /// As `memory::pack_items` writes them.
    pub(crate) items: String,
}

/// Something that is noted after the fact.
#[derive(Debug, Clone)]
pub(crate) enum Note {
    /// The answer to an attempt.
    Finished {
        epoch: i64,
        number: i64,
        completed: Timestamp,
        /// As `memory::letters` writes them.
        outcomes: String,
        error_code: Option<String>,
    },
    /// Everything that is confirmed, up to an attempt.
    Snapshot {
        number: i64,
        taken: Timestamp,
        body: String,
    },
    /// An article cannot go on without a person.
    Park {
        sku: Sku,
        code: String,
        reason: String,
        input: String,
        since: Timestamp,
    },
    /// A parked article goes on.
    Unpark { sku: Sku },
    /// Look at an article again later.
    OpenDoubt {
        sku: Sku,
        kind: DoubtKind,
        due: Timestamp,
    },
    /// It was looked at, as it was due then: one that was moved since stays open.
    CloseDoubt {
        sku: Sku,
        kind: DoubtKind,
        due: Timestamp,
    },
    /// The lane ended here, and another process may take it.
    GiveBack,
    /// A reconciliation is over. What it found before stands in earlier notes.
    Reconciled {
        run: String,
        finished: Timestamp,
        /// As JSON.
        drift: String,
    },
}
