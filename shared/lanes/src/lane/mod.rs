//! The pure core of a lane: which articles wait, what is sent next, what an answer means.
//!
//! Knows no clock, no broker, no database and no store: whoever drives it brings the time, the
//! wanted values and the answers, and carries out the [`Effect`]s. So a simulation can drive it too.

mod answer;
mod batch;
mod doubts;
mod listings;
mod pause;
mod queue;
mod slot;
#[cfg(test)]
mod tests;
mod view;

use std::collections::HashMap;

use indexmap::IndexMap;
use serde::Serialize;
use storelink_adapter_api::WriteGroup;
use storelink_model::Timestamp;

pub use batch::{Batch, BatchItem, Desired};
pub use doubts::DoubtKind;
pub use listings::ListedArticle;
pub use pause::{Attention, Closed, Pause};
pub use slot::PackedIds;
pub use view::{LaneCounts, Remembered, SkuView};

use crate::levels::SkuId;
use doubts::Doubts;
use queue::{DirtyQueue, GroupId};
use slot::Slot;

/// What must be made lasting because of a decision of the core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// An article cannot go on without a person.
    Park {
        /// Which.
        sku: SkuId,
        /// Stable code.
        code: String,
        /// In words: the store's, where it spoke.
        text: String,
        /// What was tried; another input is tried again by itself.
        input: String,
    },
    /// A parked article goes on.
    Unpark {
        /// Which.
        sku: SkuId,
    },
    /// Look at an article again later.
    OpenDoubt {
        /// Which.
        sku: SkuId,
        /// Why.
        kind: DoubtKind,
        /// When.
        due: Timestamp,
    },
    /// It was looked at.
    CloseDoubt {
        /// Which.
        sku: SkuId,
        /// Why.
        kind: DoubtKind,
    },
}

/// The articles of one store that a lane keeps right.
///
/// An article is *clean* only if the store confirmed exactly the value now wanted, for the ids it
/// now has, and no late effect is feared. Every other one waits.
#[derive(Debug)]
pub struct Lane<W> {
    slots: IndexMap<SkuId, Slot<W>>,
    groups: HashMap<WriteGroup, GroupId>,
    queue: DirtyQueue,
    doubts: Doubts,
    parked: HashMap<SkuId, ParkedEntry>,
    /// Articles with a turn.
    waiting: usize,
    /// Since when the articles under way waited, in microseconds since 1970, and how many they are.
    in_flight: Option<(i64, usize)>,
    superseded: u64,
    last_confirmed: i64,
}

#[derive(Debug)]
struct ParkedEntry {
    input: String,
    /// A person asked to try it again with the same input.
    retry: bool,
}

impl<W: Clone + PartialEq + Serialize> Lane<W> {
    /// A lane without articles.
    #[must_use]
    pub fn new() -> Self {
        Self {
            slots: IndexMap::new(),
            groups: HashMap::new(),
            queue: DirtyQueue::default(),
            doubts: Doubts::default(),
            parked: HashMap::new(),
            waiting: 0,
            in_flight: None,
            superseded: 0,
            last_confirmed: 0,
        }
    }

    /// A value changed from which the wanted one is computed. Tells whether the lane has more to
    /// do than before.
    pub fn changed(&mut self, sku: SkuId, now: Timestamp) -> bool {
        let Some(slot) = self.slots.get_mut(&sku) else { return false };
        if slot.turn != 0 {
            self.superseded += 1;
            return false;
        }
        self.mark(sku, now)
    }

    /// Everything may have changed: settings, or what the store said about itself.
    pub fn all_changed(&mut self, now: Timestamp) {
        let skus: Vec<SkuId> = self.slots.keys().copied().collect();
        for sku in skus {
            self.mark(sku, now);
        }
    }

    /// Moves doubts whose time has come to what waits. Tells when the next one is due.
    pub fn wake_doubts(&mut self, now: Timestamp) -> Option<Timestamp> {
        while let Some((sku, kind)) = self.doubts.next_due(now) {
            match kind {
                DoubtKind::LateEffect => {
                    if let Some(slot) = self.slots.get_mut(&sku) {
                        slot.forced = true;
                    }
                }
                DoubtKind::Boundary => {
                    // Looking again is all it asks for, and a start looks at everything.
                    self.doubts.close(sku, kind);
                }
                DoubtKind::Retry => {
                    if let Some(entry) = self.parked.get_mut(&sku) {
                        entry.retry = true;
                    }
                }
            }
            self.mark(sku, now);
        }
        self.doubts.next_time()
    }

    /// Opens a doubt that was decided elsewhere or stood in SQL.
    pub fn doubt(&mut self, sku: SkuId, kind: DoubtKind, due: Timestamp) {
        self.doubts.open(sku, kind, due);
    }

    /// Remembers that an article is parked, as SQL says at the start.
    pub fn remember_parked(&mut self, sku: SkuId, input: String) {
        self.parked.insert(sku, ParkedEntry { input, retry: false });
    }

    /// Whether a request is under way.
    #[must_use]
    pub fn is_writing(&self) -> bool {
        self.in_flight.is_some()
    }

    fn mark(&mut self, sku: SkuId, now: Timestamp) -> bool {
        let Some(slot) = self.slots.get_mut(&sku) else { return false };
        if slot.blocked.is_some() || slot.turn != 0 {
            return false;
        }
        if slot.dirty_since == 0 {
            slot.dirty_since = now.micros();
        }
        slot.turn = self.queue.push(slot.group, sku);
        self.waiting += 1;
        true
    }

    fn unpark(&mut self, sku: SkuId, effects: &mut Vec<Effect>) {
        if self.parked.remove(&sku).is_some() {
            effects.push(Effect::Unpark { sku });
        }
        self.close_doubt(sku, DoubtKind::Retry, effects);
    }

    fn park(
        &mut self,
        sku: SkuId,
        code: &str,
        text: &str,
        input: String,
        effects: &mut Vec<Effect>,
    ) {
        self.close_doubt(sku, DoubtKind::Retry, effects);
        let (code, text) = (code.to_owned(), text.to_owned());
        effects.push(Effect::Park { sku, code, text, input: input.clone() });
        self.parked.insert(sku, ParkedEntry { input, retry: false });
    }

    fn open_doubt(
        &mut self,
        sku: SkuId,
        kind: DoubtKind,
        due: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        if self.doubts.open(sku, kind, due) {
            effects.push(Effect::OpenDoubt { sku, kind, due });
        }
    }

    fn close_doubt(&mut self, sku: SkuId, kind: DoubtKind, effects: &mut Vec<Effect>) {
        if self.doubts.close(sku, kind) {
            effects.push(Effect::CloseDoubt { sku, kind });
        }
    }
}

impl<W: Clone + PartialEq + Serialize> Default for Lane<W> {
    fn default() -> Self {
        Self::new()
    }
}
