//! What a lane does next.

use storelink_events::rpc::Stopped;
use storelink_model::Timestamp;
use tokio_util::sync::CancellationToken;

use super::handle::LaneHandle;
use super::state::{LaneState, OpenAccess};
use crate::kind::LaneKind;
use crate::lane::{Closed, Effect};
use crate::ownership::Lease;

/// What a lane does next.
pub(super) enum Step {
    /// Nothing, until it is woken or until this time.
    Rest(Option<Timestamp>),
    /// Write: there is something to write and nothing stands against it.
    Write(OpenAccess),
}

/// Why a lane sends nothing now; none when it may.
pub(crate) fn closed_reason<K: LaneKind>(state: &LaneState<K>, now: Timestamp) -> Option<Stopped> {
    let record = &state.linked.record;
    let switch = K::names().switch;
    let stopped = |code: &str, text: &str| {
        let (code, text) = (code.to_owned(), text.to_owned());
        Some(Stopped {
            code,
            text,
            needs_attention: false,
            until: None,
        })
    };
    if record.paused {
        return stopped("lane.paused", "the connection is paused");
    }
    if !record.is_active(switch) {
        return stopped("lane.not_active", &format!("{switch} is not switched on"));
    }
    if state.writes_paused {
        return stopped("lane.writes_paused", "all writes of the tenant are paused");
    }
    if record.settings.observe_only {
        return stopped("lane.observe_only", "the connection only observes");
    }
    match state.pause.check(now) {
        Ok(()) => None,
        Err(Closed::Until { until, code, text }) => Some(Stopped {
            code,
            text,
            needs_attention: false,
            until: Some(until),
        }),
        Err(Closed::Attention(attention)) => Some(Stopped {
            code: attention.code,
            text: attention.text,
            needs_attention: true,
            until: None,
        }),
    }
}

/// Whether a person decided that nothing is written now: what a reconciliation finds is only reported.
pub(super) fn observes<K: LaneKind>(state: &LaneState<K>) -> bool {
    let record = &state.linked.record;
    let active = record.is_active(K::names().switch);
    !active || state.writes_paused || record.settings.observe_only
}

impl<K: LaneKind> LaneHandle<K> {
    /// Decides what to do next. The effects are to be noted whatever it is.
    pub(super) fn next_step(
        &self,
        lease: &Lease,
        stop: &CancellationToken,
        now: Timestamp,
    ) -> (Step, Vec<Effect>) {
        let mut effects = Vec::new();
        let mut state = self.state();
        let next_doubt = state.lane.wake_doubts(now, &mut effects);
        if state.lane.is_idle() || state.lane.is_writing() {
            return (Step::Rest(next_doubt), effects);
        }
        if let Some(stopped) = closed_reason(&state, now) {
            let until = match (stopped.until, next_doubt) {
                (Some(until), Some(doubt)) => Some(until.min(doubt)),
                (until, doubt) => until.or(doubt),
            };
            return (Step::Rest(until), effects);
        }
        let has_work = {
            let LaneState {
                lane,
                linked,
                sources,
                ..
            } = &mut *state;
            self.levels.with_cells(sources, |cells| {
                let mut desired = |sku| LaneState::<K>::desired(linked, cells, sku, now);
                lane.has_work(&mut desired, &mut effects)
            })
        };
        if !has_work {
            // Looking may have opened doubts that are due earlier.
            let next_doubt = state.lane.wake_doubts(now, &mut effects);
            let until = if state.lane.is_idle() {
                next_doubt
            } else {
                Some(now)
            };
            return (Step::Rest(until), effects);
        }
        match state.open_access(lease, stop) {
            Some(access) => (Step::Write(access), effects),
            None => (Step::Rest(next_doubt), effects),
        }
    }
}
