//! Questions that services answer each other over the broker, each from its own SQL.
//!
//! The subject is `rpc.<service>.<verb>`; the verbs are the constants here.

use serde::{Deserialize, Serialize};
use storelink_model::{ConnectionId, OrderId, Sku, TenantId, Timestamp};

use crate::internal::Listing;

/// Ask a publisher about one SKU of one connection: [`SkuQuestion`] to [`SkuAnswer`].
pub const SKU: &str = "sku";
/// Ask a publisher how far a connection is: [`ConnectionQuestion`] to [`LaneStatus`].
pub const LANE: &str = "lane";
/// Ask a publisher for the receipts of a connection: [`PageQuestion`] to [`Page`] of [`Receipt`].
pub const RECEIPTS: &str = "receipts";
/// Ask any service for its parked items: [`PageQuestion`] to [`Page`] of [`Parked`].
pub const PARKED: &str = "parked";
/// Ask any service to try a parked item again: [`RetryParked`] to [`Retried`].
pub const RETRY_PARKED: &str = "retry_parked";
/// Ask order-ingest for orders: [`OrdersQuestion`] to [`Page`] of [`OrderSummary`].
pub const ORDERS: &str = "orders";
/// Ask product-catalog for the listing of a SKU: [`SkuQuestion`] to `Option<Listing>`.
pub const LISTING: &str = "listing";
/// Ask product-catalog how many listings a connection has: [`ConnectionQuestion`] to [`CatalogStatus`].
pub const CATALOG: &str = "catalog";
/// Tell the publisher that runs a connection that a person wants what waits there for an approval:
/// [`Approve`] to [`Approved`]. Only the process that runs it answers.
pub const APPROVE: &str = "approve";
/// Tell connection-registry how a run ended: `internal::RunReport` to `()`.
pub const RUN: &str = "run";
/// Ask a publisher to compare a store with what it should show: [`Reconcile`] to
/// [`ReconcileAnswer`].
pub const RECONCILE: &str = "reconcile";
/// Ask a publisher what its last comparisons found: [`DriftQuestion`] to [`DriftReports`].
pub const DRIFT: &str = "drift";

/// About a whole connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionQuestion {
    /// Which one.
    pub connection: ConnectionId,
}

/// About one SKU of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkuQuestion {
    /// Which connection.
    pub connection: ConnectionId,
    /// Which SKU.
    pub sku: Sku,
}

/// What a publisher knows of one SKU of one connection. Values are texts: a quantity, or a price with
/// its form and sale.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkuAnswer {
    /// The ERP's values by warehouse or price list.
    pub erp: Vec<ErpValue>,
    /// What the store should show; none when nothing is published for it.
    pub wanted: Option<String>,
    /// What the store confirmed last.
    pub confirmed: Option<String>,
    /// When it confirmed that.
    pub confirmed_at: Option<Timestamp>,
    /// Whether wanted and confirmed differ or a doubt is open.
    pub dirty: bool,
    /// Why it is dirty, or why nothing is published, in words.
    pub reason: Option<String>,
    /// The parked item, when there is one.
    pub parked: Option<Parked>,
    /// What is kept back now of the ERP's values.
    #[serde(default)]
    pub holds: Vec<HeldBack>,
}

/// A hold that counts now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldBack {
    /// The hold's id.
    pub id: String,
    /// How much it keeps back.
    pub quantity: String,
    /// When it is over; never by itself when none.
    pub until: Option<Timestamp>,
}

/// One value of the ERP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErpValue {
    /// Warehouse or price list.
    pub source: String,
    /// The value.
    pub value: String,
    /// Its version: a revision or microseconds.
    pub version: i64,
    /// When the ERP's event happened.
    pub time: Timestamp,
}

