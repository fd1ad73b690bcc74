//! What the API takes and answers, as far as tests look at it.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A connection to enter.
#[derive(Debug, Clone, Serialize)]
pub struct NewConnection {
    /// `woocommerce`, …
    pub platform: String,
    /// What people call it.
    pub name: String,
    /// The store's address.
    pub address: String,
    /// Keys by field name.
    pub credentials: Value,
    /// What the merchant chooses.
    pub settings: Value,
}

/// A connection.
#[derive(Debug, Clone, Deserialize)]
pub struct Connection {
    /// Its id.
    pub id: String,
    /// Whether it was activated.
    pub active: bool,
    /// How it is.
    pub state: ConnectionState,
    /// The ends of its keys.
    pub credentials: Value,
}

/// How a connection is.
#[derive(Debug, Clone, Deserialize)]
pub struct ConnectionState {
    /// `healthy`, `paused`, …
    pub state: String,
    /// Stable code of the cause.
    pub code: Option<String>,
}

/// The result of a verification.
#[derive(Debug, Clone, Deserialize)]
pub struct Verification {
    /// `green` or `red`.
    pub status: String,
    /// The checks in their order.
    pub checks: Vec<Check>,
    /// What activation needs, when green.
    pub ticket: Option<String>,
}

/// One check of a verification.
#[derive(Debug, Clone, Deserialize)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// How it went.
    pub status: String,
    /// Stable code of what was found wrong.
    pub code: Option<String>,
    /// What was seen.
    pub evidence: String,
}

impl Verification {
    /// Whether everything needed is proven.
    #[must_use]
    pub fn is_green(&self) -> bool {
        self.status == "green"
    }

    /// The checks that failed, in words.
    #[must_use]
    pub fn failures(&self) -> String {
        let failed = self.checks.iter().filter(|check| check.code.is_some());
        let texts = failed.map(|check| {
            format!(
                "{} {}: {}",
                check.name,
                check.code.as_deref().unwrap_or_default(),
                check.evidence
            )
        });
        texts.collect::<Vec<_>>().join("; ")
    }
}

/// A run of an entity.
#[derive(Debug, Clone, Deserialize)]
pub struct RunState {
    /// Its id.
    pub id: String,
    /// `pending`, `queued`, `succeeded`, `failed` or `lost`.
    pub state: String,
    /// How many objects were read.
    pub read: Option<u64>,
    /// Code of the error that ended it.
    pub error_code: Option<String>,
    /// The error in words.
    pub error_text: Option<String>,
}

impl RunState {
    /// Whether it is over.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        !matches!(self.state.as_str(), "pending" | "queued")
    }
}

/// An order in the ledger.
#[derive(Debug, Clone, Deserialize)]
pub struct LedgerOrder {
    /// Our id.
    pub id: String,
    /// The store's id.
    pub external_id: String,
    /// Its revision.
    pub revision: u64,
    /// Revisions whose events are published.
    pub published: u64,
    /// Why it waits, when it is parked.
    pub parked: Option<String>,
}

/// An item that waits for a person.
#[derive(Debug, Clone, Deserialize)]
pub struct ParkedItem {
    /// Its id.
    pub id: String,
    /// `stock`, `price`, `order`, …
    pub entity: String,
    /// Which article.
    pub sku: Option<String>,
    /// Stable code.
    pub code: String,
    /// Why, in words.
    pub text: String,
}

/// What is known of one SKU of a connection.
#[derive(Debug, Clone, Deserialize)]
pub struct SkuState {
    /// Its stock.
    pub stock: SkuSide,
    /// Its price.
    pub price: SkuSide,
    /// Where it is in the store.
    pub listing: SkuListing,
}

/// Stock or price of a SKU.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct SkuSide {
    /// True when the service that knows it did not answer.
    pub unavailable: bool,
    /// The ERP's values by warehouse or price list.
    pub erp: Vec<ErpValue>,
    /// What the store should show.
    pub wanted: Option<String>,
    /// What the store confirmed last.
    pub confirmed: Option<String>,
    /// When it confirmed that.
    pub confirmed_at: Option<String>,
    /// Whether they differ or a doubt is open.
    pub dirty: bool,
    /// Why it waits, in words.
    pub reason: Option<String>,
    /// The parked item, when there is one.
    pub parked: Option<ParkedItem>,
}

/// Where a SKU is in the store.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct SkuListing {
    /// The store's id of the product; none when the store has no such SKU.
    pub product: Option<String>,
    /// The store's id of the variation.
    pub variation: Option<String>,
}

/// How far a connection is.
#[derive(Debug, Clone, Deserialize)]
pub struct ConnectionStatus {
    /// The writing of stock.
    pub stock: LaneState,
    /// The writing of prices.
    pub prices: LaneState,
    /// The articles that are linked.
    pub catalog: CatalogState,
}

/// How far a publisher is with a connection.
#[derive(Debug, Clone, Deserialize)]
pub struct LaneState {
    /// True when the publisher did not answer.
    pub unavailable: bool,
    /// SKUs that are written.
    pub listed: u64,
    /// SKUs that wait to be written.
    pub dirty: u64,
    /// Parked SKUs.
    pub parked: u64,
    /// Why nothing is sent now.
    pub stopped: Option<Value>,
    /// How many changes wait for an approval.
    #[serde(default)]
    pub asks: Option<u64>,
    /// Which ones.
    pub asks_digest: Option<String>,
}

impl LaneState {
    /// Whether everything is written and confirmed.
    ///
    /// # Errors
    /// With what is not.
    pub fn must_be_settled(&self) -> anyhow::Result<()> {
        let settled =
            !self.unavailable && self.dirty == 0 && self.parked == 0 && self.stopped.is_none();
        anyhow::ensure!(settled, "{self:?}");
        Ok(())
    }
}

/// The articles of a connection.
#[derive(Debug, Clone, Deserialize)]
pub struct CatalogState {
    /// True when the catalogue did not answer.
    pub unavailable: bool,
    /// SKUs linked.
    pub linked: u64,
}

/// One value of the ERP.
#[derive(Debug, Clone, Deserialize)]
pub struct ErpValue {
    /// Warehouse or price list.
    pub source: String,
    /// The value.
    pub value: String,
}

/// One page of a list.
#[derive(Debug, Deserialize)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    pub(super) next: Option<String>,
    #[serde(default)]
    pub(super) unavailable: Vec<String>,
}

/// An error of the API (RFC 9457).
#[derive(Debug, Clone, Deserialize)]
pub struct ApiProblem {
    /// The HTTP status.
    pub status: u16,
    /// Stable code.
    pub code: String,
    /// What happened.
    pub detail: String,
    /// The members that are wrong.
    #[serde(default)]
    pub errors: Vec<Value>,
}

impl fmt::Display for ApiProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status, self.code, self.detail)?;
        self.errors
            .iter()
            .try_for_each(|error| write!(f, " {error}"))
    }
}

impl std::error::Error for ApiProblem {}
