//! Schedules and runs of a connection.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use storelink_adapter_api::EntityDefault;
use storelink_model::{StoreZone, Timestamp};
use utoipa::ToSchema;

use super::caller::Caller;
use super::extract::{OwnConnection, Params};
use super::json::{Body, OptionalBody};
use super::runs::RunView;
use crate::audit;
use crate::connections::{Connection, store};
use crate::problem::{Answer, FieldError, Problem, catalogue};
use crate::registry::{Registry, Shared};
use crate::runs::{self, Run};
use crate::schedules::rhythm::{LONGEST_SECONDS, TimeOfDay};
use crate::schedules::{self, Rhythm, Schedule};
use crate::state_watch;
use crate::ticks::Dispatch;

const MOST_TIMES: usize = 48;

/// The schedule of one entity.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "entity": "orders", "active": true, "every_seconds": 3600, "time_zone": "Europe/Ljubljana",
    "polled": true, "shortest_seconds": 60, "next_run": "2026-11-22T07:30:00Z", "skipped": 0
}))]
pub(crate) struct ScheduleView {
    /// `orders`, `products`, `stock`, `prices`, …
    entity: String,
    /// Whether it is switched on. For stock and prices of a store: whether they are written.
    active: bool,
    /// Every so many seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    every_seconds: Option<u64>,
    /// Or every day at these times.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    times: Option<Vec<TimeOfDay>>,
    /// The zone of the times.
    time_zone: String,
    /// Whether it is read on its schedule. What is not polled is written as soon as it changes in the
    /// ERP; its runs compare what the store shows with that, and write the differences.
    polled: bool,
    /// The shortest interval that may be chosen.
    shortest_seconds: u64,
    /// When it runs next.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    next_run: Option<Timestamp>,
    /// The run that was begun last.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_run: Option<String>,
    /// Runs that were left out because the one before was not finished.
    skipped: i64,
}

/// All schedules of a connection.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"items": [{
    "entity": "products", "active": false, "times": ["02:30"], "time_zone": "Europe/Ljubljana",
    "polled": true, "shortest_seconds": 900, "skipped": 0
}]}))]
pub(crate) struct Schedules {
    /// One per entity of the platform.
    items: Vec<ScheduleView>,
}

/// What a schedule shall be. Give an interval or times, not both; with neither the rhythm stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"active": true, "times": ["02:30", "14:00"], "time_zone": "Europe/Ljubljana"}))]
pub(crate) struct ScheduleChange {
    /// Whether it is switched on.
    active: bool,
    /// Every so many seconds, up to a week.
    every_seconds: Option<u64>,
    /// Every day at these times, `02:30`.
    #[schema(value_type = Option<Vec<String>>)]
    times: Option<Vec<TimeOfDay>>,
    /// The zone of the times: an IANA name or an offset.
    #[schema(value_type = Option<String>)]
    time_zone: Option<StoreZone>,
}

/// How to run now.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(example = json!({"full": true}))]
pub(crate) struct RunNow {
    /// Read everything again instead of what changed.
    full: bool,
}

#[derive(Deserialize)]
pub(crate) struct EntityPath {
    entity: String,
}

/// List schedules
#[utoipa::path(get, path = "/v1/connections/{id}/schedules", operation_id = "list_schedules", tag = "schedules",
    params(("id" = String, Path, description = "The connection")),
    responses((status = 200, description = "One per entity", body = Schedules)))]
pub(crate) async fn list(
    State(registry): State<Shared>,
    OwnConnection(connection): OwnConnection,
) -> Answer<Json<Schedules>> {
    let descriptor = registry.adapter_of(&connection)?.descriptor();
    let touched = schedules::store::list(&registry.database, &connection.id).await?;
    let items = descriptor
        .entities
        .iter()
        .map(|entity| {
            let kept = touched
                .iter()
                .find(|schedule| schedule.entity == entity.entity);
            let schedule = kept
                .cloned()
                .unwrap_or_else(|| Schedule::untouched(&connection, entity));
            view(
                schedule,
                entity,
                !schedules::is_reconciled(descriptor, &entity.entity),
            )
        })
        .collect();
    Ok(Json(Schedules { items }))
}