/// How far a lane is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneStatus {
    /// Whether some process runs it.
    pub running: bool,
    /// SKUs with a listing that is written.
    pub listed: u64,
    /// SKUs that wait to be written.
    pub dirty: u64,
    /// Since when the oldest of them waits.
    pub oldest_dirty: Option<Timestamp>,
    /// Parked SKUs.
    pub parked: u64,
    /// When the store confirmed a write last.
    pub last_confirmed: Option<Timestamp>,
    /// Why nothing is sent now, or why a person must act.
    pub stopped: Option<Stopped>,
    /// How many changes wait for a person's approval; [`APPROVE`] takes this number.
    #[serde(default)]
    pub asks: Option<u64>,
    /// Which changes these are, articles and values; [`APPROVE`] takes it, too.
    #[serde(default)]
    pub asks_digest: Option<String>,
}

/// A person wants what waits for an approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approve {
    /// At which connection.
    pub connection: ConnectionId,
    /// How many changes that person was shown.
    pub number: u64,
    /// Which ones, as [`LaneStatus::asks_digest`] said.
    pub digest: String,
}

/// What became of an approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approved {
    /// How many changes are approved; none when others wait than were shown, or nothing does.
    pub approved: Option<u64>,
    /// How many waited when it arrived.
    pub waiting: u64,
}

/// Why a lane sends nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    /// Stable code.
    pub code: String,
    /// In words.
    pub text: String,
    /// Whether a person must act.
    pub needs_attention: bool,
    /// Until when, where that is known.
    pub until: Option<Timestamp>,
}

/// One page of something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageQuestion {
    /// Whose.
    pub tenant: TenantId,
    /// Of one connection only.
    pub connection: Option<ConnectionId>,
    /// Where to go on: what the last page gave as `next`.
    pub after: Option<String>,
    /// At most this many.
    pub limit: u32,
}

/// A page and where to go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Where to go on; none on the last page.
    pub next: Option<String>,
}

/// One write request and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Its id.
    pub id: String,
    /// To which connection.
    pub connection: ConnectionId,
    /// `stock` or `price`.
    pub entity: String,
    /// When it left.
    pub started: Timestamp,
    /// When the answer was there.
    pub completed: Option<Timestamp>,
    /// Code of the failure, when it failed as a whole.
    pub error_code: Option<String>,
    /// What it wrote.
    pub items: Vec<ReceiptItem>,
}

/// One value of a write request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptItem {
    /// Which article.
    pub sku: Sku,
    /// What was sent.
    pub value: String,
    /// `confirmed`, `rejected`, `unknown` or `under_way`.
    pub outcome: String,
}

/// An item that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    /// Its id.
    pub id: String,
    /// Of which connection.
    pub connection: Option<ConnectionId>,
    /// `stock`, `price`, `order`, …
    pub entity: String,
    /// Which article.
    pub sku: Option<Sku>,
    /// Which order of the store.
    pub external_id: Option<String>,
    /// Stable code.
    pub code: String,
    /// Why, in words.
    pub text: String,
    /// Since when.
    pub since: Timestamp,
}

/// Try a parked item again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryParked {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub id: String,
}

/// Whether there was such an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retried {
    /// False when no such item is parked.
    pub found: bool,
}

/// Which orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrdersQuestion {
    /// Whose, of which connection, where to go on.
    #[serde(flatten)]
    pub page: PageQuestion,
    /// Only orders with this number or store id.
    pub number: Option<String>,
}

/// An order in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderSummary {
    /// Our id.
    pub id: OrderId,
    /// From which store.
    pub connection: ConnectionId,
    /// The store's id.
    pub external_id: String,
    /// The number that people see; none when the order could not be understood.
    pub number: Option<String>,
    /// Its revision.
    pub revision: u64,
    /// `open`, `cancelled`, …; none when the order could not be understood.
    pub state: Option<String>,
    /// Total as text with its currency.
    pub total: Option<String>,
    /// When we first saw it.
    pub first_seen: Timestamp,
    /// When its content last changed for us.
    pub changed: Timestamp,
    /// Revisions of it whose events are published.
    pub published: u64,
    /// Why it waits, when it is parked.
    pub parked: Option<String>,
}

