//! One rule each.

use std::collections::HashMap;

use storelink_adapter_api::{AdapterError, ErrorClass, ItemOutcome, WriteGroup};
use storelink_events::internal::Blocked;
use time::Duration;

use crate::kind::Unpublishable;
use crate::lane::{Batch, Desired, DoubtKind, Effect, Lane, ListedArticle, PackedIds, Remembered};
use crate::levels::SkuId;
use storelink_model::Timestamp;

const RECHECK: Duration = Duration::seconds(120);

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

type Wanted = HashMap<SkuId, Result<Option<u32>, Unpublishable>>;

/// A lane with what is wanted of each article.
pub(super) struct Bench {
    pub(super) lane: Lane<u32>,
    pub(super) wanted: Wanted,
    pub(super) effects: Vec<Effect>,
}

impl Bench {
    pub(super) fn with(articles: &[(SkuId, u32)]) -> Self {
        let mut bench = Self {
            lane: Lane::new(),
            wanted: HashMap::new(),
            effects: Vec::new(),
        };
        for (sku, wanted) in articles {
            bench.wanted.insert(*sku, Ok(Some(*wanted)));
        }
        let listed = articles
            .iter()
            .map(|(sku, _)| article(*sku, None))
            .collect();
        bench.lane.replace_shard(0, 1, listed, at(0));
        bench
    }

    pub(super) fn want(&mut self, sku: SkuId, value: u32, now: i64) {
        self.wanted.insert(sku, Ok(Some(value)));
        self.lane.changed(sku, at(now));
    }

    /// What is wanted of an article.
    pub(super) fn desired(wanted: &Wanted, sku: SkuId) -> Desired<u32> {
        Desired {
            wanted: wanted.get(&sku).cloned().unwrap_or(Ok(None)),
            boundary: None,
            event_time: None,
            trace: None,
        }
    }

    pub(super) fn take(&mut self, limit: usize) -> Option<Batch<u32>> {
        let wanted = &self.wanted;
        let mut desired = |sku: SkuId| Self::desired(wanted, sku);
        self.lane.take_batch(limit, &mut desired, &mut self.effects)
    }

    pub(super) fn wake(&mut self, now: i64) -> Option<Timestamp> {
        self.lane.wake_doubts(at(now), &mut self.effects)
    }

    /// A person wants what is parked now to be tried again.
    pub(super) fn retry(&mut self, sku: SkuId, now: i64) {
        let input = self.lane.parked[&sku].input.clone();
        self.retry_of(sku, &input, now);
    }

    pub(super) fn retry_of(&mut self, sku: SkuId, input: &str, now: i64) {
        self.lane.doubt(sku, DoubtKind::Retry, at(now));
        self.lane.retry_of(sku, input.to_owned());
    }

    pub(super) fn confirm_all(&mut self, now: i64) {
        while let Some(batch) = self.take(100) {
            let outcomes = vec![ItemOutcome::Confirmed; batch.items.len()];
            self.settle(batch, &outcomes, now);
        }
    }

    pub(super) fn settle(&mut self, batch: Batch<u32>, outcomes: &[ItemOutcome], now: i64) {
        let effects = self.lane.settle(batch, outcomes, at(now), RECHECK);
        self.effects.extend(effects);
    }

    pub(super) fn fail(&mut self, batch: Batch<u32>, error: &AdapterError, now: i64) {
        let effects = self.lane.fail(batch, error, at(now), RECHECK);
        self.effects.extend(effects);
    }
}

pub(super) fn article(sku: SkuId, group: Option<&str>) -> ListedArticle {
    ListedArticle {
        sku,
        ids: PackedIds::from(format!("id-{sku}").as_str()),
        group: WriteGroup(group.map(str::to_owned)),
        blocked: None,
    }
}

fn skus(batch: &Batch<u32>) -> Vec<SkuId> {
    batch.items.iter().map(|item| item.sku).collect()
}

pub(super) fn values(batch: &Batch<u32>) -> Vec<u32> {
    batch.items.iter().map(|item| item.value).collect()
}

#[test]
fn a_change_that_changes_nothing_is_not_sent() {
    let mut bench = Bench::with(&[(1, 5)]);
    bench.confirm_all(1);
    assert!(bench.lane.changed(1, at(2)));
    assert!(bench.take(100).is_none());
    assert_eq!(bench.lane.counts().dirty, 0);
}

#[test]
fn a_thousand_changes_become_one_item_with_the_last_value() {
    let mut bench = Bench::with(&[(1, 0)]);
    for value in 1..=1_000 {
        bench.want(1, value, 1);
    }
    assert_eq!(values(&bench.take(100).unwrap()), [1_000]);
    assert_eq!(bench.lane.counts().superseded, 1_000);
}

