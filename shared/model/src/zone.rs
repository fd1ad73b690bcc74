use jiff::civil;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use time::{Date, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};

use crate::{InvalidValue, Timestamp};

/// The time zone of a store's clock: an IANA name (`Europe/Ljubljana`) or a fixed offset
/// (`+02:00`), as stores write either.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StoreZone {
    name: String,
    zone: TimeZone,
}

/// What instant a wall-clock time of a store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalTime {
    /// The one instant it names.
    Once(OffsetDateTime),
    /// The hour that summer time repeats: it names two instants.
    Twice {
        /// The first time the clock shows it.
        earlier: OffsetDateTime,
        /// The second time.
        later: OffsetDateTime,
    },
    /// The hour that summer time skips: no instant.
    Never {
        /// The moment the clock jumps over it.
        jump: OffsetDateTime,
    },
}

impl LocalTime {
    /// The earliest instant that it can be: right for the lower bound of a read.
    #[must_use]
    pub fn earliest(self) -> OffsetDateTime {
        match self {
            Self::Once(at) | Self::Twice { earlier: at, .. } | Self::Never { jump: at } => at,
        }
    }
}

impl StoreZone {
    /// Coordinated universal time.
    #[must_use]
    pub fn utc() -> Self {
        Self {
            name: "UTC".to_owned(),
            zone: TimeZone::UTC,
        }
    }

    /// The name it was made from.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What instant a wall-clock time of this store is, to the microsecond; outside the years 1 to
    /// 9998 the nearest instant inside them.
    #[must_use]
    pub fn instant(&self, local: PrimitiveDateTime) -> LocalTime {
        use jiff::tz::AmbiguousOffset::{Fold, Gap, Unambiguous};
        let at = |offset: jiff::tz::Offset| {
            let offset = UtcOffset::from_whole_seconds(offset.seconds()).unwrap_or(UtcOffset::UTC);
            Timestamp::from(local.assume_offset(offset)).datetime()
        };
        match self.zone.to_ambiguous_timestamp(civil_time(local)).offset() {
            Unambiguous { offset } => LocalTime::Once(at(offset)),
            Fold { before, after } => LocalTime::Twice {
                earlier: at(before),
                later: at(after),
            },
            Gap { before, after } => LocalTime::Never {
                jump: self.jump_after(at(after)).unwrap_or_else(|| at(before)),
            },
        }
    }

    /// When the clock is next put forward or back.
    fn jump_after(&self, instant: OffsetDateTime) -> Option<OffsetDateTime> {
        let instant = jiff::Timestamp::from_second(instant.unix_timestamp()).ok()?;
        let jump = self.zone.following(instant).next()?.timestamp();
        OffsetDateTime::from_unix_timestamp(jump.as_second()).ok()
    }

    /// The first instant of a day of this store's calendar.
    #[must_use]
    pub fn start_of_day(&self, date: Date) -> OffsetDateTime {
        self.instant(PrimitiveDateTime::new(date, Time::MIDNIGHT))
            .earliest()
    }

    /// What this store's clock shows at an instant.
    #[must_use]
    pub fn local(&self, instant: OffsetDateTime) -> PrimitiveDateTime {
        let seconds = jiff::Timestamp::from_second(instant.unix_timestamp())
            .map_or(0, |timestamp| self.zone.to_offset(timestamp).seconds());
        let offset = UtcOffset::from_whole_seconds(seconds).unwrap_or(UtcOffset::UTC);
        let local = instant.checked_to_offset(offset).unwrap_or(instant);
        PrimitiveDateTime::new(local.date(), local.time())
    }
}

impl TryFrom<String> for StoreZone {
    type Error = InvalidValue;

    fn try_from(name: String) -> Result<Self, InvalidValue> {
        let zone = match fixed_offset(&name) {
            Some(offset) => TimeZone::fixed(offset),
            None => TimeZone::get(&name)
                .map_err(|_| InvalidValue::new("time_zone", "no such zone is known"))?,
        };
        Ok(Self { name, zone })
    }
}

impl std::str::FromStr for StoreZone {
    type Err = InvalidValue;

    fn from_str(name: &str) -> Result<Self, InvalidValue> {
        name.to_owned().try_into()
    }
}

impl From<StoreZone> for String {
    fn from(zone: StoreZone) -> Self {
        zone.name
    }
}

fn civil_time(local: PrimitiveDateTime) -> civil::DateTime {
    let year = i16::try_from(local.year()).unwrap_or(9999);
    let month = u8::from(local.month());
    let (day, hour, minute, second) = (local.day(), local.hour(), local.minute(), local.second());
    let narrow = |n: u8| i8::try_from(n).unwrap_or_default();
    civil::DateTime::new(
        year,
        narrow(month),
        narrow(day),
        narrow(hour),
        narrow(minute),
        narrow(second),
        0,
    )
    .unwrap_or(civil::DateTime::MIN)
}

