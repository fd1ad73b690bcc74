//! Pauses before something is tried again.

use std::time::Duration;

use rand::Rng;

const FIRST: u64 = 1_000;
const LONGEST: u64 = 5 * 60 * 1_000;

/// Pause before the next delivery of a message that was delivered `delivered` times: 1 s, doubled
/// up to 5 min, with a random part of a quarter, so that what failed together is not tried again
/// together.
pub(super) fn pause_before_delivery(delivered: i64) -> Duration {
    let doublings = u32::try_from(delivered.clamp(1, 20) - 1).unwrap_or(0);
    let full = (FIRST << doublings).min(LONGEST);
    Duration::from_millis(rand::rng().random_range(full - full / 4..=full))
}

/// Pause of the loop itself after `times` unusual answers in a row: 50 ms up to 5 s.
pub(super) fn pause_after_trouble(times: u32) -> Duration {
    Duration::from_millis((50_u64 << times.clamp(1, 7)).min(5_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_end_at_five_minutes() {
        let range = |delivered| {
            let pause = pause_before_delivery(delivered);
            (pause.as_millis() / 100) as u64
        };
        for _ in 0..100 {
            assert!((7..=10).contains(&range(1)));
            assert!((15..=20).contains(&range(2)));
            assert!((60..=80).contains(&range(4)));
            assert!((2_250..=3_000).contains(&range(20)));
            assert!((2_250..=3_000).contains(&range(i64::MAX)));
            assert!((7..=10).contains(&range(i64::MIN)));
        }
    }
}
