//! Holds: quantities that are kept back from what is published.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use storelink_model::{ConnectionId, Quantity, Sku, Timestamp};
use utoipa::{IntoParams, ToSchema};

use super::caller::Caller;
use super::extract::{Params, QueryOf};
use super::json::Body;
use super::page::{self, Listed, PageQuery};
use super::text::label;
use crate::connections::store;
use crate::holds::{self, Hold, NewHold};
use crate::problem::{Answer, FieldError, Problem, catalogue};
use crate::registry::Shared;
use crate::{audit, cursors, ids};

/// Connections that one hold may name.
const MOST_CONNECTIONS: usize = 100;

/// A hold.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": "hld_01980f6e1f4a7d0c9b1e2a3b4c5d6e7f", "sku": "MUG-01", "quantity": "12",
    "until": "2026-11-30T22:59:00Z", "reason": "Fair in Graz", "created": "2026-11-22T06:30:00Z"
}))]
pub(crate) struct HoldView {
    /// Its id.
    id: String,
    /// Which SKU is kept back.
    #[schema(value_type = String)]
    sku: Sku,
    /// How much.
    #[schema(value_type = String)]
    quantity: Quantity,
    /// From which connections; from all of the tenant when left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    connections: Vec<ConnectionId>,
    /// When it is over; never by itself when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    /// Why, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// When it was set.
    #[schema(value_type = String, format = DateTime)]
    created: Timestamp,
}

/// What is to be kept back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"sku": "MUG-01", "quantity": "12", "until": "2999-11-30T22:59:00Z",
    "reason": "Fair in Graz"}))]
pub(crate) struct WantedHold {
    /// Which SKU.
    #[schema(value_type = String)]
    sku: Sku,
    /// How much, above zero.
    #[schema(value_type = String)]
    quantity: Quantity,
    /// From which connections, up to 100; from all of the tenant when left out.
    #[serde(default)]
    #[schema(value_type = Vec<String>, max_items = 100)]
    connections: Vec<ConnectionId>,
    /// When it is over, in the future; never by itself when left out.
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    /// Why, in words, for those who wonder later; up to 500 characters.
    #[schema(max_length = 500)]
    reason: Option<String>,
}

/// Which holds.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct BySku {
    /// Where to go on: `next` of the page before.
    cursor: Option<String>,
    /// How many, 1 to 500; 50 when left out.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// Only of this SKU.
    sku: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct HoldPath {
    id: String,
}

/// List holds
///
/// Those that count now, oldest first. A hold whose time is over is not listed any more.
#[utoipa::path(get, path = "/v1/holds", operation_id = "list_holds", tag = "holds", params(BySku),
    responses((status = 200, description = "A page, oldest first", body = Listed<HoldView>)))]
pub(crate) async fn list(
    State(registry): State<Shared>,
    caller: Caller,
    QueryOf(query): QueryOf<BySku>,
) -> Answer<Listed<HoldView>> {
    let sku: Option<Sku> = query
        .sku
        .as_deref()
        .map(|text| {
            text.parse().map_err(|error| {
                Problem::new(catalogue::QUERY_INVALID).detail(format!("`sku`: {error}"))
            })
        })
        .transpose()?;
    let filters = [("sku", query.sku.as_deref())];
    let list_name = page::list_name(&caller.tenant, "/v1/holds", &filters);
    let page = PageQuery {
        cursor: query.cursor,
        limit: query.limit,
    };
    let limit = page.request().limit()?;
    let after: Option<String> = page.request().place(&registry.key, &list_name)?;
    let mut rows = holds::list(
        &registry.database,
        &caller.tenant,
        sku.as_ref(),
        &after.unwrap_or_default(),
        i64::from(limit) + 1,
    )
    .await?;
    let next = page::cut(&mut rows, limit)
        .map(|last| cursors::cursor(&registry.key, &list_name, &last.id));
    let items = rows.into_iter().map(Into::into).collect();
    let address = page::address("/v1/holds", &filters, page.limit);
    Ok(Listed::new(items, next, address))
}

