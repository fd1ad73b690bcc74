//! The audit log, for administrators.

use axum::extract::State;
use serde::Serialize;
use storelink_model::Timestamp;
use utoipa::ToSchema;

use super::caller::Caller;
use super::extract::QueryOf;
use super::page::{self, Listed, PageQuery};
use crate::audit::{self, Entry};
use crate::cursors;
use crate::problem::Answer;
use crate::registry::Shared;

/// One change.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": "aud_01980f6e1f4a7d0c9b1e2a3b4c5d6e7f", "at": "2026-11-22T06:30:00Z",
    "token": "tok_01980f6e1f4a7d0c9b1e2a3b4c5d6e7f", "action": "connection.pause",
    "object": "con_01980f6e1f4a7d0c9b1e2a3b4c5d6e7f", "before_hash": "9f…", "after_hash": "0b…"
}))]
pub(crate) struct AuditView {
    /// Its id.
    id: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// By which token, or `command-line`.
    token: String,
    /// What was done.
    action: String,
    /// To what.
    object: String,
    /// SHA-256 of what it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    before_hash: Option<String>,
    /// SHA-256 of what it became.
    #[serde(skip_serializing_if = "Option::is_none")]
    after_hash: Option<String>,
}

/// List changes
#[utoipa::path(get, path = "/v1/audit", operation_id = "list_changes", tag = "tokens", params(PageQuery),
    responses((status = 200, description = "A page, newest first", body = Listed<AuditView>)))]
pub(crate) async fn list(
    State(registry): State<Shared>,
    caller: Caller,
    QueryOf(query): QueryOf<PageQuery>,
) -> Answer<Listed<AuditView>> {
    let list_name = page::list_name(&caller.tenant, "/v1/audit", &[]);
    let limit = query.request().limit()?;
    let before: Option<String> = query.request().place(&registry.key, &list_name)?;
    let before = before.unwrap_or_default();
    let wanted = i64::from(limit) + 1;
    let mut rows = audit::list(&registry.database, &caller.tenant, &before, wanted).await?;
    let next = page::cut(&mut rows, limit)
        .map(|last| cursors::cursor(&registry.key, &list_name, &last.id));
    let items = rows.into_iter().map(Into::into).collect();
    Ok(Listed::new(
        items,
        next,
        page::address("/v1/audit", &[], query.limit),
    ))
}

impl From<Entry> for AuditView {
    fn from(entry: Entry) -> Self {
        Self {
            id: entry.id,
            at: entry.happened,
            token: entry.token,
            action: entry.action,
            object: entry.object,
            before_hash: entry.before_hash,
            after_hash: entry.after_hash,
        }
    }
}
