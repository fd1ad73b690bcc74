//! What a lane keeps back until a person approves it.

use serde::Serialize;
use storelink_model::Timestamp;

use super::batch::Desired;
use super::guard::{Few, Verdict};
use super::{Asks, GuardRule, Lane, LastShown};
use crate::levels::SkuId;

impl<W: Clone + PartialEq + Serialize> Lane<W> {
    /// From now on changes are judged by this rule; without one everything may leave.
    pub fn guard_by(&mut self, rule: GuardRule<W>) {
        self.guard.rule = Some(rule);
    }

    /// What waits for a person's approval; none when nothing does.
    #[must_use]
    pub fn asks(&self) -> Option<Asks<W>> {
        let shown = |sku| self.slots.get(&sku).and_then(|slot| slot.last.clone());
        self.guard.asks(self.written, shown)
    }

    /// Whether something waits for a person's approval.
    #[must_use]
    pub fn is_asking(&self) -> bool {
        self.guard.stops(self.written)
    }

    /// All changes that wait for a person's approval.
    #[must_use]
    pub fn to_approve(&self) -> Vec<(SkuId, W)> {
        if !self.guard.stops(self.written) {
            return Vec::new();
        }
        let dangerous = self.guard.dangerous.iter();
        dangerous
            .map(|(sku, value)| (*sku, value.clone()))
            .collect()
    }

    /// A person wants exactly these changes, since `at`.
    pub fn approve(&mut self, changes: Vec<(SkuId, W)>, at: Timestamp, now: Timestamp) {
        for (sku, value) in changes {
            self.guard.approve(sku, value, at);
            self.mark(sku, now);
        }
        self.release();
    }

    /// Judges what changed since the last look, all of it before any of it leaves.
    pub(super) fn survey(&mut self, desired: &mut dyn FnMut(SkuId) -> Desired<W>) {
        for sku in self.guard.take_unseen() {
            match desired(sku).wanted {
                Ok(Some(wanted)) => {
                    self.weigh(sku, &wanted);
                }
                Ok(None) | Err(_) => self.guard.dismiss(sku),
            }
        }
        self.release();
    }

    /// Judges one change and counts it.
    pub(super) fn weigh(&mut self, sku: SkuId, wanted: &W) -> Verdict {
        let (Some(rule), Some(slot)) = (&self.guard.rule, self.slots.get(&sku)) else {
            self.guard.dismiss(sku);
            return Verdict::Harmless;
        };
        let shown = LastShown {
            value: slot.last.as_ref(),
            sure: slot.confirmed,
        };
        let dangerous = (rule.is_dangerous)(shown, wanted, rule.limit);
        let parks = matches!(rule.few, Few::Park { .. });
        let approved = self.guard.approved.get(&sku);
        let approved = approved.map(|(approved, _)| approved == wanted);
        if approved == Some(false) {
            self.guard.approved.remove(&sku);
        }
        // Who asked to try a parked change again wants exactly that one. What the store refused is
        // not tried again, so it spoils nothing.
        let parked = self
            .parked
            .get(&sku)
            .filter(|entry| entry.retry || !parks)
            .filter(|entry| dangerous && entry.input == self.input_of(&slot.ids, wanted))
            .map(|entry| entry.retry);
        let verdict = match (dangerous, approved, parked) {
            (false, _, _) | (true, None | Some(false), Some(false)) => Verdict::Harmless,
            (true, Some(true), _) | (true, _, Some(true)) => Verdict::Approved,
            // It counts already: the store shows it, or may do so.
            (true, _, None) if self.guard.made.contains(sku) => Verdict::Harmless,
            (true, _, None) => Verdict::Dangerous,
        };
        if verdict == Verdict::Dangerous {
            self.guard.dangerous.insert(sku, wanted.clone());
        } else {
            self.guard.dismiss(sku);
        }
        verdict
    }

    /// Takes an article out of the line until the guard lets it go. It goes on waiting.
    pub(super) fn withhold(&mut self, sku: SkuId) {
        self.guard.withheld.insert(sku);
    }

    /// Puts what was withheld back into the line as soon as that is allowed, in its old order.
    pub(super) fn release(&mut self) -> bool {
        if self.guard.withheld.is_empty() || self.guard.stops(self.written) {
            return false;
        }
        let withheld = std::mem::take(&mut self.guard.withheld).into_iter();
        let since = |sku| self.slots.get(&sku).map(|slot| (slot.dirty_since, sku));
        let mut withheld: Vec<_> = withheld.filter_map(since).collect();
        withheld.sort_unstable();
        for (since, sku) in withheld {
            self.mark(sku, Timestamp::from_micros(since));
        }
        true
    }
}