/// Read a schedule
#[utoipa::path(get, path = "/v1/connections/{id}/schedules/{entity}", operation_id = "read_schedule", tag = "schedules",
    params(("id" = String, Path, description = "The connection"),
        ("entity" = String, Path, description = "The entity")),
    responses((status = 200, description = "The schedule", body = ScheduleView)))]
pub(crate) async fn read(
    State(registry): State<Shared>,
    OwnConnection(connection): OwnConnection,
    Params(path): Params<EntityPath>,
) -> Answer<Json<ScheduleView>> {
    let entity = registry.entity(&connection, &path.entity)?;
    let schedule = registry.schedule(&connection, entity).await?;
    let polled = registry.polls(&connection, &path.entity)?;
    Ok(Json(view(schedule, entity, polled)))
}

/// Set a schedule
///
/// Switching on begins no run at once: the first one comes after the interval or at the next time.
/// For stock and prices of a store, active means that their values are written; its rhythm is that of
/// their reconciliation.
#[utoipa::path(put, path = "/v1/connections/{id}/schedules/{entity}", operation_id = "set_schedule", tag = "schedules",
    params(("id" = String, Path, description = "The connection"),
        ("entity" = String, Path, description = "The entity")),
    request_body = ScheduleChange,
    responses((status = 200, description = "The schedule", body = ScheduleView)))]
pub(crate) async fn set(
    State(registry): State<Shared>,
    caller: Caller,
    OwnConnection(connection): OwnConnection,
    Params(path): Params<EntityPath>,
    Body(change): Body<ScheduleChange>,
) -> Answer<Json<ScheduleView>> {
    let entity = registry.entity(&connection, &path.entity)?;
    let descriptor = registry.adapter_of(&connection)?.descriptor();
    let before = registry.schedule(&connection, entity).await?;
    let mut after = changed(before.clone(), entity, change)?;
    let polled = !schedules::is_reconciled(descriptor, &entity.entity);
    if after.active == before.active
        && after.rhythm == before.rhythm
        && after.time_zone == before.time_zone
    {
        return Ok(Json(view(before, entity, polled)));
    }
    after.next_run = after.next_after(Timestamp::now());

    let mut transaction = registry.database.begin().await?;
    store::lock(&mut transaction, &caller.tenant, &connection.id)
        .await?
        .ok_or_else(Problem::not_found)?;
    schedules::store::put(&mut transaction, &after).await?;
    if after.active != before.active {
        store::touch(&mut transaction, &connection.id).await?;
        state_watch::look_soon(&mut transaction, &connection.id).await?;
    }
    let object = format!("{} {}", connection.id, entity.entity);
    let (was, is) = (audit_text(&before), audit_text(&after));
    let actor = caller.actor();
    audit::note(
        &mut transaction,
        &actor,
        "schedule.set",
        &object,
        Some(&was),
        Some(&is),
    )
    .await?;
    transaction.commit().await?;
    registry.publish_soon(&connection.id).await;

    let kept = registry.schedule(&connection, entity).await?;
    Ok(Json(view(kept, entity, polled)))
}

/// Run now
///
/// Puts a run into the queue, whether or not the schedule is switched on. A run of stock or prices of a
/// store is a reconciliation.
#[utoipa::path(post, path = "/v1/connections/{id}/schedules/{entity}/run-now", operation_id = "run_now", tag = "schedules",
    params(("id" = String, Path, description = "The connection"),
        ("entity" = String, Path, description = "The entity")),
    request_body = Option<RunNow>,
    responses((status = 202, description = "The queued run", body = RunView)))]
pub(crate) async fn run_now(
    State(registry): State<Shared>,
    caller: Caller,
    OwnConnection(connection): OwnConnection,
    Params(path): Params<EntityPath>,
    OptionalBody(wish): OptionalBody<RunNow>,
) -> Answer<Response> {
    registry
        .run_now(&caller, &connection, &path.entity, wish.full)
        .await
}

