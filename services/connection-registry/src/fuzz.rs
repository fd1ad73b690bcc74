//! Bodies, cursors and schedules: whatever a caller sends is read or refused.

use serde_json::Value;
use storelink_fuzz::Target;

use crate::api::{json, unique_members};
use crate::cursors::{PageRequest, cursor};
use crate::installation::SigningKey;
use crate::schedules::rhythm::Rhythm;

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus");

#[test]
fn fuzz_bodies() {
    Target::new("fuzz_bodies", CORPUS)
        .seed(r#"{"platform":"woocommerce","name":"A","settings":{"warehouses":["main"],"a/b":{"~":1}}}"#)
        .seed(r#"{"a":1,"a":2}"#)
        .seed(r#"[{"b":{"a":1,"\u0061":[]}}]"#)
        .run(|input| {
            let document = serde_json::from_slice::<Value>(input);
            match unique_members::check(input) {
                Ok(()) => assert!(document.is_ok(), "{document:?}"),
                Err(unique_members::NotTaken::Twice(pointer)) => {
                    // The text may be broken behind it.
                    assert!(pointer.starts_with('/'), "{pointer}");
                    if let Ok(document) = &document {
                        assert!(document.pointer(&pointer).is_some(), "{pointer} in {document}");
                    }
                }
                Err(unique_members::NotTaken::NoJson(_)) => {}
            }
            json::read::<serde_json::Map<String, Value>>(input).is_ok()
        });
}

#[test]
fn fuzz_cursors() {
    let key = SigningKey::for_test(1);
    let own = cursor(&key, "runs", &("run_7".to_owned(), 7_u32));
    let known = own.clone();
    Target::new("fuzz_cursors", CORPUS)
        .seed(&own)
        .seed(cursor(&key, "tokens", &"tok_1"))
        .seed("a.b")
        .longest(1_000)
        .run(|input| {
            let Ok(text) = std::str::from_utf8(input) else {
                return false;
            };
            let page = PageRequest {
                cursor: Some(text),
                limit: None,
            };
            let place = page.place::<(String, u32)>(&key, "runs");
            assert_eq!(place.is_ok(), text == known, "{text}");
            place.is_ok()
        });
}

#[test]
fn fuzz_rhythms() {
    let now = storelink_model::Timestamp::now();
    Target::new("fuzz_rhythms", CORPUS)
        .seed(r#"{"every_seconds":3600}"#)
        .seed(r#"{"times":["02:30","14:00"]}"#)
        .longest(2_000)
        .run(|input| {
            let Ok(rhythm) = serde_json::from_slice::<Rhythm>(input) else {
                return false;
            };
            let written = serde_json::to_vec(&rhythm).unwrap();
            assert_eq!(serde_json::from_slice::<Rhythm>(&written).unwrap(), rhythm);
            let zone = "Europe/Ljubljana".parse().unwrap();
            let _ = rhythm.next_after(now, &zone, "con_1");
            true
        });
}
