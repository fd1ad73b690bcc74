use std::collections::{BTreeMap, HashMap};
use std::time::Duration as StdDuration;

use proptest::prelude::*;
use serde_json::json;
use storelink_adapter_api::Position;
use storelink_model::Timestamp;
use time::Duration;

use super::*;

const SECOND: i64 = 1_000_000;
const OVERLAP: Duration = Duration::minutes(10);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_700_000_000 * SECOND + seconds * SECOND)
}

fn rules() -> Rules {
    Rules {
        overlap: OVERLAP,
        clock_error: Duration::ZERO,
        start: Some(at(0)),
        passes: 5,
    }
}

fn settled(mark: i64) -> Cursor {
    Cursor {
        mark: Some(at(mark)),
        start: Some(at(0)),
        ..Cursor::default()
    }
}

fn page(store: i64, sightings: &[(i64, bool)]) -> PageRead {
    PageRead {
        clock: ClockReading {
            before: at(store),
            offset_micros: 0,
        },
        arrived: at(store),
        sightings: sightings
            .iter()
            .map(|(modified, news)| Sighting {
                modified: Some(at(*modified)),
                news: *news,
            })
            .collect(),
        next: None,
    }
}

fn begin(cursor: &Cursor) -> Walk {
    Walk::begin(cursor, &rules(), "run_1".into(), false, at(100_000))
}

fn mark(next: Next) -> Timestamp {
    match next {
        Next::Finished(cursor) => cursor.mark.unwrap(),
        Next::Page => panic!("the walk goes on"),
    }
}

#[test]
fn the_first_walk_begins_the_overlap_before_the_start() {
    assert_eq!(begin(&Cursor::default()).since, Some(at(-600)));
}

#[test]
fn a_walk_begins_overlap_clock_error_and_last_walk_before_the_mark() {
    let cursor = Cursor {
        last_walk_micros: 30 * SECOND,
        ..settled(50_000)
    };
    let rules = Rules {
        clock_error: Duration::seconds(5),
        ..rules()
    };
    let walk = Walk::begin(&cursor, &rules, "run_1".into(), false, at(100_000));
    assert_eq!(walk.since, Some(at(50_000 - 600 - 5 - 30)));
}

#[test]
fn one_pass_is_enough_when_it_shows_nothing_new() {
    let cursor = settled(50_000);
    let next = begin(&cursor).page(&cursor, &rules(), page(100_000, &[(50_000, false)]));
    // Nothing is dated later, and a store that dates by a slow clock is followed for 26 hours only.
    assert_eq!(mark(next), at(50_000));
}

#[test]
fn something_new_from_before_the_mark_asks_for_another_pass_and_something_later_does_not() {
    let cursor = settled(99_000);
    let mut walk = begin(&cursor);
    let late = page(100_000, &[(99_900, true)]);
    assert_eq!(walk.page(&cursor, &rules(), late), Next::Page);
    assert_eq!(walk.since, Some(at(99_900 - 600)));
    let later = page(100_001, &[(99_900, false), (100_000, true)]);
    assert_eq!(mark(walk.page(&cursor, &rules(), later)), at(100_000));
}

#[test]
fn the_mark_is_from_before_the_first_request_however_long_the_walk_is() {
    let cursor = settled(99_000);
    let mut walk = begin(&cursor);
    let mut first = page(100_000, &[(99_100, false)]);
    first.next = Some(Position(json!(1)));
    assert_eq!(walk.page(&cursor, &rules(), first), Next::Page);
    let last = page(100_500, &[(100_400, true)]);
    assert_eq!(mark(walk.page(&cursor, &rules(), last)), at(100_000));
}

#[test]
fn a_store_that_never_comes_to_rest_is_read_again_from_what_it_showed_late() {
    let cursor = settled(99_000);
    let mut walk = begin(&cursor);
    for pass in 1..5 {
        let news = page(100_000, &[(99_500 + pass, true)]);
        assert_eq!(
            walk.page(&cursor, &rules(), news),
            Next::Page,
            "pass {pass}"
        );
    }
    let last = page(100_000, &[(99_400, true), (99_990, true)]);
    assert_eq!(mark(walk.page(&cursor, &rules(), last)), at(99_400));
}

