//! How hard a store may be pressed: fewer requests at once when it struggles, one more at a time when
//! it answers well (additive increase, multiplicative decrease), and a pause when it says "too many".
//!
//! Knows neither clock nor task: everything is told to it.

use std::time::Duration;

use storelink_runtime::Instant;

/// The first pause after a refusal; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Good answers per place before one more place is tried.
const STREAK_PER_PLACE: usize = 8;

/// An answer counts as slow when it took longer than this and this many times the usual time.
const SLOW: Duration = Duration::from_secs(5);
const SLOW_FACTOR: u32 = 3;

/// Weight of the newest answer in the usual time: one of so many.
const MEMORY: u32 = 8;

/// What is known about how a store bears its requests.
#[derive(Debug, Clone)]
pub(crate) struct Pressure {
    /// What settings and platform allow.
    ceiling: usize,
    /// What is allowed now, 1 to `ceiling`.
    limit: usize,
    /// Good answers since the limit was changed.
    streak: usize,
    /// The usual time of a good answer.
    usual: Option<Duration>,
    /// Answers to requests that left earlier say nothing new.
    lowered: Option<Instant>,
    paused_until: Option<Instant>,
    next_pause: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Good,
    /// It fails or is slow.
    Struggling,
    /// 429 or 503: it asks to be left alone.
    Refusing,
}

impl Pressure {
    /// Nothing is known yet: everything that is allowed is tried.
    pub(crate) fn new(ceiling: usize) -> Self {
        let ceiling = ceiling.max(1);
        Self {
            ceiling,
            limit: ceiling,
            streak: 0,
            usual: None,
            lowered: None,
            paused_until: None,
            next_pause: FIRST_PAUSE,
        }
    }

    /// Takes over a changed ceiling.
    pub(crate) fn set_ceiling(&mut self, ceiling: usize) {
        let ceiling = ceiling.max(1);
        let untouched = self.limit == self.ceiling;
        self.limit = if untouched {
            ceiling
        } else {
            self.limit.min(ceiling)
        };
        self.ceiling = ceiling;
    }

    /// How many requests may be under way.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Until when none may leave.
    pub(crate) fn paused_until(&self) -> Option<Instant> {
        self.paused_until
    }

    /// Learns how a request ended that took `elapsed` and whose answer came at `now`; no status when
    /// no answer came.
    pub(crate) fn observe(&mut self, status: Option<u16>, elapsed: Duration, now: Instant) {
        match self.judge(status, elapsed) {
            Sign::Good => self.raise(),
            sign => {
                let left = now.checked_sub(elapsed);
                // What left before the last change belongs to the same trouble.
                if self
                    .lowered
                    .is_some_and(|lowered| left.is_none_or(|left| left < lowered))
                {
                    return;
                }
                self.lower(now);
                if sign == Sign::Refusing {
                    self.pause(now);
                }
            }
        }
    }

    fn judge(&mut self, status: Option<u16>, elapsed: Duration) -> Sign {
        match status {
            Some(429 | 503) => return Sign::Refusing,
            None | Some(500..) => return Sign::Struggling,
            Some(_) => {}
        }
        let usual = self.usual.unwrap_or(elapsed);
        self.usual = Some((usual * (MEMORY - 1) + elapsed) / MEMORY);
        if elapsed > SLOW && elapsed > usual * SLOW_FACTOR {
            Sign::Struggling
        } else {
            Sign::Good
        }
    }

    fn raise(&mut self) {
        self.next_pause = FIRST_PAUSE;
        self.streak += 1;
        if self.streak >= STREAK_PER_PLACE * self.limit {
            self.streak = 0;
            self.limit = (self.limit + 1).min(self.ceiling);
        }
    }

    fn lower(&mut self, now: Instant) {
        self.limit = (self.limit / 2).max(1);
        self.streak = 0;
        self.lowered = Some(now);
    }

