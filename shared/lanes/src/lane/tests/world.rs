//! A world of random changes, faults and crashes. When it is quiet, every store value is right.

use std::collections::{BTreeSet, HashMap};

use proptest::prelude::*;
use storelink_adapter_api::{AdapterError, ErrorClass, ItemOutcome, WriteGroup};
use storelink_model::{Sku, Timestamp};
use time::Duration;

use crate::lane::{Desired, DoubtKind, Effect, Lane, ListedArticle, PackedIds, Remembered};
use crate::levels::SkuId;
use crate::records::memory::{LaneMemory, letter, letters};

const SKUS: SkuId = 6;
const RECHECK: Duration = Duration::seconds(120);
/// A store applies a request that timed out at most this much later.
const LATEST_EFFECT: i64 = 100;

/// What happens next.
#[derive(Debug, Clone)]
enum Step {
    Change {
        sku: SkuId,
        value: u32,
    },
    Write(Answer),
    Relist {
        sku: SkuId,
        ids: u8,
    },
    /// The article leaves the listings, or comes back.
    List {
        sku: SkuId,
        listed: bool,
    },
    Crash,
    /// A customer buys one piece; the order names the article.
    Sell {
        sku: SkuId,
    },
    Wait {
        seconds: i64,
    },
}

/// How a store deals with a request.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Good,
    /// Nothing is applied, and that is known.
    Refused,
    /// The answer is lost: applied at once, later, or not at all.
    Lost {
        applied_after: Option<i64>,
    },
    /// Every other item is applied, of the others nothing is known.
    Half,
    /// Applied, but the process dies before it notes the answer.
    CrashBeforeReceipt,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let answer = prop_oneof![
        4 => Just(Answer::Good),
        1 => Just(Answer::Refused),
        2 => prop::option::of(0..LATEST_EFFECT)
            .prop_map(|applied_after| Answer::Lost { applied_after }),
        1 => Just(Answer::Half),
        1 => Just(Answer::CrashBeforeReceipt),
    ];
    let step = prop_oneof![
        5 => (0..SKUS, 0u32..4).prop_map(|(sku, value)| Step::Change { sku, value }),
        5 => answer.prop_map(Step::Write),
        1 => (0..SKUS, 0u8..2).prop_map(|(sku, ids)| Step::Relist { sku, ids }),
        1 => (0..SKUS, any::<bool>()).prop_map(|(sku, listed)| Step::List { sku, listed }),
        1 => Just(Step::Crash),
        2 => (0..SKUS).prop_map(|sku| Step::Sell { sku }),
        2 => (1i64..90).prop_map(|seconds| Step::Wait { seconds }),
    ];
    prop::collection::vec(step, 1..60)
}

type Attempt = (Vec<(Sku, String, u32)>, Option<(String, Timestamp)>);

