use serde::{Deserialize, Serialize};
use storelink_adapter_api::Position;
use storelink_model::Timestamp;
use storelink_planted_faults::planted;
use time::Duration;

use super::{ClockReading, Cursor, LARGEST_CLOCK_ERROR, Rules};

/// The part of the overlap that a clock may seem to be set back by and is not.
const MEASURED_WITHIN: i32 = 5;

/// A walk over a window of a store: one pass over its pages or several. Kept in SQL while it lasts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Walk {
    /// The run that it belongs to.
    pub run: String,
    /// Everything is handed on, also what is known.
    pub full: bool,
    /// When it began, by our clock.
    pub began: Timestamp,
    /// Where the pass under way begins; none for everything.
    pub since: Option<Timestamp>,
    /// Where the pass under way goes on; none at its beginning.
    pub position: Option<Position>,
    /// What it did so far.
    #[serde(default)]
    pub counts: Counts,
    /// So many objects are asked for at once; the adapter's own number when none.
    #[serde(default)]
    pub page_limit: Option<u32>,
    /// The latest order start that a page of it was read under: what was placed before may be missing.
    start: Option<Timestamp>,
    pass: u32,
    /// Where the pass that reached back furthest began.
    lowest: Option<Timestamp>,
    /// The store's clock before the first request.
    clock_mark: Option<Timestamp>,
    clock_offset_micros: i64,
    latest: Option<Timestamp>,
    /// The earliest that this pass showed before the mark and no earlier one did.
    earliest_late: Option<Timestamp>,
}

/// What a walk did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Objects read.
    pub read: u64,
    /// Objects handed on.
    pub changed: u64,
    /// Objects that could not be understood.
    pub failed: u64,
    /// Objects left out because they are older than the start.
    pub ignored: u64,
}

impl Counts {
    /// Adds what a page did.
    pub fn add(&mut self, page: Self) {
        self.read += page.read;
        self.changed += page.changed;
        self.failed += page.failed;
        self.ignored += page.ignored;
    }
}

/// One object on a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    /// When the store last touched it, where that could be read.
    pub modified: Option<Timestamp>,
    /// Whether no earlier pass or walk showed it with this time.
    pub news: bool,
}

/// One page as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct PageRead {
    /// What the request says about the store's clock.
    pub clock: ClockReading,
    /// When the page was there, by our clock.
    pub arrived: Timestamp,
    /// What was on it.
    pub sightings: Vec<Sighting>,
    /// Where the walk goes on; none on the last page.
    pub next: Option<Position>,
}

/// What follows a page.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Read at [`Walk::position`] of the window from [`Walk::since`].
    Page,
    /// The walk is over; this replaces the cursor once everything is acknowledged.
    Finished(Cursor),
}

impl Walk {
    /// A new walk. A cursor that says nothing for these rules makes it begin at the start; a full one
    /// does so always.
    #[must_use]
    pub fn begin(cursor: &Cursor, rules: &Rules, run: String, full: bool, now: Timestamp) -> Self {
        let mark = if full || cursor.is_void(rules) {
            None
        } else {
            cursor.mark
        };
        let since = rules.since(mark, cursor.last_walk_micros);
        Self {
            run,
            full,
            began: now,
            since,
            position: None,
            counts: Counts::default(),
            page_limit: None,
            start: rules.start,
            pass: 1,
            lowest: since,
            clock_mark: None,
            clock_offset_micros: cursor.clock_offset_micros,
            latest: None,
            earliest_late: None,
        }
    }

    /// Whether this walk answers a job with these wishes, so that it may go on where it stopped.
    #[must_use]
    pub fn serves(&self, rules: &Rules, full: bool, now: Timestamp) -> bool {
        let long_enough_ago = Duration::DAY;
        let covers_start = match (rules.start, self.start) {
            (Some(wanted), Some(held)) => held <= wanted,
            (wanted, _) => wanted.is_none(),
        };
        covers_start && (self.full || !full) && now.since(self.began) < long_enough_ago
    }

    /// The same walk, gone on with by this run; what another run did is not counted for it.
    #[must_use]
    pub fn for_run(self, run: &str) -> Self {
        if self.run == run {
            return self;
        }
        Self {
            run: run.to_owned(),
            counts: Counts::default(),
            ..self
        }
    }

