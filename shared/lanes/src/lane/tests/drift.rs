//! What a reconciliation may call drift, and what becomes of it.

use std::collections::HashMap;

use proptest::prelude::*;
use storelink_adapter_api::{AdapterError, ErrorClass, ItemOutcome, WriteGroup};
use storelink_model::Timestamp;
use time::Duration;

use super::guard::no_zeros;
use super::single::{Bench, at, values};
use crate::lane::{
    Batch, Desired, DoubtKind, Effect, Finding, Lane, ListedArticle, PackedIds, Reading,
};
use crate::levels::SkuId;

const SKUS: SkuId = 4;
const RECHECK: Duration = Duration::seconds(120);

fn ids(sku: SkuId) -> PackedIds {
    PackedIds::from(format!("id-{sku}").as_str())
}

impl Bench {
    /// Compares what the store shows of an article with 5, on a page that was asked for at `begun`.
    fn read(&mut self, sku: SkuId, right: bool, begun: i64, writes: bool) -> Finding {
        let reading = Reading {
            ids: &ids(sku),
            begun: at(begun),
            wanted: &5,
            right,
            writes,
        };
        self.lane
            .compare(sku, &reading, at(begun + 1), &mut self.effects)
    }
}

#[test]
fn another_value_than_the_confirmed_one_is_written_again_and_the_doubt_ends_with_it() {
    let mut bench = Bench::with(&[(1, 5), (2, 5)]);
    bench.confirm_all(1);
    assert_eq!(bench.read(1, true, 10, true), Finding::Right);
    assert_eq!(bench.read(2, false, 10, true), Finding::Drifted);
    let (sku, kind) = (2, DoubtKind::Drift);
    let opened = Effect::OpenDoubt {
        sku,
        kind,
        due: at(11),
    };
    assert_eq!(bench.effects, [opened]);
    assert!(bench.lane.view(2).unwrap().drifted);
    assert_eq!(bench.read(2, false, 12, true), Finding::Waits);
    let batch = bench.take(100).unwrap();
    assert_eq!(values(&batch), [5]);
    bench.settle(batch, &[ItemOutcome::Confirmed], 13);
    assert_eq!(
        bench.effects.last(),
        Some(&Effect::CloseDoubt {
            sku,
            kind,
            due: at(11),
        })
    );
    assert!(bench.take(100).is_none());
}

#[test]
fn drift_that_was_noted_before_a_crash_is_written_after_it() {
    let mut bench = Bench::with(&[(1, 5)]);
    bench.confirm_all(1);
    bench.lane.doubt(1, DoubtKind::Drift, at(2));
    bench.wake(10);
    assert_eq!(values(&bench.take(100).unwrap()), [5]);
}

#[test]
fn what_was_written_while_the_page_was_read_is_not_drift() {
    let mut bench = Bench::with(&[(1, 5)]);
    bench.confirm_all(10);
    assert_eq!(bench.read(1, false, 10, true), Finding::Waits);
    assert_eq!(bench.read(1, false, 9, true), Finding::Waits);
    assert_eq!(bench.read(1, false, 11, true), Finding::Drifted);
}

#[test]
fn what_waits_is_under_way_in_doubt_or_parked_is_not_drift() {
    let mut bench = Bench::with(&[(1, 5), (2, 5), (3, 5), (4, 5)]);
    assert_eq!(bench.read(1, false, 1, true), Finding::Waits);
    let batch = bench.take(3).unwrap();
    assert_eq!(bench.read(1, false, 2, true), Finding::Waits);
    let refused = ItemOutcome::Rejected {
        code: "store.refused",
        text: "no".to_owned(),
    };
    let outcomes = [ItemOutcome::Unknown, refused, ItemOutcome::Confirmed];
    bench.settle(batch, &outcomes, 3);
    bench.confirm_all(4);
    bench.lane.ordered(3, at(1_800));
    for sku in 1..=3 {
        assert_eq!(bench.read(sku, false, 10, true), Finding::Waits, "{sku}");
        // Also for a lane that only observes: each is looked at again anyhow.
        assert_eq!(bench.read(sku, false, 10, false), Finding::Waits, "{sku}");
    }
    assert_eq!(bench.read(4, false, 10, true), Finding::Drifted);
}

#[test]
fn other_ids_and_unknown_articles_are_not_compared() {
    let mut bench = Bench::with(&[(1, 5)]);
    bench.confirm_all(1);
    assert_eq!(bench.read(9, false, 10, true), Finding::Unlisted);
    let elsewhere = bench.lane.standing(1, &PackedIds::from("other"));
    assert_eq!(elsewhere, Some(Finding::Unlisted));
    assert_eq!(bench.lane.standing(1, &ids(1)), None);
}

