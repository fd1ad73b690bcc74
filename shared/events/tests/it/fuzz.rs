//! Whatever bytes arrive, an event is read, refused with pointers into it, or refused whole.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use storelink_events::connection::{ConnectionRecord, ConnectionSettings, TenantRecord};
use storelink_events::erp::{self, ErpEvent, MAX_ITEMS};
use storelink_events::hold::SkuHolds;
use storelink_events::hub;
use storelink_events::internal;
use storelink_events::{Envelope, Violation, subject};
use storelink_fuzz::Target;

use crate::samples::sample;

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus");

/// A pointer by RFC 6901 that leads to a member of the document, or to one that is missing in an object.
fn leads_somewhere(document: &Value, violation: &Violation) {
    let Violation {
        pointer,
        code,
        detail,
    } = violation;
    assert!(!code.is_empty() && !detail.is_empty(), "{violation:?}");
    assert!(detail.chars().count() <= 400, "{violation:?}");
    assert!(
        pointer.is_empty() || pointer.starts_with('/'),
        "{violation:?}"
    );
    let escapes = pointer.split('~').skip(1);
    assert!(
        escapes.into_iter().all(|rest| rest.starts_with(['0', '1'])),
        "{pointer}"
    );
    if document.pointer(pointer).is_some() {
        return;
    }
    let parent = pointer.rsplit_once('/').map(|(parent, _)| parent);
    let parent = parent.and_then(|parent| document.pointer(parent));
    assert!(
        parent.is_some_and(Value::is_object),
        "{violation:?} in {document}"
    );
}

#[test]
fn fuzz_erp_event() {
    let tenant = "acme".parse().unwrap();
    let kinds = ["stock", "price", "product"].map(|kind| format!("storelink.{kind}.changed.v1"));
    Target::new("fuzz_erp_event", CORPUS)
        .seeds(kinds.iter().map(|kind| {
            let mut event = sample(kind);
            event["tenant"] = json!("acme");
            event.to_string()
        }))
        .run(|input| {
            let document: Option<Value> = serde_json::from_slice(input).ok();
            match erp::read(&tenant, input) {
                Ok(reading) => {
                    // A text that a strict reader of whole documents refuses may hold it in a member
                    // that nobody reads.
                    if let Some(document) = &document {
                        for violation in &reading.violations {
                            leads_somewhere(document, violation);
                        }
                    }
                    let taken = match &reading.event {
                        ErpEvent::Stock { items, .. } => items.len(),
                        ErpEvent::Price { items, .. } => items.len(),
                        ErpEvent::Product { items } => items.len(),
                    };
                    assert!((1..=MAX_ITEMS).contains(&taken));
                    assert_eq!(reading.places.len(), taken);
                    assert!(reading.places.is_sorted());
                    assert_eq!(reading.tenant, tenant);
                    assert!(!reading.id.is_empty() && reading.id.len() <= 128);
                    true
                }
                Err(refused) => {
                    assert!(!refused.violations.is_empty());
                    if let Some(document) = &document {
                        for violation in &refused.violations {
                            leads_somewhere(document, violation);
                        }
                    }
                    false
                }
            }
        });
}

/// What is read is written as it is read again.
fn settled<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(input: &[u8]) -> bool {
    let Ok(read) = serde_json::from_slice::<T>(input) else {
        return false;
    };
    let written = serde_json::to_vec(&read).unwrap();
    assert_eq!(serde_json::from_slice::<T>(&written).unwrap(), read);
    true
}

#[test]
fn fuzz_hub_events() {
    let kinds = [
        "order.received",
        "order.delivered",
        "event.rejected",
        "item.parked",
        "connection.state_changed",
    ];
    Target::new("fuzz_hub_events", CORPUS)
        .seeds(kinds.map(|kind| sample(&format!("storelink.{kind}.v1")).to_string()))
        .run(|input| {
            let taken = [
                settled::<Envelope<hub::OrderEvent>>(input),
                settled::<Envelope<hub::EventRejected>>(input),
                settled::<Envelope<hub::ItemParked>>(input),
                settled::<Envelope<hub::ConnectionStateChanged>>(input),
            ];
            taken.contains(&true)
        });
}

