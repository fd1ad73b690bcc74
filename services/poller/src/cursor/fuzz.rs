//! Whatever stands in SQL of a cursor and a walk, the next page is taken in without a panic.

use serde_json::{Value, json};
use storelink_fuzz::Target;
use storelink_model::Timestamp;
use time::Duration;

use super::{ClockReading, Cursor, Next, PageRead, Rules, Sighting, Walk};

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus");

#[test]
fn fuzz_cursors_and_walks() {
    let now: Timestamp = "2026-11-22T06:30:00Z".parse().unwrap();
    let rules = Rules {
        overlap: Duration::minutes(10),
        clock_error: Rules::clock_error(&[5, i64::MIN]),
        start: None,
        passes: 3,
    };
    let cursor = Cursor {
        mark: Some(now),
        start: Some(now),
        last_walk_micros: 5,
        clock_offset_micros: -5,
        last_full: Some(now),
    };
    let walk = Walk::begin(&cursor, &rules, "run_1".to_owned(), false, now);
    Target::new("fuzz_cursors_and_walks", CORPUS)
        .seed(json!([cursor, walk]).to_string())
        .seed(json!([Cursor::default(), walk]).to_string())
        .run(|input| {
            let Ok((cursor, walk)) = serde_json::from_slice::<(Cursor, Walk)>(input) else {
                return false;
            };
            // As a text, which is how both are kept.
            let written = serde_json::to_string(&(&cursor, &walk)).unwrap();
            let again: (Cursor, Walk) = serde_json::from_str(&written).unwrap();
            assert_eq!(again, (cursor.clone(), walk.clone()));
            let _ = walk.serves(&rules, false, now);
            let mut walk = walk.for_run("run_2");
            for offset_micros in [i64::MIN, 0, i64::MAX] {
                let page = PageRead {
                    clock: ClockReading {
                        before: now,
                        offset_micros,
                    },
                    arrived: Timestamp::MAX,
                    sightings: vec![Sighting {
                        modified: Some(Timestamp::MIN),
                        news: true,
                    }],
                    next: None,
                };
                if let Next::Finished(cursor) = walk.page(&cursor, &rules, page) {
                    let written = serde_json::to_string(&cursor).unwrap();
                    assert_eq!(serde_json::from_str::<Cursor>(&written).unwrap(), cursor);
                }
            }
            // What a walk did is written into the run that is shown.
            assert!(
                serde_json::to_value(walk.counts).is_ok_and(|counts: Value| counts.is_object())
            );
            true
        });
}