#[test]
fn a_refusal_ends_the_doubt_and_the_end_of_a_listing_does_with_a_snapshot() {
    let mut bench = Bench::with(&[(1, 5), (2, 5)]);
    bench.confirm_all(1);
    bench.read(1, false, 10, true);
    bench.read(2, false, 10, true);
    let batch = bench.take(1).unwrap();
    let error = AdapterError::new(ErrorClass::Rejected, "store.refused", "no");
    let effects = bench.lane.fail(batch, &error, at(12), RECHECK);
    let closed = |sku| Effect::CloseDoubt {
        sku,
        kind: DoubtKind::Drift,
        due: at(11),
    };
    assert!(effects.contains(&closed(1)), "{effects:?}");
    let effects = bench.lane.replace_shard(0, 1, Vec::new(), at(13));
    assert!(!effects.contains(&closed(2)), "a start would believe in it");
    bench.wake(13);
    assert_eq!(bench.lane.close_unlisted(), [closed(2)]);
}

#[test]
fn a_lane_that_observes_learns_what_is_right_and_writes_the_rest_alone() {
    let mut bench = Bench::with(&[(1, 5), (2, 5)]);
    assert_eq!(bench.read(1, true, 1, false), Finding::FoundRight);
    assert_eq!(bench.read(2, false, 1, false), Finding::Differs);
    assert_eq!(bench.lane.counts().dirty, 1);
    bench.lane.all_changed(at(5));
    let batch = bench.take(100).unwrap();
    assert_eq!(
        batch.items.iter().map(|item| item.sku).collect::<Vec<_>>(),
        [2]
    );
}

#[test]
fn a_value_that_changes_after_it_was_found_right_is_written() {
    let mut bench = Bench::with(&[(1, 5)]);
    bench.read(1, true, 1, false);
    bench.want(1, 6, 2);
    assert_eq!(values(&bench.take(100).unwrap()), [6]);
}

#[test]
fn what_waits_for_an_approval_and_is_found_done_asks_for_nothing_more() {
    let articles: Vec<_> = (0..10).map(|sku| (sku, 5)).collect();
    let mut bench = Bench::with(&articles);
    bench.lane.guard_by(no_zeros(30));
    bench.confirm_all(1);
    (0..8).for_each(|sku| bench.want(sku, 0, 2));
    assert!(bench.take(100).is_none());
    assert_eq!(bench.lane.counts().dirty, 8);
    for sku in 0..8 {
        let reading = Reading {
            ids: &ids(sku),
            begun: at(10),
            wanted: &0,
            right: true,
            writes: false,
        };
        let finding = bench
            .lane
            .compare(sku, &reading, at(11), &mut bench.effects);
        assert_eq!(finding, Finding::FoundRight);
    }
    assert_eq!((bench.lane.counts().dirty, bench.lane.asks()), (0, None));
    assert!(bench.take(100).is_none());
}

#[test]
fn putting_drift_right_by_zeros_is_guarded_too() {
    let articles: Vec<_> = (0..10).map(|sku| (sku, 0)).collect();
    let mut bench = Bench::with(&articles);
    bench.confirm_all(1);
    bench.lane.guard_by(no_zeros(30));
    for sku in 0..8 {
        let reading = Reading {
            ids: &ids(sku),
            begun: at(10),
            wanted: &0,
            right: false,
            writes: true,
        };
        let finding = bench
            .lane
            .compare(sku, &reading, at(11), &mut bench.effects);
        assert_eq!(finding, Finding::Drifted);
    }
    assert!(bench.take(100).is_none());
    assert_eq!(bench.lane.asks().map(|asks| asks.number), Some(8));
}

/// What happens next. Every step takes a microsecond.
#[derive(Debug, Clone)]
enum Step {
    Change {
        sku: SkuId,
        value: u32,
    },
    Send,
    /// The store carries out the request under way.
    Apply,
    Answer,
    /// Somebody edits the store by hand.
    Edit {
        sku: SkuId,
        value: u32,
    },
    /// A page is asked for, made by the store, compared.
    Ask,
    Show,
    Compare,
}

fn steps(edits: bool) -> impl Strategy<Value = Vec<Step>> {
    let change = (0..SKUS, 0u32..4).prop_map(|(sku, value)| Step::Change { sku, value });
    let edit = (0..SKUS, 0u32..4).prop_map(|(sku, value)| Step::Edit { sku, value });
    let step = prop_oneof![
        4 => change,
        4 => Just(Step::Send),
        4 => Just(Step::Apply),
        4 => Just(Step::Answer),
        u32::from(edits) * 2 => edit,
        4 => Just(Step::Ask),
        4 => Just(Step::Show),
        4 => Just(Step::Compare),
    ];
    prop::collection::vec(step, 1..80)
}

struct Page {
    begun: Timestamp,
    shown: Option<HashMap<SkuId, u32>>,
}

struct World {
    now: i64,
    writes: bool,
    lane: Lane<u32>,
    wanted: HashMap<SkuId, u32>,
    store: HashMap<SkuId, u32>,
    under_way: Option<(Batch<u32>, bool)>,
    page: Option<Page>,
    drifted: usize,
}

