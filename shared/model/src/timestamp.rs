use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::format_description::well_known::Rfc3339;
use time::macros::datetime;
use time::{Duration, OffsetDateTime, UtcOffset};

use crate::InvalidValue;

const FIRST: OffsetDateTime = datetime!(0001-01-01 00:00:00 UTC);
const LAST: OffsetDateTime = datetime!(9998-12-31 23:59:59.999999 UTC);

/// An instant in UTC, to the microsecond: the finest that both databases keep. Written by RFC 3339;
/// read with any offset, never without one.
///
/// The years 1 to 9998: in each of them every offset gives a date that exists and can be written, so
/// that nothing that is done with an instant fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(OffsetDateTime);

impl Timestamp {
    /// The first instant of the year 1.
    pub const MIN: Self = Self(FIRST);
    /// The last microsecond of the year 9998.
    pub const MAX: Self = Self(LAST);

    /// The instant it is now by the clock of this machine.
    #[must_use]
    pub fn now() -> Self {
        #[cfg(feature = "simulated-clock")]
        if let Some(micros) = crate::simulated_clock::now_micros() {
            return Self::from_micros(micros);
        }
        Self::from(OffsetDateTime::now_utc())
    }

    /// The instant that is this many microseconds after 1970; [`Timestamp::MIN`] or
    /// [`Timestamp::MAX`] when it lies beyond.
    #[must_use]
    pub fn from_micros(micros: i64) -> Self {
        Self::within(OffsetDateTime::UNIX_EPOCH.saturating_add(Duration::microseconds(micros)))
    }

    /// Microseconds since 1970.
    #[must_use]
    pub fn micros(self) -> i64 {
        i64::try_from(self.0.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX)
    }

    /// As the type of the `time` crate, in UTC.
    #[must_use]
    pub fn datetime(self) -> OffsetDateTime {
        self.0
    }

    /// This instant moved by a duration, stopping at [`Timestamp::MIN`] and [`Timestamp::MAX`].
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        Self::from(self.0.saturating_add(duration))
    }

    /// This instant moved back by a duration, stopping at [`Timestamp::MIN`] and [`Timestamp::MAX`].
    #[must_use]
    pub fn saturating_sub(self, duration: Duration) -> Self {
        Self::from(self.0.saturating_sub(duration))
    }

    /// How much later this is than another instant; negative when it is earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0 - earlier.0
    }

    fn within(utc: OffsetDateTime) -> Self {
        Self(utc.clamp(FIRST, LAST))
    }
}

/// Instants outside the years 1 to 9998 become the nearest one inside.
impl From<OffsetDateTime> for Timestamp {
    fn from(instant: OffsetDateTime) -> Self {
        let beyond = if instant.year() < 1 { FIRST } else { LAST };
        let utc = instant.checked_to_offset(UtcOffset::UTC).unwrap_or(beyond);
        let micros = utc.microsecond();
        Self::within(utc.replace_microsecond(micros).unwrap_or(utc))
    }
}

impl FromStr for Timestamp {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let reason =
            "it is not a time with its offset by RFC 3339, for example 2026-11-22T06:30:00Z";
        let parsed = OffsetDateTime::parse(text, &Rfc3339)
            .map_err(|_| InvalidValue::new("timestamp", reason))?;
        parsed
            .checked_to_offset(UtcOffset::UTC)
            .filter(|utc| (1..=9998).contains(&utc.year()))
            .map(Self::from)
            .ok_or_else(|| InvalidValue::new("timestamp", "it is outside the years 1 to 9998"))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.format(&Rfc3339).map_err(|_| fmt::Error)?)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Timestamp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let offset = if generator.contract().is_serialize() {
            "Z"
        } else {
            "([Zz]|[+-][0-9]{2}:[0-9]{2})"
        };
        let pattern = format!(
            "^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[Tt][0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}(\\.[0-9]+)?{offset}$"
        );
        schemars::json_schema!({ "type": "string", "format": "date-time", "pattern": pattern })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::{Date, PrimitiveDateTime, Time};

    use super::*;

    #[test]
    fn any_offset_is_read_and_utc_is_written() {
        let at: Timestamp = "2026-11-22T07:30:00.123456789+01:00".parse().unwrap();
        assert_eq!(at.to_string(), "2026-11-22T06:30:00.123456Z");
        assert_eq!(Timestamp::from_micros(at.micros()), at);
        assert!("2026-11-22T07:30:00".parse::<Timestamp>().is_err());
        assert!("yesterday".parse::<Timestamp>().is_err());
    }

    #[test]
    fn times_beyond_the_years_that_can_be_written_are_refused() {
        for beyond in [
            "9999-12-31T23:59:59-01:00",
            "9999-01-01T00:00:00Z",
            "9998-12-31T23:59:59-01:00",
            "0000-01-01T00:00:00+01:00",
            "0000-06-01T00:00:00Z",
            "0001-01-01T00:00:00+01:00",
        ] {
            assert!(beyond.parse::<Timestamp>().is_err(), "{beyond}");
        }
        for inside in [Timestamp::MIN, Timestamp::MAX] {
            assert_eq!(inside.to_string().parse::<Timestamp>().unwrap(), inside);
        }
    }

    #[test]
    fn the_ends_of_time_hold() {
        assert_eq!(Timestamp::from_micros(i64::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::from_micros(i64::MIN), Timestamp::MIN);
        let second = Duration::SECOND;
        assert_eq!(Timestamp::MAX.saturating_add(second), Timestamp::MAX);
        assert_eq!(Timestamp::MIN.saturating_sub(second), Timestamp::MIN);
        assert_eq!(Timestamp::MIN.saturating_add(Duration::MAX), Timestamp::MAX);
    }

    proptest! {
        #[test]
        fn what_parses_prints_and_reads_back(
            text in "[0-9]{4}-(0[1-9]|1[0-2])-([0-2][0-9]|3[01])T[0-2][0-9]:[0-5][0-9]:[0-6][0-9](\\.[0-9]{1,9})?(Z|[+-][0-2][0-9]:[0-5][0-9])"
        ) {
            if let Ok(at) = text.parse::<Timestamp>() {
                prop_assert_eq!(at.to_string().parse::<Timestamp>().unwrap(), at);
                prop_assert!(serde_json::to_string(&at).is_ok());
            }
        }

        #[test]
        fn times_near_the_ends_parse_or_err(
            year in prop::sample::select(vec!["0000", "0001", "9998", "9999"]),
            day in prop::sample::select(vec!["01-01", "12-31"]),
            hour in 0u8..24, sign in "[+-]", offset in 0u8..24,
        ) {
            let text = format!("{year}-{day}T{hour:02}:59:59{sign}{offset:02}:00");
            if let Ok(at) = text.parse::<Timestamp>() {
                prop_assert_eq!(at.to_string().parse::<Timestamp>().unwrap(), at);
            }
        }

        #[test]
        fn every_instant_of_the_time_crate_can_be_written(
            day in Date::MIN.to_julian_day()..=Date::MAX.to_julian_day(),
            second in 0u8..60, offset in -86_399i32..=86_399,
        ) {
            let date = Date::from_julian_day(day).unwrap();
            let local = PrimitiveDateTime::new(date, Time::from_hms(23, 59, second).unwrap());
            let offset = UtcOffset::from_whole_seconds(offset).unwrap();
            let at = Timestamp::from(local.assume_offset(offset));
            prop_assert_eq!(at.to_string().parse::<Timestamp>().unwrap(), at);
        }
    }
}