#[test]
fn what_changes_under_way_waits_again_and_is_not_taken_twice() {
    let mut bench = Bench::with(&[(1, 5)]);
    let batch = bench.take(100).unwrap();
    bench.want(1, 6, 2);
    bench.settle(batch, &[ItemOutcome::Confirmed], 3);
    let batch = bench.take(100).unwrap();
    assert_eq!(values(&batch), [6]);
    assert_eq!(batch.items[0].dirty_since, at(2));
}

#[test]
fn the_longest_waiting_goes_first_and_only_its_group_fills_the_request() {
    let mut bench = Bench::with(&[]);
    let listed = vec![
        article(1, Some("p")),
        article(2, None),
        article(3, Some("p")),
        article(4, None),
    ];
    for sku in 1..=4 {
        bench.wanted.insert(sku, Ok(Some(1)));
    }
    bench.lane.replace_shard(0, 1, listed, at(0));
    let first = bench.take(100).unwrap();
    assert_eq!(skus(&first), [1, 3]);
    bench.settle(first, &[ItemOutcome::Confirmed, ItemOutcome::Confirmed], 1);
    let second = bench.take(1).unwrap();
    assert_eq!(skus(&second), [2]);
    bench.settle(second, &[ItemOutcome::Confirmed], 1);
    assert_eq!(skus(&bench.take(100).unwrap()), [4]);
}

#[test]
fn a_failed_request_keeps_its_place_and_its_age() {
    let mut bench = Bench::with(&[(1, 5), (2, 6), (3, 7)]);
    let batch = bench.take(2).unwrap();
    let error = AdapterError::new(ErrorClass::Transient, "http.connect", "refused");
    bench.fail(batch, &error, 11);
    assert_eq!(bench.lane.counts().oldest_dirty, Some(at(0)));
    assert_eq!(bench.lane.counts().dirty, 3);
    assert_eq!(skus(&bench.take(100).unwrap()), [1, 2, 3]);
    assert_eq!(bench.effects, []);
}

#[test]
fn a_confirmed_value_that_returns_after_a_request_that_never_left_is_not_sent() {
    let mut bench = Bench::with(&[(1, 5)]);
    bench.confirm_all(1);
    bench.want(1, 6, 2);
    let batch = bench.take(100).unwrap();
    let error = AdapterError::new(ErrorClass::Transient, "http.connect", "refused");
    bench.fail(batch, &error, 3);
    bench.want(1, 5, 4);
    assert!(bench.take(100).is_none());
}

#[test]
fn an_unknown_outcome_is_written_at_once_and_once_more_when_nothing_can_come_late() {
    let mut bench = Bench::with(&[(1, 5)]);
    let batch = bench.take(100).unwrap();
    let error = AdapterError::new(ErrorClass::Transient, "http.timeout", "no answer")
        .with_unknown_outcome();
    bench.fail(batch, &error, 60);
    let doubt = Effect::OpenDoubt {
        sku: 1,
        kind: DoubtKind::LateEffect,
        due: at(180),
    };
    assert_eq!(bench.effects, [doubt]);

    let batch = bench.take(100).unwrap();
    bench.settle(batch, &[ItemOutcome::Confirmed], 62);
    assert_eq!(bench.wake(179), Some(at(180)));
    assert!(bench.take(100).is_none());
    assert_eq!(bench.lane.view(1).unwrap().recheck, Some(at(180)));

    bench.effects.clear();
    assert_eq!(bench.wake(180), None);
    let batch = bench.take(100).unwrap();
    assert_eq!(values(&batch), [5]);
    bench.settle(batch, &[ItemOutcome::Confirmed], 181);
    assert_eq!(
        bench.effects,
        [Effect::CloseDoubt {
            sku: 1,
            kind: DoubtKind::LateEffect,
            due: at(180)
        }]
    );
    assert_eq!(bench.lane.view(1).unwrap().recheck, None);
}

#[test]
fn a_recheck_that_times_out_itself_is_rechecked() {
    let mut bench = Bench::with(&[(1, 5)]);
    bench.lane.doubt(1, DoubtKind::LateEffect, at(10));
    bench.confirm_all(1);
    bench.wake(10);
    let batch = bench.take(100).unwrap();
    bench.settle(batch, &[ItemOutcome::Unknown], 11);
    let batch = bench.take(100).unwrap();
    bench.settle(batch, &[ItemOutcome::Confirmed], 13);
    assert_eq!(bench.lane.view(1).unwrap().recheck, Some(at(131)));
    bench.wake(131);
    assert!(bench.take(100).is_some());
}

