//! What others may know of a lane.

use serde::Serialize;
use storelink_events::internal::Blocked;
use storelink_model::Timestamp;

use super::slot::PackedIds;
use super::{DoubtKind, Lane};
use crate::levels::SkuId;

/// Numbers of a lane.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LaneCounts {
    /// Articles that are written.
    pub listed: usize,
    /// Articles that wait or are under way.
    pub dirty: usize,
    /// Since when the one waits that waits longest.
    pub oldest_dirty: Option<Timestamp>,
    /// Parked articles.
    pub parked: usize,
    /// Open doubts.
    pub doubts: usize,
    /// When the store confirmed a value last.
    pub last_confirmed: Option<Timestamp>,
    /// Changes that were overtaken by a later one before they were sent.
    pub superseded: u64,
}

/// What a lane knows of one article.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkuView<W> {
    /// What the store confirmed last, whatever happened since.
    pub last: Option<W>,
    /// When it confirmed that; none when something else was tried since, or its ids are other ones.
    pub confirmed_at: Option<Timestamp>,
    /// Whether it waits.
    pub waiting: bool,
    /// Whether a request that names it is under way.
    pub in_flight: bool,
    /// Whether it waits for a person's approval.
    pub withheld: bool,
    /// Whether it is parked.
    pub parked: bool,
    /// Why nothing is written for it.
    pub blocked: Option<Blocked>,
    /// When it is written again because a late effect is feared.
    pub recheck: Option<Timestamp>,
    /// Whether the store showed another value than the one that it confirmed.
    pub drifted: bool,
}

/// A confirmed value, as it is kept over a restart; one with a time before 1970 was confirmed
/// once, and something else was tried since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered<W> {
    /// Which article.
    pub sku: SkuId,
    /// The ids for which it was confirmed.
    pub ids: PackedIds,
    /// The value.
    pub value: W,
    /// When.
    pub confirmed_at: Timestamp,
}

impl<W: Clone + PartialEq + Serialize> Lane<W> {
    /// Takes over what the store confirmed before the start. A value for other ids, or of an
    /// article that is not listed any more, says nothing but with what a new one is compared.
    pub fn remember(&mut self, remembered: Remembered<W>) {
        self.last_confirmed = self.last_confirmed.max(remembered.confirmed_at.micros());
        let Some(slot) = self.slots.get_mut(&remembered.sku) else {
            self.keep_delisted(remembered.sku, remembered.value);
            return;
        };
        if slot.ids == remembered.ids {
            slot.confirmed_at = remembered.confirmed_at.micros();
            slot.confirmed = slot.confirmed_at >= 0;
            if slot.confirmed {
                let (sku, at) = (slot.sku, slot.confirmed_at);
                self.guard.remember(sku, &remembered.value, at);
            }
        }
        slot.last = Some(remembered.value);
    }

    /// All values that were ever confirmed, as far as anything is compared with them.
    pub fn confirmed_values(&self) -> impl Iterator<Item = Remembered<W>> + '_ {
        let delisted = self.delisted.iter().map(|(sku, value)| Remembered {
            sku,
            ids: PackedIds::from(""),
            value: value.clone(),
            confirmed_at: Timestamp::from_micros(-1),
        });
        let listed = self.slots.values().filter_map(|slot| {
            let at = if slot.confirmed {
                slot.confirmed_at
            } else {
                -1
            };
            Some(Remembered {
                sku: slot.sku,
                ids: slot.ids.clone(),
                value: slot.last.clone()?,
                confirmed_at: Timestamp::from_micros(at),
            })
        });
        listed.chain(delisted)
    }

    /// How many articles are parked.
    #[must_use]
    pub fn parked(&self) -> usize {
        self.parked.len()
    }

    /// How many articles the lane has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether the lane has no article.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// Changes that were overtaken by a later one before they were sent.
    #[must_use]
    pub fn superseded(&self) -> u64 {
        self.superseded
    }

    /// Since when the article waits that waits longest. Looks at everything that waits.
    #[must_use]
    pub fn oldest_dirty(&self) -> Option<Timestamp> {
        let waiting = self.queue.entries().filter_map(|(turn, sku)| {
            let slot = self.slots.get(&sku)?;
            (slot.turn == turn).then_some(slot.dirty_since)
        });
        let withheld = self.guard.withheld.iter();
        let withheld = withheld.filter_map(|sku| Some(self.slots.get(sku)?.dirty_since));
        let in_flight = self.in_flight.map(|(since, _)| since);
        let oldest = waiting.chain(withheld).chain(in_flight).min();
        oldest.map(Timestamp::from_micros)
    }

    /// Numbers for answers. Looks at everything that waits.
    #[must_use]
    pub fn counts(&self) -> LaneCounts {
        LaneCounts {
            listed: self.written,
            dirty: self.waiting
                + self.guard.withheld.len()
                + self.in_flight.map_or(0, |(_, items)| items),
            oldest_dirty: self.oldest_dirty(),
            parked: self.parked.len(),
            doubts: self.doubts.len(),
            last_confirmed: (self.last_confirmed != 0)
                .then(|| Timestamp::from_micros(self.last_confirmed)),
            superseded: self.superseded,
        }
    }

    /// What is known of one article; none when the store does not have it.
    #[must_use]
    pub fn view(&self, sku: SkuId) -> Option<SkuView<W>> {
        let slot = self.slots.get(&sku)?;
        Some(SkuView {
            last: slot.last.clone(),
            confirmed_at: slot
                .confirmed
                .then(|| Timestamp::from_micros(slot.confirmed_at)),
            waiting: slot.turn != 0,
            in_flight: slot.in_flight,
            withheld: self.guard.withheld.contains(&sku),
            parked: self.parked.contains_key(&sku),
            blocked: slot.blocked,
            recheck: self.doubts.due(sku, DoubtKind::LateEffect),
            drifted: self.doubts.due(sku, DoubtKind::Drift).is_some(),
        })
    }
}
