//! What an order of the store asks of its articles.

use storelink_adapter_api::ItemOutcome;

use super::single::{Bench, at, values};
use crate::lane::{DoubtKind, Effect};

#[test]
fn after_an_order_the_next_word_of_the_erp_is_written_even_if_it_is_the_same() {
    let mut bench = Bench::with(&[(1, 5)]);
    bench.confirm_all(1);
    bench.lane.ordered(1, at(1_800));
    assert!(
        bench.take(100).is_none(),
        "the ERP does not know of the order yet"
    );
    bench.want(1, 5, 10);
    let batch = bench.take(100).unwrap();
    assert_eq!(values(&batch), [5]);
    bench.settle(batch, &[ItemOutcome::Confirmed], 11);
    let closed = Effect::CloseDoubt {
        sku: 1,
        kind: DoubtKind::Order,
        due: at(1_800),
    };
    assert_eq!(bench.effects, [closed]);
    bench.want(1, 5, 12);
    assert!(bench.take(100).is_none());
}

#[test]
fn an_order_that_the_erp_never_answers_is_settled_when_its_time_has_come() {
    let mut bench = Bench::with(&[(1, 5)]);
    bench.confirm_all(1);
    bench.lane.ordered(1, at(1_800));
    assert_eq!(bench.wake(1_799), Some(at(1_800)));
    assert!(bench.take(100).is_none());
    bench.wake(1_800);
    assert_eq!(values(&bench.take(100).unwrap()), [5]);
}

#[test]
fn an_order_during_a_request_is_not_settled_by_it() {
    let mut bench = Bench::with(&[(1, 5)]);
    bench.confirm_all(1);
    bench.lane.ordered(1, at(1_800));
    bench.want(1, 5, 10);
    let batch = bench.take(100).unwrap();
    bench.lane.ordered(1, at(1_810));
    bench.settle(batch, &[ItemOutcome::Confirmed], 11);
    assert_eq!(bench.effects, []);
    bench.want(1, 5, 12);
    assert!(bench.take(100).is_some());
}

#[test]
fn an_article_that_sells_all_day_is_checked_all_the_same() {
    let mut bench = Bench::with(&[(1, 5)]);
    bench.confirm_all(1);
    bench.lane.ordered(1, at(1_800));
    bench.lane.ordered(1, at(3_000));
    bench.wake(1_800);
    assert_eq!(values(&bench.take(100).unwrap()), [5]);
}

#[test]
fn a_doubt_is_closed_as_the_last_order_left_it() {
    let mut bench = Bench::with(&[(1, 5)]);
    bench.confirm_all(1);
    bench.lane.ordered(1, at(1_800));
    bench.lane.ordered(1, at(1_900));
    bench.lane.ordered(1, at(1_900));
    bench.want(1, 5, 10);
    let batch = bench.take(100).unwrap();
    // The same doubt, read from SQL once more while the request is under way, is no new one.
    bench.lane.ordered(1, at(1_900));
    bench.settle(batch, &[ItemOutcome::Confirmed], 11);
    let closed = Effect::CloseDoubt {
        sku: 1,
        kind: DoubtKind::Order,
        due: at(1_900),
    };
    assert_eq!(bench.effects, [closed]);
}

#[test]
fn a_question_for_another_try_is_not_kept_waiting_by_a_clock_that_is_ahead() {
    let mut bench = Bench::with(&[(1, 5)]);
    let batch = bench.take(100).unwrap();
    let refused = ItemOutcome::Rejected {
        code: "store.refused",
        text: String::new(),
    };
    bench.settle(batch, &[refused], 2);
    bench.retry(1, 3_600);
    bench.wake(3);
    assert_eq!(values(&bench.take(100).unwrap()), [5]);
}
