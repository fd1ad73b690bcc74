use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn acme() -> TenantId {
    "acme".parse().unwrap()
}

fn event(data: &Value) -> Value {
    json!({
        "specversion": "1.0", "id": "e-1", "source": "/erp/acme", "type": "storelink.stock.changed.v1",
        "time": "2026-11-22T06:30:00Z", "datacontenttype": "application/json", "tenant": "acme",
        "data": data,
    })
}

fn stock_of(items: &Value) -> Value {
    event(&json!({ "warehouse": "main", "items": items }))
}

fn refusal(event: &Value) -> (String, String) {
    let refused = read(&acme(), &serde_json::to_vec(event).unwrap()).unwrap_err();
    let violation = refused.violations.first().unwrap().clone();
    (violation.pointer, violation.code)
}

fn taken(event: &Value) -> ErpReading {
    read(&acme(), &serde_json::to_vec(event).unwrap()).unwrap()
}

#[test]
fn a_good_event_is_read_with_odd_skus_and_exact_numbers() {
    let reading = taken(&stock_of(&json!([
        { "sku": "A.B *>", "quantity": "37", "revision": 1842 },
        { "sku": "😀", "quantity": 1.50, "unknown": true },
    ])));
    let ErpEvent::Stock { warehouse, items } = reading.event else {
        panic!("no stock")
    };
    assert_eq!(warehouse.as_str(), "main");
    assert_eq!(items[0].revision, Some(1842));
    assert_eq!(items[1].quantity.to_string(), "1.5");
    assert!(reading.violations.is_empty());
}

#[test]
fn bad_items_are_pointed_at_and_good_ones_beside_them_taken() {
    let reading = taken(&stock_of(&json!([
        { "sku": "A", "quantity": "many" },
        { "sku": "B", "quantity": "2" },
        { "quantity": "2" },
        { "sku": "D", "quantity": "2", "revision": -1 },
        { "sku": "x".repeat(10_000), "quantity": "2" },
        { "sku": "E", "quantity": "2", "revision": 18_446_744_073_709_551_615_u64 },
    ])));
    let ErpEvent::Stock { items, .. } = reading.event else {
        panic!("no stock")
    };
    assert_eq!(items.len(), 1);
    let found: Vec<_> = reading
        .violations
        .iter()
        .map(|v| (v.pointer.as_str(), v.code.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            ("/data/items/0/quantity", "event.member_invalid"),
            ("/data/items/2/sku", "event.member_missing"),
            ("/data/items/3/revision", "event.member_invalid"),
            ("/data/items/4/sku", "event.member_invalid"),
            ("/data/items/5/revision", "event.revision"),
        ]
    );
}

#[test]
fn the_source_and_a_content_type_with_its_charset_are_read() {
    let mut event = stock_of(&json!([{ "sku": "A", "quantity": "1" }]));
    for charset in [
        "application/json; charset=utf-8",
        "Application/JSON;charset=\"UTF-8\"",
        "application/json; profile=x",
    ] {
        event["datacontenttype"] = json!(charset);
        assert_eq!(taken(&event).source, "/erp/acme");
    }
    for other in [
        "text/xml",
        "application/json; charset=iso-8859-2",
        "application/jsonx",
        "",
    ] {
        event["datacontenttype"] = json!(other);
        assert_eq!(
            refusal(&event),
            ("/datacontenttype".into(), "event.content_type".into())
        );
    }
}

#[test]
fn a_price_without_net_and_gross_is_refused() {
    let mut event = event(&json!({ "price_list": "B2C", "currency": "EUR", "items": [
        { "sku": "A" },
        { "sku": "B", "net": null, "gross": null },
        { "sku": "C", "gross": "1.00", "sale": { "from": "2026-11-22T06:30:00Z" } },
        { "sku": "D", "gross": "1.00", "sale": { "net": "0.50" } },
    ]}));
    event["type"] = json!(PriceChanged::TYPE);
    let reading = taken(&event);
    let found: Vec<_> = reading
        .violations
        .iter()
        .map(|v| (v.pointer.as_str(), v.code.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            ("/data/items/0", "event.price_missing"),
            ("/data/items/1", "event.price_missing"),
            ("/data/items/2/sale", "event.price_missing"),
        ]
    );
}

#[test]
fn a_time_that_cannot_be_written_is_refused_and_not_a_panic() {
    for time in ["9999-12-31T23:59:59-01:00", "0000-01-01T00:00:00+01:00"] {
        let mut event = stock_of(&json!([{ "sku": "A", "quantity": "1" }]));
        event["time"] = json!(time);
        assert_eq!(
            refusal(&event),
            ("/time".into(), "event.member_invalid".into())
        );
    }
}

#[test]
fn a_sku_twice_is_refused_at_both_places() {
    let reading = taken(&stock_of(&json!([
        { "sku": "A", "quantity": "1" }, { "sku": "B", "quantity": "1" }, { "sku": "A", "quantity": "2" },
    ])));
    let pointers: Vec<_> = reading
        .violations
        .iter()
        .map(|v| v.pointer.as_str())
        .collect();
    assert_eq!(pointers, ["/data/items/0/sku", "/data/items/2/sku"]);
}

