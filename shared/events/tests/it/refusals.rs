//! What the reader of ERP events refuses, their schemas refuse, and the other way round: for each
//! event and member, values that are taken and values that are not.

use serde_json::{Value, json};
use storelink_events::contract::public_events;
use storelink_events::{EventData, erp};

use crate::samples::sample;

const STOCK: &str = erp::StockChanged::TYPE;
const PRICE: &str = erp::PriceChanged::TYPE;
const PRODUCT: &str = erp::ProductChanged::TYPE;

struct Member {
    event_type: &'static str,
    pointer: &'static str,
    taken: Value,
    refused: Value,
}

fn member(event_type: &'static str, pointer: &'static str, taken: Value, refused: Value) -> Member {
    Member {
        event_type,
        pointer,
        taken,
        refused,
    }
}

fn members() -> Vec<Member> {
    let code = |longest: usize| {
        (
            json!(["a.b *>", " ", "😀", "x".repeat(longest)]),
            json!(["", "a\nb", "a\u{7f}", "x".repeat(longest + 1), 12, null]),
        )
    };
    let decimals = |scale: usize, most: &str| {
        let fine = format!("0.{}", "1".repeat(scale));
        let finer = format!("0.{}", "1".repeat(scale + 1));
        (
            json!([fine, format!("{fine}000"), most, "0", "007", 7, 1.5]),
            json!([
                finer,
                "many",
                "",
                "1,5",
                "1e3",
                ".5",
                "5.",
                " 1",
                "+1",
                format!("{most}0"),
                true
            ]),
        )
    };
    let mut members = Vec::new();
    for event in [STOCK, PRICE, PRODUCT] {
        members.extend([
            member(
                event,
                "/specversion",
                json!(["1.0"]),
                json!(["0.3", "", 1, null]),
            ),
            member(
                event,
                "/type",
                json!([event]),
                json!(["storelink.stock.changed.v2", "", null]),
            ),
            member(
                event,
                "/id",
                json!(["e", "x".repeat(128)]),
                json!(["", "x".repeat(129), 7, null]),
            ),
            member(event, "/source", json!(["/erp/acme"]), json!([7, null])),
            member(
                event,
                "/datacontenttype",
                json!(["application/json", "application/json; charset=utf-8"]),
                json!(["text/xml", "", "application/jsonx", null]),
            ),
            member(
                event,
                "/tenant",
                json!(["acme"]),
                json!(["ACME", "a.b", "a_b", "", "a".repeat(41), null]),
            ),
            member(
                event,
                "/time",
                json!(["2026-11-22T06:30:00Z", "2026-11-22T07:30:00.5+01:00"]),
                json!([
                    "2026-11-22",
                    "2026-11-22T06:30:00",
                    "yesterday",
                    "",
                    0,
                    null
                ]),
            ),
            member(event, "/data/items", json!([]), json!([[], {}, null])),
            member(
                event,
                "/data/items/0/revision",
                json!([0, 1842, i64::MAX, null]),
                json!([-1, 1.5, "7", 9_223_372_036_854_775_808_u64]),
            ),
        ]);
        let (taken, refused) = code(255);
        members.push(member(event, "/data/items/0/sku", taken, refused));
    }
    let (taken, refused) = code(64);
    members.push(member(
        STOCK,
        "/data/warehouse",
        taken.clone(),
        refused.clone(),
    ));
    members.push(member(PRICE, "/data/price_list", taken, refused));
    let (taken, refused) = decimals(4, "1000000000");
    members.push(member(STOCK, "/data/items/0/quantity", taken, refused));
    members.push(member(
        STOCK,
        "/data/items/0/quantity",
        json!(["-3", -3]),
        json!(["--3", "-", null]),
    ));
    let (taken, refused) = decimals(6, "1000000000000");
    for amount in [
        "/data/items/0/net",
        "/data/items/0/gross",
        "/data/items/0/sale/gross",
    ] {
        members.push(member(PRICE, amount, taken.clone(), refused.clone()));
    }
    let (taken, refused) = decimals(4, "100");
    members.push(member(PRICE, "/data/items/0/tax_rate", taken, refused));
    members.push(member(
        PRICE,
        "/data/items/0/tax_rate",
        json!([null]),
        json!([-1, "-1", 101]),
    ));
    members.push(member(
        PRICE,
        "/data/currency",
        json!(["EUR"]),
        json!(["e", "eur", "EURO", "", null]),
    ));
    members.push(member(
        PRICE,
        "/data/items/0",
        json!([{ "sku": "A", "net": "1" }, { "sku": "A", "gross": 1 }]),
        json!([{ "sku": "A" }, { "sku": "A", "net": null }, { "net": "1" }, { "sku": "A", "net": "1", "sale": {} }]),
    ));
    members.push(member(
        PRODUCT,
        "/data/items/0/removed",
        json!([true, false]),
        json!(["yes", 1, null]),
    ));
    members.push(member(
        PRODUCT,
        "/data/items/0/name",
        json!(["", null]),
        json!([7, {}]),
    ));
    members
}

