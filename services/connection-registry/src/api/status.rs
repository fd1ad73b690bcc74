//! How far a connection is: lanes, catalogue, last runs.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use storelink_bus::rpc::RpcError;
use storelink_events::internal::Blocked;
use storelink_events::rpc::{CatalogStatus, LaneStatus};
use storelink_model::Timestamp;
use utoipa::ToSchema;

use super::extract::OwnConnection;
use super::runs::RunView;
use super::views::StateView;
use crate::problem::Answer;
use crate::registry::Shared;
use crate::{questions, runs};

/// How far a connection is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "state": {"state": "healthy", "since": "2026-11-22T06:30:00Z"},
    "stock": {"unavailable": false, "running": true, "listed": 1000, "dirty": 0, "parked": 0,
        "last_confirmed": "2026-11-22T06:30:01Z"},
    "prices": {"unavailable": true, "running": false, "listed": 0, "dirty": 0, "parked": 0},
    "catalog": {"unavailable": false, "linked": 1000, "duplicate_codes": [], "missing_codes": 0,
        "blocked": []},
    "runs": []
}))]
pub(crate) struct StatusView {
    /// The state with its cause.
    state: StateView,
    /// The writing of stock.
    stock: LaneView,
    /// The writing of prices.
    prices: LaneView,
    /// The articles that are linked.
    catalog: CatalogView,
    /// The last finished run of each entity.
    runs: Vec<RunView>,
}

/// How far a publisher is with a connection.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct LaneView {
    /// True when the publisher did not answer: nothing else here counts then.
    unavailable: bool,
    /// Whether some process runs it.
    running: bool,
    /// SKUs that are written.
    listed: u64,
    /// SKUs that wait to be written.
    dirty: u64,
    /// Since when the oldest of them waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    oldest_dirty: Option<Timestamp>,
    /// Parked SKUs.
    parked: u64,
    /// When the store confirmed a write last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    last_confirmed: Option<Timestamp>,
    /// Why nothing is sent now, or why a person must act.
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped: Option<StoppedView>,
    /// How many changes wait for an approval; `approve` takes this number.
    #[serde(skip_serializing_if = "Option::is_none")]
    asks: Option<u64>,
    /// Which changes these are; `approve` takes it, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    asks_digest: Option<String>,
}

/// Why nothing is sent.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StoppedView {
    /// Stable code.
    code: String,
    /// In words.
    text: String,
    /// Whether a person must act.
    needs_attention: bool,
    /// Until when, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
}

/// The articles of a connection.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct CatalogView {
    /// True when the catalogue did not answer.
    unavailable: bool,
    /// SKUs linked.
    linked: u64,
    /// Codes that stand in the store more than once.
    duplicate_codes: Vec<String>,
    /// Articles without a usable code.
    missing_codes: u64,
    /// Listings for which no stock is written, and why.
    blocked: Vec<BlockedView>,
}

/// A listing for which no stock is written.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BlockedView {
    /// The SKU.
    sku: String,
    /// `duplicate_code`, `shared_stock`, `stock_off` or `inactive`.
    reason: String,
}

/// How far a connection is
#[utoipa::path(get, path = "/v1/connections/{id}/status", operation_id = "read_status", tag = "connections",
    params(("id" = String, Path, description = "The connection")),
    responses((status = 200, description = "What each service says", body = StatusView)))]
pub(crate) async fn read(
    State(registry): State<Shared>,
    OwnConnection(connection): OwnConnection,
) -> Answer<Json<StatusView>> {
    let id = &connection.id;
    let (stock, prices, catalog, runs) = tokio::join!(
        registry.ask_lane(questions::STOCK, id),
        registry.ask_lane(questions::PRICES, id),
        registry.ask_catalog(id),
        runs::last_finished(&registry.database, id),
    );
    Ok(Json(StatusView {
        state: connection.state.clone().into(),
        stock: stock.into(),
        prices: prices.into(),
        catalog: catalog.into(),
        runs: runs?.into_iter().map(Into::into).collect(),
    }))
}

impl From<Result<LaneStatus, RpcError>> for LaneView {
    fn from(answer: Result<LaneStatus, RpcError>) -> Self {
        let Ok(lane) = answer else {
            return Self {
                unavailable: true,
                ..Self::default()
            };
        };
        Self {
            unavailable: false,
            running: lane.running,
            listed: lane.listed,
            dirty: lane.dirty,
            oldest_dirty: lane.oldest_dirty,
            parked: lane.parked,
            last_confirmed: lane.last_confirmed,
            stopped: lane.stopped.map(|stopped| StoppedView {
                code: stopped.code,
                text: stopped.text,
                needs_attention: stopped.needs_attention,
                until: stopped.until,
            }),
            asks: lane.asks,
            asks_digest: lane.asks_digest,
        }
    }
}

impl From<Result<CatalogStatus, RpcError>> for CatalogView {
    fn from(answer: Result<CatalogStatus, RpcError>) -> Self {
        let Ok(catalog) = answer else {
            return Self {
                unavailable: true,
                ..Self::default()
            };
        };
        let reason = |listing: &storelink_events::internal::Listing| {
            listing
                .stock_blocked
                .or(listing.price_blocked)
                .map(blocked)
                .unwrap_or_default()
        };
        Self {
            unavailable: false,
            linked: catalog.linked,
            duplicate_codes: catalog
                .duplicate_codes
                .into_iter()
                .map(String::from)
                .collect(),
            missing_codes: catalog.missing_codes,
            blocked: catalog
                .blocked
                .into_iter()
                .map(|listing| BlockedView {
                    reason: reason(&listing),
                    sku: listing.sku.into(),
                })
                .collect(),
        }
    }
}

/// The name of a reason in the API.
pub(crate) fn blocked(reason: Blocked) -> String {
    match reason {
        Blocked::DuplicateCode => "duplicate_code",
        Blocked::SharedStock => "shared_stock",
        Blocked::StockOff => "stock_off",
        Blocked::Inactive => "inactive",
    }
    .to_owned()
}
