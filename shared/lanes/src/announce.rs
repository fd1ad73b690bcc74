//! Tells others what a person must know: parked items, and connections whose state changed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use storelink_bus::{Bus, Publication};
use storelink_events::hub::{ConnectionState, ConnectionStateChanged, ItemParked};
use storelink_events::{Envelope, subject};
use storelink_model::{ConnectionId, Timestamp};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::kind::{LaneKind, Names};
use crate::records::Questions;
use crate::runner::{LaneHandle, Lanes};

/// How often everything is looked at, in case that something was missed.
const REGULARLY: Duration = Duration::from_secs(15);
/// From this age of the oldest change on a connection counts as delayed.
const DELAYED_AFTER: time::Duration = time::Duration::minutes(5);

/// Publishes an event for each parked item of which none tells yet, until cancelled. The id is the
/// item's own, so one that is told twice is recognised.
pub(crate) async fn announce_parked(
    bus: Bus,
    questions: Arc<Questions>,
    names: Names,
    parked: Arc<Notify>,
    shutdown: CancellationToken,
) {
    loop {
        if let Err(error) = announce_all(&bus, &questions, &names).await {
            tracing::warn!(error, "parked items are announced later");
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = parked.notified() => {}
            () = tokio::time::sleep(REGULARLY) => {}
        }
    }
}

async fn announce_all(bus: &Bus, questions: &Questions, names: &Names) -> Result<(), String> {
    loop {
        let waiting = questions
            .unannounced()
            .await
            .map_err(|error| error.to_string())?;
        if waiting.is_empty() {
            return Ok(());
        }
        for announcement in waiting {
            let parked = announcement.parked;
            let item = ItemParked {
                item_id: parked.id.clone(),
                service: names.service.to_owned(),
                connection: parked.connection.clone(),
                entity: names.entity.to_owned(),
                sku: parked.sku.clone(),
                external_id: None,
                code: parked.code.clone(),
                text: parked.text.clone(),
            };
            let tenant = announcement.tenant;
            let mut event =
                Envelope::new(tenant.clone(), format!("/services/{}", names.service), item);
            event.subject = parked.sku.as_ref().map(ToString::to_string);
            let id = format!("{}-{}", parked.id, parked.code);
            let publication =
                Publication::new(subject::hub_item_parked(&tenant), event.to_json()).message_id(id);
            bus.publish(publication)
                .await
                .map_err(|error| error.to_string())?;
            questions
                .announced(&parked)
                .await
                .map_err(|error| error.to_string())?;
        }
    }
}

/// What was said last of a connection.
#[derive(PartialEq)]
struct Said {
    state: ConnectionState,
    code: Option<String>,
}

/// Publishes an event whenever the state of a connection changed, until cancelled.
pub(crate) async fn announce_states<K: LaneKind>(
    bus: Bus,
    lanes: Lanes<K>,
    mut changed: mpsc::Receiver<ConnectionId>,
    shutdown: CancellationToken,
) {
    let mut said: HashMap<ConnectionId, Said> = HashMap::new();
    let mut ticks = tokio::time::interval(REGULARLY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let handles = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            changed = changed.recv() => match changed {
                Some(connection) => lanes.get(&connection).into_iter().collect(),
                None => return,
            },
            _ = ticks.tick() => lanes.all(),
        };
        for handle in handles {
            if let Some(event) = event_of(&handle, &mut said) {
                publish(&bus, &handle, event).await;
            }
        }
    }
}

fn event_of<K: LaneKind>(
    handle: &LaneHandle<K>,
    said: &mut HashMap<ConnectionId, Said>,
) -> Option<ConnectionStateChanged> {
    let now = Timestamp::now();
    let Some((state, code, text)) = state_of(handle, now) else {
        // Another process may say something else meanwhile: what was said here says nothing then.
        said.remove(&handle.connection);
        return None;
    };
    let saying = Said {
        state,
        code: code.clone(),
    };
    if said.get(&handle.connection) == Some(&saying) {
        return None;
    }
    said.insert(handle.connection.clone(), saying);
    Some(ConnectionStateChanged {
        connection: handle.connection.clone(),
        state,
        since: now,
        code,
        text,
    })
}

/// None while this process does not run the lane, or nothing is switched on.
fn state_of<K: LaneKind>(
    handle: &LaneHandle<K>,
    now: Timestamp,
) -> Option<(ConnectionState, Option<String>, Option<String>)> {
    let state = handle.state();
    state.owned.as_ref()?;
    let record = &state.linked.record;
    if record.paused {
        return Some((ConnectionState::Paused, None, None));
    }
    if !record.is_active(K::names().switch) {
        return None;
    }
    let closed = handle.stopped(&state, now);
    if let Some(stopped) = &closed
        && stopped.needs_attention
    {
        let (code, text) = (stopped.code.clone(), stopped.text.clone());
        return Some((ConnectionState::NeedsAttention, Some(code), Some(text)));
    }
    if state.pause.is_unavailable() {
        let (code, text) = closed.map(|stopped| (stopped.code, stopped.text)).unzip();
        return Some((ConnectionState::StoreUnavailable, code, text));
    }
    let late = |since: &Timestamp| now.since(*since) > DELAYED_AFTER;
    if !state.writes_paused && state.lane.oldest_dirty().as_ref().is_some_and(late) {
        let text = "the oldest change waits for more than 5 minutes".to_owned();
        return Some((
            ConnectionState::Delayed,
            Some("lane.delayed".to_owned()),
            Some(text),
        ));
    }
    Some((ConnectionState::Healthy, None, None))
}

async fn publish<K: LaneKind>(bus: &Bus, handle: &LaneHandle<K>, changed: ConnectionStateChanged) {
    let source = format!("/services/{}", K::names().service);
    let event = Envelope::new(handle.tenant.clone(), source, changed);
    let subject = subject::hub_connection_state(&handle.tenant);
    let publication = Publication::new(subject, event.to_json()).message_id(event.id.clone());
    if let Err(error) = bus.publish(publication).await {
        tracing::warn!(connection = %handle.connection, %error, "a state was not announced");
    }
}
