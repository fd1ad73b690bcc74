//! Site time: every moment is kept as a Unix second and shown in the store's zone and in GMT, both
//! without zone mark (sheet section 4); bounds are read with all of WordPress' traps (section 5).

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// The clock zone of a store.
#[derive(Debug, Clone)]
pub(crate) struct SiteTime {
    zone: TimeZone,
    name: String,
}

/// A bound of a list, ready to be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Bound {
    /// Compared with the GMT column.
    Gmt(String),
    /// Compared with the local column.
    Local(String),
}

impl SiteTime {
    /// Reads an IANA zone name.
    pub(crate) fn new(name: &str) -> Result<Self, String> {
        let zone = TimeZone::get(name).map_err(|error| error.to_string())?;
        Ok(Self {
            zone,
            name: name.to_owned(),
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// `2026-11-22T05:44:56` in the store's zone.
    pub(crate) fn local_text(&self, moment: i64) -> String {
        text(timestamp(moment).to_zoned(self.zone.clone()).datetime())
    }

    /// `2026-11-22T04:44:56`.
    pub(crate) fn gmt_text(moment: i64) -> String {
        text(timestamp(moment).to_zoned(TimeZone::UTC).datetime())
    }

    /// Hours east of Greenwich at a moment, as PHP prints the number: `1`, `-5`, `5.5`.
    pub(crate) fn offset_hours(&self, moment: i64) -> String {
        let minutes = self.zone.to_offset(timestamp(moment)).seconds() / 60;
        let sign = if minutes < 0 { "-" } else { "" };
        let (hours, rest) = (minutes.abs() / 60, minutes.abs() % 60);
        match rest {
            30 => format!("{sign}{hours}.5"),
            45 => format!("{sign}{hours}.75"),
            15 => format!("{sign}{hours}.25"),
            _ => format!("{sign}{hours}"),
        }
    }

    /// Reads a local time without zone mark as the store does.
    pub(crate) fn parse_local(&self, text: &str) -> Option<i64> {
        let civil = parse_civil(text)?;
        Some(self.zone.to_timestamp(civil).ok()?.as_second())
    }

    /// Reads a GMT time without zone mark.
    pub(crate) fn parse_gmt(text: &str) -> Option<i64> {
        Some(
            TimeZone::UTC
                .to_timestamp(parse_civil(text)?)
                .ok()?
                .as_second(),
        )
    }

    /// Reads a bound of a list. `gmt` is `dates_are_gmt`. `order_tables` is the reading of orders on
    /// order tables, which compares with GMT always and loses the zone mark of a time with a
    /// fraction (recording 97). Everything else is WordPress' date query.
    pub(crate) fn bound(&self, raw: &str, gmt: bool, order_tables: bool) -> Option<Bound> {
        let parsed = ParsedBound::read(raw)?;
        // A zone mark turns the bound into site time, whatever it is compared with: the trap.
        let site = match parsed.offset_seconds {
            Some(offset) if !(order_tables && parsed.fraction) => {
                let moment = TimeZone::UTC.to_timestamp(parsed.civil).ok()?.as_second() - offset;
                timestamp(moment).to_zoned(self.zone.clone()).datetime()
            }
            _ => parsed.civil,
        };
        Some(match (gmt, order_tables) {
            (true, _) => Bound::Gmt(text(site)),
            (false, false) => Bound::Local(text(site)),
            (false, true) => Bound::Gmt(Self::gmt_text(
                self.zone.to_timestamp(site).ok()?.as_second(),
            )),
        })
    }
}

impl Bound {
    /// Whether a moment lies strictly after the bound, whole seconds (recording 96).
    pub(crate) fn is_before(&self, moment: i64, site: &SiteTime) -> bool {
        match self {
            Self::Gmt(bound) => SiteTime::gmt_text(moment) > *bound,
            Self::Local(bound) => site.local_text(moment) > *bound,
        }
    }

    /// Whether a moment lies strictly before the bound.
    pub(crate) fn is_after(&self, moment: i64, site: &SiteTime) -> bool {
        match self {
            Self::Gmt(bound) => SiteTime::gmt_text(moment) < *bound,
            Self::Local(bound) => site.local_text(moment) < *bound,
        }
    }
}

struct ParsedBound {
    civil: DateTime,
    fraction: bool,
    offset_seconds: Option<i64>,
}

impl ParsedBound {
    /// RFC 3339 as WordPress checks it: date, time of day with seconds, fraction and zone optional.
    fn read(raw: &str) -> Option<Self> {
        let head = raw.get(..19)?;
        let rest = raw.get(19..)?;
        let separator = head.as_bytes().get(10)?;
        if !matches!(separator, b'T' | b't' | b' ') {
            return None;
        }
        let civil = parse_civil(head)?;
        let (fraction, zone) = match rest.strip_prefix('.') {
            Some(after) => {
                let end = after
                    .find(|c: char| !c.is_ascii_digit())
                    .unwrap_or(after.len());
                if end == 0 {
                    return None;
                }
                (true, after.get(end..)?)
            }
            None => (false, rest),
        };
        let offset_seconds = match zone {
            "" => None,
            "Z" | "z" => Some(0),
            other => Some(parse_offset(other)?),
        };
        Some(Self {
            civil,
            fraction,
            offset_seconds,
        })
    }
}

fn parse_offset(text: &str) -> Option<i64> {
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits: String = text.get(1..)?.chars().filter(|c| *c != ':').collect();
    let (hours, minutes) = match digits.len() {
        2 => (digits.parse::<i64>().ok()?, 0),
        4 => (
            digits.get(..2)?.parse().ok()?,
            digits.get(2..)?.parse::<i64>().ok()?,
        ),
        _ => return None,
    };
    Some(sign * (hours * 3_600 + minutes * 60))
}

fn parse_civil(text: &str) -> Option<DateTime> {
    let joined = text.replacen([' ', 't'], "T", 1);
    let civil: DateTime = joined.parse().ok()?;
    // WordPress keeps whole seconds.
    Some(civil.with().subsec_nanosecond(0).build().unwrap_or(civil))
}

fn timestamp(moment: i64) -> Timestamp {
    Timestamp::from_second(moment).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn text(civil: DateTime) -> String {
    civil.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

/// `Sun, 22 Nov 2026 04:49:53 GMT`, the form of the Date header.
pub(crate) fn http_date(moment: i64) -> String {
    let civil = timestamp(moment).to_zoned(TimeZone::UTC).datetime();
    civil.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// `Nov 22, 2026 @ 04:59 AM`, the form in the default name of a webhook.
pub(crate) fn webhook_name_date(moment: i64) -> String {
    let civil = timestamp(moment).to_zoned(TimeZone::UTC).datetime();
    civil.strftime("%b %d, %Y @ %I:%M %p").to_string()
}
