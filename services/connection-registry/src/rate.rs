//! How often one token may ask: a bucket of requests that fills again evenly.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use storelink_settings::HttpSettings;

/// Buckets that are kept before those that are full again are let go.
const TIDY_ABOVE: usize = 1_024;

/// The buckets of all tokens that asked lately. They belong to this process: each replica of the API
/// counts for itself.
#[derive(Debug)]
pub(crate) struct Rates {
    /// The time in which a bucket gets one request more.
    gap: Duration,
    /// The time in which an empty bucket is full.
    window: Duration,
    /// For each token, when its bucket is full again.
    full: Mutex<HashMap<String, Instant>>,
}

impl Rates {
    pub(crate) fn new(settings: &HttpSettings) -> Self {
        let gap = Duration::from_secs(1) / settings.requests_per_second;
        Self {
            gap,
            window: gap * settings.request_burst,
            full: Mutex::default(),
        }
    }

    /// Takes one request out of the token's bucket.
    ///
    /// # Errors
    /// How long to wait, when it is empty.
    pub(crate) fn take(&self, token: &str, now: Instant) -> Result<(), Duration> {
        let mut buckets = self.full.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() > TIDY_ABOVE {
            buckets.retain(|_, full| *full > now);
        }
        let full = buckets.get(token).copied().unwrap_or(now).max(now) + self.gap;
        let missing = full - now;
        if missing > self.window {
            return Err(missing - self.window);
        }
        buckets.insert(token.to_owned(), full);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use storelink_settings::Loader;

    use super::*;

    fn rates() -> Rates {
        Rates::new(&Loader::new().load().unwrap().http)
    }

    #[test]
    fn a_hundred_at_once_then_fifty_a_second_and_each_token_for_itself() {
        let (rates, start) = (rates(), Instant::now());
        let taken = |token: &str, now| {
            std::iter::repeat_with(|| rates.take(token, now))
                .take_while(Result::is_ok)
                .count()
        };
        assert_eq!(taken("a", start), 100);
        assert_eq!(rates.take("a", start), Err(Duration::from_millis(20)));
        assert_eq!(taken("b", start), 100);
        assert_eq!(taken("a", start + Duration::from_secs(1)), 50);
        assert_eq!(taken("a", start + Duration::from_secs(60)), 100);
    }

    #[test]
    fn tokens_that_no_longer_ask_take_no_memory() {
        let (rates, start) = (rates(), Instant::now());
        for token in 0..5_000_u32 {
            let now = start + Duration::from_millis(u64::from(token));
            rates.take(&token.to_string(), now).unwrap();
        }
        assert!(rates.full.lock().unwrap().len() <= TIDY_ABOVE + 1);
    }
}
