//! Types of other crates in the API's description: their JSON Schemas, taken over as they are.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use storelink_adapter_api::{CapabilityProfile, Check, Descriptor, DiagnosisStatus};
use storelink_events::connection::ConnectionSettings;
use storelink_events::erp::{PriceChanged, ProductChanged, StockChanged};
use storelink_events::{Envelope, EventData as _};
use utoipa::openapi::schema::{Array, Schema};
use utoipa::openapi::{Ref, RefOr};

use super::event_schema::ENVELOPES;

const PREFIX: &str = "/components/schemas";

/// Every schema that a reference below or in another of them names.
pub(crate) fn definitions() -> Map<String, Value> {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = PREFIX.into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    generator.subschema_for::<ConnectionSettings>();
    generator.subschema_for::<CapabilityProfile>();
    generator.subschema_for::<Check>();
    generator.subschema_for::<DiagnosisStatus>();
    generator.subschema_for::<Descriptor>();
    let envelopes = [
        (
            generator.subschema_for::<Envelope<StockChanged>>(),
            StockChanged::TYPE,
        ),
        (
            generator.subschema_for::<Envelope<PriceChanged>>(),
            PriceChanged::TYPE,
        ),
        (
            generator.subschema_for::<Envelope<ProductChanged>>(),
            ProductChanged::TYPE,
        ),
    ];
    let mut definitions = generator.take_definitions(true);
    for (name, (envelope, event_type)) in ENVELOPES.into_iter().zip(envelopes) {
        let generated = envelope.get("$ref").and_then(Value::as_str);
        let generated = generated.and_then(|reference| reference.rsplit('/').next());
        if let Some(mut schema) = generated.and_then(|generated| definitions.remove(generated)) {
            fix_constants(&mut schema, event_type);
            definitions.insert(name.to_owned(), schema);
        }
    }
    as_entered(&mut definitions);
    if let Some(Value::Object(descriptor)) = definitions.get_mut("Descriptor") {
        descriptor.insert("example".to_owned(), descriptor_example());
    }
    definitions
}

fn descriptor_example() -> Value {
    json!({
        "platform": "woocommerce",
        "title": "WooCommerce",
        "kind": "store",
        "summary": "Orders, products, stock and prices of a WooCommerce store.",
        "fields": [{"name": "consumer_key", "label": "Consumer key", "kind": "key",
            "required": true, "help": "Shown once when the key is made."}],
        "guide": {
            "in_store": [{"text": "Add a key with the permission Read/Write.",
                "menu": ["WooCommerce", "Settings", "Advanced", "REST API"], "copy": "Storelink"}],
            "here": [{"text": "Enter key and secret, then verify."}]
        },
        "permissions": ["Read and write products"],
        "credential_lifetime": "Until revoked.",
        "lifecycle": {"state": "current"},
        "versions_checked": ["10.3"],
        "capabilities": {"orders": true, "products": true, "stock": true, "prices": true},
        "entities": [{"entity": "orders", "every_seconds": 3600, "shortest_seconds": 60}]
    })
}

/// What tells the events apart.
fn fix_constants(envelope: &mut Value, event_type: &str) {
    if let Some(kind) = envelope.pointer_mut("/properties/type") {
        *kind = json!({ "const": event_type });
    }
    if let Some(version) = envelope.pointer_mut("/properties/specversion") {
        *version = json!({ "const": "1.0" });
    }
}

/// Settings are entered in parts, and what is not known is refused: other than in the records that
/// services read.
fn as_entered(definitions: &mut Map<String, Value>) {
    for name in ["ConnectionSettings", "PriceListChoice"] {
        if let Some(Value::Object(schema)) = definitions.get_mut(name) {
            schema.insert("additionalProperties".to_owned(), json!(false));
        }
    }
    if let Some(Value::Object(settings)) = definitions.get_mut("ConnectionSettings") {
        settings.remove("required");
    }
}

pub(crate) fn connection_settings() -> RefOr<Schema> {
    reference("ConnectionSettings")
}

pub(crate) fn capability_profile() -> RefOr<Schema> {
    reference("CapabilityProfile")
}

pub(crate) fn diagnosis_status() -> RefOr<Schema> {
    reference("DiagnosisStatus")
}

pub(crate) fn descriptor() -> RefOr<Schema> {
    reference("Descriptor")
}

pub(crate) fn checks() -> RefOr<Schema> {
    Array::new(reference("Check")).into()
}

fn reference(name: &str) -> RefOr<Schema> {
    Ref::from_schema_name(name).into()
}
