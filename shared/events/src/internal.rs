//! What services pass to each other. Not public: these may change with a release.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use storelink_adapter_api::{ProductReading, StoreIds, Unreadable};
use storelink_model::{
    Amount, ConnectionId, Currency, Platform, PriceListCode, Quantity, Sku, TaxRate, TenantId,
    Timestamp, VersionOrder, WarehouseCode,
};
use storelink_order::Order;

/// The version of a value, as it travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueVersion {
    /// By what it is ordered.
    pub order: VersionOrder,
    /// The number of `storelink_model::Version::number`.
    pub number: i64,
}

/// The last level of a SKU in a warehouse (stream STOCK).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockLevel {
    /// Whose it is.
    pub tenant: TenantId,
    /// Where.
    pub warehouse: WarehouseCode,
    /// What.
    pub sku: Sku,
    /// How many.
    pub quantity: Quantity,
    /// Its place among the values of this key.
    pub version: ValueVersion,
    /// When the ERP's event happened.
    pub time: Timestamp,
}

/// The last price of a SKU in a price list (stream PRICES).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceEntry {
    /// Whose it is.
    pub tenant: TenantId,
    /// In which list.
    pub price_list: PriceListCode,
    /// What.
    pub sku: Sku,
    /// In which currency.
    pub currency: Currency,
    /// Without tax.
    pub net: Option<Amount>,
    /// With tax.
    pub gross: Option<Amount>,
    /// The rate, where known.
    pub tax_rate: Option<TaxRate>,
    /// The sale, where there is one.
    pub sale: Option<crate::erp::SaleItem>,
    /// Its place among the values of this key.
    pub version: ValueVersion,
    /// When the ERP's event happened.
    pub time: Timestamp,
}

/// One shard of the listings of a connection (stream LISTINGS): all of it, replacing what was there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListingShard {
    /// Which connection.
    pub connection: ConnectionId,
    /// Which shard, from 0.
    pub shard: u16,
    /// How many shards there are.
    pub shards: u16,
    /// Grows with each publication of this shard.
    pub revision: u64,
    /// The listings in it.
    pub listings: Vec<Listing>,
}

/// One SKU of one store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// The code.
    pub sku: Sku,
    /// The store's ids of it.
    pub ids: StoreIds,
    /// Why no stock is written for it; none when it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stock_blocked: Option<Blocked>,
    /// Why no price is written for it; none when it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_blocked: Option<Blocked>,
}

/// Why nothing is written for a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blocked {
    /// Several articles of the store have this code.
    DuplicateCode,
    /// Several codes share one stock number.
    SharedStock,
    /// The store keeps no stock for it.
    StockOff,
    /// The store does not offer it.
    Inactive,
}

/// An order as read from a store (stream ORDERS).
#[derive(Debug, Serialize, Deserialize)]
pub struct OrderRead {
    /// Whose it is.
    pub tenant: TenantId,
    /// From which store.
    pub connection: ConnectionId,
    /// The platform of that store.
    pub platform: Platform,
    /// The store's id of the order.
    pub external_id: String,
    /// Drawn before the request that read it; a larger one was read later.
    pub read_number: i64,
    /// When it was read.
    pub read_at: Timestamp,
    /// The store's own words.
    pub raw: Box<RawValue>,
    /// The normalised order; none when it could not be understood.
    pub order: Option<Box<Order>>,
    /// Why it could not be understood.
    pub unreadable: Option<Unreadable>,
}

/// A product as read from a store (stream PRODUCTS).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductRead {
    /// Whose it is.
    pub tenant: TenantId,
    /// From which store.
    pub connection: ConnectionId,
    /// Drawn before the request that read it.
    pub read_number: i64,
    /// When it was read.
    pub read_at: Timestamp,
    /// What was read; none when the store says that the product is gone.
    pub product: Option<ProductReading>,
    /// The store's id of it.
    pub external_id: String,
}

/// "Read entity E of connection C now" (stream JOBS).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PollJob {
    /// Whose it is.
    pub tenant: TenantId,
    /// Which connection.
    pub connection: ConnectionId,
    /// What to read.
    pub entity: String,
    /// One object only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Read everything again instead of what changed.
    #[serde(default)]
    pub full: bool,
    /// The run that the registry noted for it.
    pub run: String,
}

/// A store called: "something of mine changed" (stream HOOKS). A hint and never the truth: what the
/// call said about the order travels no further, the order is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreHint {
    /// Which connection was called.
    pub connection: ConnectionId,
    /// The platform of that store.
    pub platform: Platform,
    /// What changed, such as `orders`.
    pub entity: String,
    /// The store's own name of what happened, for the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// The store's id of the object; none when the store does not say which one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// When the call came, by our clock.
    pub received_at: Timestamp,
}

/// How a run of a poll job ended (question `rpc.connection-registry.run`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunReport {
    /// Which run.
    pub run: String,
    /// Which connection.
    pub connection: ConnectionId,
    /// What was read.
    pub entity: String,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Timestamp,
    /// How many objects were read.
    pub read: u64,
    /// How many of them were handed on.
    pub changed: u64,
    /// How many could not be understood.
    pub failed: u64,
    /// Up to where everything is read.
    pub watermark: Option<Timestamp>,
    /// Code of the error that ended it.
    pub error_code: Option<String>,
    /// The error in words.
    pub error_text: Option<String>,
    /// Whether a person must act.
    pub needs_attention: bool,
}