/// The most samples of one kind in a [`CatalogStatus`]; its counts are exact.
pub const CATALOG_SAMPLES: u64 = 100;

/// What the catalogue knows of a connection. The lists are samples, since a store may have more than a
/// message holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogStatus {
    /// SKUs linked.
    pub linked: u64,
    /// Codes that stand in the store more than once; at most [`CATALOG_SAMPLES`].
    pub duplicate_codes: Vec<Sku>,
    /// Articles without a usable code.
    pub missing_codes: u64,
    /// Listings for which no stock or no price is written, and why; at most [`CATALOG_SAMPLES`] of
    /// each reason.
    pub blocked: Vec<Listing>,
    /// How many such listings there are.
    #[serde(default)]
    pub blocked_counts: BlockedCounts,
    /// Listings that are not written because their shard has no room for them.
    #[serde(default)]
    pub left_out: u64,
}

/// How many listings are not written, by reason: see [`Blocked`](crate::internal::Blocked).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockedCounts {
    /// Several articles of the store have their code.
    pub duplicate_code: u64,
    /// Several codes share their stock number or their article.
    pub shared_stock: u64,
    /// The store keeps no stock for them.
    pub stock_off: u64,
    /// The store does not offer them.
    pub inactive: u64,
}

/// Compare a store with what it should show, page by page, and put the differences right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconcile {
    /// Whose.
    pub tenant: TenantId,
    /// Which store.
    pub connection: ConnectionId,
    /// The run that the registry noted for it. Asking twice for one run has the effect of asking once.
    pub run: String,
}

/// Whether a reconciliation will be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReconcileAnswer {
    /// False when another one of this store waits or is in work.
    pub accepted: bool,
}

/// Which reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftQuestion {
    /// Whose.
    pub tenant: TenantId,
    /// Of which store.
    pub connection: ConnectionId,
    /// At most this many.
    pub limit: u32,
}

/// The last reconciliations of a store, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftReports {
    /// Those that are kept.
    pub items: Vec<DriftReport>,
}

/// The most differences that a [`DriftReport`] shows; its counts are exact.
pub const DRIFT_SAMPLES: usize = 100;

/// What a reconciliation found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftReport {
    /// The run that it belongs to.
    pub run: String,
    /// When it was asked for.
    pub asked: Timestamp,
    /// When it began; none while it waits.
    pub started: Option<Timestamp>,
    /// When it ended; none before.
    pub finished: Option<Timestamp>,
    /// What was found; nothing before it ended.
    #[serde(flatten)]
    pub drift: Drift,
}

/// What a comparison of a whole store found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Drift {
    /// Nothing was to be written, so the differences are only reported.
    pub observed: bool,
    /// Pages read.
    pub pages: u64,
    /// Articles whose value was compared with the wanted one.
    pub compared: u64,
    /// Those of them that showed another value.
    pub differing: u64,
    /// Those of them that show stock and should show none.
    pub to_zero: u64,
    /// Those of them that are written again.
    pub corrected: u64,
    /// Articles that were not compared, because a write or a doubt is open or a person must act.
    pub waiting: u64,
    /// Articles for which nothing is to be written: blocked, or without a value of the ERP.
    pub unpublished: u64,
    /// Articles that the store shows and the catalogue does not know in this place.
    pub unknown: u64,
    /// Articles that are written and that the store did not show.
    pub missing: u64,
    /// Products that could not be understood.
    pub unreadable: u64,
    /// The first differences, at most [`DRIFT_SAMPLES`].
    pub sample: Vec<Difference>,
    /// Stable code of the error that ended it early.
    pub error_code: Option<String>,
    /// The error in words.
    pub error_text: Option<String>,
    /// Whether a person must act.
    pub needs_attention: bool,
}

/// An article that does not show what it should.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Which.
    pub sku: Sku,
    /// What the store showed.
    pub shown: String,
    /// What it should show.
    pub wanted: String,
}
