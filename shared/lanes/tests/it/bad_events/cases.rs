//! The cases: bad frames, bad items beside a good one, and what is strange but right.

use serde_json::{Value, json};
use storelink_bus::Headers;
use storelink_model::Timestamp;
use time::Duration;

/// One bad event, and how it is answered.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) payload: Vec<u8>,
    pub(super) headers: Headers,
    /// Code and pointer of each refusal.
    pub(super) refused: Vec<(&'static str, String)>,
    /// Whether its article `<name>` is taken.
    pub(super) taken: bool,
}

/// A good stock event with one level of an article that is called like the event.
pub(super) fn good(name: &str) -> Value {
    json!({
        "specversion": "1.0", "id": name, "source": "/erp", "type": "storelink.stock.changed.v1",
        "time": Timestamp::now().to_string(), "tenant": "acme",
        "data": { "warehouse": "main", "items": [{ "sku": name, "quantity": "7", "revision": 1 }] },
    })
}

fn case(name: &str, payload: impl Into<Vec<u8>>, refused: &[(&'static str, &str)]) -> Case {
    let refused = refused.iter();
    Case {
        name: name.to_owned(),
        payload: payload.into(),
        headers: Headers::new(),
        refused: refused
            .map(|(code, at)| (*code, (*at).to_owned()))
            .collect(),
        taken: false,
    }
}

/// A member of the envelope set to a value, or left out.
fn member(name: &str, pointer: &str, value: Option<Value>, code: &'static str) -> Case {
    let mut event = good(name);
    let (parent, member) = pointer.rsplit_once('/').unwrap_or_default();
    let parent = event.pointer_mut(parent).and_then(Value::as_object_mut);
    if let Some(parent) = parent {
        match value {
            Some(value) => parent.insert(member.to_owned(), value),
            None => parent.remove(member),
        };
    }
    case(name, event.to_string(), &[(code, pointer)])
}

/// A second item beside the good one.
fn item(name: &str, item: Value, member: &str, code: &'static str) -> Case {
    raw_item(name, &item.to_string(), member, code)
}

fn raw_item(name: &str, item: &str, member: &str, code: &'static str) -> Case {
    let mut event = good(name);
    if let Some(items) = event
        .pointer_mut("/data/items")
        .and_then(Value::as_array_mut)
    {
        items.push("ITEM".into());
    }
    let payload = event.to_string().replace("\"ITEM\"", item);
    Case {
        taken: true,
        ..case(name, payload, &[(code, &format!("/data/items/1{member}"))])
    }
}

pub(super) fn whole() -> Vec<Case> {
    let text = good("x").to_string();
    let mut cases = vec![
        case("no bytes", "", &[("event.not_json", "")]),
        case("no JSON", "sku=A&quantity=3", &[("event.not_json", "")]),
        case(
            "cut off",
            text.get(..100).unwrap_or_default(),
            &[("event.not_json", "")],
        ),
        case(
            "text behind",
            format!("{text} x"),
            &[("event.not_json", "")],
        ),
        case(
            "a list",
            format!("[{text}]"),
            &[("event.member_invalid", "")],
        ),
        case("null", "null", &[("event.member_invalid", "")]),
        case(
            "packed",
            b"\x1f\x8b\x08\0\0\0\0\0\0\x03".as_slice(),
            &[("event.not_json", "")],
        ),
        case(
            "byte-order mark",
            format!("\u{feff}{text}"),
            &[("event.not_json", "")],
        ),
        case("other zeros", vec![0; 1_000], &[("event.not_json", "")]),
    ];
    let text = good("no UTF-8").to_string();
    let mut bytes = text.clone().into_bytes();
    if let Some(place) = text.find("/erp") {
        bytes.splice(place..place, [0xff, 0xfe]);
    }
    cases.push(case("no UTF-8", bytes, &[("event.not_json", "")]));
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    cases.push(case(
        "deep",
        deep.as_bytes(),
        &[("event.member_invalid", "")],
    ));
    let inside = good("deep inside").to_string().replace("\"7\"", &deep);
    let at = format!("/data/items/0/quantity{}", "/0".repeat(45));
    cases.push(case(
        "deep inside",
        inside,
        &[("event.member_invalid", &at)],
    ));
    let twice = good("twice").to_string();
    let twice = twice.replacen('{', "{\"source\":\"/other\",", 1);
    cases.push(case("twice", twice, &[("event.member_twice", "/source")]));
    for name in [
        "specversion",
        "id",
        "source",
        "type",
        "time",
        "tenant",
        "data",
    ] {
        let pointer = format!("/{name}");
        cases.push(member(
            &format!("without {name}"),
            &pointer,
            None,
            "event.member_missing",
        ));
        cases.push(member(
            &format!("{name} is a number"),
            &pointer,
            Some(json!(7)),
            "event.member_invalid",
        ));
    }
    for (pointer, value, code) in [
        ("/specversion", json!("0.3"), "event.specversion"),
        ("/id", json!(""), "event.id"),
        ("/id", json!("x".repeat(129)), "event.id"),
        ("/type", json!("storelink.stock.changed.v2"), "event.type"),
        (
            "/type",
            json!("storelink.price.changed.v1"),
            "event.member_missing",
        ),
        ("/type", json!("com.example.other"), "event.type"),
        (
            "/datacontenttype",
            json!("application/xml"),
            "event.content_type",
        ),
        ("/tenant", json!("other"), "event.tenant"),
        ("/tenant", json!("a.b"), "event.member_invalid"),
        ("/tenant", json!(">"), "event.member_invalid"),
        ("/time", json!("2026-11-22"), "event.member_invalid"),
        (
            "/time",
            json!("2026-11-22T06:30:00"),
            "event.member_invalid",
        ),
        (
            "/time",
            json!("2026-02-31T06:30:00Z"),
            "event.member_invalid",
        ),
        (
            "/time",
            json!("0000-00-00T00:00:00Z"),
            "event.member_invalid",
        ),
        ("/data/warehouse", json!(""), "event.member_invalid"),
        (
            "/data/warehouse",
            json!("x".repeat(65)),
            "event.member_invalid",
        ),
        ("/data/warehouse", json!("a\nb"), "event.member_invalid"),
        ("/data/items", json!([]), "event.item_count"),
        ("/data/items", json!({}), "event.member_invalid"),
        ("/data/items", json!(vec![0; 1_001]), "event.item_count"),
        ("/data/items", json!(vec![0; 10_000]), "event.item_count"),
    ] {
        let name = format!(
            "{pointer} {}",
            value.to_string().get(..8).unwrap_or("short")
        );
        let name = format!("{name} {}", cases.len());
        let mut one = member(&name, pointer, Some(value), code);
        if code == "event.member_missing" {
            one.refused = vec![(code, "/data/price_list".to_owned())];
        }
        cases.push(one);
    }
    let mut packed = good("data_base64");
    if let Some(event) = packed.as_object_mut() {
        event.remove("data");
        event.insert("data_base64".to_owned(), json!("e30="));
    }
    cases.push(case(
        "data_base64",
        packed.to_string(),
        &[("event.member_missing", "/data")],
    ));
    let mut ahead = good("a day ahead");
    ahead["time"] = json!(
        Timestamp::now()
            .saturating_add(Duration::days(1))
            .to_string()
    );
    ahead["data"] = json!({ "warehouse": "by time", "items": [{ "sku": "B", "quantity": "7" }] });
    cases.push(case(
        "a day ahead",
        ahead.to_string(),
        &[("event.time_in_future", "/time")],
    ));
    cases
}

/// One bad item beside a good one.
pub(super) fn items() -> Vec<Case> {
    let missing = "event.member_missing";
    let invalid = "event.member_invalid";
    let mut cases = vec![
        item(
            "no sku",
            json!({ "quantity": "1", "revision": 1 }),
            "/sku",
            missing,
        ),
        item(
            "no quantity",
            json!({ "sku": "B", "revision": 1 }),
            "/quantity",
            missing,
        ),
        item("a text", json!("B"), "", invalid),
        item("nothing", json!(null), "", invalid),
        raw_item(
            "quantity twice",
            r#"{"sku":"B","quantity":"1","quantity":"2","revision":1}"#,
            "/quantity",
            "event.member_twice",
        ),
        item(
            "beyond 63 bits",
            json!({ "sku": "B", "quantity": "1", "revision": u64::MAX }),
            "/revision",
            "event.revision",
        ),
        raw_item(
            "beyond 64 bits",
            r#"{"sku":"B","quantity":"1","revision":99999999999999999999999}"#,
            "/revision",
            invalid,
        ),
        item(
            "no revision among some",
            json!({ "sku": "B", "quantity": "1" }),
            "/revision",
            "event.version_order",
        ),
    ];
    let quantities = [
        r#""many""#,
        r#""""#,
        r#"" 1""#,
        r#""1,5""#,
        r#""1e3""#,
        r#""+1""#,
        r#""٣""#,
        "1e400",
        "1000000000001",
        "0.00001",
        "null",
        "true",
        "[]",
        "{}",
        r#""NaN""#,
        "123456789012345678901234567890123456789012345",
    ];
    for quantity in quantities {
        let one = format!(r#"{{"sku":"B","quantity":{quantity},"revision":1}}"#);
        cases.push(raw_item(
            &format!("quantity {quantity}"),
            &one,
            "/quantity",
            invalid,
        ));
    }
    for revision in ["-1", "1.5", r#""7""#, "1e3", "true", "[]"] {
        let one = format!(r#"{{"sku":"B","quantity":"1","revision":{revision}}}"#);
        cases.push(raw_item(
            &format!("revision {revision}"),
            &one,
            "/revision",
            invalid,
        ));
    }
    let long = format!("\"{}\"", "x".repeat(10_000));
    let longer = format!("\"{}\"", "x".repeat(256));
    for (name, sku) in [
        ("empty", r#""""#),
        ("a number", "12"),
        ("null", "null"),
        ("NUL", r#""a\u0000b""#),
        ("a line break", r#""a\nb""#),
        ("lone surrogate", r#""\ud800""#),
        ("10,000", &long),
        ("256", &longer),
        ("a list", "[]"),
    ] {
        let one = format!(r#"{{"sku":{sku},"quantity":"1","revision":1}}"#);
        cases.push(raw_item(&format!("sku {name}"), &one, "/sku", invalid));
    }
    cases
}

/// Strange and right: nothing is refused.
pub(super) fn strange() -> anyhow::Result<Vec<Case>> {
    let mut cases = Vec::new();
    for sku in [
        "A.B",
        "*",
        ">",
        "a b",
        " a ",
        "😀",
        "\u{202e}a",
        "' OR 1=1",
        "=h",
        "a/../b",
        "%00",
    ] {
        cases.push(Case {
            taken: true,
            ..case(sku, good(sku).to_string(), &[])
        });
    }
    let mut later = good("of a later release");
    later["partitionkey"] = json!("x");
    later["data"]["items"][0]["bin"] = json!({ "shelf": 3 });
    let mut odd = Headers::new();
    odd.insert("traceparent", "00-zz-1")?;
    odd.insert("Storelink-Tenant", "other")?;
    odd.insert("Storelink-Dead-Code", "x")?;
    cases.push(Case {
        taken: true,
        headers: odd,
        ..case("of a later release", later.to_string(), &[])
    });
    Ok(cases)
}
