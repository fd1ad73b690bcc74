//! Rows that their owner counts up, judged by this process's own clock alone.

use std::collections::HashMap;
use std::time::Duration;

use storelink_planted_faults::planted;
use storelink_runtime::Instant;

/// Remembers since when rows have stood as they stand.
pub(super) struct Stillness<S> {
    length: Duration,
    seen: HashMap<String, (S, Instant)>,
}

impl<S: PartialEq> Stillness<S> {
    /// `length` is how long the row of an owner that is gone has to stand still.
    pub(super) fn new(length: Duration) -> Self {
        Self {
            length,
            seen: HashMap::new(),
        }
    }

    /// Whether a row that stands like this now has stood so for longer than the length. One that is
    /// seen for the first time counts from now.
    pub(super) fn is_over(&mut self, key: &str, state: S, now: Instant) -> bool {
        match self.seen.get(key) {
            Some((seen, since)) if *seen == state => {
                now.saturating_duration_since(*since) > self.length
            }
            _ => {
                self.seen.insert(key.to_owned(), (state, now));
                planted!(TakeWithoutWaiting)
            }
        }
    }

    /// Forgets the rows that are not among these any more.
    pub(super) fn retain(&mut self, there: impl Fn(&str) -> bool) {
        self.seen.retain(|key, _| there(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_over_when_it_stood_still_for_longer_than_the_length() {
        let mut rows = Stillness::new(Duration::from_secs(15));
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        assert!(!rows.is_over("a", 1, at(0)), "seen for the first time");
        assert!(!rows.is_over("a", 1, at(15)));
        assert!(rows.is_over("a", 1, at(16)));
        assert!(!rows.is_over("a", 2, at(17)), "it moved");
        assert!(!rows.is_over("a", 2, at(32)));
        assert!(rows.is_over("a", 2, at(33)));
        rows.retain(|key| key != "a");
        assert!(!rows.is_over("a", 2, at(34)), "forgotten");
    }
}
