//! The caller's tenant, and the switch that stops all its writes.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use storelink_model::{TenantId, Timestamp};
use utoipa::ToSchema;

use super::caller::Caller;
use super::json::Body;
use super::lifecycle::PauseReason;
use super::text::label;
use super::views::PausedView;
use crate::connections::store;
use crate::problem::{Answer, Problem, catalogue};
use crate::registry::{Registry, Shared};
use crate::{audit, tenants};

/// A tenant.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": "default", "connections": 5, "created": "2026-11-22T06:00:00Z",
    "writes_paused": {"since": "2026-11-22T06:30:00Z", "reason": "Stock-taking"}
}))]
pub(crate) struct TenantView {
    /// Its id.
    #[schema(value_type = String)]
    id: TenantId,
    /// How many active connections it has.
    connections: i64,
    /// Since when and why nothing is written to any store; none while writes go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    writes_paused: Option<PausedView>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created: Timestamp,
}

/// Read the tenant
#[utoipa::path(get, path = "/v1/tenant", operation_id = "read_tenant", tag = "tenant",
    responses((status = 200, description = "The tenant of the token", body = TenantView)))]
pub(crate) async fn read(
    State(registry): State<Shared>,
    caller: Caller,
) -> Answer<Json<TenantView>> {
    registry.tenant(&caller).await
}

/// Stop all writes
///
/// Nothing is written to any store of the tenant. Reading goes on; changes wait.
#[utoipa::path(post, path = "/v1/tenant/pause-writes", operation_id = "pause_writes", tag = "tenant", request_body = PauseReason,
    responses((status = 200, description = "The tenant", body = TenantView)))]
pub(crate) async fn pause_writes(
    State(registry): State<Shared>,
    caller: Caller,
    Body(pause): Body<PauseReason>,
) -> Answer<Json<TenantView>> {
    let mut errors = Vec::new();
    let reason = label("/reason", &pause.reason, 500, &mut errors);
    if !errors.is_empty() {
        return Err(Problem::new(catalogue::INVALID).errors(errors));
    }
    registry.set_writes_paused(&caller, Some(&reason)).await
}

/// Let writes go on
#[utoipa::path(post, path = "/v1/tenant/resume-writes", operation_id = "resume_writes", tag = "tenant",
    responses((status = 200, description = "The tenant", body = TenantView)))]
pub(crate) async fn resume_writes(
    State(registry): State<Shared>,
    caller: Caller,
) -> Answer<Json<TenantView>> {
    registry.set_writes_paused(&caller, None).await
}

impl Registry {
    async fn set_writes_paused(
        &self,
        caller: &Caller,
        reason: Option<&str>,
    ) -> Answer<Json<TenantView>> {
        let mut transaction = self.database.begin().await?;
        if tenants::pause_writes(&mut transaction, &caller.tenant, reason).await? {
            let (action, was, is) = match reason {
                Some(_) => ("tenant.pause_writes", "writing", "paused"),
                None => ("tenant.resume_writes", "paused", "writing"),
            };
            let (actor, object) = (caller.actor(), caller.tenant.as_str());
            audit::note(
                &mut transaction,
                &actor,
                action,
                object,
                Some(was),
                Some(is),
            )
            .await?;
        }
        transaction.commit().await?;
        self.publish_tenant_soon(&caller.tenant).await;
        self.tenant(caller).await
    }

    async fn tenant(&self, caller: &Caller) -> Answer<Json<TenantView>> {
        let tenant = tenants::get(&self.database, &caller.tenant)
            .await?
            .ok_or_else(Problem::not_found)?;
        let connections = store::count(&self.database, &caller.tenant).await?;
        let writes_paused = tenant.writes_paused_since.filter(|_| tenant.writes_paused);
        let reason = tenant.writes_paused_reason.unwrap_or_default();
        Ok(Json(TenantView {
            id: tenant.id,
            connections,
            writes_paused: writes_paused.map(|since| PausedView { since, reason }),
            created: tenant.created,
        }))
    }
}
