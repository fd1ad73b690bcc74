//! Which of two values of one key is the later one.

use std::cmp::Ordering;

use storelink_model::{Timestamp, Version, VersionMismatch};
use storelink_planted_faults::planted;
use time::Duration;

/// How far in the future the time of an event may lie: clocks differ, but not by more.
pub const FUTURE_LIMIT: Duration = Duration::seconds(60);

/// The place of a value: its version, and the sequence of its event in the ERP's stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The ERP's revision or time.
    pub version: Version,
    /// The sequence of its event, which decides between equal times.
    pub sequence: u64,
}

/// How a value stands to the one that is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is later: it is stored, also when the value is equal, since a late older one must lose
    /// against it.
    Newer,
    /// It is the one that is stored.
    Same,
    /// It is earlier.
    Older,
    /// The ERP gave one revision to two values; which one is right only a person knows.
    Conflict,
}

/// Decides between a stored value and one that came in.
///
/// # Errors
/// When one is ordered by revision and the other by time.
pub fn compare(
    stored: Stamp,
    incoming: Stamp,
    same_value: bool,
) -> Result<Verdict, VersionMismatch> {
    Ok(match incoming.version.compare(stored.version)? {
        Ordering::Greater => Verdict::Newer,
        Ordering::Less if planted!(LastArrivalWins) => Verdict::Newer,
        Ordering::Less => Verdict::Older,
        Ordering::Equal => match incoming.version {
            Version::Revision(_) if same_value => Verdict::Same,
            Version::Revision(_) => Verdict::Conflict,
            Version::Time(_) => match incoming.sequence.cmp(&stored.sequence) {
                Ordering::Greater if !planted!(EqualTimesKeepFirst) => Verdict::Newer,
                Ordering::Greater | Ordering::Equal => Verdict::Same,
                Ordering::Less => Verdict::Older,
            },
        },
    })
}

/// Whether a time by which values are ordered lies too far ahead.
#[must_use]
pub fn too_far_ahead(time: Timestamp, now: Timestamp) -> bool {
    time.since(now) > FUTURE_LIMIT
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revision(revision: u64, sequence: u64) -> Stamp {
        Stamp {
            version: Version::Revision(revision),
            sequence,
        }
    }

    fn time(micros: i64, sequence: u64) -> Stamp {
        Stamp {
            version: Version::Time(micros),
            sequence,
        }
    }

    #[test]
    fn revisions_decide_whatever_the_order_of_arrival() {
        assert_eq!(
            compare(revision(2, 9), revision(3, 1), false),
            Ok(Verdict::Newer)
        );
        assert_eq!(
            compare(revision(2, 1), revision(1, 9), false),
            Ok(Verdict::Older)
        );
    }

    #[test]
    fn a_newer_version_is_stored_also_when_the_value_is_equal() {
        assert_eq!(
            compare(revision(2, 1), revision(3, 2), true),
            Ok(Verdict::Newer)
        );
    }

    #[test]
    fn one_revision_for_two_values_is_a_conflict() {
        assert_eq!(
            compare(revision(2, 1), revision(2, 2), false),
            Ok(Verdict::Conflict)
        );
        assert_eq!(
            compare(revision(2, 1), revision(2, 2), true),
            Ok(Verdict::Same)
        );
    }

    #[test]
    fn between_equal_times_the_later_event_wins() {
        assert_eq!(compare(time(5, 1), time(5, 2), false), Ok(Verdict::Newer));
        assert_eq!(compare(time(5, 2), time(5, 1), false), Ok(Verdict::Older));
        assert_eq!(compare(time(5, 2), time(5, 2), true), Ok(Verdict::Same));
    }

    #[test]
    fn the_two_orders_do_not_mix() {
        assert!(compare(time(5, 2), revision(9, 3), false).is_err());
    }

    #[test]
    fn a_minute_ahead_is_a_clock_and_more_is_a_mistake() {
        let now = Timestamp::from_micros(0);
        assert!(!too_far_ahead(Timestamp::from_micros(60_000_000), now));
        assert!(too_far_ahead(Timestamp::from_micros(60_000_001), now));
    }
}
