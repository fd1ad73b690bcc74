//! Listings that leave and come back.

use storelink_adapter_api::{AdapterError, ErrorClass};

use super::single::{Bench, article, at, values};
use crate::lane::{DoubtKind, Effect};

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
