//! What is sent next.

use std::sync::Arc;

use serde::Serialize;
use storelink_model::Timestamp;
use storelink_planted_faults::planted;

use super::guard::{Few, Verdict};
use super::queue::{GroupId, Turn};
use super::slot::PackedIds;
use super::{DoubtKind, Effect, Lane};
use crate::kind::WantedResult;
use crate::levels::SkuId;

/// What a store should show of an article now.
#[derive(Debug, Clone)]
pub struct Desired<W> {
    /// The value, or why there is none.
    pub wanted: WantedResult<W>,
    /// When that may change by itself.
    pub boundary: Option<Timestamp>,
    /// When the ERP's event happened that brought the newest of its values.
    pub event_time: Option<Timestamp>,
    /// The trace of that event.
    pub trace: Option<Arc<str>>,
}

/// The items of one request. While it is under way, none of them is taken again.
#[derive(Debug)]
pub struct Batch<W> {
    /// What is written.
    pub items: Vec<BatchItem<W>>,
}

/// One value to write.
#[derive(Debug, Clone)]
pub struct BatchItem<W> {
    /// Which article.
    pub sku: SkuId,
    /// The store's ids of it.
    pub ids: PackedIds,
    /// What.
    pub value: W,
    /// Since when it waits.
    pub dirty_since: Timestamp,
    /// When the ERP's event happened that brought it.
    pub event_time: Option<Timestamp>,
    /// The trace of that event.
    pub trace: Option<Arc<str>>,
    pub(super) turn: Turn,
    pub(super) group: GroupId,
    pub(super) forced: bool,
    /// The doubt of an order that this write settles, by its time: a later order moves it.
    pub(super) order_doubt: Option<Timestamp>,
}

/// What is to be done with an article that waits.
enum Judged<W> {
    Write(Desired<W>, W),
    /// It waits for a person, and goes on waiting.
    Withhold,
    Leave,
}

impl<W: Clone + PartialEq + Serialize> Lane<W> {
    /// Whether anything must be written. Passes over what turns out to be right already, so that no
    /// place at the store is asked for in vain.
    pub fn has_work(
        &mut self,
        desired: &mut dyn FnMut(SkuId) -> Desired<W>,
        effects: &mut Vec<Effect>,
    ) -> bool {
        self.survey(desired);
        loop {
            while let Some(group) = self.queue.oldest() {
                let Some((turn, sku)) = self.next_in(group) else {
                    continue;
                };
                match self.judge(sku, desired, effects) {
                    Judged::Write(..) => {
                        self.put_back(group, turn, sku);
                        return true;
                    }
                    Judged::Withhold => self.withhold(sku),
                    Judged::Leave => self.leave(sku),
                }
            }
            // What turned out to be right may have been one too many before.
            if !self.release() {
                return false;
            }
        }
    }

    /// Takes the items of the next request: the article that waits longest, and up to `limit` in
    /// all that may share its request. None when nothing must be written.
    pub fn take_batch(
        &mut self,
        limit: usize,
        desired: &mut dyn FnMut(SkuId) -> Desired<W>,
        effects: &mut Vec<Effect>,
    ) -> Option<Batch<W>> {
        self.survey(desired);
        let mut items = Vec::new();
        while items.is_empty() {
            let group = self.queue.oldest()?;
            while items.len() < limit.max(1) {
                let Some((turn, sku)) = self.next_in(group) else {
                    break;
                };
                match self.judge(sku, desired, effects) {
                    Judged::Write(desired, value) => {
                        items.extend(self.send(sku, turn, desired, value));
                    }
                    Judged::Withhold => self.withhold(sku),
                    Judged::Leave => self.leave(sku),
                }
            }
        }
        let oldest = items
            .iter()
            .map(|item| item.dirty_since.micros())
            .min()
            .unwrap_or_default();
        self.in_flight = Some((oldest, items.len()));
        Some(Batch { items })
    }

    /// The next article of a group that really waits, no longer waiting. None when its line is over.
    fn next_in(&mut self, group: GroupId) -> Option<(Turn, SkuId)> {
        while let Some((turn, sku)) = self.queue.pop(group) {
            let Some(slot) = self.slots.get_mut(&sku) else {
                continue;
            };
            if slot.turn == turn && slot.group == group {
                slot.turn = 0;
                self.waiting = self.waiting.saturating_sub(1);
                return Some((turn, sku));
            }
        }
        None
    }

    fn put_back(&mut self, group: GroupId, turn: Turn, sku: SkuId) {
        if let Some(slot) = self.slots.get_mut(&sku) {
            slot.turn = turn;
            self.waiting += 1;
            self.queue.push_front(group, turn, sku);
        }
    }