#[test]
fn a_refused_item_is_parked_until_its_input_changes_and_success_closes_it() {
    let mut bench = Bench::with(&[(1, 5)]);
    let batch = bench.take(100).unwrap();
    let refused = ItemOutcome::Rejected {
        code: "woocommerce.item_refused",
        text: "no such id".to_owned(),
    };
    bench.settle(batch, &[refused], 2);
    assert!(
        matches!(&bench.effects[..], [Effect::Park { sku: 1, code, .. }] if code == "woocommerce.item_refused")
    );
    bench.lane.changed(1, at(3));
    assert!(
        bench.take(100).is_none(),
        "the same value is not tried again"
    );
    bench.effects.clear();
    bench.want(1, 6, 4);
    let batch = bench.take(100).unwrap();
    bench.settle(batch, &[ItemOutcome::Confirmed], 5);
    assert_eq!(bench.effects, [Effect::Unpark { sku: 1 }]);
    assert_eq!(bench.lane.counts().parked, 0);
}

#[test]
fn a_person_can_have_a_parked_item_tried_again() {
    let mut bench = Bench::with(&[(1, 5)]);
    let batch = bench.take(100).unwrap();
    let refused = ItemOutcome::Rejected {
        code: "store.refused",
        text: String::new(),
    };
    bench.settle(batch, std::slice::from_ref(&refused), 2);
    bench.retry(1, 3);
    bench.wake(3);
    bench.effects.clear();
    let batch = bench.take(100).unwrap();
    bench.settle(batch, &[refused], 4);
    assert_eq!(
        bench.effects[0],
        Effect::CloseDoubt {
            sku: 1,
            kind: DoubtKind::Retry,
            due: at(3)
        }
    );
    assert!(matches!(bench.effects[1], Effect::Park { .. }));
    bench.lane.changed(1, at(5));
    assert!(bench.take(100).is_none());
}

/// A start reads a request for another try, and hears before of one that came after it.
#[test]
fn the_later_of_two_requests_for_another_try_is_settled() {
    let mut bench = Bench::with(&[(1, 5)]);
    bench.lane.doubt(1, DoubtKind::Retry, at(3));
    bench.lane.doubt(1, DoubtKind::Retry, at(2));
    bench.lane.remember_parked(1, "refused".to_owned());
    bench.wake(4);
    let batch = bench.take(100).unwrap();
    bench.settle(batch, &[ItemOutcome::Confirmed], 5);
    let closed = Effect::CloseDoubt {
        sku: 1,
        kind: DoubtKind::Retry,
        due: at(3),
    };
    assert!(bench.effects.contains(&closed), "{:?}", bench.effects);
}

#[test]
fn what_cannot_be_published_is_parked_once_or_waits_quietly() {
    let mut bench = Bench::with(&[(1, 5), (2, 5)]);
    bench
        .wanted
        .insert(1, Err(Unpublishable::parks("price.empty", "no amount")));
    bench.wanted.insert(
        2,
        Err(Unpublishable::waits("price.never_reported", "nothing yet")),
    );
    assert!(bench.take(100).is_none());
    assert!(matches!(&bench.effects[..], [Effect::Park { sku: 1, .. }]));
    bench.effects.clear();
    bench.lane.all_changed(at(2));
    assert!(bench.take(100).is_none());
    assert_eq!(bench.effects, []);
    bench.want(1, 7, 3);
    assert_eq!(values(&bench.take(100).unwrap()), [7]);
}

#[test]
fn other_ids_are_other_articles() {
    let mut bench = Bench::with(&[(1, 5)]);
    bench.confirm_all(1);
    let moved = ListedArticle {
        ids: PackedIds::from("other"),
        ..article(1, None)
    };
    bench.lane.replace_shard(0, 1, vec![moved], at(2));
    assert_eq!(bench.take(100).unwrap().items[0].ids.as_str(), "other");
}

#[test]
fn an_answer_for_ids_that_were_replaced_meanwhile_confirms_nothing() {
    let mut bench = Bench::with(&[(1, 5)]);
    let batch = bench.take(100).unwrap();
    let moved = ListedArticle {
        ids: PackedIds::from("other"),
        ..article(1, None)
    };
    bench.lane.replace_shard(0, 1, vec![moved], at(2));
    bench.settle(batch, &[ItemOutcome::Confirmed], 3);
    assert_eq!(bench.take(100).unwrap().items[0].ids.as_str(), "other");
}

#[test]
fn an_unchanged_shard_makes_nothing_dirty_and_a_gone_article_is_forgotten() {
    let mut bench = Bench::with(&[(1, 5), (2, 6)]);
    bench.confirm_all(1);
    bench
        .lane
        .replace_shard(0, 1, vec![article(1, None), article(2, None)], at(2));
    assert!(bench.lane.is_idle());
    bench
        .lane
        .replace_shard(0, 1, vec![article(1, None)], at(3));
    assert_eq!(bench.lane.len(), 1);
    assert!(!bench.lane.changed(2, at(4)));
}

