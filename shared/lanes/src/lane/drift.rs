//! Reconciliation: what a page of the store shows, beside what it was made to show.

use serde::Serialize;
use storelink_model::Timestamp;

use super::slot::PackedIds;
use super::{DoubtKind, Effect, Lane};
use crate::levels::SkuId;

/// An article as a page of the store shows it.
#[derive(Debug)]
pub struct Reading<'a, W> {
    /// The store's ids of it.
    pub ids: &'a PackedIds,
    /// Before the request that read it was sent: what was confirmed later may not be on the page.
    pub begun: Timestamp,
    /// What the store should show of it now.
    pub wanted: &'a W,
    /// Whether it shows that.
    pub right: bool,
    /// Whether the lane writes. One that does not only observes, so what waits is compared, too.
    pub writes: bool,
}

/// What a comparison found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// The lane has no such article in this place.
    Unlisted,
    /// Nothing is written for it.
    Blocked,
    /// It cannot be compared now: it waits, is under way, was written while the page was read, is in
    /// doubt, or is parked.
    Waits,
    /// It shows what it should.
    Right,
    /// The same, and the lane did not know it: it need not be written any more.
    FoundRight,
    /// It shows something else, and the lane knows: it waits to be written.
    Differs,
    /// It shows something else than it confirmed: from now on it waits to be written.
    Drifted,
}

impl<W: Clone + PartialEq + Serialize> Lane<W> {
    /// Whether something is to be written for an article in this place.
    #[must_use]
    pub fn standing(&self, sku: SkuId, ids: &PackedIds) -> Option<Finding> {
        match self.slots.get(&sku) {
            Some(slot) if slot.ids != *ids => Some(Finding::Unlisted),
            Some(slot) if slot.blocked.is_some() => Some(Finding::Blocked),
            Some(_) => None,
            None => Some(Finding::Unlisted),
        }
    }

    /// The articles that are written, with the store's ids.
    pub fn written(&self) -> impl Iterator<Item = (SkuId, &PackedIds)> {
        let written = self.slots.values().filter(|slot| slot.blocked.is_none());
        written.map(|slot| (slot.sku, &slot.ids))
    }

    /// Compares what the store shows of an article with what it should show, and marks it when it is
    /// another value than the one that the store confirmed.
    pub fn compare(
        &mut self,
        sku: SkuId,
        reading: &Reading<'_, W>,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Finding {
        if let Some(standing) = self.standing(sku, reading.ids) {
            return standing;
        }
        let doubtful = [DoubtKind::LateEffect, DoubtKind::Order]
            .into_iter()
            .any(|kind| self.doubts.due(sku, kind).is_some());
        let parked = self.parked.contains_key(&sku);
        let Some(slot) = self.slots.get(&sku) else {
            return Finding::Unlisted;
        };
        let written_meanwhile = slot.in_flight || slot.confirmed_at >= reading.begun.micros();
        let elsewhere = self.moved_at >= reading.begun.micros();
        if doubtful || parked || written_meanwhile || elsewhere {
            return Finding::Waits;
        }
        // Also when it waits for its turn: it would be passed over then.
        let settled = slot.confirmed && slot.last.as_ref() == Some(reading.wanted);
        match (settled, reading.right) {
            (true, true) => Finding::Right,
            (true, false) => {
                self.drifted(sku, now, effects);
                Finding::Drifted
            }
            (false, _) if reading.writes => Finding::Waits,
            (false, true) => {
                self.found_right(sku, reading, effects);
                Finding::FoundRight
            }
            (false, false) => Finding::Differs,
        }
    }

    fn drifted(&mut self, sku: SkuId, now: Timestamp, effects: &mut Vec<Effect>) {
        if let Some(slot) = self.slots.get_mut(&sku) {
            slot.confirmed = false;
        }
        self.open_doubt(sku, DoubtKind::Drift, now, effects);
        self.mark(sku, now);
    }

    /// What the store was seen to show counts like an answer: nobody wrote it since.
    fn found_right(&mut self, sku: SkuId, reading: &Reading<'_, W>, effects: &mut Vec<Effect>) {
        if let Some(slot) = self.slots.get_mut(&sku) {
            slot.last = Some(reading.wanted.clone());
            slot.confirmed = true;
            slot.confirmed_at = reading.begun.micros();
            slot.dirty_since = 0;
            if slot.turn != 0 {
                slot.turn = 0;
                self.waiting = self.waiting.saturating_sub(1);
            }
        }
        // Nobody has to be asked for what is done already.
        self.guard.dismiss(sku);
        self.guard.withheld.remove(&sku);
        self.close_doubt(sku, DoubtKind::Drift, effects);
    }
}