impl Registry {
    /// Notes a run that a person asked for, and hands it over.
    pub(super) async fn run_now(
        &self,
        caller: &Caller,
        connection: &Connection,
        entity: &str,
        full: bool,
    ) -> Answer<Response> {
        self.entity(connection, entity)?;
        if !connection.is_active() {
            return Err(Problem::new(catalogue::NOT_ACTIVE));
        }
        if connection.is_paused() {
            return Err(Problem::new(catalogue::PAUSED));
        }
        let mut run = Run::pending(connection, entity, "manual", full);
        let mut transaction = self.database.begin().await?;
        runs::insert(&mut transaction, &run).await?;
        schedules::store::note_run(&mut transaction, &connection.id, entity, &run.id).await?;
        let object = format!("{} {entity}", connection.id);
        let actor = caller.actor();
        audit::note(
            &mut transaction,
            &actor,
            "schedule.run_now",
            &object,
            None,
            Some(&run.id),
        )
        .await?;
        transaction.commit().await?;
        match self.dispatch(&run).await? {
            Dispatch::Taken => Err(Problem::new(catalogue::RUN_QUEUED)),
            // It is noted; the sweep hands it over as soon as somebody answers.
            Dispatch::Later => Ok((StatusCode::ACCEPTED, Json(RunView::from(run))).into_response()),
            Dispatch::Queued => {
                run.state = "queued".to_owned();
                run.queued = Some(Timestamp::now());
                Ok((StatusCode::ACCEPTED, Json(RunView::from(run))).into_response())
            }
        }
    }

    fn entity(&self, connection: &Connection, name: &str) -> Answer<&EntityDefault> {
        let descriptor = self.adapter_of(connection)?.descriptor();
        schedules::entity(descriptor, name).ok_or_else(Problem::not_found)
    }

    fn polls(&self, connection: &Connection, entity: &str) -> Answer<bool> {
        let descriptor = self.adapter_of(connection)?.descriptor();
        Ok(!schedules::is_reconciled(descriptor, entity))
    }

    async fn schedule(&self, connection: &Connection, entity: &EntityDefault) -> Answer<Schedule> {
        let kept = schedules::store::get(&self.database, &connection.id, &entity.entity).await?;
        Ok(kept.unwrap_or_else(|| Schedule::untouched(connection, entity)))
    }
}

fn changed(
    mut schedule: Schedule,
    entity: &EntityDefault,
    change: ScheduleChange,
) -> Answer<Schedule> {
    let refuse = |pointer: &str, code: &str, detail: String| {
        Err(Problem::new(catalogue::INVALID).errors(vec![FieldError::new(pointer, code, detail)]))
    };
    match (change.every_seconds, change.times) {
        (Some(_), Some(_)) => {
            let detail = "give an interval or times, not both".to_owned();
            return refuse("/times", "schedule.two_rhythms", detail);
        }
        (Some(seconds), None) => {
            let shortest = entity.shortest_seconds.max(1);
            if !(shortest..=LONGEST_SECONDS).contains(&seconds) {
                let detail = format!("it must be {shortest} to {LONGEST_SECONDS} seconds");
                return refuse("/every_seconds", "schedule.interval", detail);
            }
            schedule.rhythm = Rhythm::EverySeconds(seconds);
        }
        (None, Some(mut times)) => {
            times.sort_unstable();
            times.dedup();
            if times.is_empty() || times.len() > MOST_TIMES {
                let detail = format!("there must be 1 to {MOST_TIMES} times");
                return refuse("/times", "schedule.times", detail);
            }
            schedule.rhythm = Rhythm::Times(times);
        }
        (None, None) => {}
    }
    if let Some(zone) = change.time_zone {
        schedule.time_zone = zone;
    }
    schedule.active = change.active;
    Ok(schedule)
}

fn view(schedule: Schedule, entity: &EntityDefault, polled: bool) -> ScheduleView {
    let (every_seconds, times) = match schedule.rhythm {
        Rhythm::EverySeconds(seconds) => (Some(seconds), None),
        Rhythm::Times(times) => (None, Some(times)),
    };
    ScheduleView {
        entity: schedule.entity,
        active: schedule.active,
        every_seconds,
        times,
        time_zone: schedule.time_zone.name().to_owned(),
        polled,
        shortest_seconds: entity.shortest_seconds,
        next_run: schedule.next_run,
        last_run: schedule.last_run,
        skipped: schedule.skipped,
    }
}

fn audit_text(schedule: &Schedule) -> String {
    let rhythm = serde_json::to_string(&schedule.rhythm).unwrap_or_default();
    format!("{} {rhythm} {}", schedule.active, schedule.time_zone.name())
}
