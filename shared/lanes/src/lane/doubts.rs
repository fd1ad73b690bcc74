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
    open: HashMap<(SkuId, DoubtKind), Open>,
    /// Those whose time has not come yet.
    waiting: BTreeSet<(Timestamp, SkuId, DoubtKind)>,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    /// As it stands in SQL: a doubt that was moved since has a later one.
    due: Timestamp,
    /// When it is looked at.
    wake: Timestamp,
}

impl Doubts {
    /// Opens a doubt or moves it. Tells whether anything changed.
    pub(super) fn open(&mut self, sku: SkuId, kind: DoubtKind, due: Timestamp) -> bool {
        self.open_and_wake(sku, kind, due, due)
    }

    /// The same with another time to look at it than the one in SQL.
    pub(super) fn open_and_wake(
        &mut self,
        sku: SkuId,
        kind: DoubtKind,
        due: Timestamp,
        wake: Timestamp,
    ) -> bool {
        let before = self.open.insert((sku, kind), Open { due, wake });
        if before.is_some_and(|before| before.due == due && before.wake == wake) {
            return false;
        }
        if let Some(before) = before {
            self.waiting.remove(&(before.wake, sku, kind));
        }
        self.waiting.insert((wake, sku, kind));
        true
    }

    /// Notes that an open doubt was moved, and looks at it when it was to be looked at before.
    pub(super) fn moved(&mut self, sku: SkuId, kind: DoubtKind, due: Timestamp) {
        if let Some(open) = self.open.get_mut(&(sku, kind)) {
            open.due = due;
        }
    }

    /// Closes a doubt. Gives its time when there was one.
    pub(super) fn close(&mut self, sku: SkuId, kind: DoubtKind) -> Option<Timestamp> {
        let open = self.open.remove(&(sku, kind))?;
        self.waiting.remove(&(open.wake, sku, kind));
        Some(open.due)
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

    /// Whether it is open and its time has come.
    pub(super) fn has_woken(&self, sku: SkuId, kind: DoubtKind) -> bool {
        let open = self.open.get(&(sku, kind));
        open.is_some_and(|open| !self.waiting.contains(&(open.wake, sku, kind)))
    }

    /// All open ones whose time has come.
    pub(super) fn woken(&self) -> impl Iterator<Item = (SkuId, DoubtKind)> {
        let open = self.open.keys().copied();
        open.filter(|(sku, kind)| self.has_woken(*sku, *kind))
    }

    pub(super) fn due(&self, sku: SkuId, kind: DoubtKind) -> Option<Timestamp> {
        self.open.get(&(sku, kind)).map(|open| open.due)
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
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
        assert_eq!(doubts.close(1, DoubtKind::LateEffect), Some(at(10)));
        assert_eq!(doubts.close(1, DoubtKind::LateEffect), None);
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

    #[test]
    fn a_doubt_that_was_moved_elsewhere_is_looked_at_as_early_as_before() {
        let mut doubts = Doubts::default();
        doubts.open(1, DoubtKind::Order, at(10));
        doubts.moved(1, DoubtKind::Order, at(20));
        assert_eq!(doubts.next_due(at(10)), Some((1, DoubtKind::Order)));
        assert_eq!(doubts.close(1, DoubtKind::Order), Some(at(20)));
    }
}