/// Keep a quantity back
///
/// What is published of the SKU becomes less by it, and never below zero, until the hold is cancelled
/// or its time is over. Several holds of a SKU add up.
#[utoipa::path(post, path = "/v1/holds", operation_id = "create_hold", tag = "holds", request_body = WantedHold,
    responses((status = 201, description = "The hold", body = HoldView)))]
pub(crate) async fn create(
    State(registry): State<Shared>,
    caller: Caller,
    Body(wanted): Body<WantedHold>,
) -> Answer<Response> {
    let new = checked(&registry, &caller, wanted).await?;
    let sku = new.sku.clone();
    let mut transaction = registry.database.begin().await?;
    let hold = holds::add(&mut transaction, &caller.tenant, new)
        .await?
        .ok_or_else(|| Problem::new(catalogue::HOLDS_TOO_MANY))?;
    audit::note(
        &mut transaction,
        &caller.actor(),
        "hold.create",
        &hold.id,
        None,
        Some(&hold.audit_text()),
    )
    .await?;
    transaction.commit().await?;
    registry.publish_holds_soon(&caller.tenant, &sku).await;
    Ok((StatusCode::CREATED, Json(HoldView::from(hold))).into_response())
}

/// Cancel a hold
#[utoipa::path(delete, path = "/v1/holds/{id}", operation_id = "cancel_hold", tag = "holds",
    params(("id" = String, Path, description = "The hold")),
    responses((status = 204, description = "It keeps nothing back any more")))]
pub(crate) async fn cancel(
    State(registry): State<Shared>,
    caller: Caller,
    Params(path): Params<HoldPath>,
) -> Answer<StatusCode> {
    if !ids::is_id("hld", &path.id) {
        return Err(Problem::not_found());
    }
    let mut transaction = registry.database.begin().await?;
    let hold = holds::remove(&mut transaction, &caller.tenant, &path.id)
        .await?
        .ok_or_else(Problem::not_found)?;
    audit::note(
        &mut transaction,
        &caller.actor(),
        "hold.cancel",
        &hold.id,
        Some(&hold.audit_text()),
        None,
    )
    .await?;
    transaction.commit().await?;
    registry.publish_holds_soon(&caller.tenant, &hold.sku).await;
    Ok(StatusCode::NO_CONTENT)
}

async fn checked(registry: &Shared, caller: &Caller, wanted: WantedHold) -> Answer<NewHold> {
    let mut errors = Vec::new();
    if wanted.quantity <= Quantity::ZERO {
        let detail = "it must be above zero";
        errors.push(FieldError::new("/quantity", "hold.quantity", detail));
    }
    if wanted.until.is_some_and(|until| until <= Timestamp::now()) {
        errors.push(FieldError::new(
            "/until",
            "hold.until",
            "it is over already",
        ));
    }
    let reason = wanted
        .reason
        .map(|reason| label("/reason", &reason, 500, &mut errors));
    if wanted.connections.len() > MOST_CONNECTIONS {
        let detail = format!("it may name {MOST_CONNECTIONS} at most");
        errors.push(FieldError::new("/connections", "hold.connections", detail));
    }
    let mut connections: Vec<ConnectionId> = Vec::new();
    for (place, id) in wanted.connections.iter().take(MOST_CONNECTIONS).enumerate() {
        let known = store::get(&registry.database, &caller.tenant, id).await?;
        if known.is_none() {
            let (pointer, detail) = (
                format!("/connections/{place}"),
                "there is no such connection",
            );
            errors.push(FieldError::new(pointer, "hold.connection_unknown", detail));
        }
        if !connections.contains(id) {
            connections.push(id.clone());
        }
    }
    if !errors.is_empty() {
        return Err(Problem::new(catalogue::INVALID).errors(errors));
    }
    Ok(NewHold {
        sku: wanted.sku,
        quantity: wanted.quantity,
        connections,
        until: wanted.until,
        reason,
    })
}

impl From<Hold> for HoldView {
    fn from(hold: Hold) -> Self {
        Self {
            id: hold.id,
            sku: hold.sku,
            quantity: hold.quantity,
            connections: hold.connections,
            until: hold.until,
            reason: hold.reason,
            created: hold.created,
        }
    }
}
