//! Random zeros in random slices: a store never shows more of them than was allowed or approved.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use storelink_adapter_api::ItemOutcome;

use super::guard::no_zeros;
use super::single::{Bench, at};
use crate::lane::Remembered;
use crate::levels::SkuId;

/// A quarter of these is more than a few.
const SKUS: SkuId = 40;
const PERCENT: u32 = 25;
const ALLOWED: usize = 10;
const DAY: i64 = 24 * 3_600;

#[derive(Debug, Clone)]
enum Step {
    Want {
        from: SkuId,
        count: SkuId,
        value: u32,
    },
    Write {
        limit: usize,
        outcomes: Vec<u8>,
    },
    Approve,
    Wait {
        hours: i64,
    },
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..SKUS, 1..20_u32, prop_oneof![3 => Just(0), 1 => 1..3_u32])
            .prop_map(|(from, count, value)| Step::Want { from, count, value }),
        8 => (1..15_usize, prop::collection::vec(0..8_u8, 15))
            .prop_map(|(limit, outcomes)| Step::Write { limit, outcomes }),
        1 => Just(Step::Approve),
        2 => (1..14_i64).prop_map(|hours| Step::Wait { hours }),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..80)
}

struct World {
    bench: Bench,
    now: i64,
    /// What the store shows.
    store: BTreeMap<SkuId, u32>,
    /// When it was set to zero without anybody's approval.
    zeroed: BTreeMap<SkuId, i64>,
    approved: Vec<(Vec<(SkuId, u32)>, i64)>,
    may_be_zero: BTreeSet<SkuId>,
}

impl World {
    fn new() -> Self {
        let wanted: Vec<_> = (0..SKUS).map(|sku| (sku, 2)).collect();
        let mut bench = Bench::with(&wanted);
        bench.lane.guard_by(no_zeros(PERCENT));
        bench.confirm_all(1);
        Self {
            bench,
            now: 2,
            store: (0..SKUS).map(|sku| (sku, 2)).collect(),
            zeroed: BTreeMap::new(),
            approved: Vec::new(),
            may_be_zero: BTreeSet::new(),
        }
    }

    fn step(&mut self, step: Step) {
        self.now += 1;
        match step {
            Step::Want { from, count, value } => {
                for sku in from..SKUS.min(from + count) {
                    self.bench.want(sku, value, self.now);
                }
            }
            Step::Write { limit, outcomes } => self.write(limit, &outcomes),
            Step::Approve => self.approve(),
            Step::Wait { hours } => self.now += hours * 3_600,
            Step::Restart => self.restart(),
        }
        self.bench.wake(self.now);
    }

    fn write(&mut self, limit: usize, outcomes: &[u8]) {
        let Some(batch) = self.bench.take(limit) else {
            return;
        };
        let mut answers = Vec::new();
        for (item, outcome) in batch.items.iter().zip(outcomes) {
            let (applied, answer) = match outcome {
                0 => (false, refused()),
                1 => (true, ItemOutcome::Unknown),
                2 => (false, ItemOutcome::Unknown),
                _ => (true, ItemOutcome::Confirmed),
            };
            if applied {
                self.apply(item.sku, item.value);
            }
            match answer {
                ItemOutcome::Confirmed => self.may_be_zero.remove(&item.sku),
                _ => self.may_be_zero.insert(item.sku),
            };
            answers.push(answer);
        }
        self.bench.settle(batch, &answers, self.now);
    }

    fn apply(&mut self, sku: SkuId, value: u32) {
        let before = self.store.insert(sku, value);
        if value != 0 {
            self.zeroed.remove(&sku);
        } else if before != Some(0) && !self.is_approved(sku) {
            self.zeroed.insert(sku, self.now);
        }
    }

    fn is_approved(&self, sku: SkuId) -> bool {
        let mut approved = self.approved.iter().flat_map(|(changes, _)| changes);
        approved.any(|(approved, _)| *approved == sku)
    }

    fn approve(&mut self) {
        let changes = self.bench.lane.to_approve();
        if changes.is_empty() {
            return;
        }
        self.bench
            .lane
            .approve(changes.clone(), at(self.now), at(self.now));
        self.approved.push((changes, self.now));
        self.zeroed.clear();
    }

    fn restart(&mut self) {
        let lane = &mut self.bench.lane;
        let values: Vec<Remembered<u32>> = lane.confirmed_values().collect();
        lane.restart();
        for (changes, since) in &self.approved {
            lane.approve(changes.clone(), at(*since), at(self.now));
        }
        values.into_iter().for_each(|value| lane.remember(value));
        lane.all_changed(at(self.now));
        // What a crash left open is written first thing; until then nobody knows what it is.
        let unclear = std::mem::take(&mut self.may_be_zero);
        self.zeroed.retain(|sku, _| !unclear.contains(sku));
    }

    fn recent(&self) -> usize {
        let recent = |at: &&i64| **at > self.now - DAY;
        self.zeroed.values().filter(recent).count()
    }
}

fn refused() -> ItemOutcome {
    ItemOutcome::Rejected {
        code: "store.refused",
        text: "no".to_owned(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_slices_no_more_than_the_limit_goes_to_zero_without_approval(steps in steps()) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
            prop_assert!(world.recent() <= ALLOWED, "{:?}", world.zeroed);
        }
        // When the ERP takes it all back, everything goes out and nobody is asked any more.
        for sku in 0..SKUS {
            world.bench.want(sku, 3, world.now);
        }
        world.bench.confirm_all(world.now);
        prop_assert_eq!(world.bench.lane.asks(), None);
        let counts = world.bench.lane.counts();
        prop_assert_eq!(counts.dirty, 0);
    }
}
