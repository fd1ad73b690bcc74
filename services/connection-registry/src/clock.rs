//! Times of rows.

use storelink_model::Timestamp;
use storelink_persistence::{Result, Row};

/// A time that is not null.
pub(crate) fn time(row: &Row, column: &str) -> Result<Timestamp> {
    row.int(column).map(Timestamp::from_micros)
}

/// A time or null.
pub(crate) fn opt_time(row: &Row, column: &str) -> Result<Option<Timestamp>> {
    Ok(row.opt_int(column)?.map(Timestamp::from_micros))
}
