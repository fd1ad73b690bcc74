//! Whether every order of a store arrived exactly once, to the cent, with its last change.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{examples, woocommerce};
use crate::api::LedgerOrder;
use crate::hub::OrderEvent;

/// The orders of one store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrderTally {
    /// Orders in the store.
    pub in_store: usize,
    /// Orders in the ledger.
    pub in_ledger: usize,
    /// Orders with events.
    pub as_events: usize,
    /// Events about orders.
    pub events: usize,
    /// Orders of the store that are not in the ledger or have no event.
    pub missing: usize,
    /// Orders that are there more than once, or are of no store.
    pub doubled: usize,
    /// Differences between an order of the store and what is known of it.
    pub different: usize,
    /// What is wrong.
    pub wrong: Vec<String>,
}

impl OrderTally {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.wrong.is_empty()
    }

    /// Fails with what is wrong.
    ///
    /// # Errors
    /// When anything is wrong.
    pub fn must_be_right(&self) -> anyhow::Result<()> {
        anyhow::ensure!(self.is_right(), "{}", self.complaint().unwrap_or_default());
        Ok(())
    }

    pub(super) fn complaint(&self) -> Option<String> {
        let wrong = self.wrong.len();
        (wrong > 0).then(|| format!("{wrong} wrong: {}", examples(&self.wrong)))
    }
}

/// In which way an order is wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Missing,
    Doubled,
    Different,
}

/// Compares the orders of a store, the ledger and the events.
pub(super) fn judge(
    in_store: &[Value],
    in_ledger: &[LedgerOrder],
    events: &BTreeMap<String, Vec<OrderEvent>>,
) -> OrderTally {
    let mut wrong: Vec<(Class, String)> = Vec::new();
    let mut ledger: BTreeMap<&str, &LedgerOrder> = BTreeMap::new();
    for order in in_ledger {
        if ledger.insert(&order.external_id, order).is_some() {
            let text = format!("order {} is in the ledger twice", order.external_id);
            wrong.push((Class::Doubled, text));
        }
    }
    for order in in_store {
        let id = order.get("id").map(Value::to_string).unwrap_or_default();
        match (ledger.remove(id.as_str()), events.get(&id)) {
            (None, _) => wrong.push((Class::Missing, format!("order {id} is not in the ledger"))),
            (Some(_), None) => wrong.push((Class::Missing, format!("order {id} has no event"))),
            (Some(known), Some(events)) => {
                let found = one_order(order, known, events);
                let named = |(class, what)| (class, format!("order {id}: {what}"));
                wrong.extend(found.into_iter().map(named));
            }
        }
    }
    wrong.extend(
        ledger
            .keys()
            .map(|id| (Class::Doubled, format!("order {id} is not in the store"))),
    );
    let ids = in_store
        .iter()
        .filter_map(|order| order.get("id"))
        .map(Value::to_string);
    let ids: std::collections::BTreeSet<String> = ids.collect();
    let strange = events.keys().filter(|id| !ids.contains(*id));
    wrong.extend(strange.map(|id| {
        let text = format!("events about order {id}, which is not in the store");
        (Class::Doubled, text)
    }));
    let count = |class| wrong.iter().filter(|(found, _)| *found == class).count();
    OrderTally {
        in_store: in_store.len(),
        in_ledger: in_ledger.len(),
        as_events: events.len(),
        events: events.values().map(Vec::len).sum(),
        missing: count(Class::Missing),
        doubled: count(Class::Doubled),
        different: count(Class::Different),
        wrong: wrong.into_iter().map(|(_, text)| text).collect(),
    }
}

fn one_order(order: &Value, known: &LedgerOrder, events: &[OrderEvent]) -> Vec<(Class, String)> {
    let mut wrong = Vec::new();
    if let Some(stranger) = events.iter().find(|event| event.order_id != known.id) {
        let text = format!("two ids, {} and {}", known.id, stranger.order_id);
        wrong.push((Class::Doubled, text));
    }
    let mut revisions: Vec<u64> = events.iter().map(|event| event.revision).collect();
    revisions.sort_unstable();
    let expected: Vec<u64> = (1..=known.revision).collect();
    if revisions != expected {
        let text = format!(
            "revision {} in the ledger, events of {revisions:?}",
            known.revision
        );
        wrong.push((Class::Different, text));
    }
    let received = events
        .iter()
        .filter(|event| event.verb == "received")
        .count();
    if received != 1 {
        wrong.push((Class::Doubled, format!("received {received} times")));
    }
    if known.published != known.revision {
        let text = format!(
            "revision {} of {} published",
            known.published, known.revision
        );
        wrong.push((Class::Different, text));
    }
    if let Some(reason) = &known.parked {
        wrong.push((Class::Different, format!("it is parked: {reason}")));
    }
    let last = events
        .iter()
        .max_by_key(|event| event.revision)
        .and_then(OrderEvent::order);
    match last {
        Some(told) => {
            let differences = woocommerce::differences(order, told);
            wrong.extend(differences.into_iter().map(|text| (Class::Different, text)));
        }
        None => wrong.push((Class::Different, "its last event holds no order".to_owned())),
    }
    wrong
}
