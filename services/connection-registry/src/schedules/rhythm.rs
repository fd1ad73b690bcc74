//! When a schedule runs: every so many seconds, or at times of day.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use storelink_model::{StoreZone, Timestamp};
use time::{Date, Duration, PrimitiveDateTime, Time};

/// The longest interval: a week.
pub(crate) const LONGEST_SECONDS: u64 = 7 * 86_400;
const DAY_SECONDS: u64 = 86_400;
/// Daily work of many connections is spread over this long, so that it does not begin at once.
const SPREAD_SECONDS: u64 = 15 * 60;

/// When a schedule runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Rhythm {
    /// Every so many seconds.
    EverySeconds(u64),
    /// Every day at these times, in order.
    Times(Vec<TimeOfDay>),
}

/// Hour and minute, written `02:30`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct TimeOfDay {
    hour: u8,
    minute: u8,
}

impl TryFrom<String> for TimeOfDay {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        const WRONG: &str = "it is not a time of day such as 02:30";
        let (hour, minute) = text.split_once(':').ok_or(WRONG)?;
        let number = |part: &str, limit: u8| {
            (part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit()))
                .then(|| part.parse::<u8>().ok())
                .flatten()
                .filter(|number| *number < limit)
                .ok_or(WRONG)
        };
        Ok(Self {
            hour: number(hour, 24)?,
            minute: number(minute, 60)?,
        })
    }
}

impl From<TimeOfDay> for String {
    fn from(time: TimeOfDay) -> Self {
        format!("{:02}:{:02}", time.hour, time.minute)
    }
}

impl Rhythm {
    /// What a new schedule shows: once a day means the quiet hour of the night.
    pub(crate) fn proposed(every_seconds: u64) -> Self {
        if every_seconds == DAY_SECONDS {
            Self::Times(vec![TimeOfDay {
                hour: 2,
                minute: 30,
            }])
        } else {
            Self::EverySeconds(every_seconds)
        }
    }

    /// The first run after an instant. Times of day are moved by a part that depends on `seed`
    /// alone; an hour that summer time skips runs when the clock jumps, one that it repeats runs
    /// once.
    pub(crate) fn next_after(&self, now: Timestamp, zone: &StoreZone, seed: &str) -> Timestamp {
        match self {
            Self::EverySeconds(seconds) => now.saturating_add(whole_seconds(*seconds)),
            Self::Times(times) => {
                let spread = whole_seconds(spread(seed));
                let today = zone.local(now.saturating_sub(spread).datetime()).date();
                let days = [today.previous_day(), Some(today), today.next_day()];
                days.into_iter()
                    .flatten()
                    .flat_map(|day| times.iter().map(move |time| (day, *time)))
                    .map(|(day, time)| instant(day, time, zone).saturating_add(spread))
                    .filter(|at| *at > now)
                    .min()
                    .unwrap_or_else(|| now.saturating_add(whole_seconds(DAY_SECONDS)))
            }
        }
    }

    /// The first run on the grid of a previous one after an instant: what was missed is not made up
    /// for more than once.
    pub(crate) fn next_on_grid(
        &self,
        previous: Timestamp,
        now: Timestamp,
        zone: &StoreZone,
        seed: &str,
    ) -> Timestamp {
        let Self::EverySeconds(seconds) = self else {
            return self.next_after(now, zone, seed);
        };
        let step = i64::try_from(*seconds).unwrap_or(i64::MAX).max(1);
        let late = now.since(previous).whole_seconds().max(0);
        let steps = late / step + 1;
        previous.saturating_add(Duration::seconds(step.saturating_mul(steps)))
    }
}

fn instant(day: Date, time: TimeOfDay, zone: &StoreZone) -> Timestamp {
    let clock = Time::from_hms(time.hour, time.minute, 0).unwrap_or(Time::MIDNIGHT);
    Timestamp::from(zone.instant(PrimitiveDateTime::new(day, clock)).earliest())
}

fn spread(seed: &str) -> u64 {
    let digest = Sha256::digest(seed.as_bytes());
    let number = digest
        .iter()
        .take(4)
        .fold(0_u64, |number, byte| number * 256 + u64::from(*byte));
    number % SPREAD_SECONDS
}

