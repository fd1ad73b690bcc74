//! The codes that the lines of an order had when they were first read.
//!
//! Some stores look a line's SKU up whenever the order is asked for: once the article is deleted there,
//! its lines have none any more (WooCommerce sheet section 5, recordings 75b and 156). What was sold has
//! not changed by that, so a later revision keeps the code that an earlier one had.

use std::borrow::Cow;
use std::collections::BTreeMap;

use storelink_model::Sku;
use storelink_order::Order;
use storelink_persistence::{Transaction, args};

use super::{Arrival, Entries};
use crate::IngestError;

/// Codes by the store's id of the line.
#[derive(Debug, Clone, Default)]
pub(crate) struct KnownCodes(BTreeMap<String, Sku>);

impl KnownCodes {
    pub(super) fn learn(&mut self, order: &Order) {
        for line in &order.lines {
            if let Some(sku) = &line.sku {
                self.0.insert(line.external_id.clone(), sku.clone());
            }
        }
    }

    /// The order with the codes that its lines had, where it names none; and learns from it.
    pub(super) fn keep<'a>(&mut self, order: &'a Order) -> Cow<'a, Order> {
        let mut kept = Cow::Borrowed(order);
        if lacks_a_code(order) && !self.0.is_empty() {
            let order = kept.to_mut();
            for line in order.lines.iter_mut().filter(|line| line.sku.is_none()) {
                line.sku = self.0.get(&line.external_id).cloned();
            }
            let refunded = order
                .refunds
                .iter_mut()
                .flat_map(|refund| &mut refund.lines);
            for line in refunded.filter(|line| line.sku.is_none()) {
                let original = line.line.as_ref();
                line.sku = original.and_then(|id| self.0.get(id)).cloned();
            }
        }
        self.learn(&kept);
        kept
    }
}

pub(super) fn lacks_a_code(order: &Order) -> bool {
    let mut refunded = order.refunds.iter().flat_map(|refund| &refund.lines);
    order.lines.iter().any(|line| line.sku.is_none()) || refunded.any(|line| line.sku.is_none())
}

/// Fetches the codes of those orders of a batch that have lines without one.
pub(super) async fn recall(
    transaction: &mut Transaction,
    arrivals: &[Arrival],
    entries: &mut Entries,
) -> Result<(), IngestError> {
    let lacking = arrivals
        .iter()
        .filter(|arrival| arrival.read.order.as_deref().is_some_and(lacks_a_code));
    let mut wanted: Vec<String> = lacking
        .filter_map(|arrival| entries.get(&arrival.key()))
        .filter(|entry| entry.revision() > 0)
        .map(|entry| entry.id.to_string())
        .collect();
    wanted.sort();
    wanted.dedup();
    if wanted.is_empty() {
        return Ok(());
    }
    let rows = transaction
        .fetch_values(
            "WITH wanted(order_id) AS (VALUES",
            ") SELECT r.order_id, r.normalised FROM revisions r \
             JOIN wanted ON wanted.order_id = r.order_id \
             WHERE r.revision = (SELECT MAX(l.revision) FROM revisions l \
             WHERE l.order_id = r.order_id AND l.normalised IS NOT NULL)",
            wanted.into_iter().map(|id| args![id]).collect(),
        )
        .await?;
    for row in &rows {
        let id = row.text("order_id")?;
        let order: Order = serde_json::from_str(&row.text("normalised")?)
            .map_err(IngestError::stored("an order"))?;
        if let Some(entry) = entries.values_mut().find(|entry| entry.id.as_str() == id) {
            entry.codes.learn(&order);
        }
    }
    Ok(())
}
