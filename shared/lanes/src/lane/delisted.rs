//! What the store confirmed of articles that are not listed now.
//!
//! A listing that leaves and comes back, because its code was mistyped in the shop for an hour, is still
//! the same article to whoever buys it: a price that waits for a person must not leave because the lane
//! forgot with what to compare it.

use std::collections::HashMap;

use crate::levels::SkuId;

/// Of at least so many articles the value is kept, the last ones that left.
const KEPT: usize = 20_000;

/// Their values, in the order in which they left.
#[derive(Debug)]
pub(super) struct Delisted<W> {
    values: HashMap<SkuId, (u64, W)>,
    left: u64,
}

impl<W> Delisted<W> {
    pub(super) fn new() -> Self {
        Self {
            values: HashMap::new(),
            left: 0,
        }
    }

    /// An article left. `listed` is how many there are: as many are kept, too, since a catalogue that
    /// is laid out anew takes articles away and brings them back.
    pub(super) fn keep(&mut self, sku: SkuId, value: W, listed: usize) {
        self.left += 1;
        self.values.insert(sku, (self.left, value));
        let most = KEPT.max(listed);
        if self.values.len() > most {
            let half = u64::try_from(most / 2).unwrap_or(u64::MAX);
            let from = self.left.saturating_sub(half);
            self.values.retain(|_, (left, _)| *left > from);
        }
    }

    /// An article is back.
    pub(super) fn take(&mut self, sku: SkuId) -> Option<W> {
        self.values.remove(&sku).map(|(_, value)| value)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (SkuId, &W)> {
        self.values.iter().map(|(sku, (_, value))| (*sku, value))
    }

    pub(super) fn clear(&mut self) {
        self.values.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_that_left_are_kept() {
        let mut delisted = Delisted::new();
        let many = u32::try_from(KEPT).unwrap();
        for sku in 0..=many {
            delisted.keep(sku, sku, 0);
        }
        assert_eq!(delisted.iter().count(), KEPT / 2);
        assert_eq!((delisted.take(0), delisted.take(many)), (None, Some(many)));
        // A store with more articles may lay them all out anew.
        for sku in 0..=many {
            delisted.keep(sku, sku, KEPT + 1);
        }
        assert_eq!((delisted.take(0), delisted.take(0)), (Some(0), None));
    }
}
