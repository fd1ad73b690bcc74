//! What Storelink tells others.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use storelink_model::{ConnectionId, OrderId, Platform, Sku, Timestamp};
use storelink_order::{Order, SumCheck};

use crate::{EventData, Violation};

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

        impl EventData for $name {
            const TYPE: &'static str = $event_type;
        }
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

impl EventData for EventRejected {
    const TYPE: &'static str = "storelink.event.rejected.v1";
}

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

impl EventData for ItemParked {
    const TYPE: &'static str = "storelink.item.parked.v1";
}

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

impl EventData for ConnectionStateChanged {
    const TYPE: &'static str = "storelink.connection.state_changed.v1";
}

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
