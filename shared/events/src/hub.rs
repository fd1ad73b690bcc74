//! What Storelink tells others.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use storelink_model::{
    ConnectionId, OrderId, Platform, PriceListCode, Sku, Timestamp, WarehouseCode,
};
use storelink_order::{Order, SumCheck};

use crate::Violation;
use crate::envelope::event_data;

/// An order of a store at one revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OrderEvent {
    /// Our id of the order.
    pub order_id: OrderId,
    /// Its revision, from 1, one more with each change of content.
    pub revision: u64,
    /// Where it was placed.
    pub connection: ConnectionId,
    /// The platform of that store.
    pub platform: Platform,
    /// The store's id of the order.
    pub external_id: String,
    /// Whether its amounts add up.
    pub sum: SumCheck,
    /// The order itself.
    pub order: Order,
}

macro_rules! order_event {
    ($(#[$doc:meta])* $name:ident, $event_type:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub OrderEvent);

        event_data!($name, $event_type);
    };
}

order_event!(
    /// An order was seen for the first time.
    OrderReceived, "storelink.order.received.v1"
);
order_event!(
    /// The content of an order changed.
    OrderUpdated, "storelink.order.updated.v1"
);
order_event!(
    /// An order was called off.
    OrderCancelled, "storelink.order.cancelled.v1"
);
order_event!(
    /// Money of an order was given back, in part or in full.
    OrderRefunded, "storelink.order.refunded.v1"
);

/// An order of a store is in the ERP at one revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OrderDelivered {
    /// Our id of the order.
    pub order_id: OrderId,
    /// The revision that the ERP has now.
    pub revision: u64,
    /// Where it was placed.
    pub connection: ConnectionId,
    /// The platform of that store.
    pub platform: Platform,
    /// The store's id of the order.
    pub external_id: String,
    /// The ERP that has it.
    pub erp_connection: ConnectionId,
    /// What it became there, for example `sales_order`.
    pub document_type: String,
    /// The number of the document that people see.
    pub document_number: String,
    /// The ERP's own id of the document.
    pub document_id: String,
    /// When the ERP confirmed it.
    pub delivered: Timestamp,
}

event_data!(OrderDelivered, "storelink.order.delivered.v1");

/// A product as a store showed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProductSeen {
    /// Which store.
    pub connection: ConnectionId,
    /// Its platform.
    pub platform: Platform,
    /// The store's id of the product.
    pub external_id: String,
    /// When it was read.
    pub read_at: Timestamp,
    /// What can be bought of it: itself or its variations. Empty when the store says that the
    /// product is gone.
    pub articles: Vec<SeenArticle>,
}

event_data!(ProductSeen, "storelink.product.seen.v1");

/// One sellable article of a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SeenArticle {
    /// The store's id of the variation; none for simple products.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variation: Option<String>,
    /// Its code; none when it has none or one that cannot be a SKU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sku: Option<Sku>,
    /// Its name.
    pub name: String,
    /// EAN, GTIN or UPC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub barcode: Option<String>,
    /// Whether the store offers it.
    pub active: bool,
}

/// Values were lost: publishers are asked to publish their full state again, in any number of
/// ordinary events with the versions that the values have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResyncRequested {
    /// Of what; at least one.
    #[schemars(length(min = 1))]
    pub entities: Vec<ResyncEntity>,
    /// Only of these warehouses; of all when empty.
    #[serde(default)]
    pub warehouses: Vec<WarehouseCode>,
    /// Only of these price lists; of all when empty.
    #[serde(default)]
    pub price_lists: Vec<PriceListCode>,
    /// Why, in words.
    pub reason: String,
}

event_data!(ResyncRequested, "storelink.resync.requested.v1");

/// What publishers can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResyncEntity {
    /// Levels of warehouses.
    Stock,
    /// Prices of price lists.
    Price,
    /// Product master data.
    Product,
}

/// An event was refused, whole or in part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventRejected {
    /// The id that its publisher gave it; none when it could not be read.
    pub event_id: Option<String>,
    /// The subject that it was published on.
    pub subject: String,
    /// Whether items beside the refused ones were taken.
    pub partly_accepted: bool,
    /// What is wrong, with pointers into the event.
    pub violations: Vec<Violation>,
}

event_data!(EventRejected, "storelink.event.rejected.v1");

/// An item cannot go on without a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ItemParked {
    /// Our id of the parked item.
    pub item_id: String,
    /// Which service parked it.
    pub service: String,
    /// The connection it belongs to.
    pub connection: Option<ConnectionId>,
    /// `stock`, `price`, `order`, …
    pub entity: String,
    /// Which article, where it is one.
    pub sku: Option<Sku>,
    /// Which order of the store, where it is one.
    pub external_id: Option<String>,
    /// Stable code of the reason.
    pub code: String,
    /// The reason in words.
    pub text: String,
}

event_data!(ItemParked, "storelink.item.parked.v1");

/// A connection whose state changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectionStateChanged {
    /// Which connection.
    pub connection: ConnectionId,
    /// The state it has now.
    pub state: ConnectionState,
    /// Since when.
    pub since: Timestamp,
    /// Stable code of the cause, where something is wrong.
    pub code: Option<String>,
    /// The cause in words.
    pub text: Option<String>,
}

event_data!(
    ConnectionStateChanged,
    "storelink.connection.state_changed.v1"
);

/// The states of a connection, one vocabulary everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionState {
    /// Being set up.
    Draft,
    /// Everything on time.
    Healthy,
    /// Working off a backlog.
    CatchingUp,
    /// The oldest change waits longer than it should.
    Delayed,
    /// A person must act.
    NeedsAttention,
    /// The store does not answer; we try again.
    StoreUnavailable,
    /// Switched off by a person.
    Paused,
}
