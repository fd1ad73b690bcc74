use jiff::civil;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use time::{Date, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};

use crate::InvalidValue;

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
    /// The hour that summer time skips: no instant; the moment the clock jumps over it.
    Never {
        /// The instant that the time would name with the offset before the jump.
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

    /// What instant a wall-clock time of this store is.
    #[must_use]
    pub fn instant(&self, local: PrimitiveDateTime) -> LocalTime {
        use jiff::tz::AmbiguousOffset::{Fold, Gap, Unambiguous};
        let at = |offset: jiff::tz::Offset| {
            let offset = UtcOffset::from_whole_seconds(offset.seconds()).unwrap_or(UtcOffset::UTC);
            local.assume_offset(offset).to_offset(UtcOffset::UTC)
        };
        match self.zone.to_ambiguous_timestamp(civil_time(local)).offset() {
            Unambiguous { offset } => LocalTime::Once(at(offset)),
            Fold { before, after } => LocalTime::Twice {
                earlier: at(before),
                later: at(after),
            },
            Gap { before, .. } => LocalTime::Never { jump: at(before) },
        }
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
        let local = instant.to_offset(offset);
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
    fn the_skipped_hour_is_none() {
        let zone: StoreZone = "America/New_York".parse().unwrap();
        let jump = datetime!(2026-03-08 07:30:00 UTC);
        assert_eq!(
            zone.instant(datetime!(2026-03-08 02:30:00)),
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
}
