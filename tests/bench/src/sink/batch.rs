//! A batch of stock as it comes over the wire, and the answer that confirms it.

use serde::Deserialize;

/// One row of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct Row {
    pub(crate) id: u64,
    pub(crate) stock_quantity: u64,
}

#[derive(Debug, Deserialize)]
struct Batch {
    #[serde(default)]
    update: Vec<Row>,
}

/// The rows of a batch that changes stock; none when it is something else, or empty.
pub(crate) fn rows(body: &[u8]) -> Option<Vec<Row>> {
    let batch: Batch = serde_json::from_slice(body).ok()?;
    Some(batch.update).filter(|rows| !rows.is_empty())
}

/// What a store answers that did what was asked for: each row in its place, with what it shows now.
pub(crate) fn confirmation(rows: &[Row]) -> String {
    let mut text = String::with_capacity(16 + rows.len() * 64);
    text.push_str("{\"update\":[");
    for (place, row) in rows.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        text.push_str("{\"id\":");
        text.push_str(&row.id.to_string());
        text.push_str(",\"manage_stock\":true,\"stock_quantity\":");
        text.push_str(&row.stock_quantity.to_string());
        text.push('}');
    }
    text.push_str("]}");
    text
}

/// The body that writes these rows, as the floor and the load send it.
pub(crate) fn body(rows: impl Iterator<Item = (u64, u64)>) -> String {
    let mut text = String::with_capacity(4_096);
    text.push_str("{\"update\":[");
    for (place, (id, stock_quantity)) in rows.enumerate() {
        if place > 0 {
            text.push(',');
        }
        text.push_str("{\"id\":");
        text.push_str(&id.to_string());
        text.push_str(",\"stock_quantity\":");
        text.push_str(&stock_quantity.to_string());
        text.push('}');
    }
    text.push_str("]}");
    text
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_was_sent_is_read_and_confirmed_in_its_order() {
        let sent = body([(7, 41), (3, 0)].into_iter());
        let rows = rows(sent.as_bytes()).unwrap();
        let row = |id, stock_quantity| Row { id, stock_quantity };
        assert_eq!(rows, [row(7, 41), row(3, 0)]);
        let answer: Value = serde_json::from_str(&confirmation(&rows)).unwrap();
        let wanted = json!({"update": [
            {"id": 7, "manage_stock": true, "stock_quantity": 41},
            {"id": 3, "manage_stock": true, "stock_quantity": 0},
        ]});
        assert_eq!(answer, wanted);
    }

    #[test]
    fn other_bodies_are_not_for_the_fast_way() {
        assert_eq!(rows(b"{}"), None);
        assert_eq!(rows(b"{\"update\":[]}"), None);
        assert_eq!(
            rows(b"{\"update\":[{\"id\":1,\"regular_price\":\"9\"}]}"),
            None
        );
        assert_eq!(rows(b"<html>"), None);
    }
}