    fn pause(&mut self, now: Instant) {
        self.paused_until = Some(now + self.next_pause);
        // What leaves at the end of the pause is the next trial.
        self.next_pause = (self.next_pause * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const USUAL: Duration = Duration::from_millis(200);

    fn answered(pressure: &mut Pressure, status: u16, now: Instant) {
        pressure.observe(Some(status), USUAL, now);
    }

    #[test]
    fn trouble_halves_and_good_answers_add_one_at_a_time() {
        let start = Instant::now();
        let mut pressure = Pressure::new(8);
        let mut limits = Vec::new();
        for second in 1..=4 {
            answered(&mut pressure, 500, start + Duration::from_secs(second));
            limits.push(pressure.limit());
        }
        assert_eq!(limits, [4, 2, 1, 1]);
        for _ in 0..8 {
            answered(&mut pressure, 200, start + Duration::from_secs(9));
        }
        assert_eq!(pressure.limit(), 2);
        for _ in 0..15 {
            answered(&mut pressure, 404, start + Duration::from_secs(9));
        }
        assert_eq!(pressure.limit(), 2);
        answered(&mut pressure, 200, start + Duration::from_secs(9));
        assert_eq!(pressure.limit(), 3);
        assert_eq!(pressure.paused_until(), None);
    }

    #[test]
    fn a_refusal_pauses_longer_and_longer_until_an_answer_is_good() {
        let mut now = Instant::now();
        let mut pressure = Pressure::new(2);
        let mut pauses = Vec::new();
        for status in [429, 503, 429, 429, 429, 429, 429] {
            now += USUAL * 2;
            answered(&mut pressure, status, now);
            let until = pressure.paused_until().unwrap();
            pauses.push((until - now).as_secs());
            now = until;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
        answered(&mut pressure, 200, now);
        now += USUAL * 2;
        answered(&mut pressure, 429, now);
        assert_eq!(pressure.paused_until(), Some(now + FIRST_PAUSE));
    }

    #[test]
    fn requests_that_were_under_way_together_count_once() {
        let now = Instant::now();
        let mut pressure = Pressure::new(16);
        for late in 0..8 {
            answered(&mut pressure, 429, now + Duration::from_millis(late * 10));
        }
        assert_eq!(pressure.limit(), 8);
        assert_eq!(pressure.paused_until(), Some(now + FIRST_PAUSE));
    }

    #[test]
    fn an_answer_far_slower_than_usual_is_trouble_and_a_slow_store_is_none() {
        let now = Instant::now();
        let seconds = Duration::from_secs;
        let mut pressure = Pressure::new(4);
        pressure.observe(Some(200), seconds(1), now);
        pressure.observe(Some(200), seconds(6), now + seconds(10));
        assert_eq!(pressure.limit(), 2);

        let mut always_slow = Pressure::new(4);
        for minute in 1..10 {
            always_slow.observe(Some(200), seconds(20), now + seconds(60 * minute));
        }
        assert_eq!(always_slow.limit(), 4);
    }

    #[test]
    fn a_changed_ceiling_is_kept_at_once_and_reached_step_by_step() {
        let now = Instant::now();
        let mut pressure = Pressure::new(2);
        pressure.set_ceiling(8);
        assert_eq!(pressure.limit(), 8);
        answered(&mut pressure, 502, now);
        pressure.set_ceiling(16);
        assert_eq!(pressure.limit(), 4);
        pressure.set_ceiling(0);
        assert_eq!(pressure.limit(), 1);
    }

    proptest! {
        #[test]
        fn the_limit_stays_between_one_and_the_ceiling(
            ceiling in 0usize..20,
            answers in prop::collection::vec((prop::option::of(100u16..600), 0u64..60_000), 0..300),
        ) {
            let mut now = Instant::now() + Duration::from_secs(100);
            let mut pressure = Pressure::new(ceiling);
            for (status, millis) in answers {
                let elapsed = Duration::from_millis(millis);
                now += elapsed / 2;
                pressure.observe(status, elapsed, now);
                prop_assert!((1..=ceiling.max(1)).contains(&pressure.limit()));
                let pause = pressure.paused_until().map(|until| until.saturating_duration_since(now));
                prop_assert!(pause.unwrap_or_default() <= LONGEST_PAUSE);
            }
        }
    }
}
