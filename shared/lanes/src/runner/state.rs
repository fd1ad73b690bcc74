//! What changes while a lane runs.

use std::collections::HashMap;
use std::sync::Arc;

use storelink_adapter_api::StoreAccess;
use storelink_events::hold::Hold;
use storelink_model::{Quantity, Timestamp};
use storelink_service::LinkedConnection;
use tokio_util::sync::CancellationToken;

use super::attempts::Attempts;
use super::gate::LaneGate;
use super::listings::ShardPlace;
use crate::kind::{LaneKind, WantedResult};
use crate::lane::{Attention, Desired, Lane, Pause};
use crate::levels::{CellReader, SkuId, TenantLevels};
use crate::ownership::Lease;
use crate::records::LaneName;

/// A lane, its pauses and its connection.
pub(crate) struct LaneState<K: LaneKind> {
    pub(crate) lane: Lane<K::Wanted>,
    pub(crate) pause: Pause,
    pub(crate) linked: Arc<LinkedConnection>,
    pub(crate) sources: Vec<K::Source>,
    pub(crate) writes_paused: bool,
    /// None while no process of ours runs it.
    pub(crate) owned: Option<Arc<LaneName>>,
    /// Whether doubts that others open are heard: from before the memory is read, so that none
    /// falls between.
    pub(crate) listens: bool,
    /// Where each shard of the listings stood that was taken over.
    pub(crate) shards: HashMap<u16, ShardPlace>,
    pub(crate) access: Option<OpenAccess>,
    pub(crate) attempts: Attempts,
    pub(crate) superseded_told: u64,
    /// Whether others were told that the lane asks for an approval.
    pub(crate) asking_told: bool,
}

/// Access to the store, kept for as long as the record stays.
#[derive(Clone)]
pub(crate) struct OpenAccess {
    pub(crate) revision: u64,
    /// Of the keys that it sends.
    pub(crate) credentials_revision: u64,
    pub(crate) access: Arc<StoreAccess>,
    pub(crate) gate: Arc<LaneGate>,
}

impl<K: LaneKind> LaneState<K> {
    /// Access to the store, opened anew when the record changed.
    pub(crate) fn open_access(
        &mut self,
        lease: &Lease,
        stop: &CancellationToken,
    ) -> Option<OpenAccess> {
        let record = &self.linked.record;
        if let Some(open) = &self.access
            && open.revision == record.revision
        {
            return Some(open.clone());
        }
        let mut gate = None;
        let opened = self.linked.access_behind(|connection| {
            let lane = Arc::new(LaneGate::new(connection, lease.clone(), stop.clone()));
            gate = Some(lane.clone());
            lane
        });
        match (opened, gate) {
            (Ok(access), Some(gate)) => {
                let access = Arc::new(access);
                let open = OpenAccess {
                    revision: record.revision,
                    credentials_revision: record.credentials_revision,
                    access,
                    gate,
                };
                self.access = Some(open.clone());
                Some(open)
            }
            (Err(error), _) => {
                self.pause.stop(Attention {
                    code: error.code().to_owned(),
                    text: error.to_string(),
                    credentials_revision: record.credentials_revision,
                });
                None
            }
            (Ok(_), None) => None,
        }
    }

    /// What the store should show of an article.
    pub(crate) fn desired(
        linked: &LinkedConnection,
        cells: &CellReader<'_, K>,
        sku: SkuId,
        now: Timestamp,
    ) -> Desired<K::Wanted> {
        let held = cells.holds(sku);
        let cells: Vec<_> = cells.cells(sku).collect();
        let values: Vec<Option<&K::Value>> = cells
            .iter()
            .map(|cell| cell.map(|cell| &cell.level.value))
            .collect();
        let newest = cells.iter().flatten().max_by_key(|cell| cell.level.time);
        let record = &linked.record;
        let holds = held.iter().filter(|hold| hold.counts(&record.id, now));
        let add = |sum: Quantity, hold: &Hold| sum.checked_add(hold.quantity);
        // More than a quantity can say: nothing is left to sell.
        let back = holds.clone().try_fold(Quantity::ZERO, add);
        let back = back.unwrap_or(Quantity::MAX);
        let ends = holds.filter_map(|hold| hold.until);
        let boundary = ends.chain(K::next_boundary(&values, now)).min();
        Desired {
            wanted: K::wanted(&record.settings, &record.profile, &values, back, now),
            boundary,
            event_time: newest.map(|cell| cell.level.time),
            trace: newest.and_then(|cell| cell.trace.clone()),
        }
    }

    /// The reason why nothing can be published for an article, without changing anything.
    pub(crate) fn why_not(&self, levels: &TenantLevels<K>, sku: SkuId) -> WantedResult<K::Wanted> {
        let now = Timestamp::now();
        levels.with_cells(&self.sources, |cells| {
            Self::desired(&self.linked, cells, sku, now).wanted
        })
    }
}
