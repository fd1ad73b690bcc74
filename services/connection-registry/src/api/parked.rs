//! Items that wait for a person, of all services in one list.

use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use storelink_events::rpc::{PageQuestion, Parked};
use storelink_model::{ConnectionId, Timestamp};
use utoipa::{IntoParams, ToSchema};

use super::caller::Caller;
use super::extract::{Params, QueryOf};
use super::merged::{Wanted, merged};
use super::page::{self, Listed, PageQuery};
use crate::audit;
use crate::cursors;
use crate::problem::{Answer, Problem, catalogue};
use crate::questions::PARKING;
use crate::registry::Shared;

/// An item that waits for a person.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": "01980f6e1f4a7d0c9b1e2a3b4c5d6e7f", "entity": "stock", "sku": "MUG-01",
    "connection": "con_01980f6e1f4a7d0c9b1e2a3b4c5d6e7f", "code": "woocommerce.item_refused",
    "text": "The store refused the value.", "since": "2026-11-22T06:30:00Z"
}))]
pub(crate) struct ParkedView {
    /// Its id.
    id: String,
    /// Of which connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    connection: Option<ConnectionId>,
    /// `stock`, `price`, `order`, …
    entity: String,
    /// Which article.
    #[serde(skip_serializing_if = "Option::is_none")]
    sku: Option<String>,
    /// Which order of the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
    /// Stable code.
    code: String,
    /// Why, in words.
    text: String,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
}

/// Which items.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ByConnection {
    /// Where to go on: `next` of the page before.
    pub(crate) cursor: Option<String>,
    /// How many, 1 to 500; 50 when left out.
    #[param(minimum = 1, maximum = 500)]
    pub(crate) limit: Option<u32>,
    /// Only of this connection.
    pub(crate) connection: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct ItemPath {
    id: String,
}

/// List parked items
///
/// The lists of all services, one after the other. Services that do not answer are named in
/// `unavailable`.
#[utoipa::path(get, path = "/v1/parked", operation_id = "list_parked", tag = "parked", params(ByConnection),
    responses((status = 200, description = "A page", body = Listed<ParkedView>)))]
pub(crate) async fn list(
    State(registry): State<Shared>,
    caller: Caller,
    QueryOf(query): QueryOf<ByConnection>,
) -> Answer<Listed<ParkedView>> {
    let connection = connection_of(query.connection.as_deref())?;
    let filters = [("connection", query.connection.as_deref())];
    let list_name = page::list_name(&caller.tenant, "/v1/parked", &filters);
    let page = PageQuery {
        cursor: query.cursor,
        limit: query.limit,
    };
    let limit = page.request().limit()?;
    let places = page.request().place(&registry.key, &list_name)?;
    let wanted = Wanted {
        tenant: caller.tenant.clone(),
        connection,
        limit,
    };
    let ask = |service, question: PageQuestion| {
        let registry = &registry;
        async move { registry.ask_parked(service, &question).await }
    };
    let merged = merged(&PARKING, places, wanted, ask).await;
    let address = page::address("/v1/parked", &filters, page.limit);
    let next = merged
        .places
        .map(|places| cursors::cursor(&registry.key, &list_name, &places));
    let items = merged.items.into_iter().map(Into::into).collect();
    Ok(Listed {
        unavailable: merged.unavailable,
        ..Listed::new(items, next, address)
    })
}

/// Try a parked item again
///
/// The item leaves the list when it succeeds, and comes back with a new reason when it fails.
#[utoipa::path(post, path = "/v1/parked/{id}/retry", operation_id = "retry_parked", tag = "parked",
    params(("id" = String, Path, description = "The item")),
    responses((status = 202, description = "It is tried again")))]
pub(crate) async fn retry(
    State(registry): State<Shared>,
    caller: Caller,
    Params(path): Params<ItemPath>,
) -> Answer<StatusCode> {
    if path.id.is_empty() || path.id.len() > 128 || !path.id.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Problem::not_found());
    }
    let asked = PARKING.map(|service| registry.ask_retry(service, &caller.tenant, &path.id));
    let answers = futures::future::join_all(asked).await;
    if !answers
        .iter()
        .any(|answer| answer.as_ref().is_ok_and(|retried| retried.found))
    {
        let all_answered = answers.iter().all(Result::is_ok);
        return Err(if all_answered {
            Problem::not_found()
        } else {
            Problem::new(catalogue::SERVICE_UNAVAILABLE)
        });
    }
    let mut transaction = registry.database.begin().await?;
    audit::note(
        &mut transaction,
        &caller.actor(),
        "parked.retry",
        &path.id,
        None,
        None,
    )
    .await?;
    transaction.commit().await?;
    Ok(StatusCode::ACCEPTED)
}

/// The connection that a filter names.
pub(crate) fn connection_of(text: Option<&str>) -> Answer<Option<ConnectionId>> {
    text.map(|text| {
        text.parse().map_err(|_| {
            Problem::new(catalogue::QUERY_INVALID).detail("`connection` is no id of a connection")
        })
    })
    .transpose()
}

impl From<Parked> for ParkedView {
    fn from(parked: Parked) -> Self {
        Self {
            id: parked.id,
            connection: parked.connection,
            entity: parked.entity,
            sku: parked.sku.map(String::from),
            external_id: parked.external_id,
            code: parked.code,
            text: parked.text,
            since: parked.since,
        }
    }
}
