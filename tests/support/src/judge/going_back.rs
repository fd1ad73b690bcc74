//! Whether an order, as its events tell it one after the other, ever goes back to what it was before.
//! It holds where the shop itself changes nothing back.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::hub::OrderEvent;

/// The orders that went back, in words.
pub(super) fn of_orders(events: &BTreeMap<String, Vec<OrderEvent>>) -> Vec<String> {
    let found = events.iter().filter_map(|(id, events)| {
        let mut events: Vec<&OrderEvent> = events.iter().collect();
        events.sort_by_key(|event| event.revision);
        let told: Vec<&Value> = events.iter().filter_map(|event| event.order()).collect();
        one_order(&told).map(|what| format!("order {id} went back: {what}"))
    });
    found.collect()
}

/// The first member that comes back to a value that it had already left, or the loss of a refund.
fn one_order(told: &[&Value]) -> Option<String> {
    for name in ["note", "store_status", "lines"] {
        let value = |order: &&Value| match name {
            "lines" => lines(order),
            _ => member(order, name),
        };
        let mut values: Vec<Value> = told.iter().map(value).collect();
        values.dedup();
        let again = (1..values.len()).find_map(|place| {
            let (before, rest) = values.split_at(place);
            rest.first().filter(|value| before.contains(value))
        });
        if let Some(value) = again {
            return Some(format!("{name} is {value} again"));
        }
    }
    let refunds = |order: &&Value| rows(order, "refunds").len();
    let counts: Vec<usize> = told.iter().map(refunds).collect();
    let fewer = counts.windows(2).find(|pair| pair.last() < pair.first());
    fewer.map(|pair| format!("its refunds went from {pair:?}"))
}

fn lines(order: &Value) -> Value {
    let line = |line: &Value| {
        let members = ["external_id", "quantity", "net", "tax"];
        json!(members.map(|name| member(line, name)))
    };
    rows(order, "lines").iter().map(line).collect()
}

fn member(value: &Value, name: &str) -> Value {
    value.get(name).cloned().unwrap_or_default()
}

fn rows<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    let rows = value.get(name).and_then(Value::as_array);
    rows.map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(note: &str, quantity: &str, refunds: usize) -> Value {
        json!({
            "note": note, "store_status": "processing",
            "lines": [{"external_id": "3", "quantity": quantity, "net": "10", "tax": "2.2"}],
            "refunds": vec![json!({"amount": "1"}); refunds],
        })
    }

    fn found(told: &[Value]) -> Option<String> {
        one_order(&told.iter().collect::<Vec<_>>())
    }

    #[test]
    fn what_only_goes_on_is_right() {
        let told = [
            order("", "1", 0),
            order("a", "1", 0),
            order("a", "2", 0),
            order("b", "2", 1),
            order("b", "2", 2),
        ];
        assert_eq!(found(&told), None);
        assert_eq!(found(&[]), None);
    }

    #[test]
    fn each_way_back_is_found() {
        let (old, new) = (order("", "1", 0), order("a", "1", 0));
        assert!(found(&[old.clone(), new.clone(), old.clone()]).is_some());
        let later = order("b", "1", 0);
        assert!(found(&[old.clone(), new.clone(), later, new]).is_some());
        assert!(found(&[old.clone(), order("", "2", 0), old.clone()]).is_some());
        assert!(found(&[order("", "1", 1), old]).is_some());
    }
}
