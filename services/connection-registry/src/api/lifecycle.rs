//! Verify, activate, test, pause, resume.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use storelink_adapter_api::DiagnosisStatus;
use storelink_model::Timestamp;
use utoipa::ToSchema;

use super::caller::Caller;
use super::connections::shown;
use super::extract::{OwnConnection, QueryOf};
use super::json::Body;
use super::page::{self, Listed, PageQuery};
use super::text::label;
use super::views::VerificationView;
use crate::connections::{Connection, store};
use crate::cursors;
use crate::problem::{Answer, Problem, catalogue};
use crate::registry::{Registry, Shared};
use crate::tickets::{self, Ticket};
use crate::verification::{self, Purpose, Report};
use crate::{audit, schedules, state_watch};

/// The ticket of a green verification.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"ticket": "eyJjb25uZWN0aW9uIjoi…"}))]
pub(crate) struct Activation {
    /// As `POST …/verify` answered it.
    ticket: String,
}

/// Why something is switched off.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"reason": "Stock-taking until Monday"}))]
pub(crate) struct PauseReason {
    /// In words, for those who wonder later; 1 to 500 characters.
    #[schema(min_length = 1, max_length = 500)]
    pub(crate) reason: String,
}

/// Verify what was entered
///
/// Asks the store, without changing anything there. A green answer carries the ticket that
/// activation needs. A red one names the proven cause and its remedy.
#[utoipa::path(post, path = "/v1/connections/{id}/verify", operation_id = "verify_connection", tag = "connections",
    params(("id" = String, Path, description = "The connection")),
    responses((status = 200, description = "The checks, green or red", body = VerificationView)))]
pub(crate) async fn verify(
    State(registry): State<Shared>,
    caller: Caller,
    OwnConnection(connection): OwnConnection,
) -> Answer<Json<VerificationView>> {
    let values = registry.candidate_values(&connection)?;
    let fingerprint = values.fingerprint.clone();
    let diagnosis = registry.diagnose(&connection, values).await?;

    let mut transaction = registry.database.begin().await?;
    let report = verification::keep(
        &mut transaction,
        &connection.id,
        Purpose::Activation,
        diagnosis,
    )
    .await?;
    let (actor, id) = (caller.actor(), connection.id.as_str());
    audit::note(
        &mut transaction,
        &actor,
        "connection.verify",
        id,
        None,
        Some(&report.id),
    )
    .await?;
    transaction.commit().await?;

    let ticket = (report.status == DiagnosisStatus::Green).then(|| Ticket {
        connection: connection.id.clone(),
        verification: report.id.clone(),
        values: fingerprint,
        expires: report.at.saturating_add(tickets::LIFETIME),
    });
    let mut view = VerificationView::from(report);
    if let Some(ticket) = ticket {
        view.ticket = Some(ticket.issue(&registry.key));
        view.ticket_expires = Some(ticket.expires);
    }
    Ok(Json(view))
}

/// List verifications and tests
#[utoipa::path(get, path = "/v1/connections/{id}/verifications", operation_id = "list_verifications", tag = "connections",
    params(("id" = String, Path, description = "The connection"), PageQuery),
    responses((status = 200, description = "A page, newest first", body = Listed<VerificationView>)))]
pub(crate) async fn verifications(
    State(registry): State<Shared>,
    caller: Caller,
    OwnConnection(connection): OwnConnection,
    QueryOf(query): QueryOf<PageQuery>,
) -> Answer<Listed<VerificationView>> {
    let path = format!("/v1/connections/{}/verifications", connection.id);
    let list_name = page::list_name(&caller.tenant, &path, &[]);
    let limit = query.request().limit()?;
    let before: Option<String> = query.request().place(&registry.key, &list_name)?;
    let before = before.unwrap_or_default();
    let wanted = i64::from(limit) + 1;
    let mut rows = verification::list(&registry.database, &connection.id, &before, wanted).await?;
    let next = page::cut(&mut rows, limit)
        .map(|last| cursors::cursor(&registry.key, &list_name, &last.id));
    let items = rows.into_iter().map(Into::into).collect();
    Ok(Listed::new(
        items,
        next,
        page::address(&path, &[], query.limit),
    ))
}

/// Activate a verified connection
///
/// Puts the entered values into use. The ticket proves that exactly these values were green within
/// the last 10 minutes. Schedules stay as they are: inactive, unless somebody switched them on.
#[utoipa::path(post, path = "/v1/connections/{id}/activate", operation_id = "activate_connection", tag = "connections",
    params(("id" = String, Path, description = "The connection")), request_body = Activation,
    responses((status = 200, description = "The active connection",
        body = super::views::ConnectionView)))]
pub(crate) async fn activate(
    State(registry): State<Shared>,
    caller: Caller,
    OwnConnection(found): OwnConnection,
    Body(activation): Body<Activation>,
) -> Answer<Response> {
    let ticket = Ticket::read(
        &registry.key,
        &activation.ticket,
        &found.id,
        Timestamp::now(),
    )?;
    let schedules = schedules::store::list(&registry.database, &found.id).await?;
    let mut transaction = registry.database.begin().await?;
    let before = store::lock(&mut transaction, &caller.tenant, &found.id)
        .await?
        .ok_or_else(Problem::not_found)?;
    if registry.candidate_values(&before)?.fingerprint != ticket.values {
        return Err(Problem::new(catalogue::TICKET_OTHER_VALUES));
    }
    let report: Report = verification::get(&mut transaction, &found.id, &ticket.verification)
        .await?
        .ok_or_else(|| Problem::new(catalogue::TICKET_INVALID))?;
    store::activate(&mut transaction, &found.id, &report.diagnosis.profile).await?;
    store::note_test(&mut transaction, &found.id, report.status, None).await?;
    let after = relock(&mut transaction, &caller, &before).await?;
    if !before.is_active() {
        state_watch::settle(&mut transaction, &after).await?;
        // What was due while it was a draft is not made up for.
        for schedule in &schedules {
            let next = schedule.next_after(Timestamp::now());
            schedules::store::set_next(&mut transaction, schedule, next).await?;
        }
    }
    state_watch::look_soon(&mut transaction, &found.id).await?;
    note(
        &mut transaction,
        &caller,
        "connection.activate",
        &before,
        &after,
    )
    .await?;
    transaction.commit().await?;
    registry.publish_soon(&found.id).await;
    Ok(shown(registry.reload(&caller, &found.id).await?))
}

