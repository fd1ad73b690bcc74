//! The samples in `proto-schemas/samples` are kept for ever: every release reads them.

use std::path::{Path, PathBuf};

use serde_json::Value;
use storelink_events::contract::public_events;
use storelink_events::hub::{
    ConnectionStateChanged, EventRejected, ItemParked, OrderCancelled, OrderDelivered,
    OrderReceived, OrderRefunded, OrderUpdated, ProductSeen, ResyncRequested,
};
use storelink_events::{Envelope, EventData, erp};

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto-schemas/samples")
}

pub(crate) fn sample(event_type: &str) -> Value {
    let path = samples().join(format!("{event_type}.json"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn every_public_event_has_a_sample_that_meets_its_schema() {
    for event in public_events() {
        let validator = jsonschema::validator_for(event.schema.as_value()).unwrap();
        let sample = sample(event.event_type);
        let errors: Vec<String> = validator
            .iter_errors(&sample)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{}: {errors:?}", event.event_type);
    }
}

#[test]
fn every_sample_belongs_to_a_public_event() {
    let known: Vec<&str> = public_events()
        .iter()
        .map(|event| event.event_type)
        .collect();
    for file in std::fs::read_dir(samples()).unwrap() {
        let path = file.unwrap().path();
        let event_type = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(known.contains(&event_type.as_str()), "{event_type}");
    }
}

#[test]
fn erp_samples_are_read_without_a_violation() {
    for event_type in [
        erp::StockChanged::TYPE,
        erp::PriceChanged::TYPE,
        erp::ProductChanged::TYPE,
    ] {
        let bytes = sample(event_type).to_string();
        let reading = erp::read(&"acme".parse().unwrap(), bytes.as_bytes()).unwrap();
        assert_eq!(reading.violations, [], "{event_type}");
    }
}

#[test]
fn hub_samples_are_read_and_written_back_the_same() {
    round_trip::<OrderReceived>();
    round_trip::<OrderUpdated>();
    round_trip::<OrderCancelled>();
    round_trip::<OrderRefunded>();
    round_trip::<OrderDelivered>();
    round_trip::<ProductSeen>();
    round_trip::<ResyncRequested>();
    round_trip::<EventRejected>();
    round_trip::<ItemParked>();
    round_trip::<ConnectionStateChanged>();
}

fn round_trip<T: EventData + serde::de::DeserializeOwned>() {
    let original = sample(T::TYPE);
    let event: Envelope<T> = serde_json::from_value(original.clone()).unwrap();
    let written: Value = serde_json::from_slice(&event.to_json()).unwrap();
    let missing = lost(&original, &written, "");
    assert!(missing.is_empty(), "{}: {missing:?}", T::TYPE);

    let events = public_events();
    let public = events.iter().find(|public| public.event_type == T::TYPE);
    let schema = public.unwrap().schema.as_value();
    assert!(jsonschema::is_valid(schema, &written), "{}", T::TYPE);
}

/// Members of the sample that did not come back with the same value.
fn lost(original: &Value, written: &Value, at: &str) -> Vec<String> {
    match (original, written) {
        (Value::Object(a), Value::Object(b)) => a
            .iter()
            .flat_map(|(key, value)| {
                lost(
                    value,
                    b.get(key).unwrap_or(&Value::Null),
                    &format!("{at}/{key}"),
                )
            })
            .collect(),
        (a, b) if a == b => Vec::new(),
        _ => vec![format!("{at}: {original} became {written}")],
    }
}
