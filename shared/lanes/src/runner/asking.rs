//! Lanes that wait for a person: what they say, and what becomes of the answer.

use std::sync::Arc;

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use storelink_events::rpc::Stopped;
use storelink_model::{Sku, Timestamp};

use super::handle::LaneHandle;
use super::state::LaneState;
use super::step::closed_reason;
use crate::kind::LaneKind;
use crate::lane::Asks;
use crate::records::{Approval, LaneName};

/// Changes that wait for a person's approval.
pub(crate) struct ToApprove<W> {
    /// The lane, in the epoch in which this process runs it.
    pub(crate) lane: Arc<LaneName>,
    /// Where the store is that they wait for.
    pub(crate) address: String,
    /// In the order of the articles.
    pub(crate) changes: Vec<(Sku, W)>,
}

impl<W: Serialize> ToApprove<W> {
    /// Tells these changes from all others, in every process alike: who approves names what was shown.
    pub(crate) fn digest(&self) -> String {
        let changes = serde_json::to_vec(&(&self.address, &self.changes)).unwrap_or_default();
        let digest = Sha256::digest(changes);
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl<K: LaneKind> LaneHandle<K> {
    /// Why nothing is sent now or a person must act; none when neither is so. What is sent although a
    /// person must act is decided by the lane itself.
    pub(crate) fn stopped(&self, state: &LaneState<K>, now: Timestamp) -> Option<Stopped> {
        let closed = closed_reason(state, now);
        // A pause that ends by itself is the lesser trouble.
        let by_itself = |stopped: &Stopped| stopped.until.is_some();
        if closed.as_ref().is_some_and(|closed| !by_itself(closed)) {
            return closed;
        }
        self.asks(state).or(closed)
    }

    /// What waits for a person's approval, in words.
    fn asks(&self, state: &LaneState<K>) -> Option<Stopped> {
        let asks = state.lane.asks()?;
        Some(Stopped {
            code: "lane.blast_radius".to_owned(),
            text: self.describe(&asks),
            needs_attention: true,
            until: None,
        })
    }

    fn describe(&self, asks: &Asks<K::Wanted>) -> String {
        let mut text = K::describe_asks(asks);
        let mut separator = ": ";
        for (sku, shown, wanted) in &asks.some {
            let Some(sku) = self.levels.sku(*sku) else {
                continue;
            };
            let shown = shown.as_ref().map_or("?".to_owned(), K::describe_wanted);
            let wanted = K::describe_wanted(wanted);
            text.push_str(&format!("{separator}{sku} from {shown} to {wanted}"));
            separator = ", ";
        }
        match asks.number.saturating_sub(asks.some.len()) {
            0 => {}
            more => text.push_str(&format!(" and {more} more")),
        }
        text.push_str("; correct the values in the ERP, or approve them");
        text
    }

    /// Whether the lane began or ended to ask since this was called last.
    pub(super) fn began_or_ended_to_ask(&self) -> bool {
        let mut state = self.state();
        let asks = state.lane.is_asking();
        std::mem::replace(&mut state.asking_told, asks) != asks
    }

    /// What waits for a person's approval; none while another process runs the lane.
    pub(crate) fn to_approve(&self, state: &LaneState<K>) -> Option<ToApprove<K::Wanted>> {
        let lane = state.owned.clone()?;
        let named = |(sku, value)| Some((self.levels.sku(sku)?, value));
        let changes = state.lane.to_approve().into_iter();
        let mut changes: Vec<_> = changes.filter_map(named).collect();
        // Each process numbers the articles in its own way.
        changes.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let address = state.linked.record.address.clone();
        Some(ToApprove {
            lane,
            address,
            changes,
        })
    }

    /// A person wants exactly these changes in the store at this address, and that is committed.
    pub(crate) fn approve(&self, approval: Approval<K::Wanted>) {
        self.take_over(&mut self.state(), approval);
        self.wake.notify_one();
    }

    /// What was approved for a store elsewhere says nothing of this one.
    pub(super) fn take_over(&self, state: &mut LaneState<K>, approval: Approval<K::Wanted>) {
        if approval.address == state.linked.record.address {
            let numbered = |(sku, value)| (self.levels.sku_id(&sku), value);
            let changes = approval.changes.into_iter().map(numbered).collect();
            state.lane.approve(changes, approval.at, Timestamp::now());
        }
    }
}
