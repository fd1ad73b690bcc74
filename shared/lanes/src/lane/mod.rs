//! The pure core of a lane: which articles wait, what is sent next, what an answer means.
//!
//! Knows no clock, no broker, no database and no store: whoever drives it brings the time, the
//! wanted values and the answers, and carries out the [`Effect`]s. So a simulation can drive it too.

mod answer;
mod approval;
mod batch;
mod delisted;
mod doubts;
mod drift;
mod guard;
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
pub use drift::{Finding, Reading};
pub use guard::{Asks, Few, GuardRule, LastShown};
pub use listings::ListedArticle;
pub use pause::{Attention, Closed, Pause};
pub use slot::PackedIds;
pub use view::{LaneCounts, Remembered, SkuView};

use crate::levels::SkuId;
use delisted::Delisted;
use doubts::Doubts;
use guard::Guard;
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
    /// It was looked at, as it was due then: one that was moved since stays open.
    CloseDoubt {
        /// Which.
        sku: SkuId,
        /// Why.
        kind: DoubtKind,
        /// When it was due.
        due: Timestamp,
    },
}

/// The articles of one store that a lane keeps right.
///
/// An article is *clean* only if the store confirmed exactly the value now wanted, for the ids it
/// now has, and no late effect is feared. Every other one waits.
#[derive(Debug)]
pub struct Lane<W> {
    slots: IndexMap<SkuId, Slot<W>>,
    delisted: Delisted<W>,
    groups: HashMap<WriteGroup, GroupId>,
    queue: DirtyQueue,
    doubts: Doubts,
    parked: HashMap<SkuId, ParkedEntry>,
    /// What was parked when a person asked for another try.
    retries: HashMap<SkuId, String>,
    guard: Guard<W>,
    /// Articles that are not blocked.
    written: usize,
    /// Articles with a turn.
    waiting: usize,
    /// Since when the articles under way waited, in microseconds since 1970, and how many they are.
    in_flight: Option<(i64, usize)>,
    superseded: u64,
    last_confirmed: i64,
    /// Where the store is, once that was said.
    place: Option<Box<str>>,
    /// When the store was said to be elsewhere, in microseconds since 1970.
    moved_at: i64,
    /// The request under way went to where the store was before.
    went_elsewhere: bool,
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
            delisted: Delisted::new(),
            groups: HashMap::new(),
            queue: DirtyQueue::default(),
            doubts: Doubts::default(),
            parked: HashMap::new(),
            retries: HashMap::new(),
            guard: Guard::new(),
            written: 0,
            waiting: 0,
            in_flight: None,
            superseded: 0,
            last_confirmed: 0,
            place: None,
            moved_at: 0,
            went_elsewhere: false,
        }
    }

    /// A value changed from which the wanted one is computed. Tells whether the lane has more to
    /// do than before.
    pub fn changed(&mut self, sku: SkuId, now: Timestamp) -> bool {
        let named_by_order = self.doubts.due(sku, DoubtKind::Order).is_some();
        let Some(slot) = self.slots.get_mut(&sku) else {
            return false;
        };
        slot.ordered |= named_by_order;
        if slot.turn != 0 {
            self.superseded += 1;
        }
        self.mark(sku, now)
    }

    /// Something else changed from which the wanted value is computed, without a word of the ERP.
    /// Tells whether the lane has more to do than before.
    pub fn look_again(&mut self, sku: SkuId, now: Timestamp) -> bool {
        self.mark(sku, now)
    }

    /// Everything may have changed: settings, or what the store said about itself.
    pub fn all_changed(&mut self, now: Timestamp) {
        let skus: Vec<SkuId> = self.slots.keys().copied().collect();
        for sku in skus {
            self.mark(sku, now);
        }
    }

    /// Says where the store is. What was confirmed elsewhere says nothing of what it shows, and what was
    /// refused elsewhere may be taken here.
    pub fn place_at(&mut self, address: &str, now: Timestamp) {
        if self.place.as_deref() == Some(address) {
            return;
        }
        let moved = self.place.replace(address.into()).is_some();
        if !moved {
            return;
        }
        self.moved_at = now.micros();
        self.went_elsewhere = self.is_writing();
        // Who approved saw what the other store showed.
        self.guard.approved.clear();
        for slot in self.slots.values_mut() {
            slot.doubt();
        }
        self.all_changed(now);
    }

    /// Moves doubts whose time has come to what waits. Tells when to come again at the latest.
    pub fn wake_doubts(&mut self, now: Timestamp, effects: &mut Vec<Effect>) -> Option<Timestamp> {
        while let Some((sku, kind)) = self.doubts.next_due(now) {
            let is_over = match (kind, self.slots.get_mut(&sku)) {
                (DoubtKind::Retry, _) => !self.is_retried(sku),
                // Looking again is all it asks for, and a start looks at everything.
                (DoubtKind::Boundary, _) => true,
                (DoubtKind::LateEffect, Some(slot)) => {
                    slot.forced = true;
                    false
                }
                (DoubtKind::Order, Some(slot)) => {
                    slot.ordered = true;
                    false
                }
                (DoubtKind::Drift, Some(slot)) => {
                    slot.confirmed = false;
                    false
                }
                // It is for the listing when that is back.
                (DoubtKind::LateEffect | DoubtKind::Order | DoubtKind::Drift, None) => false,
            };
            if is_over {
                self.close_doubt(sku, kind, effects);
            }
            self.mark(sku, now);
        }
        self.guard.pass_time(now);
        self.release();
        let times = [self.doubts.next_time(), self.guard.next_time()];
        times.into_iter().flatten().min()
    }

    /// An order of the store names this article: from now on the store may show another value than it
    /// confirmed. `due` is when the value is written once more if the ERP says nothing until then, and
    /// later for each order; a doubt that is open is looked at at its earlier time, or an article that
    /// sells all day were never checked.
    pub fn ordered(&mut self, sku: SkuId, due: Timestamp) {
        let kind = DoubtKind::Order;
        match (self.slots.get_mut(&sku), self.doubts.due(sku, kind)) {
            // Known already: it stood in SQL, and is found once more by its number.
            (_, Some(open)) if open >= due => {}
            // A request under way may have been applied before this order: it settles nothing.
            (Some(slot), _) if slot.in_flight => {
                slot.ordered = false;
                self.doubts.open(sku, kind, due);
            }
            (_, Some(_)) => self.doubts.moved(sku, kind, due),
            (_, None) => {
                self.doubts.open(sku, kind, due);
            }
        }
    }

    /// Opens a doubt that was decided elsewhere or stood in SQL.
    pub fn doubt(&mut self, sku: SkuId, kind: DoubtKind, due: Timestamp) {
        match kind {
            DoubtKind::Order => self.ordered(sku, due),
            // A person waits, and the time may be of a clock that is ahead. A later one is the newer: what
            // was read at the start may be behind what was heard meanwhile.
            DoubtKind::Retry => {
                if self.doubts.due(sku, kind).is_none_or(|open| open < due) {
                    let at_once = Timestamp::from_micros(0);
                    self.doubts.open_and_wake(sku, kind, due, at_once);
                }
            }
            DoubtKind::LateEffect | DoubtKind::Boundary | DoubtKind::Drift => {
                self.doubts.open(sku, kind, due);
            }
        }
    }

    /// What a doubt of the kind *retry* is about: the input that was parked when the person asked.
    pub fn retry_of(&mut self, sku: SkuId, input: String) {
        if self.doubts.due(sku, DoubtKind::Retry).is_some() {
            self.retries.insert(sku, input);
        }
    }

    /// Whether what is parked now is what a person wants to be tried again. What was parked since
    /// nobody has seen.
    fn is_retried(&mut self, sku: SkuId) -> bool {
        let (asked, entry) = (self.retries.remove(&sku), self.parked.get_mut(&sku));
        match (asked, entry) {
            (Some(asked), Some(entry)) if entry.input == asked => {
                entry.retry = true;
                true
            }
            _ => false,
        }
    }

    /// Remembers that an article is parked, as SQL says at the start.
    pub fn remember_parked(&mut self, sku: SkuId, input: String) {
        self.parked.insert(
            sku,
            ParkedEntry {
                input,
                retry: false,
            },
        );
    }

    /// Forgets everything but the listings: another process may have run the lane meanwhile, and
    /// what it left is read from SQL next.
    pub fn restart(&mut self) {
        self.queue = DirtyQueue::default();
        self.doubts = Doubts::default();
        self.parked.clear();
        self.retries.clear();
        self.delisted.clear();
        self.guard.restart();
        self.waiting = 0;
        self.in_flight = None;
        self.went_elsewhere = false;
        for slot in self.slots.values_mut() {
            slot.forget();
            slot.turn = 0;
            slot.dirty_since = 0;
            slot.in_flight = false;
            slot.forced = false;
            slot.ordered = false;
        }
    }

    /// Whether a request is under way.
    #[must_use]
    pub fn is_writing(&self) -> bool {
        self.in_flight.is_some()
    }

    fn mark(&mut self, sku: SkuId, now: Timestamp) -> bool {
        let Some(slot) = self.slots.get_mut(&sku) else {
            return false;
        };
        if slot.blocked.is_some() {
            return false;
        }
        self.guard.look_at(sku);
        if slot.turn != 0 {
            return false;
        }
        self.guard.withheld.remove(&sku);
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
        effects.push(Effect::Park {
            sku,
            code,
            text,
            input: input.clone(),
        });
        self.parked.insert(
            sku,
            ParkedEntry {
                input,
                retry: false,
            },
        );
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
        if kind == DoubtKind::Retry {
            self.retries.remove(&sku);
        }
        if let Some(due) = self.doubts.close(sku, kind) {
            effects.push(Effect::CloseDoubt { sku, kind, due });
        }
    }
}

impl<W: Clone + PartialEq + Serialize> Default for Lane<W> {
    fn default() -> Self {
        Self::new()
    }
}
