//! When a lane sends nothing: pauses after failures, limits, and stops that need a person.

use storelink_adapter_api::{AdapterError, ErrorClass};
use storelink_model::Timestamp;
use storelink_planted_faults::planted;
use time::Duration;

/// The first pause after a failure; doubled up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::seconds(1);
const LONGEST_PAUSE: Duration = Duration::minutes(5);
/// No store is believed that asks for a longer pause than this.
const LONGEST_LIMIT: Duration = Duration::hours(1);
/// This many confirmed requests in a row let a reduced batch grow again.
const GROW_AFTER: u32 = 8;
/// From so many failures in a row on the store counts as unavailable.
const UNAVAILABLE_AFTER: u32 = 3;

/// Why a person must act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attention {
    /// Stable code.
    pub code: String,
    /// In words.
    pub text: String,
    /// With which credentials it failed: others end the stop.
    pub credentials_revision: u64,
}

/// Why nothing is sent now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closed {
    /// Until a time, because of a failure or because the store asked for it.
    Until {
        /// When it is tried again.
        until: Timestamp,
        /// Stable code of the failure.
        code: String,
        /// In words.
        text: String,
    },
    /// Until a person acts.
    Attention(Attention),
}

/// What a lane has learnt from the store's answers about sending now.
#[derive(Debug, Default)]
pub struct Pause {
    failures: u32,
    until: Option<(Timestamp, String, String)>,
    attention: Option<Attention>,
    /// A reduced batch; none when the platform's own is used.
    batch: Option<usize>,
    successes: u32,
}

