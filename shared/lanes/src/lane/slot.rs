//! What a lane remembers of one article: a few dozen bytes, because there are millions of them.

use std::sync::Arc;

use storelink_adapter_api::StoreIds;
use storelink_events::internal::Blocked;

use super::queue::{GroupId, Turn};
use crate::levels::SkuId;

/// The store's ids of an article in one text, shared between lane, request and records.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PackedIds(Arc<str>);

/// Between the parts; no platform's id holds a control character.
const SEPARATOR: char = '\u{1f}';

impl PackedIds {
    /// Packs ids.
    #[must_use]
    pub fn pack(ids: &StoreIds) -> Self {
        let mut text = ids.product.clone();
        if ids.variation.is_some() || ids.stock_row.is_some() {
            text.push(SEPARATOR);
            text.push_str(ids.variation.as_deref().unwrap_or_default());
        }
        if let Some(row) = &ids.stock_row {
            text.push(SEPARATOR);
            text.push_str(row);
        }
        Self(text.into())
    }

    /// The ids.
    #[must_use]
    pub fn unpack(&self) -> StoreIds {
        let mut parts = self.0.split(SEPARATOR);
        let product = parts.next().unwrap_or_default().to_owned();
        let mut part = || {
            parts
                .next()
                .filter(|part| !part.is_empty())
                .map(str::to_owned)
        };
        StoreIds {
            product,
            variation: part(),
            stock_row: part(),
        }
    }

    /// As they stand in records.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for PackedIds {
    fn from(packed: &str) -> Self {
        Self(packed.into())
    }
}

/// One article of one store.
#[derive(Debug)]
pub(super) struct Slot<W> {
    pub(super) sku: SkuId,
    pub(super) group: GroupId,
    pub(super) ids: PackedIds,
    /// What the store confirmed last; for other ids, or before the article left and came back, when it
    /// is not `confirmed`.
    pub(super) last: Option<W>,
    /// When the store confirmed that for these ids, in microseconds since 1970.
    pub(super) confirmed_at: i64,
    /// Its place among those that wait; 0 when it does not.
    pub(super) turn: Turn,
    /// Since when it waits, in microseconds since 1970; 0 when it is clean.
    pub(super) dirty_since: i64,
    /// The shard of the catalogue in which it stands.
    pub(super) shard: u16,
    pub(super) blocked: Option<Blocked>,
    /// Whether it confirmed the last attempt.
    pub(super) confirmed: bool,
    /// A request that names it is under way.
    pub(super) in_flight: bool,
    /// It is written even if it seems right: a late effect may have changed it in the store.
    pub(super) forced: bool,
    /// It is written even if it seems right: an order changed it in the store, and the ERP has spoken
    /// since.
    pub(super) ordered: bool,
}

impl<W> Slot<W> {
    pub(super) fn new(sku: SkuId, ids: PackedIds, group: GroupId, shard: u16) -> Self {
        Self {
            sku,
            group,
            ids,
            last: None,
            confirmed_at: 0,
            turn: 0,
            dirty_since: 0,
            shard,
            blocked: None,
            confirmed: false,
            in_flight: false,
            forced: false,
            ordered: false,
        }
    }

    /// Forgets what was written.
    pub(super) fn forget(&mut self) {
        self.last = None;
        self.doubt();
    }

    /// Nothing is known of what the store shows now: the last value is only what a new one is compared
    /// with before it may leave.
    pub(super) fn doubt(&mut self) {
        self.confirmed = false;
        self.confirmed_at = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_packing() {
        for (variation, stock_row) in [
            (None, None),
            (Some("7"), None),
            (None, Some("3")),
            (Some("7"), Some("3")),
        ] {
            let ids = StoreIds {
                product: "12".to_owned(),
                variation: variation.map(str::to_owned),
                stock_row: stock_row.map(str::to_owned),
            };
            assert_eq!(PackedIds::pack(&ids).unpack(), ids);
        }
    }

    #[test]
    fn a_slot_stays_small() {
        assert!(size_of::<Slot<u32>>() <= 72, "{}", size_of::<Slot<u32>>());
    }
}
