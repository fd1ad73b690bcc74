//! One request: current values, the attempt noted, sent once, the answer noted.

use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use storelink_adapter_api::{AdapterError, ErrorClass, ItemOutcome};
use storelink_model::{Sku, Timestamp};
use storelink_planted_faults::planted;
use storelink_runtime::{Instant, random, timeout};
use tracing::Instrument;

use super::handle::LaneHandle;
use super::span::{lag_of, span_of};
use super::state::{LaneState, OpenAccess};
use super::step::closed_reason;
use super::task::Shared;
use crate::kind::LaneKind;
use crate::lane::{Batch, Effect};
use crate::records::memory::{LaneMemory, letter, letters, pack_items};
use crate::records::{Attempt, BeginError, LaneName, Note};

/// A snapshot is taken after so many attempts, or after one for every so many articles: the work
/// for snapshots then stays a small part of the work for requests.
pub(crate) const ATTEMPTS_BETWEEN_SNAPSHOTS: i64 = 200;
const ARTICLES_PER_ATTEMPT: usize = 50;

/// Longer than every time limit of an adapter's requests: only a mistake in it takes so long.
const LONGEST_WRITE: Duration = Duration::from_secs(600);

pub(super) async fn send<K: LaneKind>(
    handle: &Arc<LaneHandle<K>>,
    name: &Arc<LaneName>,
    shared: &Arc<Shared>,
    open: &OpenAccess,
) {
    let now = Timestamp::now();
    let (batch, attempt, effects) = take(handle, name, open, now);
    shared.records.note(name, handle.notes(effects, now)).await;
    let Some((batch, attempt)) = batch.zip(attempt) else {
        return;
    };
    let number = attempt.number;
    if let Err(error) = shared.records.begin(attempt).await {
        not_begun(handle, batch, number, &error, name);
        return;
    }

    let span = span_of(name, K::names().entity, &batch);
    let items = batch
        .items
        .iter()
        .map(|item| (item.ids.unpack(), item.value.clone()))
        .collect();
    let adapter = handle.state().linked.adapter.clone();
    let sent = Instant::now();
    let write = K::write(adapter.as_ref(), &open.access, items).instrument(span);
    let answer = timeout(LONGEST_WRITE, write)
        .await
        .unwrap_or_else(|_| Err(stuck()));
    let took = sent.elapsed();

    let now = Timestamp::now();
    let ended = Ended { number, at: now };
    let mut notes = match answer {
        Ok(outcomes) => {
            shared.metrics.answered(&outcomes, took);
            answered(handle, name, shared, batch, &outcomes, &ended)
        }
        Err(error) => {
            shared
                .metrics
                .failed(class_name(error.class), batch.items.len(), took);
            failed(handle, name, shared, open, batch, &error, &ended)
        }
    };
    notes.extend(snapshot(handle, shared, number, now));
    shared.records.note(name, notes).await;
    handle.state().attempts.told(number);
}

/// Takes the items of the request with the values of this moment.
fn take<K: LaneKind>(
    handle: &LaneHandle<K>,
    name: &Arc<LaneName>,
    open: &OpenAccess,
    now: Timestamp,
) -> (Option<Batch<K::Wanted>>, Option<Attempt>, Vec<Effect>) {
    let mut effects = Vec::new();
    let mut state = handle.state();
    // Paused or changed while it waited for its place.
    if closed_reason(&state, now).is_some() || open.revision != state.linked.record.revision {
        return (None, None, effects);
    }
    let limits = state.linked.adapter.limits(&state.linked.record.profile);
    let limit = state.pause.batch_limit(K::batch_limit(&limits));
    let batch = {
        let LaneState {
            lane,
            linked,
            sources,
            ..
        } = &mut *state;
        handle.levels.with_cells(sources, |cells| {
            let mut desired = |sku| LaneState::<K>::desired(linked, cells, sku, now);
            lane.take_batch(limit, &mut desired, &mut effects)
        })
    };
    let Some(batch) = batch else {
        return (None, None, effects);
    };
    let number = state.attempts.begin();
    let address = state.linked.record.address.clone();
    drop(state);
    let skus: Vec<Option<Sku>> = batch
        .items
        .iter()
        .map(|item| handle.levels.sku(item.sku))
        .collect();
    let items = batch.items.iter().zip(&skus);
    let items = items.filter_map(|(item, sku)| Some((sku.as_ref()?, &item.ids, &item.value)));
    let attempt = Attempt {
        lane: name.clone(),
        number,
        started: now,
        items: pack_items(&address, items),
    };
    (Some(batch), Some(attempt), effects)
}

fn not_begun<K: LaneKind>(
    handle: &LaneHandle<K>,
    batch: Batch<K::Wanted>,
    number: i64,
    error: &BeginError,
    name: &LaneName,
) {
    let mut state = handle.state();
    state.lane.give_back(batch);
    state.attempts.told(number);
    match error {
        BeginError::Database(error) => {
            tracing::warn!(connection = %name.connection, %error, "a write waits for the database");
            let text = "the publisher's database does not answer";
            state
                .pause
                .failed_here(error.code(), text, Timestamp::now());
        }
        BeginError::NotOwner | BeginError::Ending => {
            tracing::info!(connection = %name.connection, %error, "a write is left to others");
            state
                .pause
                .failed_here("lane.not_owner", &error.to_string(), Timestamp::now());
        }
    }
}

/// An attempt that is over.
struct Ended {
    number: i64,
    at: Timestamp,
}