fn whole_seconds(seconds: u64) -> Duration {
    Duration::seconds(i64::try_from(seconds).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn times(list: &[&str]) -> Rhythm {
        Rhythm::Times(
            list.iter()
                .map(|text| (*text).to_owned().try_into().unwrap())
                .collect(),
        )
    }

    fn ljubljana() -> StoreZone {
        "Europe/Ljubljana".parse().unwrap()
    }

    #[test]
    fn times_of_day_are_those_of_the_zone() {
        let spread = whole_seconds(spread("a"));
        let next =
            times(&["02:30", "14:00"]).next_after(at("2026-11-22T06:30:00Z"), &ljubljana(), "a");
        assert_eq!(next, at("2026-11-22T13:00:00Z").saturating_add(spread));
        let night = times(&["02:30"]).next_after(at("2026-11-22T06:30:00Z"), &ljubljana(), "a");
        assert_eq!(night, at("2026-11-23T01:30:00Z").saturating_add(spread));
    }

    #[test]
    fn a_skipped_hour_runs_and_a_repeated_one_runs_once() {
        let zone = ljubljana();
        let spread = whole_seconds(spread("a"));
        let rhythm = times(&["02:30"]);
        let spring = rhythm.next_after(at("2026-03-28T12:00:00Z"), &zone, "a");
        // The clock jumps from 02:00 to 03:00.
        assert_eq!(spring, at("2026-03-29T01:00:00Z").saturating_add(spread));
        let autumn = rhythm.next_after(at("2026-10-24T12:00:00Z"), &zone, "a");
        assert_eq!(autumn, at("2026-10-25T00:30:00Z").saturating_add(spread));
        let after = rhythm.next_after(autumn, &zone, "a");
        assert_eq!(after, at("2026-10-26T01:30:00Z").saturating_add(spread));
    }

    #[test]
    fn missed_runs_are_made_up_for_once() {
        let hourly = Rhythm::EverySeconds(3_600);
        let planned = at("2026-11-22T06:00:00Z");
        for (now, next) in [
            ("2026-11-22T06:00:00.000001Z", "2026-11-22T07:00:00Z"),
            ("2026-11-22T06:59:59Z", "2026-11-22T07:00:00Z"),
            ("2026-11-22T07:00:00Z", "2026-11-22T08:00:00Z"),
            ("2026-11-24T09:30:00Z", "2026-11-24T10:00:00Z"),
        ] {
            assert_eq!(
                hourly.next_on_grid(planned, at(now), &ljubljana(), "a"),
                at(next),
                "{now}"
            );
        }
    }

    #[test]
    fn only_times_of_day_are_times_of_day() {
        for bad in [
            "", "2:30", "24:00", "12:60", "12:5", "12-30", "12:30:00", "+1:30", "ab:cd",
        ] {
            assert!(TimeOfDay::try_from(bad.to_owned()).is_err(), "{bad}");
        }
        let time = TimeOfDay::try_from("23:59".to_owned()).unwrap();
        assert_eq!(String::from(time), "23:59");
    }

    proptest! {
        #[test]
        fn the_next_run_is_later_and_within_a_day_and_a_half(
            seconds in 1_700_000_000_i64..1_900_000_000,
            hour in 0_u8..24, minute in 0_u8..60, seed in "[a-z]{1,8}",
        ) {
            let now = Timestamp::from_micros(seconds * 1_000_000);
            let rhythm = Rhythm::Times(vec![TimeOfDay { hour, minute }]);
            let next = rhythm.next_after(now, &ljubljana(), &seed);
            prop_assert!(next > now);
            prop_assert!(next.since(now) <= Duration::hours(26));
            let grid = Rhythm::EverySeconds(900).next_on_grid(
                now.saturating_sub(Duration::seconds(i64::from(minute) * 100)), now, &ljubljana(), &seed);
            prop_assert!(grid > now);
            prop_assert!(grid.since(now) <= Duration::seconds(900));
        }
    }
}