/// Test a saved connection
///
/// The same checks with the values in use. A green test also ends a stop because of refused
/// credentials.
#[utoipa::path(post, path = "/v1/connections/{id}/test", operation_id = "test_connection", tag = "connections",
    params(("id" = String, Path, description = "The connection")),
    responses((status = 200, description = "The checks, green or red", body = VerificationView)))]
pub(crate) async fn test(
    State(registry): State<Shared>,
    caller: Caller,
    OwnConnection(connection): OwnConnection,
) -> Answer<Json<VerificationView>> {
    let values = registry.saved_values(&connection)?;
    let fingerprint = values.fingerprint.clone();
    let diagnosis = registry.diagnose(&connection, values).await?;
    let code = diagnosis.cause().and_then(|check| check.code.clone());

    let mut transaction = registry.database.begin().await?;
    let current = store::lock(&mut transaction, &caller.tenant, &connection.id)
        .await?
        .ok_or_else(Problem::not_found)?;
    let report =
        verification::keep(&mut transaction, &connection.id, Purpose::Test, diagnosis).await?;
    let id = &connection.id;
    store::note_test(&mut transaction, id, report.status, code.as_deref()).await?;
    // The values may have been exchanged while the store was asked.
    let still = registry.saved_values(&current)?.fingerprint == fingerprint;
    if still && report.status == DiagnosisStatus::Green {
        store::refresh_profile(&mut transaction, id, &report.diagnosis.profile).await?;
    }
    state_watch::look_soon(&mut transaction, id).await?;
    let (actor, text) = (caller.actor(), report.id.clone());
    audit::note(
        &mut transaction,
        &actor,
        "connection.test",
        id.as_str(),
        None,
        Some(&text),
    )
    .await?;
    transaction.commit().await?;
    registry.publish_soon(id).await;
    Ok(Json(report.into()))
}

/// Pause a connection
///
/// Nothing is read from or written to its store. Changes wait and are written when it is resumed,
/// each article's last value once.
#[utoipa::path(post, path = "/v1/connections/{id}/pause", operation_id = "pause_connection", tag = "connections",
    params(("id" = String, Path, description = "The connection")), request_body = PauseReason,
    responses((status = 200, description = "The paused connection",
        body = super::views::ConnectionView)))]
pub(crate) async fn pause(
    State(registry): State<Shared>,
    caller: Caller,
    OwnConnection(found): OwnConnection,
    Body(pause): Body<PauseReason>,
) -> Answer<Response> {
    let mut errors = Vec::new();
    let reason = label("/reason", &pause.reason, 500, &mut errors);
    if !errors.is_empty() {
        return Err(Problem::new(catalogue::INVALID).errors(errors));
    }
    registry.set_paused(&caller, &found, Some(&reason)).await
}

/// Resume a connection
#[utoipa::path(post, path = "/v1/connections/{id}/resume", operation_id = "resume_connection", tag = "connections",
    params(("id" = String, Path, description = "The connection")),
    responses((status = 200, description = "The connection",
        body = super::views::ConnectionView)))]
pub(crate) async fn resume(
    State(registry): State<Shared>,
    caller: Caller,
    OwnConnection(found): OwnConnection,
) -> Answer<Response> {
    registry.set_paused(&caller, &found, None).await
}

impl Registry {
    /// Pausing what is paused changes nothing, nor does resuming what runs.
    async fn set_paused(
        &self,
        caller: &Caller,
        found: &Connection,
        reason: Option<&str>,
    ) -> Answer<Response> {
        let mut transaction = self.database.begin().await?;
        let before = store::lock(&mut transaction, &caller.tenant, &found.id)
            .await?
            .ok_or_else(Problem::not_found)?;
        if !before.is_active() {
            return Err(Problem::new(catalogue::NOT_ACTIVE));
        }
        if before.is_paused() == reason.is_some() {
            return Ok(shown(before));
        }
        store::set_paused(&mut transaction, &found.id, reason).await?;
        let after = relock(&mut transaction, caller, &before).await?;
        state_watch::settle(&mut transaction, &after).await?;
        let action = if reason.is_some() {
            "connection.pause"
        } else {
            "connection.resume"
        };
        note(&mut transaction, caller, action, &before, &after).await?;
        transaction.commit().await?;
        self.publish_soon(&found.id).await;
        Ok(shown(self.reload(caller, &found.id).await?))
    }
}

/// The row after a change, in the transaction that made it.
async fn relock(
    transaction: &mut storelink_persistence::Transaction,
    caller: &Caller,
    before: &Connection,
) -> Answer<Connection> {
    store::lock(transaction, &caller.tenant, &before.id)
        .await?
        .ok_or_else(Problem::not_found)
}

async fn note(
    transaction: &mut storelink_persistence::Transaction,
    caller: &Caller,
    action: &str,
    before: &Connection,
    after: &Connection,
) -> Answer<()> {
    let (was, is) = (before.audit_text(), after.audit_text());
    let (actor, id) = (caller.actor(), before.id.as_str());
    Ok(audit::note(transaction, &actor, action, id, Some(&was), Some(&is)).await?)
}
