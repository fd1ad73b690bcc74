//! What the store's answer means for the articles of a request.

use serde::Serialize;
use storelink_adapter_api::{AdapterError, ErrorClass, ItemOutcome};
use storelink_model::Timestamp;
use storelink_planted_faults::planted;
use time::Duration;

use super::batch::{Batch, BatchItem};
use super::{DoubtKind, Effect, Lane};
use crate::levels::SkuId;

impl<W: Clone + PartialEq + Serialize> Lane<W> {
    /// The store answered item by item. An answer with another number of items tells nothing, and one
    /// from where the store was before neither.
    pub fn settle(
        &mut self,
        batch: Batch<W>,
        outcomes: &[ItemOutcome],
        now: Timestamp,
        recheck_after: Duration,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        let understood = outcomes.len() == batch.items.len() || planted!(ShortAnswerBelieved);
        let understood = !self.ended_elsewhere() && understood;
        // From behind, so that what is put back to the front stands there in its old order.
        for (index, item) in batch.items.into_iter().enumerate().rev() {
            let outcome = outcomes.get(index).filter(|_| understood);
            match outcome.unwrap_or(&ItemOutcome::Unknown) {
                ItemOutcome::Confirmed => self.confirmed(item, now, &mut effects),
                ItemOutcome::Rejected { code, text } => {
                    self.rejected(item, code, text, &mut effects);
                }
                ItemOutcome::Unknown => self.unknown(item, now, recheck_after, &mut effects),
            }
        }
        effects
    }

    /// The request failed as a whole.
    pub fn fail(
        &mut self,
        batch: Batch<W>,
        error: &AdapterError,
        now: Timestamp,
        recheck_after: Duration,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        let alone = batch.items.len() == 1;
        let unknown = self.ended_elsewhere() || error.outcome_unknown;
        for item in batch.items.into_iter().rev() {
            if unknown {
                self.unknown(item, now, recheck_after, &mut effects);
            } else if error.class == ErrorClass::Rejected && alone && !error.smaller_batch {
                self.rejected(item, error.code, &error.text, &mut effects);
            } else {
                self.again(&item);
            }
        }
        effects
    }

    /// The request was not sent at all.
    pub fn give_back(&mut self, batch: Batch<W>) {
        self.ended_elsewhere();
        for item in batch.items.into_iter().rev() {
            self.again(&item);
        }
    }

    /// The request under way is over. Tells whether it went to where the store was before.
    fn ended_elsewhere(&mut self) -> bool {
        self.in_flight = None;
        std::mem::take(&mut self.went_elsewhere)
    }

    fn confirmed(&mut self, item: BatchItem<W>, now: Timestamp, effects: &mut Vec<Effect>) {
        self.last_confirmed = now.micros();
        let Some(slot) = self.slots.get_mut(&item.sku) else {
            self.keep_delisted(item.sku, item.value);
            return;
        };
        slot.in_flight = false;
        if slot.ids != item.ids && !planted!(AnswerForOtherIds) {
            slot.last = Some(item.value);
            return;
        }
        if planted!(ChangeUnderWayIsClean) && slot.turn != 0 {
            slot.turn = 0;
            self.waiting -= 1;
        }
        let known = slot.confirmed && slot.last.as_ref() == Some(&item.value);
        self.guard.confirmed(item.sku, &item.value, known, now);
        slot.last = Some(item.value);
        slot.confirmed = true;
        slot.confirmed_at = now.micros();
        if item.forced || planted!(RecheckClosedEarly) {
            slot.forced = false;
            self.close_doubt(item.sku, DoubtKind::LateEffect, effects);
        }
        self.close_order_doubt(item.sku, item.order_doubt, effects);
        self.close_doubt(item.sku, DoubtKind::Drift, effects);
        if !planted!(StaysParked) {
            self.unpark(item.sku, effects);
        }
    }

    /// The store shows a value that is newer than the order, unless another order came meanwhile.
    fn close_order_doubt(
        &mut self,
        sku: SkuId,
        settled: Option<Timestamp>,
        effects: &mut Vec<Effect>,
    ) {
        if settled.is_none() || settled != self.doubts.due(sku, DoubtKind::Order) {
            return;
        }
        if let Some(slot) = self.slots.get_mut(&sku) {
            slot.ordered = false;
        }
        self.close_doubt(sku, DoubtKind::Order, effects);
    }

    fn rejected(&mut self, item: BatchItem<W>, code: &str, text: &str, effects: &mut Vec<Effect>) {
        let Some(slot) = self.slots.get_mut(&item.sku) else {
            return;
        };
        slot.in_flight = false;
        if slot.ids != item.ids {
            return;
        }
        slot.confirmed = false;
        let input = self.input_of(&item.ids, &item.value);
        self.close_doubt(item.sku, DoubtKind::Drift, effects);
        self.guard.refused(item.sku);
        self.park(item.sku, code, text, input, effects);
    }

    fn unknown(
        &mut self,
        item: BatchItem<W>,
        now: Timestamp,
        recheck_after: Duration,
        effects: &mut Vec<Effect>,
    ) {
        // Also when the article left meanwhile: it may be back, and written, before the effect comes.
        let due = now.saturating_add(recheck_after);
        if !planted!(NoRecheck) {
            self.open_doubt(item.sku, DoubtKind::LateEffect, due, effects);
        }
        let Some(slot) = self.slots.get_mut(&item.sku) else {
            return;
        };
        slot.confirmed = false;
        if slot.ids == item.ids {
            self.guard.unclear(item.sku, &item.value, now);
        }
        if planted!(RetryRepeatsValue) {
            slot.last = Some(item.value.clone());
        }
        // The late effect that is feared now is this request's: writing earlier settles nothing.
        slot.forced = false;
        self.again(&item);
    }

    /// Puts an article back to where it stood, unless it waits already because it changed.
    fn again(&mut self, item: &BatchItem<W>) {
        let Some(slot) = self.slots.get_mut(&item.sku) else {
            return;
        };
        slot.in_flight = false;
        if slot.blocked.is_some() {
            return;
        }
        slot.dirty_since = item.dirty_since.micros();
        if slot.turn != 0 {
            return;
        }
        self.waiting += 1;
        if slot.group == item.group {
            slot.turn = item.turn;
            self.queue.push_front(item.group, item.turn, item.sku);
        } else {
            slot.turn = self.queue.push(slot.group, item.sku);
        }
    }
}
