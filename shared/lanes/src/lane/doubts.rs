//! Doubts: articles that must be looked at again at a certain time.

use std::collections::{BTreeSet, HashMap};

use storelink_model::Timestamp;

use crate::levels::SkuId;

/// Why an article must be looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DoubtKind {
    /// The outcome of a write is not known, and the store may still apply it: when the store's
    /// longest execution time is over, the value is written once more.
    LateEffect,
    /// What is wanted may change by itself: a sale begins or ends.
    Boundary,
    /// A person asked to try a parked article again.
    Retry,
    /// An order of the store names it, so the store has changed its own value meanwhile: the value is
    /// written once more when the ERP says a newer one, which may be the same, or when none comes.
    Order,
    /// A reconciliation saw another value in the store than the one that it confirmed: it is written
    /// again at once.
    Drift,
}

impl DoubtKind {
    /// As it stands in SQL.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LateEffect => "late_effect",
            Self::Boundary => "boundary",
            Self::Retry => "retry",
            Self::Order => "order",
            Self::Drift => "drift",
        }
    }

    /// Reads what [`DoubtKind::as_str`] wrote; none for kinds of a later release.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        [
            Self::LateEffect,
            Self::Boundary,
            Self::Retry,
            Self::Order,
            Self::Drift,
        ]
        .into_iter()
        .find(|kind| kind.as_str() == text)
    }
}

/// The open doubts of a lane, one of each kind per article.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    due: HashMap<(SkuId, DoubtKind), Timestamp>,
    /// Those whose time has not come yet.
    waiting: BTreeSet<(Timestamp, SkuId, DoubtKind)>,
}

impl Doubts {
    /// Those of orders alone.
    pub(super) fn of_orders(self) -> Self {
        let mut kept = Self::default();
        for ((sku, kind), due) in self.due {
            if kind == DoubtKind::Order {
                kept.open(sku, kind, due);
            }
        }
        kept
    }

    /// Opens a doubt or moves it. Tells whether anything changed.
    pub(super) fn open(&mut self, sku: SkuId, kind: DoubtKind, due: Timestamp) -> bool {
        let before = self.due.insert((sku, kind), due);
        if before == Some(due) {
            return false;
        }
        if let Some(before) = before {
            self.waiting.remove(&(before, sku, kind));
        }
        self.waiting.insert((due, sku, kind));
        true
    }

    /// Closes a doubt. Tells whether there was one.
    pub(super) fn close(&mut self, sku: SkuId, kind: DoubtKind) -> bool {
        let Some(due) = self.due.remove(&(sku, kind)) else {
            return false;
        };
        self.waiting.remove(&(due, sku, kind));
        true
    }

    /// Takes the next doubt whose time has come; it stays open until it is closed.
    pub(super) fn next_due(&mut self, now: Timestamp) -> Option<(SkuId, DoubtKind)> {
        let first = *self.waiting.first()?;
        if first.0 > now {
            return None;
        }
        self.waiting.remove(&first);
        Some((first.1, first.2))
    }

    /// When the next doubt is due.
    pub(super) fn next_time(&self) -> Option<Timestamp> {
        self.waiting.first().map(|(due, _, _)| *due)
    }

    pub(super) fn due(&self, sku: SkuId, kind: DoubtKind) -> Option<Timestamp> {
        self.due.get(&(sku, kind)).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.due.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn a_doubt_is_due_once_and_stays_open_until_it_is_closed() {
        let mut doubts = Doubts::default();
        doubts.open(1, DoubtKind::LateEffect, at(10));
        assert_eq!(doubts.next_due(at(9)), None);
        assert_eq!(doubts.next_due(at(10)), Some((1, DoubtKind::LateEffect)));
        assert_eq!(doubts.next_due(at(11)), None);
        assert_eq!(doubts.due(1, DoubtKind::LateEffect), Some(at(10)));
        assert!(doubts.close(1, DoubtKind::LateEffect));
        assert!(!doubts.close(1, DoubtKind::LateEffect));
    }

    #[test]
    fn a_doubt_that_is_opened_again_moves() {
        let mut doubts = Doubts::default();
        assert!(doubts.open(1, DoubtKind::LateEffect, at(10)));
        assert!(doubts.open(1, DoubtKind::LateEffect, at(20)));
        assert!(!doubts.open(1, DoubtKind::LateEffect, at(20)));
        assert_eq!(doubts.next_time(), Some(at(20)));
        assert_eq!(doubts.next_due(at(15)), None);
        assert_eq!(doubts.len(), 1);
    }
}