impl Pause {
    /// Whether a request may leave now, and if not, why and until when.
    ///
    /// # Errors
    /// The reason.
    pub fn check(&self, now: Timestamp) -> Result<(), Closed> {
        if let Some(attention) = &self.attention {
            return Err(Closed::Attention(attention.clone()));
        }
        match &self.until {
            Some((until, code, text)) if *until > now => Err(Closed::Until {
                until: *until,
                code: code.clone(),
                text: text.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// How many items a request may hold, of at most `platform`.
    #[must_use]
    pub fn batch_limit(&self, platform: usize) -> usize {
        self.batch
            .map_or(platform, |reduced| reduced.min(platform))
            .max(1)
    }

    /// Whether so many requests failed in a row that the store counts as unavailable.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        self.failures >= UNAVAILABLE_AFTER
    }

    /// The store answered, and at least one item is settled.
    pub fn succeeded(&mut self) {
        self.failures = 0;
        self.until = None;
        let Some(batch) = self.batch else { return };
        self.successes += 1;
        if self.successes >= GROW_AFTER {
            self.successes = 0;
            // Beyond any platform's batch the platform's own limit is the only one again.
            self.batch = (batch < 4_096).then_some(batch * 2);
        }
    }

    /// The store answered, but of no item it is known what became of it.
    pub fn unclear(&mut self, now: Timestamp, random: u64) {
        let text = "the store's answers do not tell what became of the values";
        self.back_off(now, random, "lane.outcome_unknown", text);
    }

    /// A request of `items` items failed. `random` spreads the pauses of lanes that failed together.
    pub fn failed(
        &mut self,
        error: &AdapterError,
        items: usize,
        credentials_revision: u64,
        now: Timestamp,
        random: u64,
    ) {
        // A refusal of many says little about each: smaller requests find the one that is meant.
        let whole_refused = error.class == ErrorClass::Rejected && items > 1;
        if error.smaller_batch || whole_refused {
            self.batch = Some((items / 2).max(1));
            self.successes = 0;
        }
        match error.class {
            ErrorClass::Transient => self.back_off(now, random, error.code, &error.text),
            ErrorClass::Limited { .. } if planted!(PauseForgotten) => {}
            ErrorClass::Limited { pause } => {
                let asked = Duration::try_from(pause).unwrap_or(LONGEST_LIMIT);
                let until = now.saturating_add(asked.clamp(FIRST_PAUSE, LONGEST_LIMIT));
                self.until = Some((until, error.code.to_owned(), error.text.clone()));
            }
            ErrorClass::Attention if planted!(RefusedKeysTriedAgain) => {
                self.back_off(now, random, error.code, &error.text);
            }
            ErrorClass::Attention => {
                let (code, text) = (error.code.to_owned(), error.text.clone());
                self.attention = Some(Attention {
                    code,
                    text,
                    credentials_revision,
                });
            }
            ErrorClass::Rejected if error.smaller_batch && items <= 1 => {
                self.back_off(now, random, error.code, &error.text);
            }
            ErrorClass::Rejected => self.failures = 0,
        }
    }

    /// Something on our own side failed before anything was sent.
    pub fn failed_here(&mut self, code: &str, text: &str, now: Timestamp) {
        let until = now.saturating_add(FIRST_PAUSE);
        self.until = Some((until, code.to_owned(), text.to_owned()));
    }

    /// Stops until the credentials change.
    pub fn stop(&mut self, attention: Attention) {
        self.attention = Some(attention);
    }

    /// The connection was changed. Ends a stop when its credentials or address are other ones.
    pub fn connection_changed(&mut self, credentials_revision: u64) {
        let other = |attention: &Attention| attention.credentials_revision != credentials_revision;
        if self.attention.as_ref().is_some_and(other) {
            *self = Self {
                batch: self.batch,
                ..Self::default()
            };
        }
    }

    /// Full jitter between half and the whole of 1 s, doubled with each failure up to 5 minutes.
    fn back_off(&mut self, now: Timestamp, random: u64, code: &str, text: &str) {
        let doublings = self.failures.min(9);
        self.failures = self.failures.saturating_add(1);
        let whole: Duration = (FIRST_PAUSE * (1_i32 << doublings)).min(LONGEST_PAUSE);
        let half = whole / 2_i32;
        let micros = u64::try_from(half.whole_microseconds())
            .unwrap_or(u64::MAX)
            .max(1);
        let spread = i64::try_from(random % micros).unwrap_or_default();
        let until = now.saturating_add(half + Duration::microseconds(spread));
        self.until = Some((until, code.to_owned(), text.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_micros(0)
    }

    fn error(class: ErrorClass) -> AdapterError {
        AdapterError::new(class, "test.failed", "it failed")
    }

    fn until(pause: &Pause) -> Duration {
        match pause.check(now()) {
            Err(Closed::Until { until, .. }) => until.since(now()),
            other => panic!("not a pause: {other:?}"),
        }
    }

    #[test]
    fn pauses_double_with_each_failure_and_end_with_success() {
        let mut pause = Pause::default();
        let mut longest = Duration::ZERO;
        for (failure, least) in [500, 1_000, 2_000, 4_000].into_iter().enumerate() {
            pause.failed(&error(ErrorClass::Transient), 1, 1, now(), 77);
            assert!(
                until(&pause) >= Duration::milliseconds(least),
                "failure {failure}"
            );
            assert!(until(&pause) > longest);
            longest = until(&pause);
        }
        assert!(pause.is_unavailable());
        for _ in 0..40 {
            pause.failed(&error(ErrorClass::Transient), 1, 1, now(), u64::MAX);
        }
        assert!(until(&pause) <= LONGEST_PAUSE);
        pause.succeeded();
        assert_eq!(pause.check(now()), Ok(()));
        assert!(!pause.is_unavailable());
    }

    #[test]
    fn a_limit_is_obeyed_but_not_for_years() {
        let mut pause = Pause::default();
        let limited = |seconds| ErrorClass::Limited {
            pause: std::time::Duration::from_secs(seconds),
        };
        pause.failed(&error(limited(30)), 1, 1, now(), 0);
        assert_eq!(until(&pause), Duration::seconds(30));
        pause.failed(&error(limited(10 * 365 * 86_400)), 1, 1, now(), 0);
        assert_eq!(until(&pause), LONGEST_LIMIT);
        assert!(!pause.is_unavailable());
    }

    #[test]
    fn refused_credentials_stop_until_they_change() {
        let mut pause = Pause::default();
        pause.failed(&error(ErrorClass::Attention), 1, 4, now(), 0);
        pause.connection_changed(4);
        assert!(matches!(pause.check(now()), Err(Closed::Attention(_))));
        pause.connection_changed(5);
        assert_eq!(pause.check(now()), Ok(()));
    }

    #[test]
    fn a_batch_that_is_too_large_is_halved_and_grows_again() {
        let mut pause = Pause::default();
        assert_eq!(pause.batch_limit(100), 100);
        pause.failed(
            &error(ErrorClass::Rejected).with_smaller_batch(),
            100,
            1,
            now(),
            0,
        );
        assert_eq!(pause.batch_limit(100), 50);
        assert_eq!(pause.check(now()), Ok(()));
        pause.failed(&error(ErrorClass::Rejected), 50, 1, now(), 0);
        assert_eq!(pause.batch_limit(100), 25);
        for _ in 0..GROW_AFTER * 2 {
            pause.succeeded();
        }
        assert_eq!(pause.batch_limit(100), 100);
    }
}
