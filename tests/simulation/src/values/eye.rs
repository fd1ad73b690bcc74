//! Looks at the level table of a process, so that the judge knows what it knew.

use std::sync::{Arc, Weak};

use storelink_lanes::kind::Stock;
use storelink_lanes::levels::{LevelListener, SkuId, TenantLevels};
use storelink_model::{Timestamp, WarehouseCode};

use super::World;
use super::erp::WAREHOUSES;
use crate::kernel::ProcessId;

/// Sees every change of the level table of a process.
pub(super) struct Eye {
    pub(super) world: Arc<World>,
    pub(super) process: ProcessId,
    pub(super) levels: Weak<TenantLevels<Stock>>,
}

impl Eye {
    /// Begins to look.
    pub(super) fn open(self, levels: &TenantLevels<Stock>) {
        let eye = Arc::new(self);
        for sku in eye.world.skus() {
            if let Some(id) = sku.parse().ok().and_then(|sku| levels.known_sku(&sku)) {
                eye.look(levels, id);
            }
        }
        let warehouses = warehouses();
        levels.subscribe(&warehouses, eye.clone());
    }

    fn look(&self, levels: &TenantLevels<Stock>, id: SkuId) {
        let Some(sku) = levels.sku(id) else {
            return;
        };
        let warehouses = warehouses();
        let quantities = levels.with_cells(&warehouses, |cells| {
            let cells = warehouses.iter().zip(cells.cells(id));
            cells
                .filter_map(|(warehouse, cell)| {
                    Some((warehouse.as_str().to_owned(), cell?.level.value))
                })
                .collect()
        });
        let now = self.world.sim.now().micros();
        let mut judge = self.world.judge();
        judge.knows(self.process, sku.as_str(), now, quantities);
    }
}

impl LevelListener for Eye {
    fn changed(&self, sku: SkuId, _: Timestamp) {
        if let Some(levels) = self.levels.upgrade() {
            self.look(&levels, sku);
        }
    }

    fn held(&self, _: SkuId, _: Timestamp) {}
}

fn warehouses() -> Vec<WarehouseCode> {
    let codes = WAREHOUSES.iter().map(|(code, _)| code.parse());
    codes.filter_map(Result::ok).collect()
}