    /// By the store's clock: up to where the walk reads; none before its first page.
    #[must_use]
    pub fn watermark(&self) -> Option<Timestamp> {
        self.clock_mark
    }

    /// Takes in a page.
    pub fn page(&mut self, cursor: &Cursor, rules: &Rules, page: PageRead) -> Next {
        self.start = self.start.max(rules.start);
        let clock_mark = match self.clock_mark {
            Some(mark) => mark,
            None => {
                // The clock that the mark is by: one that is set meanwhile shows in the next walk.
                self.clock_offset_micros = page.clock.offset_micros;
                *self.clock_mark.insert(page.clock.before)
            }
        };
        for sighting in &page.sightings {
            self.latest = self.latest.max(sighting.modified);
            let late = sighting
                .modified
                .filter(|at| sighting.news && *at < clock_mark);
            self.earliest_late = earliest(self.earliest_late, late);
        }
        self.position = page.next;
        if self.position.is_some() {
            return Next::Page;
        }

        let took = page.arrived.since(self.began);
        let walk_micros = i64::try_from(took.whole_microseconds())
            .unwrap_or_default()
            .max(0);
        let mark = if planted!(MarkAfterRead) {
            let offset = Duration::microseconds(page.clock.offset_micros);
            page.arrived.saturating_add(offset)
        } else {
            self.mark(cursor, clock_mark)
        };
        let next_since = self.next_since(cursor, rules, mark, walk_micros);
        let settled = self.earliest_late.is_none() && next_since >= self.lowest;
        if settled || self.pass >= rules.passes {
            return Next::Finished(self.finish(cursor, rules, mark, walk_micros, page.arrived));
        }
        self.pass += 1;
        self.since = next_since;
        self.lowest = self.lowest.min(next_since);
        self.earliest_late = None;
        Next::Page
    }

    /// Where a pass begins that nothing from before the mark can escape. What a store dated by a clock
    /// that was set back since the cursor's mark lies before that mark by as much.
    fn next_since(
        &self,
        cursor: &Cursor,
        rules: &Rules,
        mark: Timestamp,
        walk_micros: i64,
    ) -> Option<Timestamp> {
        let since = rules.since(Some(mark), cursor.last_walk_micros.max(walk_micros));
        let offset = self.clock_offset_micros;
        let set_back = Duration::microseconds(cursor.clock_offset_micros.saturating_sub(offset));
        if set_back <= rules.overlap / MEASURED_WITHIN {
            return since;
        }
        let set_back = Rules {
            clock_error: rules.clock_error + set_back.min(LARGEST_CLOCK_ERROR),
            ..rules.clone()
        };
        let held = cursor.mark.filter(|_| !cursor.is_void(rules));
        since.min(set_back.since(held, cursor.last_walk_micros))
    }

    /// The mark is never later than the store's clock was before the first request, and, so that a
    /// store that dates by another clock than it shows is bearable, not later than the latest date it
    /// gave, as far back as a clock can be wrong.
    fn mark(&self, cursor: &Cursor, clock_mark: Timestamp) -> Timestamp {
        let trusted = clock_mark.saturating_sub(LARGEST_CLOCK_ERROR);
        let latest = self.latest.max(cursor.mark).unwrap_or(trusted);
        clock_mark.min(latest.max(trusted))
    }

    fn finish(
        &self,
        cursor: &Cursor,
        rules: &Rules,
        mark: Timestamp,
        walk_micros: i64,
        now: Timestamp,
    ) -> Cursor {
        // A store that kept showing new things before the mark is read from there again.
        let mark = match self.earliest_late {
            Some(late) => {
                let held = cursor.mark.unwrap_or(late).min(mark);
                mark.min(late).max(held)
            }
            None => mark,
        };
        let began_at_start = self.lowest <= rules.since(None, cursor.last_walk_micros);
        Cursor {
            mark: Some(mark),
            start: if began_at_start {
                self.start
            } else {
                cursor.start
            },
            last_walk_micros: walk_micros,
            clock_offset_micros: self.clock_offset_micros,
            last_full: if began_at_start {
                Some(now)
            } else {
                cursor.last_full
            },
        }
    }
}

fn earliest(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
