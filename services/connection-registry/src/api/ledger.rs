//! What was written to stores and what came from them: receipts and orders, asked of their owners.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use storelink_events::rpc::{OrderSummary, OrdersQuestion, PageQuestion, Receipt};
use storelink_model::{ConnectionId, OrderId, Timestamp};
use utoipa::{IntoParams, ToSchema};

use super::caller::Caller;
use super::extract::QueryOf;
use super::merged::{Wanted, merged};
use super::page::{self, Listed, PageQuery};
use super::parked::{ByConnection, connection_of};
use crate::cursors;
use crate::problem::{Answer, Problem, catalogue};
use crate::questions;
use crate::registry::Shared;

/// One write request and what became of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": "rcp_1", "connection": "con_01980f6e1f4a7d0c9b1e2a3b4c5d6e7f", "entity": "stock",
    "started": "2026-11-22T06:30:00Z", "completed": "2026-11-22T06:30:01Z",
    "items": [{"sku": "MUG-01", "value": "35", "outcome": "confirmed"}]
}))]
pub(crate) struct ReceiptView {
    /// Its id.
    id: String,
    /// To which connection.
    #[schema(value_type = String)]
    connection: ConnectionId,
    /// `stock` or `price`.
    entity: String,
    /// When it left.
    #[schema(value_type = String, format = DateTime)]
    started: Timestamp,
    /// When the answer was there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    completed: Option<Timestamp>,
    /// Stable code of the failure, when it failed as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<String>,
    /// What it wrote.
    items: Vec<ReceiptItemView>,
}

/// One value of a write request.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReceiptItemView {
    /// Which article.
    sku: String,
    /// What was sent.
    value: String,
    /// `confirmed`, `rejected`, `unknown` or `under_way`.
    outcome: String,
}

/// An order in the ledger.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": "ord_01980f6e1f4a7d0c9b1e2a3b4c5d6e7f",
    "connection": "con_01980f6e1f4a7d0c9b1e2a3b4c5d6e7f", "external_id": "1201",
    "number": "1201", "revision": 2, "state": "open", "total": "24.40 EUR",
    "first_seen": "2026-11-22T06:30:00Z", "changed": "2026-11-22T06:35:00Z", "published": 2
}))]
pub(crate) struct OrderView {
    /// Our id.
    #[schema(value_type = String)]
    id: OrderId,
    /// From which store.
    #[schema(value_type = String)]
    connection: ConnectionId,
    /// The store's id.
    external_id: String,
    /// The number that people see.
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<String>,
    /// Its revision.
    revision: u64,
    /// `open`, `cancelled`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    /// Total with currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<String>,
    /// When it was seen first.
    #[schema(value_type = String, format = DateTime)]
    first_seen: Timestamp,
    /// When its content last changed.
    #[schema(value_type = String, format = DateTime)]
    changed: Timestamp,
    /// Revisions whose events are published.
    published: u64,
    /// Why it waits, when it is parked.
    #[serde(skip_serializing_if = "Option::is_none")]
    parked: Option<String>,
}

/// Which orders.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct OrdersQuery {
    /// Where to go on: `next` of the page before.
    cursor: Option<String>,
    /// How many, 1 to 500; 50 when left out.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// Only of this connection.
    connection: Option<String>,
    /// Only with this number or id of the store.
    number: Option<String>,
}

/// List receipts
///
/// The write requests to stores with what they answered: first those of stock, then those of prices,
/// each in the order of its publisher.
#[utoipa::path(get, path = "/v1/receipts", operation_id = "list_receipts", tag = "ledger", params(ByConnection),
    responses((status = 200, description = "A page", body = Listed<ReceiptView>)))]
pub(crate) async fn receipts(
    State(registry): State<Shared>,
    caller: Caller,
    QueryOf(query): QueryOf<ByConnection>,
) -> Answer<Listed<ReceiptView>> {
    let connection = connection_of(query.connection.as_deref())?;
    let filters = [("connection", query.connection.as_deref())];
    let list_name = page::list_name(&caller.tenant, "/v1/receipts", &filters);
    let page = PageQuery {
        cursor: query.cursor,
        limit: query.limit,
    };
    let limit = page.request().limit()?;
    let services = [questions::STOCK, questions::PRICES];
    let places = page.request().place(&registry.key, &list_name)?;
    let wanted = Wanted {
        tenant: caller.tenant.clone(),
        connection,
        limit,
    };
    let ask = |service, question: PageQuestion| {
        let registry = &registry;
        async move { registry.ask_receipts(service, &question).await }
    };
    let merged = merged(&services, places, wanted, ask).await;
    let address = page::address("/v1/receipts", &filters, page.limit);
    let next = merged
        .places
        .map(|places| cursors::cursor(&registry.key, &list_name, &places));
    let items = merged.items.into_iter().map(Into::into).collect();
    Ok(Listed {
        unavailable: merged.unavailable,
        ..Listed::new(items, next, address)
    })
}

/// List orders
#[utoipa::path(get, path = "/v1/orders", operation_id = "list_orders", tag = "ledger", params(OrdersQuery),
    responses((status = 200, description = "A page", body = Listed<OrderView>)))]
pub(crate) async fn orders(
    State(registry): State<Shared>,
    caller: Caller,
    QueryOf(query): QueryOf<OrdersQuery>,
) -> Answer<Listed<OrderView>> {
    let connection = connection_of(query.connection.as_deref())?;
    let number = query.number.as_deref();
    if number.is_some_and(|number| number.len() > 200 || number.chars().any(char::is_control)) {
        return Err(
            Problem::new(catalogue::QUERY_INVALID).detail("`number` is no number of an order")
        );
    }
    let filters = [
        ("connection", query.connection.as_deref()),
        ("number", number),
    ];
    let list_name = page::list_name(&caller.tenant, "/v1/orders", &filters);
    let page = PageQuery {
        cursor: query.cursor,
        limit: query.limit,
    };
    let question = OrdersQuestion {
        page: PageQuestion {
            tenant: caller.tenant.clone(),
            connection,
            after: page.request().place(&registry.key, &list_name)?,
            limit: page.request().limit()?,
        },
        number: query.number.clone(),
    };
    let answer = registry.ask_orders(&question).await?;
    let next = answer
        .next
        .map(|next| cursors::cursor(&registry.key, &list_name, &next));
    let items = answer.items.into_iter().map(Into::into).collect();
    Ok(Listed::new(
        items,
        next,
        page::address("/v1/orders", &filters, page.limit),
    ))
}

impl From<Receipt> for ReceiptView {
    fn from(receipt: Receipt) -> Self {
        Self {
            id: receipt.id,
            connection: receipt.connection,
            entity: receipt.entity,
            started: receipt.started,
            completed: receipt.completed,
            error_code: receipt.error_code,
            items: receipt
                .items
                .into_iter()
                .map(|item| ReceiptItemView {
                    sku: item.sku.into(),
                    value: item.value,
                    outcome: item.outcome,
                })
                .collect(),
        }
    }
}

impl From<OrderSummary> for OrderView {
    fn from(order: OrderSummary) -> Self {
        Self {
            id: order.id,
            connection: order.connection,
            external_id: order.external_id,
            number: order.number,
            revision: order.revision,
            state: order.state,
            total: order.total,
            first_seen: order.first_seen,
            changed: order.changed,
            published: order.published,
            parked: order.parked,
        }
    }
}
