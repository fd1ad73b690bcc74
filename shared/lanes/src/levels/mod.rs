//! The level table: every value of the ERP in memory, and who must hear of a change.
//!
//! Filled by one reader of the last-value stream and by intake, which knows what it has just
//! written. Articles are numbers here: a lane spends four bytes on each.

mod holds;
mod reader;
mod rebuild;
mod tenant;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use storelink_model::{Sku, TenantId, Timestamp};
use storelink_planted_faults::planted;

use crate::kind::{LaneKind, Level, LevelKey};

pub(crate) use holds::follow_holds;
pub(crate) use reader::follow_values;
pub(crate) use rebuild::publish_missing;
pub use tenant::{Cell, CellReader, TenantLevels};

/// The number of an article within its tenant, given at first sight and never given twice.
pub type SkuId = u32;

/// Hears that something changed from which it computes.
pub trait LevelListener: Send + Sync {
    /// The ERP's value of this article changed.
    fn changed(&self, sku: SkuId, now: Timestamp);

    /// More or less of this article is kept back.
    fn held(&self, sku: SkuId, now: Timestamp);
}

/// The level table of one kind. Cheap to clone.
pub struct Levels<K: LaneKind>(Arc<Inner<K>>);

struct Inner<K: LaneKind> {
    tenants: RwLock<HashMap<TenantId, Arc<TenantLevels<K>>>>,
    /// How often the stream was made anew.
    made: AtomicU64,
}

impl<K: LaneKind> Levels<K> {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            tenants: RwLock::default(),
            made: AtomicU64::new(0),
        }))
    }

    /// The levels of one tenant.
    #[must_use]
    pub fn tenant(&self, tenant: &TenantId) -> Arc<TenantLevels<K>> {
        if let Some(known) = self.known(tenant) {
            return known;
        }
        let mut tenants = self
            .0
            .tenants
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        tenants
            .entry(tenant.clone())
            .or_insert_with(|| Arc::new(TenantLevels::new()))
            .clone()
    }

    /// Which stream the sequences are of: another number after [`Levels::forget_sequences`].
    #[must_use]
    pub fn made(&self) -> u64 {
        self.0.made.load(Ordering::Acquire)
    }

    /// Takes over a value that the last-value stream holds at `sequence`, unless it is known that
    /// the stream holds a later one, and tells the lanes.
    pub fn apply(
        &self,
        key: &LevelKey<K::Source>,
        level: Level<K::Value>,
        sequence: u64,
        trace: Option<Arc<str>>,
        now: Timestamp,
    ) {
        self.apply_in(self.made(), key, level, sequence, trace, now);
    }

    /// The same for a sequence that is of the stream with the number `made`: of one that is gone it
    /// says nothing.
    pub fn apply_in(
        &self,
        made: u64,
        key: &LevelKey<K::Source>,
        level: Level<K::Value>,
        sequence: u64,
        trace: Option<Arc<str>>,
        now: Timestamp,
    ) {
        let tenant = self.tenant(&key.tenant);
        let believed = || self.made() == made || planted!(LostStreamBelieved);
        let sequence = || if believed() { sequence } else { 0 };
        let (sku, listeners) = match tenant.put(&key.source, &key.sku, level, sequence, trace) {
            Some(changed) => changed,
            None => return,
        };
        for listener in listeners.iter() {
            listener.changed(sku, now);
        }
    }

    /// The stored level of a key with its sequence in the last-value stream.
    #[must_use]
    pub fn get(&self, key: &LevelKey<K::Source>) -> Option<Cell<K::Value>> {
        self.known(&key.tenant)?.get(&key.source, &key.sku)
    }

    /// Forgets all sequences: the stream was made anew and counts from 1 again.
    pub fn forget_sequences(&self) {
        // First: whoever puts a value in while this runs has the cell cleared, or sees it.
        self.0.made.fetch_add(1, Ordering::AcqRel);
        let tenants = self
            .0
            .tenants
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        for tenant in tenants.values() {
            tenant.forget_sequences();
        }
    }

    /// How many values there are.
    #[must_use]
    pub fn len(&self) -> usize {
        let tenants = self
            .0
            .tenants
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        tenants.values().map(|tenant| tenant.len()).sum()
    }

    /// Whether there is no value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values of one article by source.
    #[must_use]
    pub fn of_sku(&self, tenant: &TenantId, sku: &Sku) -> Vec<(K::Source, Cell<K::Value>)> {
        self.known(tenant)
            .map(|tenant| tenant.of_sku(sku))
            .unwrap_or_default()
    }

    fn known(&self, tenant: &TenantId) -> Option<Arc<TenantLevels<K>>> {
        self.0
            .tenants
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(tenant)
            .cloned()
    }
}