#[test]
fn duplicate_members_are_refused() {
    let text = stock_of(&json!(["ITEM"])).to_string();
    let text = text.replace("\"ITEM\"", r#"{"sku":"A","quantity":"1","quantity":"2"}"#);
    let refused = read(&acme(), text.as_bytes()).unwrap_err();
    assert_eq!(refused.violations[0].code, "event.member_twice");
    assert_eq!(refused.violations[0].pointer, "/data/items/0/quantity");
}

#[test]
fn places_of_taken_items_are_their_places_in_the_event() {
    let reading = taken(&stock_of(&json!([
        { "sku": "A", "quantity": "many" },
        { "sku": "B", "quantity": "2" },
        { "sku": "C" },
        { "sku": "D", "quantity": "2" },
    ])));
    assert_eq!(reading.places, [1, 3]);
}

#[test]
fn a_refusal_repeats_no_value_and_stays_short() {
    let secret = "s_123".repeat(1_000);
    let reading = taken(&stock_of(&json!([
        { "sku": "A", "quantity": "2" },
        { "sku": "B", "quantity": "2", "revision": secret },
        { "sku": { secret.as_str(): 1 }, "quantity": "2" },
        { "sku": "C", "quantity": secret },
        { "sku": "C", "quantity": { "a": { secret.as_str(): { "b": 1 } } } },
        secret,
    ])));
    assert_eq!(reading.violations.len(), 5);
    for violation in reading.violations {
        assert!(!violation.detail.contains("s_123"), "{violation}");
        assert!(violation.detail.len() <= 200 && violation.pointer.len() <= 40);
    }
}

#[test]
fn lists_are_not_taken_for_objects() {
    let whole = json!([
        "1.0", "e-1", "/erp", "storelink.stock.changed.v1", null, "2026-11-22T06:30:00Z",
        "application/json", null, "acme", null, { "warehouse": "main", "items": [] },
    ]);
    assert_eq!(
        refusal(&whole),
        (String::new(), "event.member_invalid".into())
    );
    let frame = event(&json!(["main", [{ "sku": "A", "quantity": "1" }]]));
    assert_eq!(
        refusal(&frame),
        ("/data".into(), "event.member_invalid".into())
    );
    let item = stock_of(&json!([["A", "1", 7]]));
    assert_eq!(
        refusal(&item),
        ("/data/items/0".into(), "event.member_invalid".into())
    );
    let sale = json!({ "sku": "A", "gross": "1", "sale": ["1", "2"] });
    let mut price = event(&json!({ "price_list": "B2C", "currency": "EUR", "items": [sale] }));
    price["type"] = json!(PriceChanged::TYPE);
    assert_eq!(
        refusal(&price),
        ("/data/items/0/sale".into(), "event.member_invalid".into())
    );
}

#[test]
fn a_wrong_frame_refuses_the_whole_event_with_its_id() {
    let mut foreign = stock_of(&json!([{ "sku": "A", "quantity": "1" }]));
    foreign["tenant"] = json!("other");
    assert_eq!(refusal(&foreign), ("/tenant".into(), "event.tenant".into()));

    let mut unknown = stock_of(&json!([{ "sku": "A", "quantity": "1" }]));
    unknown["type"] = json!("storelink.stock.changed.v9");
    assert_eq!(refusal(&unknown), ("/type".into(), "event.type".into()));

    let mut old = stock_of(&json!([{ "sku": "A", "quantity": "1" }]));
    old["specversion"] = json!("0.3");
    assert_eq!(
        refusal(&old),
        ("/specversion".into(), "event.specversion".into())
    );

    let many: Vec<_> = (0..1_001)
        .map(|n| json!({ "sku": n.to_string(), "quantity": "1" }))
        .collect();
    assert_eq!(
        refusal(&stock_of(&json!(many))),
        ("/data/items".into(), "event.item_count".into())
    );
    assert_eq!(refusal(&stock_of(&json!([]))).1, "event.item_count");

    let missing = event(&json!({ "items": [{ "sku": "A", "quantity": "1" }] }));
    let refused = read(&acme(), missing.to_string().as_bytes()).unwrap_err();
    assert_eq!(refused.event_id.as_deref(), Some("e-1"));
    assert_eq!(refused.violations[0].code, "event.member_missing");
    assert_eq!(refused.violations[0].pointer, "/data/warehouse");
}

#[test]
fn what_is_not_json_is_refused() {
    for bytes in [&b""[..], b"[]", b"null", b"{", b"\xff\xfe", b"{} {}"] {
        assert!(read(&acme(), bytes).is_err());
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(
        read(&acme(), deep.as_bytes()).unwrap_err().violations.len(),
        1
    );
    let large = vec![b' '; MAX_EVENT_BYTES + 1];
    assert_eq!(
        read(&acme(), &large).unwrap_err().violations[0].code,
        "event.too_large"
    );
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(&acme(), &bytes);
    }

    #[test]
    fn no_data_makes_it_panic(text in "[\\[\\]{}\":,a-z0-9 .eE+-]{0,120}") {
        let whole = stock_of(&json!("DATA")).to_string().replace("\"DATA\"", &text);
        let _ = read(&acme(), whole.as_bytes());
    }
}
