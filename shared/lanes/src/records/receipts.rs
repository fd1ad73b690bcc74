//! Attempts as others see them.

use serde::Serialize;
use serde::de::DeserializeOwned;
use storelink_events::rpc::{Page, PageQuestion, Receipt, ReceiptItem};
use storelink_model::{ConnectionId, Timestamp};
use storelink_persistence::{DbError, Row, args};

use super::memory::{letter, unpack_items};
use super::questions::{MOST, Questions, cut};

const RECEIPTS: &str = "SELECT connection, epoch, number, started, completed, items, outcomes, \
     error_code FROM attempts WHERE tenant = $1 AND ($2 = '' OR connection = $2) \
     AND (started, connection, epoch, number) < ($3, $4, $5, $6) \
     ORDER BY started DESC, connection DESC, epoch DESC, number DESC LIMIT $7";

impl Questions {
    /// A page of receipts of a tenant, newest first. `describe` turns a value into text.
    pub(crate) async fn receipts<W: Serialize + DeserializeOwned>(
        &self,
        question: &PageQuestion,
        describe: fn(&W) -> String,
    ) -> Result<Page<Receipt>, DbError> {
        let limit = question.limit.clamp(1, MOST);
        let connection = question.connection.as_ref().map_or("", |id| id.as_str());
        let cursor = question
            .after
            .as_deref()
            .and_then(Cursor::read)
            .unwrap_or_default();
        let rows = self
            .db
            .fetch_all(
                RECEIPTS,
                args![
                    question.tenant.as_str(),
                    connection,
                    cursor.started,
                    cursor.connection,
                    cursor.epoch,
                    cursor.number,
                    limit + 1
                ],
            )
            .await?;
        let mut items = Vec::new();
        for row in &rows {
            items.extend(self.receipt(row, describe)?);
        }
        let next = cut(&mut items, limit, Cursor::behind);
        Ok(Page { items, next })
    }

    fn receipt<W: Serialize + DeserializeOwned>(
        &self,
        row: &Row,
        describe: fn(&W) -> String,
    ) -> Result<Option<Receipt>, DbError> {
        let Ok(connection) = row.text("connection")?.parse::<ConnectionId>() else {
            return Ok(None);
        };
        let outcomes = row.opt_text("outcomes")?;
        let mut letters = outcomes.as_deref().map(str::chars);
        let (_, items) = unpack_items::<W>(&row.text("items")?).unwrap_or_default();
        let items = items.into_iter().map(|(sku, _, value)| ReceiptItem {
            sku,
            value: describe(&value),
            outcome: outcome(letters.as_mut().map(Iterator::next)).to_owned(),
        });
        let items = items.collect();
        let (epoch, number) = (row.int("epoch")?, row.int("number")?);
        Ok(Some(Receipt {
            id: format!("{connection}-{epoch}-{number}"),
            connection,
            entity: self.entity.to_owned(),
            started: Timestamp::from_micros(row.int("started")?),
            completed: row.opt_int("completed")?.map(Timestamp::from_micros),
            error_code: row.opt_text("error_code")?,
            items,
        }))
    }
}

/// The word for a letter of an answer; without an answer the request is under way.
fn outcome(letter: Option<Option<char>>) -> &'static str {
    match letter {
        None => "under_way",
        Some(Some(letter::CONFIRMED)) => "confirmed",
        Some(Some(letter::REJECTED)) => "rejected",
        Some(Some(letter::NOT_SENT)) => "not_sent",
        Some(_) => "unknown",
    }
}

/// Where a page of receipts begins: behind this one.
struct Cursor {
    started: i64,
    connection: String,
    epoch: i64,
    number: i64,
}

impl Default for Cursor {
    fn default() -> Self {
        Self {
            started: i64::MAX,
            connection: String::new(),
            epoch: 0,
            number: 0,
        }
    }
}

impl Cursor {
    fn behind(receipt: &Receipt) -> String {
        format!("{}-{}", receipt.started.micros(), receipt.id)
    }

    /// `<microseconds>-<connection>-<epoch>-<number>`
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let started = parts.next()?.parse().ok()?;
        let connection = parts.next()?.to_owned();
        let epoch = parts.next()?.parse().ok()?;
        let number = parts.next()?.parse().ok()?;
        Some(Self {
            started,
            connection,
            epoch,
            number,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_become_words() {
        assert_eq!(outcome(None), "under_way");
        let words: Vec<_> = "crun?"
            .chars()
            .map(|letter| outcome(Some(Some(letter))))
            .collect();
        assert_eq!(
            words,
            ["confirmed", "rejected", "unknown", "not_sent", "unknown"]
        );
    }

    #[test]
    fn a_cursor_is_read_back() {
        let cursor = Cursor::read("5-con_1-2-3");
        let parts = cursor.map(|cursor| (cursor.started, cursor.epoch, cursor.number));
        assert_eq!(parts, Some((5, 2, 3)));
        assert!(Cursor::read("nonsense").is_none());
    }
}