/// The sample with one member set to a value.
fn with(event_type: &str, pointer: &str, value: &Value) -> Value {
    let mut event = sample(event_type);
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = event.pointer_mut(parent).unwrap();
    match parent {
        Value::Array(items) => {
            *items.get_mut(name.parse::<usize>().unwrap()).unwrap() = value.clone()
        }
        parent => parent[name] = value.clone(),
    }
    event
}

fn is_read(event: &Value) -> bool {
    let reading = erp::read(&"acme".parse().unwrap(), event.to_string().as_bytes());
    reading.is_ok_and(|reading| reading.violations.is_empty())
}

#[test]
fn schema_and_reader_agree_on_every_member() {
    let events = public_events();
    let mut wrong = Vec::new();
    for member in members() {
        let public = events
            .iter()
            .find(|event| event.event_type == member.event_type);
        let validator = jsonschema::validator_for(public.unwrap().schema.as_value()).unwrap();
        let cases = [(member.taken, true), (member.refused, false)];
        for (values, expected) in cases {
            for value in values.as_array().unwrap() {
                let event = with(member.event_type, member.pointer, value);
                let found = (validator.is_valid(&event), is_read(&event));
                if found != (expected, expected) {
                    let text: String = value.to_string().chars().take(40).collect();
                    wrong.push(format!(
                        "{} {} = {text}: schema {}, reader {}",
                        member.event_type, member.pointer, found.0, found.1
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_missing_member_is_refused_by_both() {
    let events = public_events();
    for (event_type, pointer) in [
        (STOCK, "/specversion"),
        (STOCK, "/id"),
        (STOCK, "/source"),
        (STOCK, "/type"),
        (STOCK, "/time"),
        (STOCK, "/tenant"),
        (STOCK, "/data"),
        (STOCK, "/data/warehouse"),
        (STOCK, "/data/items"),
        (STOCK, "/data/items/0/sku"),
        (STOCK, "/data/items/0/quantity"),
        (PRICE, "/data/price_list"),
        (PRICE, "/data/currency"),
        (PRICE, "/data/items/0/sku"),
        (PRODUCT, "/data/items"),
        (PRODUCT, "/data/items/0/sku"),
    ] {
        let mut event = sample(event_type);
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = event.pointer_mut(parent).unwrap();
        assert!(
            parent.as_object_mut().unwrap().remove(name).is_some(),
            "{pointer}"
        );
        let public = events.iter().find(|public| public.event_type == event_type);
        let schema = public.unwrap().schema.as_value();
        assert!(
            !jsonschema::is_valid(schema, &event),
            "schema without {pointer}"
        );
        assert!(!is_read(&event), "reader without {pointer}");
    }
}
