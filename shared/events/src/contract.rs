//! The public events with their schemas: what `proto-schemas/` is generated from.
//!
//! The schema of an event that others publish says what is read (a decimal may be a JSON number);
//! that of an event that Storelink publishes says what is written (a decimal is a string).

use schemars::{Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::json;

use crate::erp::{PriceChanged, ProductChanged, StockChanged};
use crate::hub::{
    ConnectionStateChanged, EventRejected, ItemParked, OrderCancelled, OrderDelivered,
    OrderReceived, OrderRefunded, OrderUpdated, ProductSeen, ResyncRequested,
};
use crate::{Envelope, EventData};

/// Who sends an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Others publish it, Storelink reads it.
    Received,
    /// Storelink publishes it.
    Sent,
}

/// One public event.
#[derive(Debug, Clone)]
pub struct PublicEvent {
    /// Its type with version.
    pub event_type: &'static str,
    /// What it says, in one sentence.
    pub summary: &'static str,
    /// The subject it travels on; `{…}` are parameters.
    pub subject: &'static str,
    /// Who sends it.
    pub direction: Direction,
    /// The JSON Schema (2020-12) of the whole envelope.
    pub schema: Schema,
}

/// All public events.
#[must_use]
pub fn public_events() -> Vec<PublicEvent> {
    use Direction::{Received, Sent};
    vec![
        event::<StockChanged>(
            Received,
            "erp.{tenant}.stock.changed",
            "Levels of a warehouse changed.",
        ),
        event::<PriceChanged>(
            Received,
            "erp.{tenant}.price.changed",
            "Prices of a list changed.",
        ),
        event::<ProductChanged>(
            Received,
            "erp.{tenant}.product.changed",
            "Product master data changed.",
        ),
        event::<OrderReceived>(
            Sent,
            "hub.{tenant}.order.received.{order}.{revision}",
            "An order was seen for the first time.",
        ),
        event::<OrderUpdated>(
            Sent,
            "hub.{tenant}.order.updated.{order}.{revision}",
            "The content of an order changed.",
        ),
        event::<OrderCancelled>(
            Sent,
            "hub.{tenant}.order.cancelled.{order}.{revision}",
            "An order was called off.",
        ),
        event::<OrderRefunded>(
            Sent,
            "hub.{tenant}.order.refunded.{order}.{revision}",
            "Money of an order was given back.",
        ),
        event::<OrderDelivered>(
            Sent,
            "hub.{tenant}.order.delivered.{order}.{revision}",
            "An order is in the ERP.",
        ),
        event::<ProductSeen>(
            Sent,
            "hub.{tenant}.product.seen",
            "A store showed a product.",
        ),
        event::<ResyncRequested>(
            Sent,
            "hub.{tenant}.resync.requested",
            "Publishers are asked for their full state.",
        ),
        event::<EventRejected>(
            Sent,
            "hub.{tenant}.event.rejected",
            "An event was refused, whole or in part.",
        ),
        event::<ItemParked>(
            Sent,
            "hub.{tenant}.item.parked",
            "An item waits for a person.",
        ),
        event::<ConnectionStateChanged>(
            Sent,
            "hub.{tenant}.connection.state_changed",
            "A connection changed its state.",
        ),
    ]
}

fn event<T: EventData + schemars::JsonSchema>(
    direction: Direction,
    subject: &'static str,
    summary: &'static str,
) -> PublicEvent {
    let settings = SchemaSettings::draft2020_12();
    let (settings, content_type) = match direction {
        Direction::Received => (
            settings.for_deserialize(),
            json!({
                "type": "string",
                "pattern": "^application/json *(;.*)?$",
                "default": "application/json",
            }),
        ),
        Direction::Sent => (
            settings.for_serialize(),
            json!({ "const": "application/json" }),
        ),
    };
    let generator = SchemaGenerator::new(settings);
    let mut schema = generator.into_root_schema_for::<Envelope<T>>();
    schema.insert(
        "$id".to_owned(),
        format!("urn:storelink:schema:{}", T::TYPE).into(),
    );
    schema.insert("title".to_owned(), T::TYPE.into());
    for (member, fixed) in [
        ("/properties/type", json!({ "const": T::TYPE })),
        ("/properties/specversion", json!({ "const": "1.0" })),
        ("/properties/datacontenttype", content_type),
    ] {
        if let Some(place) = schema.pointer_mut(member) {
            *place = fixed;
        }
    }
    PublicEvent {
        event_type: T::TYPE,
        summary,
        subject,
        direction,
        schema,
    }
}
