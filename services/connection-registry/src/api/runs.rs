//! The runs of a connection.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use storelink_model::Timestamp;
use utoipa::{IntoParams, ToSchema};

use super::caller::Caller;
use super::extract::{OwnConnection, QueryOf};
use super::page::{self, Listed, PageQuery};
use crate::cursors;
use crate::problem::{Answer, Problem, catalogue};
use crate::registry::Shared;
use crate::runs::{self, Run};
use crate::schedules;

/// One run.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": "run_01980f6e1f4a7d0c9b1e2a3b4c5d6e7f", "entity": "orders", "cause": "schedule",
    "full": false, "state": "succeeded", "created": "2026-11-22T06:30:00Z",
    "queued": "2026-11-22T06:30:00Z", "started": "2026-11-22T06:30:01Z",
    "finished": "2026-11-22T06:30:03Z", "read": 12, "changed": 12, "failed": 0,
    "watermark": "2026-11-22T06:20:00Z", "needs_attention": false
}))]
pub(crate) struct RunView {
    /// Its id.
    id: String,
    /// What was read.
    entity: String,
    /// `schedule` or `manual`.
    cause: String,
    /// Whether everything was read again.
    full: bool,
    /// `pending`, `queued`, `succeeded`, `failed` or `lost` (its job vanished without a report; the
    /// next run makes up for it).
    state: String,
    /// When it was decided.
    #[schema(value_type = String, format = DateTime)]
    created: Timestamp,
    /// When its job was in the queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    queued: Option<Timestamp>,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    started: Option<Timestamp>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    finished: Option<Timestamp>,
    /// How many objects were read.
    #[serde(skip_serializing_if = "Option::is_none")]
    read: Option<i64>,
    /// How many of them were handed on.
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<i64>,
    /// How many could not be understood.
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<i64>,
    /// Up to where everything is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    watermark: Option<Timestamp>,
    /// Stable code of the error that ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<String>,
    /// The error in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_text: Option<String>,
    /// Whether a person must act.
    needs_attention: bool,
}

/// Which runs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RunsQuery {
    /// Where to go on: `next` of the page before.
    cursor: Option<String>,
    /// How many, 1 to 500; 50 when left out.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// Only of this entity.
    entity: Option<String>,
}

/// List runs
#[utoipa::path(get, path = "/v1/connections/{id}/runs", operation_id = "list_runs", tag = "schedules",
    params(("id" = String, Path, description = "The connection"), RunsQuery),
    responses((status = 200, description = "A page, newest first", body = Listed<RunView>)))]
pub(crate) async fn list(
    State(registry): State<Shared>,
    caller: Caller,
    OwnConnection(connection): OwnConnection,
    QueryOf(query): QueryOf<RunsQuery>,
) -> Answer<Listed<RunView>> {
    let descriptor = registry.adapter_of(&connection)?.descriptor();
    let entity = query.entity.as_deref();
    if entity.is_some_and(|entity| schedules::entity(descriptor, entity).is_none()) {
        return Err(Problem::new(catalogue::QUERY_INVALID).detail("no such entity"));
    }
    let path = format!("/v1/connections/{}/runs", connection.id);
    let filters = [("entity", entity)];
    let list_name = page::list_name(&caller.tenant, &path, &filters);
    let page = PageQuery {
        cursor: query.cursor,
        limit: query.limit,
    };

    let limit = page.request().limit()?;
    let before: Option<String> = page.request().place(&registry.key, &list_name)?;
    let before = before.unwrap_or_default();
    let wanted = i64::from(limit) + 1;
    let mut rows = runs::list(&registry.database, &connection.id, entity, &before, wanted).await?;
    let next = page::cut(&mut rows, limit)
        .map(|last| cursors::cursor(&registry.key, &list_name, &last.id));
    let items = rows.into_iter().map(Into::into).collect();
    Ok(Listed::new(
        items,
        next,
        page::address(&path, &filters, page.limit),
    ))
}

impl From<Run> for RunView {
    fn from(run: Run) -> Self {
        Self {
            id: run.id,
            entity: run.entity,
            cause: run.cause,
            full: run.full,
            state: run.state,
            created: run.created,
            queued: run.queued,
            started: run.started,
            finished: run.finished,
            read: run.read,
            changed: run.changed,
            failed: run.failed,
            watermark: run.watermark,
            error_code: run.error_code,
            error_text: run.error_text,
            needs_attention: run.needs_attention,
        }
    }
}