fn answered<K: LaneKind>(
    handle: &LaneHandle<K>,
    name: &LaneName,
    shared: &Shared,
    batch: Batch<K::Wanted>,
    outcomes: &[ItemOutcome],
    ended: &Ended,
) -> Vec<Note> {
    let now = ended.at;
    let letters = letters(outcomes, batch.items.len());
    for (item, letter) in batch.items.iter().zip(letters.chars()) {
        if letter == letter::CONFIRMED {
            shared.metrics.lag(lag_of(item, now));
        }
    }
    let clear = letters.contains([letter::CONFIRMED, letter::REJECTED]);
    let (effects, superseded, recovered) = {
        let mut state = handle.state();
        let was_closed = state.pause.is_unavailable();
        let effects = state
            .lane
            .settle(batch, outcomes, now, shared.recheck_after);
        if clear {
            state.pause.succeeded();
        } else {
            state.pause.unclear(now, random());
        }
        let told = state.lane.superseded();
        let superseded = told - std::mem::replace(&mut state.superseded_told, told);
        (
            effects,
            superseded,
            was_closed != state.pause.is_unavailable(),
        )
    };
    shared.metrics.superseded(superseded);
    if recovered {
        shared.state_changed(&handle.connection);
    }
    let mut notes = vec![Note::Finished {
        epoch: name.epoch,
        number: ended.number,
        completed: now,
        outcomes: letters,
        error_code: None,
    }];
    notes.extend(handle.notes(effects, now));
    notes
}

fn failed<K: LaneKind>(
    handle: &LaneHandle<K>,
    name: &LaneName,
    shared: &Shared,
    open: &OpenAccess,
    batch: Batch<K::Wanted>,
    error: &AdapterError,
    ended: &Ended,
) -> Vec<Note> {
    let now = ended.at;
    let count = batch.items.len();
    let refused_alone = error.class == ErrorClass::Rejected && count == 1 && !error.smaller_batch;
    let letter = match (error.outcome_unknown, refused_alone) {
        (true, _) => letter::UNKNOWN,
        (false, true) => letter::REJECTED,
        (false, false) => letter::NOT_SENT,
    };
    tracing::warn!(
        connection = %name.connection,
        code = error.code,
        text = error.text,
        items = count,
        outcome_unknown = error.outcome_unknown,
        "a write request failed"
    );
    let effects = {
        let mut state = handle.state();
        if error.code.starts_with("gate.") && !error.outcome_unknown {
            // Nothing was sent, and the store is not to blame.
            state.lane.give_back(batch);
            state.pause.failed_here(error.code, &error.text, now);
            Vec::new()
        } else {
            let current = state.linked.record.credentials_revision;
            let sent = if planted!(OtherKeysBlamed) {
                current
            } else {
                open.credentials_revision
            };
            let effects = state.lane.fail(batch, error, now, shared.recheck_after);
            state.pause.failed(error, count, sent, now, random());
            // Others may have been entered while the store made up its mind.
            state.pause.connection_changed(current);
            effects
        }
    };
    shared.state_changed(&handle.connection);
    let mut notes = vec![Note::Finished {
        epoch: name.epoch,
        number: ended.number,
        completed: now,
        outcomes: letter.to_string().repeat(count),
        error_code: Some(error.code.to_owned()),
    }];
    notes.extend(handle.notes(effects, now));
    notes
}

/// A snapshot when one is due, with what it makes superfluous.
fn snapshot<K: LaneKind>(
    handle: &LaneHandle<K>,
    shared: &Shared,
    number: i64,
    now: Timestamp,
) -> Vec<Note> {
    let mut state = handle.state();
    let by_size = i64::try_from(state.lane.len() / ARTICLES_PER_ATTEMPT).unwrap_or(i64::MAX);
    if state.attempts.uncovered(number) < by_size.max(shared.attempts_between_snapshots) {
        return Vec::new();
    }
    let effects = state.lane.close_unlisted();
    let mut notes = vec![taken(handle, state, number, now)];
    notes.extend(handle.notes(effects, now));
    notes
}

/// A snapshot of this moment; none while a request is under way or its answer not told, since that is
/// not in it, or would not be written without it.
pub(super) fn snapshot_note<K: LaneKind>(handle: &LaneHandle<K>, now: Timestamp) -> Option<Note> {
    let state = handle.state();
    let number = state.attempts.last_told()?;
    Some(taken(handle, state, number, now))
}

fn taken<K: LaneKind>(
    handle: &LaneHandle<K>,
    mut state: MutexGuard<'_, LaneState<K>>,
    number: i64,
    now: Timestamp,
) -> Note {
    state.attempts.cover(number);
    let values: Vec<_> = state.lane.confirmed_values().collect();
    let address = state.linked.record.address.clone();
    drop(state);
    let values = values.into_iter().filter_map(|confirmed| {
        let sku = handle.levels.sku(confirmed.sku)?;
        Some((sku, confirmed.ids, confirmed.value, confirmed.confirmed_at))
    });
    Note::Snapshot {
        number: number + i64::from(planted!(SnapshotCoversNext)),
        taken: now,
        body: LaneMemory::snapshot(&address, values),
    }
}

fn stuck() -> AdapterError {
    let text = format!("the write did not end within {LONGEST_WRITE:?}");
    AdapterError::new(ErrorClass::Transient, "lane.write_stuck", text).with_unknown_outcome()
}

fn class_name(class: ErrorClass) -> &'static str {
    match class {
        ErrorClass::Transient => "transient",
        ErrorClass::Limited { .. } => "limited",
        ErrorClass::Attention => "attention",
        ErrorClass::Rejected => "rejected",
    }
}
