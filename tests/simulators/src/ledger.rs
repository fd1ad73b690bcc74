//! The append-only record of every request a store got and of everything that changed in it.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::lock;

/// What caused an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// An HTTP request.
    Request,
    /// Something that happened in the shop itself: a sale, an edit by hand.
    Shop,
    /// The delayed effect of an earlier request whose answer was lost.
    Late,
}

/// One changed value in a store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// True UTC time of the change, microseconds.
    pub at_us: i64,
    /// `product`, `variation`, `order`, `refund`, `note` or `webhook`.
    pub entity: String,
    /// Id of the thing that changed.
    pub id: u64,
    /// Id of the product above a variation, else 0.
    pub parent_id: u64,
    /// SKU at the time of the change, where there is one.
    pub sku: String,
    /// Name of the member that changed, as the API calls it.
    pub field: String,
    /// Value before.
    pub old: Value,
    /// Value after; equal to `old` where a write repeated what was there.
    pub new: Value,
}

/// One line of the ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// Position in the ledger, from 1, in order of completion.
    pub seq: u64,
    /// Name of the store.
    pub store: String,
    /// What caused the entry.
    pub source: Source,
    /// The client's User-Agent; empty for what happened in the shop.
    pub agent: String,
    /// True UTC time at which the request began, microseconds.
    pub started_us: i64,
    /// The same on the monotonic clock of the process, microseconds since the ledger began.
    pub started_mono_us: u64,
    /// How long it took, microseconds.
    pub duration_us: u64,
    /// Requests in work at this store when this one began, itself included.
    pub in_flight: u32,
    /// HTTP method, or the name of the shop's action.
    pub method: String,
    /// Path as sent.
    pub path: String,
    /// Query as sent, credentials included: this record never leaves a test.
    pub query: String,
    /// Body as text; empty if the store was made without `ledger_bodies`.
    pub body: String,
    /// Status answered; none if the connection was closed without an answer.
    pub status: Option<u16>,
    /// Size of the answer's body in bytes.
    pub answer_bytes: u64,
    /// Kinds of the faults that took part.
    pub faults: Vec<String>,
    /// What changed.
    pub effects: Vec<Effect>,
}

/// A request in work, of which there is no line yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnderWay {
    /// The client's User-Agent.
    pub agent: String,
    /// HTTP method.
    pub method: String,
    /// Path as sent.
    pub path: String,
}

/// Which entries to read.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LedgerFilter {
    /// Only entries with a higher sequence.
    pub after: u64,
    /// At most so many entries; 0 means 1,000.
    pub limit: usize,
    /// Only this store.
    pub store: Option<String>,
    /// Only requests that can change a store, and what changed without a request.
    pub writes_only: bool,
}

/// One page of the ledger.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LedgerPage {
    /// Entries by rising sequence.
    pub entries: Vec<LedgerEntry>,
    /// Pass as `after` to get the next page.
    pub next_after: u64,
    /// Highest sequence written so far.
    pub last_seq: u64,
}

/// The ledger of one process; clones share it.
#[derive(Debug, Clone)]
pub struct Ledger {
    entries: Arc<Mutex<Vec<LedgerEntry>>>,
    began: Instant,
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            entries: Arc::default(),
            began: Instant::now(),
        }
    }
}

impl Ledger {
    /// Microseconds since the ledger began, on the monotonic clock.
    #[must_use]
    pub fn mono_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Appends an entry; its sequence is set here.
    pub(crate) fn append(&self, mut entry: LedgerEntry) {
        let mut entries = lock(&self.entries);
        entry.seq = entries.len() as u64 + 1;
        entries.push(entry);
    }

    /// Reads a page.
    #[must_use]
    pub fn read(&self, filter: &LedgerFilter) -> LedgerPage {
        let entries = lock(&self.entries);
        let limit = if filter.limit == 0 {
            1_000
        } else {
            filter.limit
        };
        let start = usize::try_from(filter.after)
            .unwrap_or(usize::MAX)
            .min(entries.len());
        let mut page = Vec::new();
        let mut next_after = filter.after.max(entries.len() as u64);
        for entry in entries.iter().skip(start) {
            if page.len() == limit {
                next_after = page
                    .last()
                    .map_or(filter.after, |last: &LedgerEntry| last.seq);
                break;
            }
            if filter.takes(entry) {
                page.push(entry.clone());
            }
        }
        LedgerPage {
            entries: page,
            next_after,
            last_seq: entries.len() as u64,
        }
    }
}

impl LedgerEntry {
    pub(crate) fn under_way(&self) -> UnderWay {
        UnderWay {
            agent: self.agent.clone(),
            method: self.method.clone(),
            path: self.path.clone(),
        }
    }

    /// Whether the entry's request could change the store.
    #[must_use]
    pub fn is_write(&self) -> bool {
        !matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS")
    }
}

impl LedgerFilter {
    fn takes(&self, entry: &LedgerEntry) -> bool {
        self.store
            .as_ref()
            .is_none_or(|store| *store == entry.store)
            && (!self.writes_only || entry.is_write())
    }
}
