//! Listings that leave and come back, and stores that move.

use storelink_adapter_api::{AdapterError, ErrorClass, ItemOutcome};

use super::single::{Bench, article, at, values};
use crate::lane::{DoubtKind, Effect, Finding, PackedIds, Reading};

/// An article leaves its shard and is back before the store applies what timed out.
fn gone_and_back_while(bench: &mut Bench, answered_while_gone: bool) {
    let batch = bench.take(100).unwrap();
    let timeout = AdapterError::new(ErrorClass::Transient, "http.timeout", "no answer");
    let timeout = timeout.with_unknown_outcome();
    if answered_while_gone {
        bench.lane.replace_shard(0, 1, vec![], at(1));
        bench.fail(batch, &timeout, 2);
    } else {
        bench.fail(batch, &timeout, 1);
        let effects = bench.lane.replace_shard(0, 1, vec![], at(2));
        assert_eq!(effects, []);
    }
    bench
        .lane
        .replace_shard(0, 1, vec![article(1, None)], at(3));
    bench.want(1, 6, 3);
    bench.confirm_all(4);
    assert!(bench.take(100).is_none());
}

#[test]
fn a_late_effect_is_feared_also_when_the_listing_left_and_came_back() {
    for answered_while_gone in [false, true] {
        let mut bench = Bench::with(&[(1, 5)]);
        gone_and_back_while(&mut bench, answered_while_gone);
        bench.effects.clear();
        let due = at(1 + i64::from(answered_while_gone) + 120);
        assert_eq!(bench.wake(5), Some(due));
        bench.wake(200);
        assert_eq!(values(&bench.take(100).unwrap()), [6], "written once more");
    }
}

#[test]
fn a_recheck_that_is_due_waits_for_the_listing_also_over_a_restart() {
    for woken_before in [false, true] {
        let mut bench = Bench::with(&[(1, 5)]);
        gone_and_back_while(&mut bench, false);
        if woken_before {
            bench.wake(121);
        }
        assert_eq!(bench.lane.replace_shard(0, 1, vec![], at(121)), []);
        bench.effects.clear();
        bench.wake(122);
        assert_eq!(bench.effects, [], "a start would believe in the 6");
        bench
            .lane
            .replace_shard(0, 1, vec![article(1, None)], at(123));
        assert_eq!(bench.lane.close_unlisted(), []);
        bench.confirm_all(124);
        let settled = Effect::CloseDoubt {
            sku: 1,
            kind: DoubtKind::LateEffect,
            due: at(121),
        };
        assert_eq!(bench.effects, [settled]);
    }
}

/// A lane that wrote two articles at one address, and the address is another one now.
fn moved() -> Bench {
    let mut bench = Bench::with(&[(1, 5), (2, 6)]);
    bench.lane.place_at("https://staging.example", at(0));
    bench.confirm_all(1);
    bench.lane.place_at("https://staging.example", at(2));
    assert!(bench.take(100).is_none(), "it did not move");
    bench.lane.place_at("https://shop.example", at(3));
    bench
}

#[test]
fn a_store_that_moved_is_written_from_the_beginning() {
    let mut bench = moved();
    let batch = bench.take(100).unwrap();
    assert_eq!(values(&batch), [5, 6]);
    bench.settle(batch, &[ItemOutcome::Confirmed, ItemOutcome::Confirmed], 4);
    assert!(bench.take(100).is_none());
}

#[test]
fn an_answer_from_where_the_store_was_confirms_nothing() {
    for failed in [false, true] {
        let mut bench = moved();
        let batch = bench.take(100).unwrap();
        bench.lane.place_at("https://third.example", at(4));
        if failed {
            let refused = AdapterError::new(ErrorClass::Rejected, "store.refused", "no");
            bench.fail(batch, &refused, 5);
        } else {
            bench.settle(batch, &[ItemOutcome::Confirmed, ItemOutcome::Confirmed], 5);
        }
        let batch = bench.take(100).unwrap();
        assert_eq!(values(&batch), [5, 6], "failed: {failed}");
        bench.settle(batch, &[ItemOutcome::Confirmed, ItemOutcome::Confirmed], 6);
        assert!(bench.take(100).is_none(), "this one counts");
    }
}

#[test]
fn what_was_refused_elsewhere_is_tried_where_the_store_is_now() {
    let mut bench = Bench::with(&[(1, 5)]);
    bench.lane.place_at("https://staging.example", at(0));
    let batch = bench.take(100).unwrap();
    let refused = ItemOutcome::Rejected {
        code: "store.refused",
        text: String::new(),
    };
    bench.settle(batch, &[refused], 1);
    bench.lane.changed(1, at(2));
    assert!(bench.take(100).is_none());
    bench.lane.place_at("https://shop.example", at(3));
    bench.confirm_all(4);
    assert_eq!(bench.lane.counts().parked, 0);
}

#[test]
fn a_page_of_where_the_store_was_is_compared_with_nothing() {
    let mut bench = moved();
    let ids = PackedIds::from("id-1");
    let mut compare = |begun| {
        let reading = Reading {
            ids: &ids,
            begun: at(begun),
            wanted: &5,
            right: true,
            writes: false,
        };
        bench.lane.compare(1, &reading, at(5), &mut Vec::new())
    };
    assert_eq!(compare(3), Finding::Waits);
    assert_eq!(compare(4), Finding::FoundRight);
}