#[test]
fn fuzz_settings_of_a_connection() {
    let all = json!({
        "order_start": "2026-11-22T00:00:00Z", "warehouses": ["main", "B"], "reserve": "2",
        "price_list": { "code": "B2C", "audience": "b2c", "format": "gross" },
        "time_zone": "Europe/Ljubljana", "requests_per_minute": 60, "concurrency": 2,
        "observe_only": false, "zero_limit_percent": 30, "price_factor_limit": 5,
        "rounding": "add_line", "options": { "a/b": { "~": 1 } },
    });
    Target::new("fuzz_settings_of_a_connection", CORPUS)
        .seed(all.to_string())
        .seed(r#"{"order_start":"2026-11-22T00:00:00Z"}"#)
        .run(|input| {
            let Ok(document) = serde_json::from_slice::<Value>(input) else {
                return false;
            };
            match ConnectionSettings::parse_strict(&document) {
                Ok(settings) => {
                    // As text: on the way through a value `-0` becomes `0`.
                    let written = serde_json::to_string(&settings).unwrap();
                    let written = serde_json::from_str(&written).unwrap();
                    assert_eq!(
                        ConnectionSettings::parse_strict(&written).unwrap(),
                        settings
                    );
                    true
                }
                Err(violations) => {
                    assert!(!violations.is_empty());
                    for violation in &violations {
                        let parent = violation
                            .pointer
                            .rsplit_once('/')
                            .map_or("", |(parent, _)| parent);
                        assert!(
                            document.pointer(parent).is_some(),
                            "{violation:?} in {document}"
                        );
                    }
                    false
                }
            }
        });
}

#[test]
fn fuzz_records_of_buckets_and_streams() {
    let connection = "con_01980f6e1f4a7d0c9b1e2a3b4c5d6e7f";
    let record = json!({
        "id": connection, "tenant": "acme", "platform": "woocommerce", "name": "A", "revision": 7,
        "paused": false, "address": "https://shop.example", "sealed_credentials": "x",
        "credentials_revision": 1, "profile": {}, "active_entities": ["stock"],
        "settings": { "order_start": "2026-11-22T00:00:00Z" },
    });
    let shard = json!({
        "connection": connection, "shard": 0, "shards": 1, "revision": 3,
        "listings": [{ "sku": "A", "ids": { "product": "1" } }],
    });
    let level = json!({
        "tenant": "acme", "warehouse": "main", "sku": "A", "quantity": "7",
        "version": { "order": "revision", "number": 3 }, "time": "2026-11-22T06:30:00Z",
    });
    let holds = json!({ "tenant": "acme", "sku": "A", "revision": 1, "holds": [] });
    let job =
        json!({ "tenant": "acme", "connection": connection, "entity": "orders", "run": "run_1" });
    Target::new("fuzz_records_of_buckets_and_streams", CORPUS)
        .seeds([record, shard, level, holds, job].map(|seed| seed.to_string()))
        .seed(r#"{"tenant":"acme","revision":1,"writes_paused":true}"#)
        .run(|input| {
            let taken = [
                settled::<ConnectionRecord>(input),
                settled::<TenantRecord>(input),
                settled::<SkuHolds>(input),
                settled::<internal::ListingShard>(input),
                settled::<internal::StockLevel>(input),
                settled::<internal::PriceEntry>(input),
                settled::<internal::PollJob>(input),
            ];
            taken.contains(&true)
        });
}

#[test]
fn fuzz_subject_tokens() {
    Target::new("fuzz_subject_tokens", CORPUS)
        .seeds(["MUG-01", "A=2FB=205", "=", "=h00", "a.b *>", "ž😀"])
        .longest(3_000)
        .run(|input| {
            let Ok(text) = std::str::from_utf8(input) else {
                return false;
            };
            let token = subject::token(text);
            assert!((1..=765).contains(&token.len()), "{token}");
            assert!(
                token
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_=".contains(&b))
            );
            match subject::text(&token) {
                Some(decoded) => assert_eq!(decoded, text),
                None => assert!(token.starts_with("=h"), "{token}"),
            }
            // A token of somebody else: read, or none.
            if let Some(decoded) = subject::text(text) {
                assert!(decoded.len() <= text.len());
            }
            true
        });
}
