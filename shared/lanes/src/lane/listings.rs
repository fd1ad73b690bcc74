//! The articles of a lane, as the catalogue lists them.

use std::collections::HashSet;

use serde::Serialize;
use storelink_adapter_api::WriteGroup;
use storelink_events::internal::Blocked;
use storelink_model::Timestamp;
use storelink_planted_faults::planted;

use super::queue::GroupId;
use super::slot::{PackedIds, Slot};
use super::{DoubtKind, Effect, Lane};
use crate::levels::SkuId;

/// One article as the catalogue lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedArticle {
    /// Its number.
    pub sku: SkuId,
    /// The store's ids.
    pub ids: PackedIds,
    /// Which requests it fits into.
    pub group: WriteGroup,
    /// Why nothing is written for it.
    pub blocked: Option<Blocked>,
}

impl<W: Clone + PartialEq + Serialize> Lane<W> {
    /// Takes over a whole shard: what it holds now and did not hold before waits, what it does not
    /// hold any more is forgotten, but for the last value where a new one is compared with it.
    pub fn replace_shard(
        &mut self,
        shard: u16,
        shards: u16,
        articles: Vec<ListedArticle>,
        now: Timestamp,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        let listed: HashSet<SkuId> = articles.iter().map(|article| article.sku).collect();
        let gone = self.slots.values().filter(|slot| {
            slot.shard >= shards.max(1) || (slot.shard == shard && !listed.contains(&slot.sku))
        });
        let gone: Vec<SkuId> = gone.map(|slot| slot.sku).collect();
        for sku in gone {
            self.remove(sku, &mut effects);
        }
        for article in articles {
            self.put(shard, article, now, &mut effects);
        }
        effects
    }

    fn put(
        &mut self,
        shard: u16,
        article: ListedArticle,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let ListedArticle {
            sku,
            ids,
            group,
            blocked,
        } = article;
        let group = self.group(group);
        let is_new = !self.slots.contains_key(&sku);
        let slot = match self.slots.get_mut(&sku) {
            Some(slot) => slot,
            None => {
                let mut slot = Slot::new(sku, ids.clone(), group, shard);
                slot.last = self.delisted.take(sku);
                // Their times came while it was not listed.
                slot.forced = self.doubts.has_woken(sku, DoubtKind::LateEffect);
                slot.ordered = self.doubts.has_woken(sku, DoubtKind::Order);
                self.written += 1;
                self.slots.entry(sku).or_insert(slot)
            }
        };
        slot.shard = shard;
        let known = !is_new && (slot.last.is_some() || slot.turn != 0 || slot.in_flight);
        let same = slot.ids == ids && slot.group == group && slot.blocked == blocked;
        if same && known {
            return;
        }
        if slot.ids != ids {
            if !planted!(OtherIdsStayConfirmed) {
                slot.doubt();
            }
            slot.ids = ids;
            self.guard.forget(sku);
        }
        if slot.turn != 0 && (slot.group != group || blocked.is_some()) {
            slot.turn = 0;
            self.waiting = self.waiting.saturating_sub(1);
        }
        slot.group = group;
        let was_written = std::mem::replace(&mut slot.blocked, blocked).is_none();
        self.written = self.written + usize::from(blocked.is_none()) - usize::from(was_written);
        if blocked.is_some() {
            slot.dirty_since = 0;
            self.guard.forget(sku);
            self.unpark(sku, effects);
        } else {
            self.mark(sku, now);
        }
    }

    fn remove(&mut self, sku: SkuId, effects: &mut Vec<Effect>) {
        let Some(slot) = self.slots.swap_remove(&sku) else {
            return;
        };
        if slot.turn != 0 {
            self.waiting = self.waiting.saturating_sub(1);
        }
        self.written = self
            .written
            .saturating_sub(usize::from(slot.blocked.is_none()));
        if let Some(last) = slot.last {
            self.keep_delisted(sku, last);
        }
        self.guard.forget(sku);
        self.guard.approved.remove(&sku);
        self.unpark(sku, effects);
        self.close_doubt(sku, DoubtKind::Boundary, effects);
    }

    /// Closes doubts whose time came while their article was not listed. A snapshot belongs to it: until
    /// there is one, a start would believe what was confirmed before the article left.
    pub fn close_unlisted(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        let woken: Vec<_> = self.doubts.woken().collect();
        for (sku, kind) in woken {
            if !self.slots.contains_key(&sku) {
                self.close_doubt(sku, kind, &mut effects);
            }
        }
        effects
    }

    /// Keeps the last value of an article that is not listed, where it is needed again.
    pub(super) fn keep_delisted(&mut self, sku: SkuId, value: W) {
        if self.guard.compares() {
            self.delisted.keep(sku, value, self.slots.len());
        }
    }

    fn group(&mut self, group: WriteGroup) -> GroupId {
        let next = GroupId::try_from(self.groups.len()).unwrap_or(GroupId::MAX);
        *self.groups.entry(group).or_insert(next)
    }
}
