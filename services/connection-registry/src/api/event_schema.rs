//! The body of `POST /v1/events` in the API's description: one of the three ERP events.

use std::borrow::Cow;

use serde_json::json;
use utoipa::openapi::schema::{OneOfBuilder, Schema};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

/// Stands for the events that may be published.
pub(crate) struct ErpEventBody;

/// Names under which the schemas of the envelopes are among the components.
pub(crate) const ENVELOPES: [&str; 3] = [
    "StockChangedEvent",
    "PriceChangedEvent",
    "ProductChangedEvent",
];

impl PartialSchema for ErpEventBody {
    fn schema() -> RefOr<Schema> {
        ENVELOPES
            .into_iter()
            .fold(OneOfBuilder::new(), |one_of, name| {
                one_of.item(Ref::from_schema_name(name))
            })
            .description(Some(
                "An ERP event as a CloudEvents 1.0 envelope in structured JSON.",
            ))
            .examples([json!({
                "specversion": "1.0",
                "id": "01980f6e-1f4a-7d0c-9b1e-2a3b4c5d6e7f",
                "source": "/erp/default",
                "type": "storelink.stock.changed.v1",
                "time": "2026-11-22T06:30:00Z",
                "tenant": "default",
                "data": {
                    "warehouse": "main",
                    "items": [{"sku": "MUG-01", "quantity": "37", "revision": 1842}]
                }
            })])
            .into()
    }
}

impl ToSchema for ErpEventBody {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("ErpEvent")
    }
}