#[test]
fn a_clock_that_was_set_back_is_followed_back() {
    let cursor = settled(99_000);
    let mut walk = begin(&cursor);
    let earlier = page(91_800, &[]);
    assert_eq!(walk.page(&cursor, &rules(), earlier), Next::Page);
    assert_eq!(walk.since, Some(at(91_800 - 600)));
    let next = walk.page(&cursor, &rules(), page(91_801, &[(91_790, false)]));
    assert_eq!(mark(next), at(91_800));
}

#[test]
fn a_clock_that_was_set_back_long_before_the_walk_is_followed_by_as_much() {
    let cursor = settled(50_000);
    let by_half_an_hour = |sightings: &[(i64, bool)]| {
        let mut page = page(55_000, sightings);
        page.clock.offset_micros = -1_800 * SECOND;
        page
    };
    // Placed a minute after the last walk, when the clock had just been set.
    let placed = 50_000 + 60 - 1_800;
    let mut walk = begin(&cursor);
    let next = walk.page(&cursor, &rules(), by_half_an_hour(&[]));
    assert_eq!(next, Next::Page);
    assert_eq!(walk.since, Some(at(50_000 - 600 - 1_800)));
    let next = walk.page(&cursor, &rules(), by_half_an_hour(&[(placed, true)]));
    assert_eq!(
        next,
        Next::Page,
        "what is dated before the mark may be the first of more"
    );
    let Next::Finished(after) = walk.page(&cursor, &rules(), by_half_an_hour(&[(placed, false)]))
    else {
        panic!("the walk goes on")
    };
    assert_eq!(after.clock_offset_micros, -1_800 * SECOND);
    // It is known by now.
    let mut walk = begin(&after);
    let next = walk.page(&after, &rules(), by_half_an_hour(&[]));
    assert!(matches!(next, Next::Finished(_)), "{next:?}");
}

#[test]
fn a_clock_that_was_set_back_may_date_orders_before_the_start() {
    let mut walk = begin(&Cursor::default());
    let mut late = page(50_000, &[]);
    late.clock.offset_micros = -3_600 * SECOND;
    assert_eq!(walk.page(&Cursor::default(), &rules(), late), Next::Page);
    assert_eq!(walk.since, Some(at(-600 - 3_600)));
}

#[test]
fn what_requests_measure_more_or_less_exactly_costs_no_pass() {
    let cursor = settled(50_000);
    let mut inexact = page(55_000, &[]);
    inexact.clock.offset_micros = -100 * SECOND;
    let next = begin(&cursor).page(&cursor, &rules(), inexact);
    assert!(matches!(next, Next::Finished(_)), "{next:?}");
}

#[test]
fn an_earlier_order_start_reads_from_there_and_a_later_one_does_not() {
    let cursor = settled(99_000);
    let earlier = Rules {
        start: Some(at(-5_000)),
        ..rules()
    };
    let walk = Walk::begin(&cursor, &earlier, "run_1".into(), false, at(100_000));
    assert_eq!(walk.since, Some(at(-5_600)));
    let later = Rules {
        start: Some(at(5_000)),
        ..rules()
    };
    let walk = Walk::begin(&cursor, &later, "run_1".into(), false, at(100_000));
    assert_eq!(walk.since, Some(at(98_400)));
}

fn starting(start: i64) -> Rules {
    Rules {
        start: Some(at(start)),
        ..rules()
    }
}

/// One walk of one page by these rules, as the poller does it.
fn walked(mut cursor: Cursor, rules: &Rules, store: i64) -> Cursor {
    cursor.read_by(rules);
    let mut walk = Walk::begin(&cursor, rules, "run".into(), false, at(store));
    for _ in 0..rules.passes {
        if let Next::Finished(cursor) = walk.page(&cursor, rules, page(store, &[])) {
            return cursor;
        }
    }
    panic!("the walk does not end")
}

#[test]
fn an_order_start_that_moves_later_and_back_reads_again_what_was_passed_over() {
    let cursor = walked(settled(99_000), &starting(50_000), 100_000);
    let back = Walk::begin(&cursor, &rules(), "run".into(), false, at(101_000));
    assert_eq!(
        back.since,
        Some(at(-600)),
        "edits were passed over meanwhile"
    );

    // Nothing was read meanwhile, or it came back already: nothing was passed over.
    let still = walked(settled(99_000), &rules(), 100_000);
    let again = walked(cursor, &rules(), 101_000);
    for cursor in [still, again] {
        let next = Walk::begin(&cursor, &rules(), "run".into(), false, at(102_000));
        assert!(next.since > Some(at(70_000)), "{:?}", next.since);
    }
}