/// `+02:00`, `-3:30`: the way stores write a zone without a name.
fn fixed_offset(text: &str) -> Option<jiff::tz::Offset> {
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    if !(0..=14).contains(&hours) || !(0..60).contains(&minutes) {
        return None;
    }
    jiff::tz::Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::{date, datetime};

    use super::*;

    #[test]
    fn the_repeated_hour_is_two_instants() {
        let zone: StoreZone = "Europe/Ljubljana".parse().unwrap();
        let local = datetime!(2026-10-25 02:30:00);
        let expected = LocalTime::Twice {
            earlier: datetime!(2026-10-25 00:30:00 UTC),
            later: datetime!(2026-10-25 01:30:00 UTC),
        };
        assert_eq!(zone.instant(local), expected);
        assert_eq!(zone.local(datetime!(2026-10-25 00:30:00 UTC)), local);
        assert_eq!(zone.local(datetime!(2026-10-25 01:30:00 UTC)), local);
    }

    #[test]
    fn the_skipped_hour_is_the_moment_of_the_jump() {
        let zone: StoreZone = "America/New_York".parse().unwrap();
        let jump = datetime!(2026-03-08 07:00:00 UTC);
        for skipped in [
            datetime!(2026-03-08 02:00:00),
            datetime!(2026-03-08 02:30:00),
            datetime!(2026-03-08 02:59:59.999),
        ] {
            assert_eq!(zone.instant(skipped), LocalTime::Never { jump });
        }
        assert_eq!(
            zone.instant(datetime!(2026-03-08 03:00:00)),
            LocalTime::Once(jump)
        );
        // Samoa left out a whole day when it crossed the date line.
        let apia: StoreZone = "Pacific/Apia".parse().unwrap();
        let jump = datetime!(2011-12-30 10:00:00 UTC);
        assert_eq!(
            apia.instant(datetime!(2011-12-30 12:00:00)),
            LocalTime::Never { jump }
        );
    }

    #[test]
    fn odd_offsets_are_exact() {
        let zone: StoreZone = "Pacific/Chatham".parse().unwrap();
        assert_eq!(
            zone.start_of_day(date!(2026 - 11 - 22)),
            datetime!(2026-11-21 10:15:00 UTC)
        );
        let fixed: StoreZone = "+05:30".parse().unwrap();
        assert_eq!(
            fixed.start_of_day(date!(2026 - 11 - 22)),
            datetime!(2026-11-21 18:30:00 UTC)
        );
        assert!("Mars/Olympus".parse::<StoreZone>().is_err());
        assert!("+25:00".parse::<StoreZone>().is_err());
    }

    fn zones() -> impl Strategy<Value = StoreZone> {
        let names = [
            "UTC",
            "+14:00",
            "-14:00",
            "Europe/Ljubljana",
            "America/New_York",
            "Pacific/Apia",
            "Australia/Lord_Howe",
        ];
        prop::sample::select(names.to_vec()).prop_map(|name| name.parse().unwrap())
    }

    fn local_times() -> impl Strategy<Value = PrimitiveDateTime> {
        let ends = [Date::MIN.to_julian_day(), Date::MAX.to_julian_day()];
        let days = prop_oneof![ends[0]..=ends[1], prop::sample::select(ends.to_vec())];
        (days, 0u8..24, 0u8..60).prop_map(|(day, hour, minute)| {
            let date = Date::from_julian_day(day).unwrap();
            PrimitiveDateTime::new(date, Time::from_hms(hour, minute, 59).unwrap())
        })
    }

    proptest! {
        #[test]
        fn no_local_time_and_no_instant_makes_a_zone_panic(zone in zones(), local in local_times()) {
            let earliest = zone.instant(local).earliest();
            prop_assert!(Timestamp::from(earliest).datetime() == earliest);
            let _shown = zone.local(local.assume_utc());
        }

        #[test]
        fn what_the_clock_shows_names_the_instant_again(
            zone in zones(), seconds in -2_000_000_000i64..4_000_000_000,
        ) {
            let instant = OffsetDateTime::from_unix_timestamp(seconds).unwrap();
            let named = match zone.instant(zone.local(instant)) {
                LocalTime::Once(at) => at == instant,
                LocalTime::Twice { earlier, later } => earlier == instant || later == instant,
                LocalTime::Never { .. } => false,
            };
            prop_assert!(named);
        }

        #[test]
        fn a_skipped_time_lies_between_the_readings_of_either_offset(
            zone in zones(), seconds in 0i64..4_000_000_000,
        ) {
            let local = OffsetDateTime::from_unix_timestamp(seconds).unwrap();
            let local = PrimitiveDateTime::new(local.date(), local.time());
            if let LocalTime::Never { jump } = zone.instant(local) {
                prop_assert!(zone.local(jump - time::Duration::SECOND) < local);
                prop_assert!(zone.local(jump) > local);
            }
        }
    }
}
