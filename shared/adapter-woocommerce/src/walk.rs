//! How a list that changes while it is read is walked so that nothing is missed (sheet sections 3
//! and 5). Pages by number alone lose rows: an edit moves a row to the end and all others one place
//! forward. Two ways of asking are used instead.
//!
//! **By time.** Always the first page of "modified strictly after a bound, oldest first". The bound
//! then moves to one second before the last row that cannot have been edited while the answer was
//! made: everything up to there has been shown, and what is edited later moves behind the bound.
//!
//! **By id**, for a second in which more rows were modified than fit on a page, and for everything.
//! Ids do not move, but deleted rows shift the others forward. So each page is asked for with a
//! size that makes it begin before the last row shown; only when it does is it known to follow
//! without a gap, else the walk steps back.

use serde::{Deserialize, Serialize};
use storelink_model::Timestamp;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

/// The smallest page: below it, a page of the walk by id could not always overlap the one before.
pub(crate) const SMALLEST_PAGE: u64 = 10;
/// The largest page that the store gives (recording 33).
pub(crate) const LARGEST_PAGE: u64 = 100;

/// Where a walk stands. Times are whole seconds since 1970 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Stage {
    /// Everything modified up to and including `after` has been shown.
    Modified {
        /// The bound.
        after: i64,
    },
    /// Everything with an id up to `last_id` has been shown, `shown` rows of it.
    Ids {
        /// Only rows modified in this second; all rows when none.
        second: Option<i64>,
        /// How many rows stand before the next one.
        shown: u64,
        /// The last id shown.
        last_id: u64,
    },
}

/// What of a row matters for the walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The store's id.
    pub(crate) id: u64,
    /// When it was modified, where that could be read.
    pub(crate) modified: Option<i64>,
}

/// What of an answer matters for the walk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page<'a> {
    /// The rows that were used, in the store's order: the first ones of the answer.
    pub(crate) used: &'a [Seen],
    /// How many rows the answer had.
    pub(crate) rows: usize,
    /// `X-WP-TotalPages`.
    pub(crate) total_pages: Option<u64>,
    /// A second of the store's clock before it began to answer.
    pub(crate) before_request: i64,
}

/// Why a walk cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stuck {
    /// Rows came that are older than the bound (recording 99).
    BoundIgnored,
    /// A whole page without one readable time.
    NoTimes,
}

impl Stage {
    /// The start of a walk over what was modified at an instant or later: the store's bound is
    /// strictly after, in whole seconds (recording 96).
    pub(crate) fn since(instant: Timestamp) -> Self {
        Self::Modified {
            after: instant.datetime().unix_timestamp() - 1,
        }
    }

    /// The start of a walk over everything.
    pub(crate) fn everything() -> Self {
        Self::Ids {
            second: None,
            shown: 0,
            last_id: 0,
        }
    }

    /// The query of the next page.
    pub(crate) fn query(&self, page_size: u64) -> Vec<(String, String)> {
        let mut query = Vec::new();
        let mut add = |name: &str, value: String| query.push((name.to_owned(), value));
        let size = page_size.clamp(SMALLEST_PAGE, LARGEST_PAGE);
        match *self {
            Self::Modified { after } => {
                add("modified_after", gmt_text(after));
                add("dates_are_gmt", "true".into());
                add("orderby", "modified".into());
                add("order", "asc".into());
                add("per_page", size.to_string());
                add("page", "1".into());
            }
            Self::Ids { second, shown, .. } => {
                if let Some(second) = second {
                    add("modified_after", gmt_text(second - 1));
                    add("modified_before", gmt_text(second + 1));
                    add("dates_are_gmt", "true".into());
                }
                let (per_page, page) = overlapping(shown, size);
                add("orderby", "id".into());
                add("order", "asc".into());
                add("per_page", per_page.to_string());
                add("page", page.to_string());
            }
        }
        query
    }

    /// Whether an earlier page of a walk by id has shown this row.
    pub(crate) fn has_shown(&self, id: u64) -> bool {
        matches!(self, Self::Ids { last_id, .. } if id <= *last_id)
    }