#[test]
fn a_walk_that_goes_on_under_a_later_start_does_not_go_on_under_an_earlier_one() {
    let mut walk = begin(&Cursor::default());
    let mut first = page(100_000, &[]);
    first.next = Some(Position(json!(1)));
    walk.page(&Cursor::default(), &starting(50_000), first.clone());
    assert!(walk.serves(&starting(50_000), false, at(100_001)));
    assert!(!walk.serves(&rules(), false, at(100_001)));

    // And when it ends before the start comes back, the cursor knows.
    first.next = None;
    let mut next = walk.page(&Cursor::default(), &starting(50_000), first.clone());
    if next == Next::Page {
        next = walk.page(&Cursor::default(), &starting(50_000), first);
    }
    let Next::Finished(cursor) = next else {
        panic!("the walk goes on")
    };
    assert_eq!(cursor.start, Some(at(50_000)));
}

#[test]
fn a_walk_goes_on_for_the_job_that_it_serves_only() {
    let mut walk = begin(&settled(99_000));
    assert!(walk.serves(&rules(), false, at(100_001)));
    assert!(
        !walk.serves(&rules(), true, at(100_001)),
        "a full read was asked for"
    );
    assert!(!walk.serves(&rules(), false, at(200_000)), "it is too old");
    let earlier = Rules {
        start: Some(at(-1)),
        ..rules()
    };
    assert!(
        !walk.serves(&earlier, false, at(100_001)),
        "the start is earlier now"
    );
    walk.counts.read = 3;
    let other = walk.for_run("run_2");
    assert_eq!((other.run.as_str(), other.counts.read), ("run_2", 0));
}

#[test]
fn a_walk_over_everything_is_remembered_and_one_over_changes_is_not() {
    let all = Rules {
        start: None,
        passes: 1,
        ..rules()
    };
    let mut walk = Walk::begin(&Cursor::default(), &all, "run_1".into(), false, at(100_000));
    assert_eq!(walk.since, None);
    let Next::Finished(cursor) = walk.page(&Cursor::default(), &all, page(100_000, &[])) else {
        panic!("the walk goes on")
    };
    assert_eq!(cursor.last_full, Some(at(100_000)));
    let mut walk = Walk::begin(&cursor, &all, "run_2".into(), false, at(103_600));
    assert!(walk.since.is_some());
    let Next::Finished(cursor) = walk.page(&cursor, &all, page(103_600, &[])) else {
        panic!("the walk goes on")
    };
    assert_eq!(cursor.last_full, Some(at(100_000)));
}

#[test]
fn the_time_of_an_answer_bounds_the_clock_before_its_request() {
    let took = StdDuration::from_secs(8);
    let reading = ClockReading::of_request(at(1_000), took, Some(at(8_200)), 0);
    assert_eq!(reading.before, at(8_192));
    assert_eq!(reading.offset_micros, 7_196 * SECOND);
    let silent = ClockReading::of_request(at(1_000), took, None, -30 * SECOND);
    assert_eq!(silent.before, at(968));
}

/// A store in which orders are placed and edited while it is read, in true seconds.
struct World {
    now: i64,
    /// What the store dates orders by, and what its answers show, minus the true time.
    dates_by: i64,
    shows: i64,
    orders: BTreeMap<u32, Vec<Version>>,
    published: HashMap<u32, u32>,
    kept: HashMap<u32, (u32, i64)>,
    cursor: Cursor,
    walk: Option<Walk>,
}

#[derive(Clone, Copy)]
struct Version {
    content: u32,
    modified: i64,
    visible: i64,
}

#[derive(Debug, Clone)]
enum Event {
    /// An order is placed or edited; a busy database shows it this much later.
    Change {
        order: u32,
        lag: i64,
    },
    Wait(i64),
    /// Pages of the walk under way, or of a new one.
    Read {
        pages: usize,
        each: i64,
    },
    /// The process ends without having saved its last page.
    Crash,
}

