//! What a store should show, told without the code under test.

use std::collections::BTreeMap;

use storelink_events::connection::ConnectionRecord;
use storelink_model::{Quantity, WarehouseCode};

/// Quantities of an article by warehouse.
pub(super) type Quantities = BTreeMap<String, Quantity>;

/// What counts of a record for a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chosen {
    warehouses: Vec<WarehouseCode>,
    reserve: Quantity,
}

impl Chosen {
    pub(super) fn by(record: &ConnectionRecord) -> Self {
        Self {
            warehouses: record.settings.warehouses.clone(),
            reserve: record.settings.reserve,
        }
    }
}

/// The pieces that a store should show; none when a warehouse never reported the article.
pub(super) fn wanted(chosen: &Chosen, quantities: &Quantities) -> Option<i64> {
    let mut sum = Quantity::ZERO;
    for warehouse in &chosen.warehouses {
        sum = sum.checked_add(*quantities.get(warehouse.as_str())?)?;
    }
    let sellable = sum.checked_sub(chosen.reserve)?.floor_at_zero();
    sellable.whole().to_string().parse().ok()
}