    fn leave(&mut self, sku: SkuId) {
        if let Some(slot) = self.slots.get_mut(&sku) {
            slot.dirty_since = 0;
        }
    }

    fn judge(
        &mut self,
        sku: SkuId,
        desired: &mut dyn FnMut(SkuId) -> Desired<W>,
        effects: &mut Vec<Effect>,
    ) -> Judged<W> {
        let desired = desired(sku);
        if let Some(boundary) = desired.boundary {
            self.open_doubt(sku, DoubtKind::Boundary, boundary, effects);
        }
        match &desired.wanted {
            Ok(Some(wanted)) => {
                let wanted = wanted.clone();
                self.judge_value(sku, desired, wanted, effects)
            }
            Ok(None) => {
                self.guard.dismiss(sku);
                self.unpark(sku, effects);
                Judged::Leave
            }
            Err(reason) if !reason.parks => {
                self.guard.dismiss(sku);
                self.unpark(sku, effects);
                Judged::Leave
            }
            Err(reason) => {
                self.guard.dismiss(sku);
                let input = format!("{}: {}", reason.code, reason.text);
                if self
                    .parked
                    .get(&sku)
                    .is_none_or(|entry| entry.input != input)
                {
                    self.park(sku, reason.code, &reason.text, input, effects);
                } else {
                    self.close_doubt(sku, DoubtKind::Retry, effects);
                }
                Judged::Leave
            }
        }
    }

    fn judge_value(
        &mut self,
        sku: SkuId,
        desired: Desired<W>,
        wanted: W,
        effects: &mut Vec<Effect>,
    ) -> Judged<W> {
        let verdict = self.weigh(sku, &wanted);
        let Some(slot) = self.slots.get(&sku) else {
            return Judged::Leave;
        };
        let wanted = match &slot.last {
            Some(last) if planted!(RetryRepeatsValue) && !slot.confirmed => last.clone(),
            _ => wanted,
        };
        let sure = slot.confirmed && !slot.forced && !slot.ordered;
        if sure && slot.last.as_ref() == Some(&wanted) {
            self.unpark(sku, effects);
            return Judged::Leave;
        }
        let refused_before = self
            .parked
            .get(&sku)
            .is_some_and(|entry| !entry.retry && entry.input == self.input_of(&slot.ids, &wanted));
        match verdict {
            Verdict::Approved => Judged::Write(desired, wanted),
            Verdict::Harmless | Verdict::Dangerous if refused_before => Judged::Leave,
            Verdict::Harmless => Judged::Write(desired, wanted),
            Verdict::Dangerous if self.guard.stops(self.written) => Judged::Withhold,
            Verdict::Dangerous => self.few(sku, desired, wanted, effects),
        }
    }

    /// A dangerous change that is one of few.
    fn few(
        &mut self,
        sku: SkuId,
        desired: Desired<W>,
        wanted: W,
        effects: &mut Vec<Effect>,
    ) -> Judged<W> {
        let (Some(rule), Some(slot)) = (&self.guard.rule, self.slots.get(&sku)) else {
            return Judged::Leave;
        };
        match rule.few {
            Few::Send => Judged::Write(desired, wanted),
            Few::Park { code, explain } => {
                let text = explain(slot.last.as_ref(), &wanted, rule.limit);
                let input = self.input_of(&slot.ids, &wanted);
                self.park(sku, code, &text, input, effects);
                Judged::Leave
            }
        }
    }

    /// What a refusal is about: another text is tried again.
    pub(super) fn input_of(&self, ids: &PackedIds, value: &W) -> String {
        format!(
            "{} {} {}",
            self.place.as_deref().unwrap_or_default(),
            ids.as_str(),
            serde_json::to_string(value).unwrap_or_default()
        )
    }

    fn send(
        &mut self,
        sku: SkuId,
        turn: Turn,
        desired: Desired<W>,
        value: W,
    ) -> Option<BatchItem<W>> {
        let order_doubt = self.doubts.due(sku, DoubtKind::Order);
        let slot = self.slots.get_mut(&sku)?;
        slot.in_flight = true;
        let dirty_since = Timestamp::from_micros(std::mem::take(&mut slot.dirty_since));
        Some(BatchItem {
            sku,
            ids: slot.ids.clone(),
            value,
            dirty_since,
            event_time: desired.event_time,
            trace: desired.trace,
            turn,
            group: slot.group,
            forced: slot.forced,
            order_doubt: order_doubt.filter(|_| slot.ordered),
        })
    }
}