    /// Where the walk goes on after a page; none at its end.
    pub(crate) fn next(&self, page_size: u64, page: &Page<'_>) -> Result<Option<Self>, Stuck> {
        let size = page_size.clamp(SMALLEST_PAGE, LARGEST_PAGE);
        match *self {
            Self::Modified { after } => after_times(after, size, page),
            Self::Ids {
                second,
                shown,
                last_id,
            } => after_ids(second, shown, last_id, size, page),
        }
    }
}

fn after_times(after: i64, size: u64, page: &Page<'_>) -> Result<Option<Stage>, Stuck> {
    honours(after, page)?;
    if !page.has_more(size, 1) {
        return Ok(None);
    }
    let times = || page.used.iter().filter_map(|row| row.modified);
    // A row edited while the answer was made stands at its old place with its new time; such a
    // time is no bound. The earliest one is safe unless the whole page was edited meanwhile.
    let settled = times().filter(|time| *time < page.before_request).max();
    let bound = settled.or_else(|| times().min()).ok_or(Stuck::NoTimes)? - 1;
    Ok(Some(if bound > after {
        Stage::Modified { after: bound }
    } else {
        Stage::Ids {
            second: Some(after + 1),
            shown: 0,
            last_id: 0,
        }
    }))
}

fn after_ids(
    second: Option<i64>,
    shown: u64,
    last_id: u64,
    size: u64,
    page: &Page<'_>,
) -> Result<Option<Stage>, Stuck> {
    if let Some(second) = second {
        honours(second - 1, page)?;
    }
    let first = page.used.iter().map(|row| row.id).min();
    let follows = shown == 0 || first.is_some_and(|first| first <= last_id);
    if !follows {
        return Ok(Some(Stage::Ids {
            second,
            shown: shown.saturating_sub(size),
            last_id,
        }));
    }
    let (per_page, number) = overlapping(shown, size);
    if !page.has_more(per_page, number) {
        return Ok(second.map(|second| Stage::Modified { after: second }));
    }
    let used = u64::try_from(page.used.len()).unwrap_or(u64::MAX);
    let last_used = page.used.iter().map(|row| row.id).max().unwrap_or(0);
    Ok(Some(Stage::Ids {
        second,
        shown: per_page * (number - 1) + used,
        last_id: last_used.max(last_id),
    }))
}

fn honours(after: i64, page: &Page<'_>) -> Result<(), Stuck> {
    let older = |row: &Seen| row.modified.is_some_and(|modified| modified <= after);
    if page.used.iter().any(older) {
        Err(Stuck::BoundIgnored)
    } else {
        Ok(())
    }
}

impl Page<'_> {
    /// A full page may be the last one; asking once more is cheaper than missing a row.
    fn has_more(&self, per_page: u64, number: u64) -> bool {
        let rows = u64::try_from(self.rows).unwrap_or(u64::MAX);
        let unused = self.used.len() < self.rows;
        let announced = self.total_pages.is_some_and(|pages| pages > number);
        rows > 0 && (unused || rows >= per_page || announced)
    }
}

/// Size and number of the page that begins before row `shown`, so that it repeats at least one row,
/// and reaches as far behind it as possible.
fn overlapping(shown: u64, size: u64) -> (u64, u64) {
    let number = |per_page: u64| shown.saturating_sub(1) / per_page + 1;
    let sizes = (size / 2).max(1)..=size;
    let best = sizes
        .max_by_key(|per_page| per_page * number(*per_page))
        .unwrap_or(size);
    (best, number(best))
}

const GMT: &[time::format_description::BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");

/// A bound as the store wants it: without a zone mark. With one, `dates_are_gmt` turns it into
/// local time and silently loses hours (recordings 92 to 95).
pub(crate) fn gmt_text(seconds: i64) -> String {
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|instant| instant.format(GMT).ok())
        .unwrap_or_else(|| "1970-01-01T00:00:00".to_owned())
}

/// A `_gmt` time of the store.
pub(crate) fn gmt_time(text: &str) -> Option<Timestamp> {
    let local = PrimitiveDateTime::parse(text, GMT).ok()?;
    Some(Timestamp::from(local.assume_utc()))
}

/// The same as whole seconds.
pub(crate) fn gmt_seconds(text: &str) -> Option<i64> {
    gmt_time(text).map(|instant| instant.datetime().unix_timestamp())
}