impl World {
    fn new(writes: bool) -> Self {
        let mut lane = Lane::new();
        let listed = (0..SKUS).map(|sku| ListedArticle {
            sku,
            ids: ids(sku),
            group: WriteGroup(None),
            blocked: None,
        });
        lane.replace_shard(0, 1, listed.collect(), Timestamp::from_micros(1));
        Self {
            now: 1,
            writes,
            lane,
            wanted: (0..SKUS).map(|sku| (sku, 9)).collect(),
            store: (0..SKUS).map(|sku| (sku, sku + 7)).collect(),
            under_way: None,
            page: None,
            drifted: 0,
        }
    }

    fn at(&self) -> Timestamp {
        Timestamp::from_micros(self.now)
    }

    fn step(&mut self, step: &Step) {
        self.now += 1;
        self.lane.wake_doubts(self.at(), &mut Vec::new());
        match step {
            Step::Change { sku, value } => {
                self.wanted.insert(*sku, *value);
                self.lane.changed(*sku, self.at());
            }
            Step::Send if self.writes && self.under_way.is_none() => {
                let wanted = &self.wanted;
                let mut desired = |sku: SkuId| Desired {
                    wanted: Ok(wanted.get(&sku).copied()),
                    boundary: None,
                    event_time: None,
                    trace: None,
                };
                let batch = self.lane.take_batch(2, &mut desired, &mut Vec::new());
                self.under_way = batch.map(|batch| (batch, false));
            }
            Step::Apply => {
                if let Some((batch, applied @ false)) = &mut self.under_way {
                    *applied = true;
                    let items = batch.items.iter().map(|item| (item.sku, item.value));
                    self.store.extend(items);
                }
            }
            Step::Answer if self.under_way.as_ref().is_some_and(|(_, applied)| *applied) => {
                if let Some((batch, _)) = self.under_way.take() {
                    let outcomes = vec![ItemOutcome::Confirmed; batch.items.len()];
                    self.lane.settle(batch, &outcomes, self.at(), RECHECK);
                }
            }
            Step::Edit { sku, value } => {
                self.store.insert(*sku, *value);
            }
            Step::Ask => {
                let begun = self.at();
                self.page = Some(Page { begun, shown: None });
            }
            Step::Show => {
                if let Some(page) = &mut self.page {
                    page.shown.get_or_insert_with(|| self.store.clone());
                }
            }
            Step::Compare => self.compare(),
            Step::Send | Step::Answer => {}
        }
    }

    fn compare(&mut self) {
        let Some(Page { begun, shown }) = self.page.take() else {
            return;
        };
        let Some(shown) = shown else { return };
        for (sku, shown) in shown {
            let wanted = self.wanted[&sku];
            let reading = Reading {
                ids: &ids(sku),
                begun,
                wanted: &wanted,
                right: shown == wanted,
                writes: self.writes,
            };
            let now = Timestamp::from_micros(self.now);
            let finding = self.lane.compare(sku, &reading, now, &mut Vec::new());
            self.drifted += usize::from(finding == Finding::Drifted);
        }
    }

    /// Writes until nothing waits; gives what was written as (shown before, written).
    fn drain(&mut self) -> Vec<(u32, u32)> {
        let mut written = Vec::new();
        for _ in 0..20 {
            self.step(&Step::Send);
            if let Some((batch, false)) = &self.under_way {
                let items = batch.items.iter();
                written.extend(items.map(|item| (self.store[&item.sku], item.value)));
            }
            self.step(&Step::Apply);
            self.step(&Step::Answer);
        }
        written
    }

    fn reconcile(&mut self) {
        for step in [Step::Ask, Step::Show, Step::Compare] {
            self.step(&step);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    #[test]
    fn without_a_hand_in_the_store_nothing_drifts(steps in steps(false)) {
        let mut world = World::new(true);
        for step in &steps {
            world.step(step);
        }
        prop_assert_eq!(world.drifted, 0);
    }

    #[test]
    fn after_a_reconciliation_the_store_shows_what_is_wanted(steps in steps(true)) {
        let mut world = World::new(true);
        for step in &steps {
            world.step(step);
        }
        world.drain();
        world.reconcile();
        let differing = (0..SKUS).filter(|sku| world.store[sku] != world.wanted[sku]).count();
        let written = world.drain();
        prop_assert_eq!(written.len(), differing, "{:?}", written);
        prop_assert_eq!(&world.store, &world.wanted);
        prop_assert_eq!(world.lane.counts().doubts, 0);
    }

    #[test]
    fn after_observing_exactly_the_differences_are_written(
        before in steps(true),
        observed in steps(true),
    ) {
        let mut world = World::new(true);
        for step in &before {
            world.step(step);
        }
        for step in [Step::Apply, Step::Answer] {
            world.step(&step);
        }
        world.writes = false;
        for step in &observed {
            world.step(step);
        }
        world.reconcile();
        world.writes = true;
        world.lane.all_changed(world.at());
        let written = world.drain();
        prop_assert!(written.iter().all(|(shown, value)| shown != value), "{:?}", written);
        prop_assert_eq!(&world.store, &world.wanted);
    }
}
