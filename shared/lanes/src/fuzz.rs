//! Whatever stands in SQL, in the streams of values and in events, nothing panics, and what is read is
//! written as it is read again.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use storelink_fuzz::Target;
use storelink_model::Timestamp;

use crate::intake::fuzz_event;
use crate::kind::{LaneKind, Price, Stock};
use crate::records::memory::{LaneMemory, unpack_items};

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus");

fn snapshot<W: Clone + PartialEq + std::fmt::Debug + Serialize + DeserializeOwned>(
    text: &str,
) -> bool {
    let Ok(memory) = LaneMemory::<W>::from_snapshot(text) else {
        return false;
    };
    let address = memory
        .confirmed
        .values()
        .next()
        .map(|one| one.address.clone());
    let address = address.unwrap_or_else(|| Arc::from("https://shop.example"));
    let values = memory.confirmed.iter();
    let values = values.map(|(sku, one)| (sku.clone(), one.ids.clone(), one.value.clone(), one.at));
    let written = LaneMemory::snapshot(&address, values);
    assert_eq!(LaneMemory::<W>::from_snapshot(&written).unwrap(), memory);
    true
}

fn attempt<W: Clone + Serialize + DeserializeOwned>(text: &str) -> bool {
    let Ok((address, items)) = unpack_items::<W>(text) else {
        return false;
    };
    let address: Arc<str> = address.into();
    let count = items.len();
    for letters in ["", "c", "crunž?", &"c".repeat(count)] {
        let mut memory = LaneMemory::default();
        memory.replay(&address, items.clone(), Some((letters, Timestamp::MAX)));
        memory.replay(&address, items.clone(), None);
        assert!(memory.confirmed.len() <= count && memory.unfinished.len() <= count);
    }
    true
}

#[test]
fn fuzz_attempts_and_snapshots() {
    let price = r#"{"regular":"12.20","sale":null}"#;
    Target::new("fuzz_attempts_and_snapshots", CORPUS)
        .seed(r#"["https://shop.example",[["A","57","7"],["B","64/65","0"]]]"#)
        .seed(r#"["https://shop.example",[["A","57","7",1795329000000000],["B","64/65","0",-1]]]"#)
        .seed(format!(r#"["https://shop.example",[["A","57",{price}]]]"#))
        .seed(format!(
            r#"["https://shop.example",[["A","57",{price},5]]]"#
        ))
        .run(|input| {
            let Ok(text) = std::str::from_utf8(input) else {
                return false;
            };
            let taken = [
                snapshot::<<Stock as LaneKind>::Wanted>(text),
                snapshot::<<Price as LaneKind>::Wanted>(text),
                attempt::<<Stock as LaneKind>::Wanted>(text),
                attempt::<<Price as LaneKind>::Wanted>(text),
            ];
            taken.contains(&true)
        });
}

fn value<K: LaneKind>(input: &[u8]) -> bool {
    if let Some(value) = std::str::from_utf8(input).ok().and_then(K::value_from_text) {
        let text = K::value_to_text(&value);
        assert!(K::value_from_text(&text) == Some(value), "{text}");
    }
    let Ok((key, level)) = K::decode(input) else {
        return false;
    };
    let _ = (K::describe(&level.value), K::subject(&key));
    let _ = K::next_boundary(&[Some(&level.value), None], Timestamp::MAX);
    let again = K::decode(&K::encode(&key, &level)).unwrap();
    assert!(again.0 == key && again.1 == level, "{key:?} {level:?}");
    true
}

#[test]
fn fuzz_last_values() {
    let frame = r#""tenant":"acme","sku":"A","version":{"order":"revision","number":3},"time":"2026-11-22T06:30:00Z""#;
    Target::new("fuzz_last_values", CORPUS)
        .seed(format!(r#"{{{frame},"warehouse":"main","quantity":"7"}}"#))
        .seed(format!(
            r#"{{{frame},"price_list":"B2C","currency":"EUR","net":"10","gross":"12.20","tax_rate":"22",
            "sale":{{"gross":"9.90","from":"2026-11-22T06:30:00Z","until":null}}}}"#
        ))
        .run(|input| [value::<Stock>(input), value::<Price>(input)].contains(&true));
}

#[test]
fn fuzz_events_on_subjects() {
    let event = |kind: &str, data: &str| {
        format!(
            r#"{{"specversion":"1.0","id":"e-1","source":"/erp","type":"storelink.{kind}.changed.v1",
            "time":"2026-11-22T06:30:00Z","tenant":"acme","data":{data}}}"#
        )
    };
    Target::new("fuzz_events_on_subjects", CORPUS)
        .seed(event("stock", r#"{"warehouse":"main","items":[{"sku":"A","quantity":"1","revision":1},{"sku":"B","quantity":2}]}"#))
        .seed(event("price", r#"{"price_list":"B2C","currency":"EUR","items":[{"sku":"A","gross":"1"}]}"#))
        .run(|input| {
            // Subjects of others, too: what stands there decides whose event it is.
            let subject = String::from_utf8_lossy(input);
            let _ = fuzz_event::<Stock>(&subject, b"{}");
            let stock = fuzz_event::<Stock>("erp.acme.stock.changed", input);
            let price = fuzz_event::<Price>("erp.acme.price.changed", input);
            stock || price
        });
}
