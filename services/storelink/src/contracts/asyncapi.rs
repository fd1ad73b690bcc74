use serde_json::{Map, Value, json};
use storelink_events::contract::{Direction, PublicEvent, public_events};

/// The AsyncAPI 3 document of all public events.
pub(crate) fn document() -> Value {
    let events = public_events();
    let mut channels = Map::new();
    let mut operations = Map::new();
    let mut messages = Map::new();
    for event in &events {
        let name = name(event);
        channels.insert(name.clone(), channel(event, &name));
        operations.insert(name.clone(), operation(event, &name));
        messages.insert(name, message(event));
    }
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Storelink events",
            "version": "1",
            "description": "Events travel over NATS JetStream as CloudEvents 1.0 in structured JSON. \
                Adding an optional member keeps the version of an event; anything else is a new event \
                beside the old one. Unknown members are to be ignored.",
            "license": { "name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0" },
        },
        "defaultContentType": "application/json",
        "servers": {
            "broker": {
                "host": "localhost:4222",
                "protocol": "nats",
                "description": "The broker of the installation; each publisher has a user of its own.",
            },
        },
        "channels": channels,
        "operations": operations,
        "components": { "messages": messages },
    })
}

/// `storelink.stock.changed.v1` becomes `stock-changed`.
fn name(event: &PublicEvent) -> String {
    let parts: Vec<&str> = event.event_type.split('.').collect();
    match parts.as_slice() {
        [_, entity, verb, _] => format!("{entity}-{verb}"),
        _ => event.event_type.to_owned(),
    }
}

fn channel(event: &PublicEvent, name: &str) -> Value {
    let mut parameters = Map::new();
    for parameter in event
        .subject
        .split('.')
        .filter_map(|part| part.strip_prefix('{'))
    {
        let parameter = parameter.trim_end_matches('}');
        let description = match parameter {
            "tenant" => "The company whose event it is.",
            "order" => "Storelink's id of the order.",
            _ => "The revision of the order, from 1.",
        };
        parameters.insert(parameter.to_owned(), json!({ "description": description }));
    }
    let mut messages = Map::new();
    messages.insert(
        name.to_owned(),
        json!({ "$ref": format!("#/components/messages/{name}") }),
    );
    json!({
        "address": event.subject,
        "description": event.summary,
        "parameters": parameters,
        "messages": messages,
    })
}

fn operation(event: &PublicEvent, name: &str) -> Value {
    let action = match event.direction {
        Direction::Received => "receive",
        Direction::Sent => "send",
    };
    json!({
        "action": action,
        "summary": event.summary,
        "channel": { "$ref": format!("#/channels/{name}") },
        "messages": [{ "$ref": format!("#/channels/{name}/messages/{name}") }],
    })
}

fn message(event: &PublicEvent) -> Value {
    json!({
        "name": event.event_type,
        "summary": event.summary,
        "contentType": "application/json",
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-2020-12",
            "schema": { "$ref": format!("./{}.schema.json", event.event_type) },
        },
    })
}
