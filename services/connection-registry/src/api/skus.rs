//! One SKU of one connection: what the ERP says, what the store should show, what it confirmed.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use storelink_bus::rpc::RpcError;
use storelink_events::internal::Listing;
use storelink_events::rpc::{ErpValue, HeldBack, SkuAnswer, SkuQuestion};
use storelink_model::{Sku, Timestamp};
use utoipa::ToSchema;

use super::extract::{OwnConnection, Params};
use super::parked::ParkedView;
use crate::problem::{Answer, Problem};
use crate::questions;
use crate::registry::Shared;

/// Everything about one SKU of one connection.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "sku": "MUG-01",
    "stock": {"unavailable": false, "erp": [{"source": "main", "value": "37", "version": 1842,
        "time": "2026-11-22T06:30:00Z"}], "wanted": "35", "confirmed": "35",
        "confirmed_at": "2026-11-22T06:30:01Z", "dirty": false,
        "holds": [{"id": "hld_01980f6e1f4a7d0c9b1e2a3b4c5d6e7f", "quantity": "2"}]},
    "price": {"unavailable": true, "erp": [], "dirty": false},
    "listing": {"unavailable": false, "product": "42", "variation": "43"}
}))]
pub(crate) struct SkuView {
    /// The SKU.
    #[schema(value_type = String)]
    sku: Sku,
    /// Its stock.
    stock: ValueView,
    /// Its price.
    price: ValueView,
    /// Where it is in the store.
    listing: ListingView,
}

/// One kind of value of a SKU.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct ValueView {
    /// True when the service that knows it did not answer: nothing else here counts then.
    unavailable: bool,
    /// The ERP's values by warehouse or price list.
    erp: Vec<ErpValueView>,
    /// What the store should show; none when nothing is published.
    #[serde(skip_serializing_if = "Option::is_none")]
    wanted: Option<String>,
    /// What the store confirmed last.
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmed: Option<String>,
    /// When it confirmed that.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    confirmed_at: Option<Timestamp>,
    /// Whether it waits to be written.
    dirty: bool,
    /// Why it waits, or why nothing is published.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The parked item, when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    parked: Option<ParkedView>,
    /// What is kept back now of the ERP's values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    holds: Vec<HeldBackView>,
}

/// A hold that counts now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HeldBackView {
    /// The hold's id.
    id: String,
    /// How much it keeps back.
    quantity: String,
    /// When it is over; never by itself when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
}

/// One value of the ERP.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErpValueView {
    /// Warehouse or price list.
    source: String,
    /// The value.
    value: String,
    /// Its revision, or microseconds since 1970.
    version: i64,
    /// When the ERP's event happened.
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
}

/// Where a SKU is in the store.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct ListingView {
    /// True when the catalogue did not answer.
    unavailable: bool,
    /// The store's id of the product; none when the store has no such SKU.
    #[serde(skip_serializing_if = "Option::is_none")]
    product: Option<String>,
    /// The store's id of the variation.
    #[serde(skip_serializing_if = "Option::is_none")]
    variation: Option<String>,
    /// Why no stock is written for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    stock_blocked: Option<String>,
    /// Why no price is written for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    price_blocked: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct SkuPath {
    sku: String,
}

/// Explain one SKU
///
/// A service that does not answer within two seconds leaves its part marked as unavailable.
#[utoipa::path(get, path = "/v1/connections/{id}/skus/{sku}", operation_id = "explain_sku", tag = "connections",
    params(("id" = String, Path, description = "The connection"),
        ("sku" = String, Path, description = "The SKU, percent-encoded")),
    responses((status = 200, description = "What is known of it", body = SkuView)))]
pub(crate) async fn read(
    State(registry): State<Shared>,
    OwnConnection(connection): OwnConnection,
    Params(path): Params<SkuPath>,
) -> Answer<Json<SkuView>> {
    let sku: Sku = path.sku.parse().map_err(|_| Problem::not_found())?;
    let question = SkuQuestion {
        connection: connection.id.clone(),
        sku: sku.clone(),
    };
    let (stock, price, listing) = tokio::join!(
        registry.ask_sku(questions::STOCK, &question),
        registry.ask_sku(questions::PRICES, &question),
        registry.ask_listing(&question),
    );
    Ok(Json(SkuView {
        sku,
        stock: ValueView::from(stock),
        price: ValueView::from(price),
        listing: ListingView::from(listing),
    }))
}

impl From<Result<SkuAnswer, RpcError>> for ValueView {
    fn from(answer: Result<SkuAnswer, RpcError>) -> Self {
        let Ok(answer) = answer else {
            return Self {
                unavailable: true,
                ..Self::default()
            };
        };
        Self {
            unavailable: false,
            erp: answer.erp.into_iter().map(Into::into).collect(),
            wanted: answer.wanted,
            confirmed: answer.confirmed,
            confirmed_at: answer.confirmed_at,
            dirty: answer.dirty,
            reason: answer.reason,
            parked: answer.parked.map(Into::into),
            holds: answer.holds.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<HeldBack> for HeldBackView {
    fn from(held: HeldBack) -> Self {
        Self {
            id: held.id,
            quantity: held.quantity,
            until: held.until,
        }
    }
}

impl From<ErpValue> for ErpValueView {
    fn from(value: ErpValue) -> Self {
        Self {
            source: value.source,
            value: value.value,
            version: value.version,
            time: value.time,
        }
    }
}

impl From<Result<Option<Listing>, RpcError>> for ListingView {
    fn from(answer: Result<Option<Listing>, RpcError>) -> Self {
        match answer {
            Err(_) => Self {
                unavailable: true,
                ..Self::default()
            },
            Ok(None) => Self::default(),
            Ok(Some(listing)) => Self {
                unavailable: false,
                product: Some(listing.ids.product),
                variation: listing.ids.variation,
                stock_blocked: listing.stock_blocked.map(super::status::blocked),
                price_blocked: listing.price_blocked.map(super::status::blocked),
            },
        }
    }
}
