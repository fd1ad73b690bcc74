//! What differs between stock and prices; everything else of the engine is the same for both.

mod price;
mod shown;
mod stock;

use std::fmt::Debug;
use std::future::Future;
use std::hash::Hash;
use std::str::FromStr;

use serde::Serialize;
use serde::de::DeserializeOwned;
use storelink_adapter_api::{
    AdapterError, Article, CapabilityProfile, ItemOutcome, Limits, StoreAccess, StoreAdapter,
    StoreIds, ValueKind,
};
use storelink_bus::streams::ConsumerSpec;
use storelink_events::connection::ConnectionSettings;
use storelink_events::erp::ErpEvent;
use storelink_events::internal::{Blocked, Listing};
use storelink_model::{Quantity, Sku, TenantId, Timestamp, Version};

pub use price::{Price, PriceValue, WantedPrice, WantedSale};
pub use shown::Shown;
pub use stock::Stock;

use crate::lane::{Asks, GuardRule};

/// How one kind of lane is called in the outside world.
#[derive(Debug, Clone)]
pub struct Names {
    /// The service: database, subject of questions, readiness check.
    pub service: &'static str,
    /// The entity in receipts, parked items and metrics: `stock` or `price`.
    pub entity: &'static str,
    /// The entity as connections switch it on: `stock` or `prices`.
    pub switch: &'static str,
    /// The durable consumer of the ERP's events.
    pub intake: ConsumerSpec,
    /// The stream that keeps the last value of each key.
    pub values: &'static str,
    /// The durable consumer of orders, where an order changes what a store shows.
    pub orders: Option<ConsumerSpec>,
    /// Whether holds keep some of it back.
    pub holds: bool,
}

/// One value of the ERP with its place among the values of its key.
#[derive(Debug, Clone, PartialEq)]
pub struct Level<V> {
    /// The value.
    pub value: V,
    /// Its place.
    pub version: Version,
    /// When the ERP's event happened.
    pub time: Timestamp,
}

/// Where a value belongs: whose, which warehouse or price list, which article.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LevelKey<S> {
    /// Whose it is.
    pub tenant: TenantId,
    /// Warehouse or price list.
    pub source: S,
    /// The article.
    pub sku: Sku,
}

/// The values of an ERP's event for one source.
#[derive(Debug, Clone, PartialEq)]
pub struct Changes<S, V> {
    /// Warehouse or price list.
    pub source: S,
    /// Article, the ERP's revision where it has one, and value.
    pub items: Vec<(Sku, Option<u64>, V)>,
}

/// Why no value can be published for a SKU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpublishable {
    /// Stable code.
    pub code: &'static str,
    /// In words.
    pub text: String,
    /// Whether a person must act. Without that the SKU only waits for the ERP.
    pub parks: bool,
}

impl Unpublishable {
    /// Waits for the ERP: shown where somebody asks, but nobody is called.
    pub(crate) fn waits(code: &'static str, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
            parks: false,
        }
    }

    /// Needs a person.
    pub(crate) fn parks(code: &'static str, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
            parks: true,
        }
    }
}

/// A key and its level, as they are read from the last-value stream.
pub type Decoded<S, V> = (LevelKey<S>, Level<V>);

/// What a store should show: a value, nothing at all because nothing is chosen, or why not.
pub type WantedResult<W> = Result<Option<W>, Unpublishable>;

/// Stock or prices.
pub trait LaneKind: Send + Sync + 'static {
    /// Warehouse or price list.
    type Source: Clone + Eq + Hash + Debug + AsRef<str> + FromStr + Send + Sync + 'static;
    /// What the ERP says of a SKU in a source.
    type Value: Clone + PartialEq + Debug + Send + Sync + 'static;
    /// What a store should show of a SKU.
    type Wanted: Clone + PartialEq + Debug + Serialize + DeserializeOwned + Send + Sync + 'static;

    /// How this kind is called.
    fn names() -> Names;

    /// The values of an event; none when it is an event of another kind.
    fn changes(event: ErpEvent) -> Option<Changes<Self::Source, Self::Value>>;

    /// The subject of the last value of a key.
    fn subject(key: &LevelKey<Self::Source>) -> String;

    /// A value as it stands in the last-value stream.
    fn encode(key: &LevelKey<Self::Source>, level: &Level<Self::Value>) -> Vec<u8>;

    /// Reads what [`LaneKind::encode`] wrote.
    ///
    /// # Errors
    /// When the bytes are something else.
    fn decode(bytes: &[u8]) -> Result<Decoded<Self::Source, Self::Value>, serde_json::Error>;

    /// A value as it stands in SQL.
    fn value_to_text(value: &Self::Value) -> String;

    /// Reads what [`LaneKind::value_to_text`] wrote.
    fn value_from_text(text: &str) -> Option<Self::Value>;

    /// A value of the ERP as people read it.
    fn describe(value: &Self::Value) -> String;

    /// A wanted value as people read it.
    fn describe_wanted(wanted: &Self::Wanted) -> String;

    /// The sources that a connection publishes from, in the order in which
    /// [`LaneKind::wanted`] gets their values.
    fn sources(settings: &ConnectionSettings) -> Vec<Self::Source>;

    /// Why nothing is written for a listing.
    fn blocked(listing: &Listing) -> Option<Blocked>;

    /// What the store should show, from the values of the connection's sources less what is `held`
    /// back from it now.
    ///
    /// # Errors
    /// When nothing can be published, with the reason.
    fn wanted(
        settings: &ConnectionSettings,
        profile: &CapabilityProfile,
        values: &[Option<&Self::Value>],
        held: Quantity,
        now: Timestamp,
    ) -> WantedResult<Self::Wanted>;

    /// The next instant at which [`LaneKind::wanted`] may give something else although nothing
    /// changed.
    fn next_boundary(values: &[Option<&Self::Value>], now: Timestamp) -> Option<Timestamp>;

    /// What must not happen to a store without asking.
    fn guard(settings: &ConnectionSettings) -> GuardRule<Self::Wanted>;

    /// What waits for a person's approval, in words.
    fn describe_asks(asks: &Asks<Self::Wanted>) -> String;

    /// Which of an article's values this is.
    fn value_kind() -> ValueKind;

    /// What a page of the store shows of an article, beside what it should show.
    fn shown(
        adapter: &dyn StoreAdapter,
        profile: &CapabilityProfile,
        article: &Article,
        wanted: &Self::Wanted,
    ) -> Shown;

    /// How many items a store takes in one request.
    fn batch_limit(limits: &Limits) -> usize;

    /// Sends one request.
    fn write(
        adapter: &dyn StoreAdapter,
        access: &StoreAccess,
        items: Vec<(StoreIds, Self::Wanted)>,
    ) -> impl Future<Output = Result<Vec<ItemOutcome>, AdapterError>> + Send;
}