impl<K: LaneKind> Clone for Levels<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: LaneKind> Default for Levels<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: LaneKind> std::fmt::Debug for Levels<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Levels")
            .field("values", &self.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use storelink_model::{Quantity, Version};

    use super::*;
    use crate::kind::Stock;

    #[derive(Default)]
    struct Heard(Mutex<Vec<SkuId>>);

    impl LevelListener for Heard {
        fn changed(&self, sku: SkuId, _: Timestamp) {
            self.0.lock().unwrap().push(sku);
        }

        fn held(&self, sku: SkuId, _: Timestamp) {
            self.0.lock().unwrap().push(sku);
        }
    }

    fn key(warehouse: &str, sku: &str) -> LevelKey<storelink_model::WarehouseCode> {
        LevelKey {
            tenant: "acme".parse().unwrap(),
            source: warehouse.parse().unwrap(),
            sku: sku.parse().unwrap(),
        }
    }

    fn level(quantity: &str, revision: u64) -> Level<Quantity> {
        Level {
            value: quantity.parse().unwrap(),
            version: Version::Revision(revision),
            time: Timestamp::from_micros(0),
        }
    }

    fn apply(
        levels: &Levels<Stock>,
        key: &LevelKey<storelink_model::WarehouseCode>,
        quantity: &str,
        sequence: u64,
    ) {
        levels.apply(
            key,
            level(quantity, sequence),
            sequence,
            None,
            Timestamp::from_micros(0),
        );
    }

    #[test]
    fn a_later_sequence_replaces_and_an_earlier_one_does_not() {
        let levels = Levels::<Stock>::new();
        let key = key("main", "A");
        apply(&levels, &key, "5", 7);
        apply(&levels, &key, "4", 6);
        let cell = levels.get(&key).unwrap();
        assert_eq!(
            (cell.level.value.to_string(), cell.sequence),
            ("5".to_owned(), 7)
        );
        assert_eq!(levels.len(), 1);
    }

    #[test]
    fn after_the_stream_was_made_anew_low_sequences_count() {
        let levels = Levels::<Stock>::new();
        let key = key("main", "A");
        apply(&levels, &key, "5", 700);
        levels.forget_sequences();
        apply(&levels, &key, "4", 1);
        assert_eq!(levels.get(&key).unwrap().level.value.to_string(), "4");
    }

    #[test]
    fn a_sequence_of_a_stream_that_is_gone_counts_for_nothing() {
        let levels = Levels::<Stock>::new();
        let key = key("main", "A");
        let made = levels.made();
        levels.forget_sequences();
        let now = Timestamp::from_micros(0);
        levels.apply_in(made, &key, level("5", 7), 7, None, now);
        let cell = levels.get(&key).unwrap();
        assert_eq!(
            (cell.level.value.to_string(), cell.sequence),
            ("5".to_owned(), 0)
        );
    }

    #[test]
    fn lanes_hear_of_the_sources_that_they_publish_from() {
        let levels = Levels::<Stock>::new();
        let heard = Arc::new(Heard::default());
        let tenant = levels.tenant(&"acme".parse().unwrap());
        tenant.subscribe(&["main".parse().unwrap()], heard.clone());
        apply(&levels, &key("main", "A"), "5", 1);
        apply(&levels, &key("other", "A"), "5", 2);
        apply(&levels, &key("main", "B"), "5", 3);
        assert_eq!(*heard.0.lock().unwrap(), [0, 1]);
        let listener: Arc<dyn LevelListener> = heard.clone();
        tenant.unsubscribe(&listener);
        apply(&levels, &key("main", "A"), "6", 4);
        assert_eq!(heard.0.lock().unwrap().len(), 2);
    }
    #[test]
    fn a_lane_hears_of_a_hold_once_and_reads_it_until_it_is_gone() {
        let levels = Levels::<Stock>::new();
        let heard = Arc::new(Heard::default());
        let tenant = levels.tenant(&"acme".parse().unwrap());
        let sources = ["main", "outlet"].map(|code| code.parse().unwrap());
        tenant.subscribe(&sources, heard.clone());
        let hold = storelink_events::hold::Hold {
            id: "hld_1".to_owned(),
            quantity: "3".parse().unwrap(),
            connections: Vec::new(),
            until: None,
        };
        let sku = "A".parse().unwrap();
        let now = Timestamp::from_micros(0);
        tenant.hold(&sku, vec![hold.clone()], now);
        let id = tenant.known_sku(&sku).unwrap();
        assert_eq!(*heard.0.lock().unwrap(), [id]);
        let read = |id| tenant.with_cells(&sources, |cells| cells.holds(id).to_vec());
        assert_eq!(read(id), [hold]);
        tenant.hold(&sku, Vec::new(), now);
        assert_eq!(heard.0.lock().unwrap().len(), 2);
        assert!(read(id).is_empty() && tenant.holds(id).is_empty());
    }
}
