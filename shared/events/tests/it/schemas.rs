//! What the schemas promise to those who generate code from them.

use serde_json::Value;
use storelink_events::contract::{Direction, public_events};

/// Every place below a schema at which `found` holds.
fn places(schema: &Value, at: &str, found: &dyn Fn(&Value) -> bool) -> Vec<String> {
    let mut hits = Vec::new();
    if found(schema) {
        hits.push(at.to_owned());
    }
    let inner: Vec<(String, &Value)> = match schema {
        Value::Object(members) => members.iter().map(|(k, v)| (k.clone(), v)).collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(i, v)| (i.to_string(), v))
            .collect(),
        _ => Vec::new(),
    };
    for (name, value) in inner {
        hits.extend(places(value, &format!("{at}/{name}"), found));
    }
    hits
}

#[test]
fn decimals_that_we_send_are_strings_and_those_that_we_read_may_be_numbers() {
    let number = |schema: &Value| schema["type"] == "number" || schema["type"][1] == "number";
    for event in public_events() {
        let numbers = places(event.schema.as_value(), "", &number);
        let expected = event.direction == Direction::Received
            && !event.event_type.starts_with("storelink.product.");
        assert_eq!(
            !numbers.is_empty(),
            expected,
            "{} {numbers:?}",
            event.event_type
        );
    }
}

#[test]
fn unknown_members_are_allowed_everywhere() {
    let closed = |schema: &Value| schema.get("additionalProperties") == Some(&Value::Bool(false));
    for event in public_events() {
        assert!(
            places(event.schema.as_value(), "", &closed).is_empty(),
            "{}",
            event.event_type
        );
    }
}

#[test]
fn schemas_are_the_same_at_every_run() {
    let texts = || -> Vec<String> {
        let events = public_events();
        events
            .iter()
            .map(|event| event.schema.as_value().to_string())
            .collect()
    };
    assert_eq!(texts(), texts());
}