impl World {
    fn change(&mut self, order: u32, lag: i64) {
        let modified = self.now + self.dates_by;
        let versions = self.orders.entry(order).or_default();
        let content = versions.last().map_or(1, |last| last.content + 1);
        let visible = versions
            .last()
            .map_or(0, |last| last.visible)
            .max(self.now + lag);
        versions.push(Version {
            content,
            modified,
            visible,
        });
    }

    fn shown(&self) -> Vec<(i64, u32, u32)> {
        let mut shown: Vec<_> = self
            .orders
            .iter()
            .filter_map(|(order, versions)| {
                let version = versions
                    .iter()
                    .rev()
                    .find(|version| version.visible <= self.now)?;
                Some((version.modified, *order, version.content))
            })
            .collect();
        shown.sort_unstable();
        shown
    }

    fn read(&mut self, each: i64, crash: bool) {
        let error = (self.cursor.clock_offset_micros / SECOND).abs();
        let rules = Rules {
            clock_error: Duration::seconds(error),
            ..rules()
        };
        let mut walk = self.walk.take().unwrap_or_else(|| {
            Walk::begin(&self.cursor, &rules, "run".into(), false, at(self.now))
        });
        let sent = self.now;
        self.now += each / 2;
        let since = walk.since.unwrap();
        let after = walk.position.as_ref().map(|position| {
            (
                position.0[0].as_i64().unwrap(),
                u32::try_from(position.0[1].as_u64().unwrap()).unwrap(),
            )
        });
        let rest: Vec<_> = self
            .shown()
            .into_iter()
            .filter(|(modified, order, _)| {
                at(*modified) >= since && after.is_none_or(|after| (*modified, *order) > after)
            })
            .collect();
        let store_time = at(self.now + self.shows);
        self.now += each - each / 2;
        let rows: Vec<_> = rest.iter().take(2).copied().collect();
        let sightings = rows
            .iter()
            .map(|(modified, order, content)| {
                self.published.insert(*order, *content);
                let news = self.kept.insert(*order, (*content, *modified));
                Sighting {
                    modified: Some(at(*modified)),
                    news: news.is_none_or(|(_, known)| known != *modified),
                }
            })
            .collect();
        let last = rows.last().filter(|_| rest.len() > 2);
        let next = last.map(|(modified, order, _)| Position(json!([modified, order])));
        let took = StdDuration::from_secs(u64::try_from(self.now - sent).unwrap());
        let offset = self.cursor.clock_offset_micros;
        let clock = ClockReading::of_request(at(sent), took, Some(store_time), offset);
        let read = PageRead {
            clock,
            arrived: at(self.now),
            sightings,
            next,
        };
        let saved = walk.clone();
        match walk.page(&self.cursor, &rules, read) {
            _ if crash => self.walk = Some(saved),
            Next::Page => self.walk = Some(walk),
            Next::Finished(cursor) => self.cursor = cursor,
        }
    }

    fn missing(&self) -> Vec<u32> {
        let newest = |versions: &Vec<Version>| versions.last().map(|version| version.content);
        self.orders
            .iter()
            .filter(|(order, versions)| self.published.get(order).copied() != newest(versions))
            .map(|(order, _)| *order)
            .collect()
    }
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0u32..12, 0i64..300).prop_map(|(order, lag)| Event::Change { order, lag }),
        2 => (0i64..900).prop_map(Event::Wait),
        4 => (1usize..6, 0i64..40).prop_map(|(pages, each)| Event::Read { pages, each }),
        1 => Just(Event::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn no_order_is_missed(
        dates_by in -10_800i64..10_800,
        // A proxy may show another clock than the store dates by.
        proxy in prop_oneof![3 => Just(0i64), 1 => -10_800i64..10_800],
        events in prop::collection::vec(event(), 1..120),
    ) {
        let mut world = World {
            now: 20_000,
            dates_by,
            shows: dates_by + proxy,
            orders: BTreeMap::new(),
            published: HashMap::new(),
            kept: HashMap::new(),
            cursor: Cursor::default(),
            walk: None,
        };
        for event in events {
            match event {
                Event::Change { order, lag } => world.change(order, lag),
                Event::Wait(seconds) => world.now += seconds,
                Event::Read { pages, each } => (0..pages).for_each(|_| world.read(each, false)),
                Event::Crash => world.read(1, true),
            }
        }
        world.now += 301;
        for _ in 0..200 {
            world.read(1, false);
        }
        prop_assert_eq!(world.missing(), Vec::<u32>::new());
    }
}