/// Everything outside the lane: ERP, store, catalogue, and what is committed.
struct World {
    now: i64,
    lane: Lane<u32>,
    wanted: HashMap<SkuId, u32>,
    ids: HashMap<SkuId, u8>,
    unlisted: BTreeSet<SkuId>,
    /// What each id of the store shows.
    store: HashMap<String, u32>,
    /// Effects that a store still has up its sleeve.
    late: Vec<(i64, String, u32)>,
    attempts: Vec<Attempt>,
    doubts: HashMap<(SkuId, DoubtKind), Timestamp>,
    requests: usize,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            now: 0,
            lane: Lane::new(),
            wanted: (0..SKUS).map(|sku| (sku, 9)).collect(),
            ids: (0..SKUS).map(|sku| (sku, 0)).collect(),
            unlisted: BTreeSet::new(),
            store: HashMap::new(),
            late: Vec::new(),
            attempts: Vec::new(),
            doubts: HashMap::new(),
            requests: 0,
        };
        world.list();
        world
    }

    fn at(&self) -> Timestamp {
        Timestamp::from_micros(self.now * 1_000_000)
    }

    fn store_id(&self, sku: SkuId) -> String {
        format!("{sku}-{}", self.ids[&sku])
    }

    fn list(&mut self) {
        let listed = (0..SKUS).filter(|sku| !self.unlisted.contains(sku));
        let articles = listed.map(|sku| ListedArticle {
            sku,
            ids: PackedIds::from(self.store_id(sku).as_str()),
            group: WriteGroup((sku % 3 == 0).then(|| "parent".to_owned())),
            blocked: None,
        });
        let articles = articles.collect();
        let effects = self.lane.replace_shard(0, 1, articles, self.at());
        self.commit(effects);
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Change { sku, value } => {
                self.wanted.insert(sku, value);
                self.lane.changed(sku, self.at());
            }
            Step::Write(answer) => {
                self.write(answer);
            }
            Step::Relist { sku, ids } => {
                self.ids.insert(sku, ids);
                self.list();
            }
            Step::List { sku, listed } => {
                if listed {
                    self.unlisted.remove(&sku);
                } else {
                    self.unlisted.insert(sku);
                }
                self.list();
            }
            Step::Crash => self.crash(),
            Step::Sell { sku } => self.sell(sku),
            Step::Wait { seconds } => self.wait(seconds),
        }
    }

    fn sell(&mut self, sku: SkuId) {
        let id = self.store_id(sku);
        if let Some(shown) = self.store.get_mut(&id) {
            *shown = shown.saturating_sub(1);
        }
        let due = self.at().saturating_add(RECHECK);
        self.lane.ordered(sku, due);
        self.doubts.insert((sku, DoubtKind::Order), due);
    }

    fn wait(&mut self, seconds: i64) {
        self.now += seconds;
        let now = self.now;
        let (due, later): (Vec<_>, Vec<_>) = self.late.drain(..).partition(|(at, _, _)| *at <= now);
        self.late = later;
        for (_, id, value) in due {
            self.store.insert(id, value);
        }
        self.wake();
    }

    fn wake(&mut self) {
        let mut effects = Vec::new();
        self.lane.wake_doubts(self.at(), &mut effects);
        self.commit(effects);
    }

    fn write(&mut self, answer: Answer) -> bool {
        let now = self.at();
        let wanted = self.wanted.clone();
        let mut desired = |sku: SkuId| Desired {
            wanted: Ok(wanted.get(&sku).copied()),
            boundary: None,
            event_time: None,
            trace: None,
        };
        let mut effects = Vec::new();
        let batch = self.lane.take_batch(4, &mut desired, &mut effects);
        self.commit(effects);
        let Some(batch) = batch else { return false };
        self.requests += 1;
        let items: Vec<_> = batch
            .items
            .iter()
            .map(|item| (sku_of(item.sku), item.ids.as_str().to_owned(), item.value))
            .collect();
        self.attempts.push((items.clone(), None));
        let apply = |world: &mut Self, index: usize| {
            let (_, id, value) = &items[index];
            world.store.insert(id.clone(), *value);
        };
        let count = items.len();
        match answer {
            Answer::Good => {
                (0..count).for_each(|index| apply(self, index));
                self.settle(batch, &vec![ItemOutcome::Confirmed; count]);
            }
            Answer::Half => {
                let outcome = |index: usize| match index % 2 {
                    0 => ItemOutcome::Confirmed,
                    _ => ItemOutcome::Unknown,
                };
                (0..count).step_by(2).for_each(|index| apply(self, index));
                let outcomes: Vec<_> = (0..count).map(outcome).collect();
                self.settle(batch, &outcomes);
            }
            Answer::Refused => {
                let error = AdapterError::new(ErrorClass::Transient, "http.connect", "refused");
                let effects = self.lane.fail(batch, &error, now, RECHECK);
                self.note(letter::NOT_SENT.to_string().repeat(count));
                self.commit(effects);
            }
            Answer::Lost { applied_after } => {
                for (_, id, value) in &items {
                    match applied_after {
                        Some(0) => drop(self.store.insert(id.clone(), *value)),
                        Some(after) => self.late.push((self.now + after, id.clone(), *value)),
                        None => {}
                    }
                }
                let error = AdapterError::new(ErrorClass::Transient, "http.timeout", "no answer")
                    .with_unknown_outcome();
                let effects = self.lane.fail(batch, &error, now, RECHECK);
                self.note(letter::UNKNOWN.to_string().repeat(count));
                self.commit(effects);
            }
            Answer::CrashBeforeReceipt => {
                (0..count).for_each(|index| apply(self, index));
                self.crash();
            }
        }
        true
    }

    fn settle(&mut self, batch: crate::lane::Batch<u32>, outcomes: &[ItemOutcome]) {
        let count = batch.items.len();
        let effects = self.lane.settle(batch, outcomes, self.at(), RECHECK);
        self.note(letters(outcomes, count));
        self.commit(effects);
    }

    fn note(&mut self, letters: String) {
        let now = self.at();
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.1 = Some((letters, now));
        }
    }

    fn commit(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::OpenDoubt { sku, kind, due } => {
                    self.doubts.insert((sku, kind), due);
                }
                Effect::CloseDoubt { sku, kind, due } => {
                    self.doubts
                        .retain(|key, open| *key != (sku, kind) || *open > due);
                }
                Effect::Park { .. } | Effect::Unpark { .. } => {}
            }
        }
    }

    /// Everything in memory is lost; what is committed comes back.
    fn crash(&mut self) {
        let mut memory = LaneMemory::<u32>::default();
        for (items, answer) in &self.attempts {
            let answer = answer.as_ref().map(|(letters, at)| (letters.as_str(), *at));
            memory.replay(&"".into(), items.clone(), answer);
        }
        self.lane = Lane::new();
        self.list();
        for (sku, confirmed) in memory.confirmed {
            self.lane.remember(Remembered {
                sku: sku.as_str().parse().unwrap(),
                ids: confirmed.ids,
                value: confirmed.value,
                confirmed_at: confirmed.at,
            });
        }
        for sku in memory.unfinished {
            let due = self.at().saturating_add(RECHECK);
            self.doubts
                .insert((sku.as_str().parse().unwrap(), DoubtKind::LateEffect), due);
        }
        for ((sku, kind), due) in &self.doubts {
            self.lane.doubt(*sku, *kind, *due);
        }
        // Attempts that are accounted for do not count a second time.
        for attempt in &mut self.attempts {
            if attempt.1.is_none() {
                let letters = letter::UNKNOWN.to_string().repeat(attempt.0.len());
                attempt.1 = Some((letters, Timestamp::from_micros(self.now * 1_000_000)));
            }
        }
        self.wake();
    }

    /// The store is well and nothing changes any more.
    fn become_quiet(&mut self) {
        self.unlisted.clear();
        self.list();
        for _ in 0..4 {
            while self.write(Answer::Good) {}
            self.wait(RECHECK.whole_seconds() + 1);
        }
        while self.write(Answer::Good) {}
    }
}

fn sku_of(sku: SkuId) -> Sku {
    sku.to_string().parse().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    #[test]
    fn when_it_is_quiet_the_store_shows_what_is_wanted(steps in steps()) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
        }
        world.become_quiet();
        for sku in 0..SKUS {
            let shown = world.store.get(&world.store_id(sku));
            prop_assert_eq!(shown, world.wanted.get(&sku), "article {}", sku);
        }
        let counts = world.lane.counts();
        prop_assert_eq!((counts.dirty, counts.oldest_dirty), (0, None));
        prop_assert_eq!(world.doubts.len(), 0, "{:?}", world.doubts);
        let before = world.requests;
        world.lane.all_changed(world.at());
        world.write(Answer::Good);
        prop_assert_eq!(world.requests, before, "a quiet lane sends nothing");
    }
}