#[test]
fn shards_that_are_not_counted_any_more_are_emptied() {
    let mut bench = Bench::with(&[]);
    bench
        .lane
        .replace_shard(1, 2, vec![article(7, None)], at(0));
    bench
        .lane
        .replace_shard(0, 1, vec![article(1, None)], at(1));
    assert_eq!(bench.lane.len(), 1);
}

#[test]
fn a_blocked_article_is_not_written_until_it_is_free() {
    let mut bench = Bench::with(&[(1, 5)]);
    let blocked = ListedArticle {
        blocked: Some(Blocked::DuplicateCode),
        ..article(1, None)
    };
    bench.lane.replace_shard(0, 1, vec![blocked], at(1));
    bench.want(1, 6, 2);
    assert!(bench.take(100).is_none());
    assert_eq!(bench.lane.counts().listed, 0);
    bench
        .lane
        .replace_shard(0, 1, vec![article(1, None)], at(3));
    assert_eq!(values(&bench.take(100).unwrap()), [6]);
}

#[test]
fn what_was_confirmed_before_the_start_is_not_sent_again_unless_it_changed() {
    let mut bench = Bench::with(&[(1, 5), (2, 6), (3, 7)]);
    for (sku, value, ids) in [(1, 5, "id-1"), (2, 4, "id-2"), (3, 7, "older-id")] {
        let confirmed_at = at(0);
        let ids = PackedIds::from(ids);
        bench.lane.remember(Remembered {
            sku,
            ids,
            value,
            confirmed_at,
        });
    }
    assert_eq!(skus(&bench.take(100).unwrap()), [2, 3]);
}

#[test]
fn an_answer_of_another_length_tells_nothing() {
    let mut bench = Bench::with(&[(1, 5), (2, 6)]);
    let batch = bench.take(100).unwrap();
    bench.settle(batch, &[ItemOutcome::Confirmed], 2);
    assert_eq!(bench.lane.counts().dirty, 2);
    assert_eq!(bench.effects.len(), 2);
}

#[test]
fn asking_for_work_drops_what_is_right_and_keeps_the_rest_in_place() {
    let mut bench = Bench::with(&[(1, 5), (2, 6)]);
    bench.lane.remember(Remembered {
        sku: 1,
        ids: PackedIds::from("id-1"),
        value: 5,
        confirmed_at: at(0),
    });
    let wanted = bench.wanted.clone();
    let mut desired = |sku: SkuId| Desired {
        wanted: wanted[&sku].clone(),
        boundary: None,
        event_time: None,
        trace: None,
    };
    let mut effects = Vec::new();
    assert!(bench.lane.has_work(&mut desired, &mut effects));
    assert_eq!(bench.lane.counts().dirty, 1);
    assert_eq!(skus(&bench.take(100).unwrap()), [2]);
}

#[test]
fn a_boundary_is_looked_at_once_and_leaves_nothing_behind() {
    let mut bench = Bench::with(&[(1, 5)]);
    bench.confirm_all(1);
    bench.lane.doubt(1, DoubtKind::Boundary, at(10));
    bench.wanted.insert(1, Ok(Some(4)));
    assert_eq!(bench.wake(9), Some(at(10)));
    assert!(bench.take(100).is_none());
    assert_eq!(bench.wake(10), None);
    assert_eq!(
        bench.effects,
        [Effect::CloseDoubt {
            sku: 1,
            kind: DoubtKind::Boundary,
            due: at(10)
        }]
    );
    assert_eq!(values(&bench.take(100).unwrap()), [4]);
}

#[test]
fn a_doubt_about_an_article_that_is_gone_is_closed_with_a_snapshot() {
    let mut bench = Bench::with(&[(1, 5)]);
    bench.lane.doubt(2, DoubtKind::LateEffect, at(10));
    assert_eq!(bench.lane.close_unlisted(), []);
    assert_eq!((bench.wake(10), bench.effects.as_slice()), (None, &[][..]));
    assert_eq!(
        bench.lane.close_unlisted(),
        [Effect::CloseDoubt {
            sku: 2,
            kind: DoubtKind::LateEffect,
            due: at(10)
        }]
    );
}

#[test]
fn a_restart_keeps_the_listings_and_nothing_else() {
    let mut bench = Bench::with(&[(1, 5), (2, 6)]);
    let _under_way = bench.take(1);
    bench.lane.doubt(1, DoubtKind::LateEffect, at(10));
    bench.lane.restart();
    assert_eq!((bench.lane.len(), bench.lane.counts().dirty), (2, 0));
    assert_eq!(bench.wake(10), None);
    bench.lane.all_changed(at(11));
    assert_eq!(skus(&bench.take(100).unwrap()), [1, 2]);
}
