//! What intake keeps in the database: last values, and by what they are ordered.

use std::collections::BTreeMap;

use async_trait::async_trait;
use storelink_lanes::kind::{LevelKey, Stock};
use storelink_lanes::ports::{
    Committed, MirrorPlace, MirrorRow, MirrorRows, SourceKey, SourceRows, Winner,
};
use storelink_model::{VersionOrder, WarehouseCode};
use storelink_persistence::DbError;

use super::database::Database;
use super::tables::place_of;

#[async_trait]
impl MirrorRows<Stock> for Database {
    async fn upsert(
        &self,
        winners: &[Winner<Stock>],
    ) -> Result<(Vec<Committed<Stock>>, usize), DbError> {
        let winners: Vec<Winner<Stock>> = winners.iter().map(copy_of).collect();
        self.transact(move |tables| tables.upsert(&winners)).await
    }

    async fn get(
        &self,
        key: &LevelKey<WarehouseCode>,
    ) -> Result<Option<MirrorRow<Stock>>, DbError> {
        let place = place_of(key);
        self.transact(move |tables| tables.levels.get(&place).cloned())
            .await
    }

    async fn page(
        &self,
        after: &MirrorPlace,
        limit: u32,
    ) -> Result<(Vec<MirrorRow<Stock>>, Option<MirrorPlace>), DbError> {
        let (after, limit) = (after.clone(), usize::try_from(limit).unwrap_or(usize::MAX));
        self.transact(move |tables| tables.page(&after, limit))
            .await
    }
}

fn copy_of(winner: &Winner<Stock>) -> Winner<Stock> {
    Winner {
        key: winner.key.clone(),
        stamp: winner.stamp,
        value: winner.value,
        time: winner.time,
        trace: winner.trace.clone(),
        event: winner.event,
        item: winner.item,
    }
}

#[async_trait]
impl SourceRows for Database {
    async fn fix(
        &self,
        suggested: &BTreeMap<SourceKey, VersionOrder>,
    ) -> Result<BTreeMap<SourceKey, VersionOrder>, DbError> {
        let suggested = suggested.clone();
        self.transact(move |tables| {
            for (key, order) in &suggested {
                tables.sources.entry(key.clone()).or_insert(*order);
            }
            let known = suggested.into_keys();
            known
                .filter_map(|key| {
                    let order = *tables.sources.get(&key)?;
                    Some((key, order))
                })
                .collect()
        })
        .await
    }
}
