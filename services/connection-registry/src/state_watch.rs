//! Keeps the states of all connections right, and tells others when one changes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::{StreamExt as _, stream};
use storelink_events::hub::ConnectionStateChanged;
use storelink_events::{Envelope, subject};
use storelink_model::{ConnectionId, Timestamp};
use storelink_persistence::{DbError, Transaction, args};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::connections::Connection;
use crate::connections::store::{self, NewState};
use crate::questions;
use crate::registry::{Registry, Shared};
use crate::state::{self, Derived, Facts, LaneFact};
use crate::{outbox, runs, schedules};

const TICK: Duration = Duration::from_secs(2);
/// Each connection is looked at this often, by one replica.
const EVERY: time::Duration = time::Duration::seconds(15);
const BATCH: i64 = 100;
const AT_ONCE: usize = 16;
/// A service that is silent for longer is more than restarting.
const SILENCE: Duration = Duration::from_secs(60);

/// Since when a service is silent about a connection, as this process saw it.
#[derive(Default)]
pub(crate) struct Silences(Mutex<HashMap<(ConnectionId, &'static str), Instant>>);

impl Silences {
    fn judge(&self, connection: &ConnectionId, service: &'static str) -> LaneFact {
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = since
            .entry((connection.clone(), service))
            .or_insert_with(Instant::now);
        if first.elapsed() > SILENCE {
            LaneFact::Silent
        } else {
            LaneFact::SilentForNow
        }
    }

    fn forget(&self, connection: &ConnectionId, service: &'static str) {
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        since.remove(&(connection.clone(), service));
    }
}

/// Watches until cancelled.
pub(crate) async fn run(registry: Shared, cancel: CancellationToken) {
    let mut clock = interval(TICK);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = cancel.cancelled() => return,
            _ = clock.tick() => {}
        }
        if let Err(error) = registry.watch_states(Timestamp::now()).await {
            tracing::warn!(%error, code = error.code(), "states of connections were not looked at");
        }
        if let Err(error) = registry.relay_outbox().await {
            tracing::warn!(%error, code = error.code(), "events wait to be published");
        }
    }
}

/// Writes the state that the row alone decides, inside the transaction that changed the row; an
/// active connection counts as healthy until it was looked at.
pub(crate) async fn settle(
    transaction: &mut Transaction,
    connection: &Connection,
) -> Result<(), DbError> {
    let derived = state::by_row(connection).unwrap_or(Derived {
        state: storelink_events::hub::ConnectionState::Healthy,
        code: None,
        text: None,
    });
    keep(transaction, connection, &derived).await?;
    look_soon(transaction, &connection.id).await
}

/// Has a connection looked at with the next tick.
pub(crate) async fn look_soon(
    transaction: &mut Transaction,
    id: &ConnectionId,
) -> Result<(), DbError> {
    transaction
        .execute(
            "UPDATE connections SET state_checked = 0 WHERE id = $1",
            args![id.as_str()],
        )
        .await
        .map(drop)
}

async fn keep(
    transaction: &mut Transaction,
    connection: &Connection,
    derived: &Derived,
) -> Result<bool, DbError> {
    let since = Timestamp::now();
    let new = NewState {
        state: derived.state,
        code: derived.code.as_deref(),
        text: derived.text.as_deref(),
    };
    if !store::set_state(transaction, &connection.id, &new, since).await? {
        return Ok(false);
    }
    let event = ConnectionStateChanged {
        connection: connection.id.clone(),
        state: derived.state,
        since,
        code: derived.code.clone(),
        text: derived.text.clone(),
    };
    let source = format!("/connections/{}", connection.id);
    let envelope = Envelope::new(connection.tenant.clone(), source, event)
        .about(connection.id.as_str())
        .traced(storelink_telemetry::trace_context::traceparent());
    let subject = subject::hub_connection_state(&connection.tenant);
    outbox::add(transaction, &subject, &envelope).await?;
    Ok(true)
}

impl Registry {
    /// Looks at each connection whose turn it is; returns how many.
    pub(crate) async fn watch_states(&self, now: Timestamp) -> Result<usize, DbError> {
        let due = self
            .database
            .fetch_all(
                "SELECT id, state_checked FROM connections
                 WHERE activated IS NOT NULL AND deleted IS NULL AND paused_since IS NULL
                   AND state_checked < $1 ORDER BY state_checked LIMIT $2",
                args![now.saturating_sub(EVERY).micros(), BATCH],
            )
            .await?;
        let mut turns = Vec::with_capacity(due.len());
        for row in due {
            let (id, checked) = (row.text("id")?, row.int("state_checked")?);
            let taken = self
                .database
                .execute(
                    "UPDATE connections SET state_checked = $3 WHERE id = $1 AND state_checked = $2",
                    args![&id, checked, now.micros()],
                )
                .await?;
            if taken == 1
                && let Ok(id) = id.parse::<ConnectionId>()
            {
                turns.push(id);
            }
        }
        let looked = turns.len();
        let mut looks = stream::iter(turns)
            .map(|id| async move { self.look(&id, now).await })
            .buffer_unordered(AT_ONCE);
        while let Some(outcome) = looks.next().await {
            outcome?;
        }
        Ok(looked)
    }

    async fn look(&self, id: &ConnectionId, now: Timestamp) -> Result<(), DbError> {
        let Some(connection) = store::any(&self.database, id).await? else {
            return Ok(());
        };
        let finished = runs::last_finished(&self.database, id).await?;
        let lanes = self.lanes(&connection).await?;
        let derived = state::derive(&Facts {
            connection: &connection,
            lanes,
            runs: &finished,
            now,
        });

        let mut transaction = self.database.begin().await?;
        // Paused or deleted while the services were asked: what they said counts no more.
        let Some(current) = store::lock(&mut transaction, &connection.tenant, id).await? else {
            return Ok(());
        };
        if state::by_row(&current).is_none() {
            keep(&mut transaction, &current, &derived).await?;
        }
        transaction.commit().await
    }

    /// What the publishers say that are switched on for a connection.
    async fn lanes(
        &self,
        connection: &Connection,
    ) -> Result<Vec<(&'static str, LaneFact)>, DbError> {
        let entities = schedules::store::active_entities(&self.database, &connection.id).await?;
        let asked = [("stock", questions::STOCK), ("prices", questions::PRICES)];
        let mut lanes = Vec::new();
        for (entity, service) in asked {
            if !entities.iter().any(|active| active == entity) {
                continue;
            }
            let fact = match self.ask_lane(service, &connection.id).await {
                Ok(status) => {
                    self.silences.forget(&connection.id, service);
                    LaneFact::Answered(Box::new(status))
                }
                Err(_) => self.silences.judge(&connection.id, service),
            };
            lanes.push((service, fact));
        }
        Ok(lanes)
    }
}
