//! What is asked of the records.

use storelink_model::ConnectionId;
use storelink_persistence::{Database, DbError, args};

/// The most that one answer holds.
pub(super) const MOST: u32 = 200;

/// Reads records for others: receipts, parked items, and what nobody was told of yet.
pub(crate) struct Questions {
    pub(super) db: Database,
    pub(super) entity: &'static str,
}

impl Questions {
    pub(crate) fn new(db: Database, entity: &'static str) -> Self {
        Self { db, entity }
    }

    /// Which process runs a lane; none when nobody does.
    pub(crate) async fn owner(&self, connection: &ConnectionId) -> Result<Option<String>, DbError> {
        let row = self
            .db
            .fetch_optional(
                "SELECT owner FROM lane_owner WHERE connection = $1 AND owner <> ''",
                args![connection.as_str()],
            )
            .await?;
        row.map(|row| row.text("owner")).transpose()
    }
}

/// Drops the item that only proved that there is a next page, and tells where that begins.
pub(super) fn cut<T>(
    items: &mut Vec<T>,
    limit: u32,
    cursor: impl Fn(&T) -> String,
) -> Option<String> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if items.len() <= limit {
        return None;
    }
    items.truncate(limit);
    items.last().map(cursor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_ends_where_the_next_begins() {
        let mut items = vec!["a", "b", "c"];
        assert_eq!(
            cut(&mut items, 2, |last| (*last).to_owned()).as_deref(),
            Some("b")
        );
        assert_eq!(items, ["a", "b"]);
        assert_eq!(cut(&mut items, 2, |last| (*last).to_owned()), None);
    }
}
