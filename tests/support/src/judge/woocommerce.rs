//! An order as WooCommerce shows it against the order of an event, member by member. Its refunds are
//! the full ones of `orders/<id>/refunds`.

use rust_decimal::Decimal;
use serde_json::Value;

/// What differs.
pub(super) fn differences(store: &Value, event: &Value) -> Vec<String> {
    let mut found = Differences::default();
    found.texts(
        store,
        event,
        &[
            ("/number", "/number"),
            ("/status", "/store_status"),
            ("/currency", "/currency"),
            ("/payment_method", "/payment/method"),
            ("/payment_method_title", "/payment/title"),
            ("/transaction_id", "/payment/transaction_id"),
            ("/customer_note", "/note"),
            ("/billing/email", "/customer/email"),
            ("/billing/phone", "/customer/phone"),
        ],
    );
    for address in ["billing", "shipping"] {
        found.address(store, event, address);
    }
    found.amounts(
        store,
        event,
        "",
        &[("/total", "/total"), ("/total_tax", "/total_tax")],
    );
    found.rows(
        store,
        event,
        "/line_items",
        "/lines",
        |found, name, ours, theirs| {
            let texts = [
                ("/id", "/external_id"),
                ("/sku", "/sku"),
                ("/name", "/name"),
            ];
            found.texts(ours, theirs, &texts);
            let amounts = [
                ("/quantity", "/quantity"),
                ("/subtotal", "/net_before_discount"),
                ("/total", "/net"),
                ("/total_tax", "/tax"),
            ];
            found.amounts(ours, theirs, name, &amounts);
        },
    );
    for (ours, theirs, title) in [
        ("/shipping_lines", "/shipping_charges", "/method_title"),
        ("/fee_lines", "/fees", "/name"),
    ] {
        found.rows(store, event, ours, theirs, |found, name, ours, theirs| {
            found.texts(ours, theirs, &[(title, "/name")]);
            found.amounts(
                ours,
                theirs,
                name,
                &[("/total", "/net"), ("/total_tax", "/tax")],
            );
        });
    }
    found.rows(
        store,
        event,
        "/coupon_lines",
        "/discounts",
        |found, name, ours, theirs| {
            found.texts(ours, theirs, &[("/code", "/code")]);
            found.amounts(
                ours,
                theirs,
                name,
                &[("/discount", "/net"), ("/discount_tax", "/tax")],
            );
        },
    );
    found.refunds(store, event);
    found.0
}

#[derive(Default)]
struct Differences(Vec<String>);

impl Differences {
    fn texts(&mut self, store: &Value, event: &Value, members: &[(&str, &str)]) {
        for (ours, theirs) in members {
            let (in_store, told) = (text(store, ours), text(event, theirs));
            if in_store != told {
                self.0
                    .push(format!("{ours} is {in_store:?}, told was {told:?}"));
            }
        }
    }

    fn amounts(&mut self, store: &Value, event: &Value, row: &str, members: &[(&str, &str)]) {
        for (ours, theirs) in members {
            let (in_store, told) = (amount(store, ours), amount(event, theirs));
            if in_store.is_none() || in_store != told {
                self.0
                    .push(format!("{row}{ours} is {in_store:?}, told was {told:?}"));
            }
        }
    }

    fn rows(
        &mut self,
        store: &Value,
        event: &Value,
        ours: &str,
        theirs: &str,
        compare: impl Fn(&mut Self, &str, &Value, &Value),
    ) {
        let (in_store, told) = (rows(store, ours), rows(event, theirs));
        if in_store.len() != told.len() {
            self.0.push(format!(
                "{ours} has {} rows, told were {}",
                in_store.len(),
                told.len()
            ));
            return;
        }
        for (number, (in_store, told)) in in_store.iter().zip(told).enumerate() {
            compare(self, &format!("{ours}/{number}"), in_store, told);
        }
    }

    /// An address that is empty in the store may be left out.
    fn address(&mut self, store: &Value, event: &Value, which: &str) {
        for (ours, theirs) in [
            ("first_name", "first_name"),
            ("last_name", "last_name"),
            ("company", "company"),
            ("address_1", "line1"),
            ("address_2", "line2"),
            ("city", "city"),
            ("state", "state"),
            ("postcode", "postcode"),
            ("country", "country"),
            ("phone", "phone"),
        ] {
            let (ours, theirs) = (format!("/{which}/{ours}"), format!("/{which}/{theirs}"));
            self.texts(store, event, &[(&ours, &theirs)]);
        }
    }

    /// Every refund once with its amount and its lines, whatever their order.
    fn refunds(&mut self, store: &Value, event: &Value) {
        let mut in_store: Vec<Refund> = rows(store, "/refunds").iter().map(in_store).collect();
        let mut told: Vec<Refund> = rows(event, "/refunds").iter().map(told).collect();
        in_store.sort();
        told.sort();
        if in_store != told {
            self.0
                .push(format!("refunds are {in_store:?}, told were {told:?}"));
        }
    }
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Refund {
    id: String,
    amount: Option<Decimal>,
    reason: String,
    lines: Vec<RefundedLine>,
}

/// The store writes what was given back with a minus.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct RefundedLine {
    line: String,
    sku: String,
    quantity: Option<Decimal>,
    net: Option<Decimal>,
    tax: Option<Decimal>,
}

fn in_store(refund: &Value) -> Refund {
    let line = |line: &Value| {
        let original = rows(line, "/meta_data")
            .iter()
            .find(|meta| text(meta, "/key") == "_refunded_item_id");
        RefundedLine {
            line: original.map_or_else(String::new, |meta| text(meta, "/value")),
            sku: text(line, "/sku"),
            quantity: amount(line, "/quantity").map(|value| value.abs()),
            net: amount(line, "/total").map(|value| value.abs()),
            tax: amount(line, "/total_tax").map(|value| value.abs()),
        }
    };
    Refund {
        id: text(refund, "/id"),
        amount: amount(refund, "/amount"),
        reason: text(refund, "/reason"),
        lines: rows(refund, "/line_items").iter().map(line).collect(),
    }
}

fn told(refund: &Value) -> Refund {
    let line = |line: &Value| RefundedLine {
        line: text(line, "/line"),
        sku: text(line, "/sku"),
        quantity: amount(line, "/quantity"),
        net: amount(line, "/net"),
        tax: amount(line, "/tax"),
    };
    Refund {
        id: text(refund, "/external_id"),
        amount: amount(refund, "/amount"),
        reason: text(refund, "/reason"),
        lines: rows(refund, "/lines").iter().map(line).collect(),
    }
}

/// A member as text; nothing, null and the empty text are the same.
fn text(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn amount(value: &Value, pointer: &str) -> Option<Decimal> {
    let amount: Decimal = text(value, pointer).parse().ok()?;
    Some(amount.normalize())
}

fn rows<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn store() -> Value {
        json!({
            "id": 7, "number": "7", "status": "processing", "currency": "EUR", "total": "17.08",
            "total_tax": "3.08", "payment_method": "bacs", "transaction_id": "",
            "billing": {"email": "ana@example.com", "address_2": "", "phone": "1"},
            "shipping": {"first_name": "Eva", "address_1": "Pot 3", "address_2": "Stairs B", "state": "NY"},
            "line_items": [{"id": 3, "sku": "MUG-01", "name": "Mug", "quantity": 1, "subtotal": "10.00",
                "total": "10.00", "total_tax": "2.20"}],
            "shipping_lines": [{"method_title": "Post", "total": "4.00", "total_tax": "0.88"}],
            "fee_lines": [], "coupon_lines": [],
            "refunds": [{"id": 9, "amount": "6.10", "reason": "damaged", "line_items": [{
                "sku": "MUG-01", "quantity": -1, "total": "-5.00", "total_tax": "-1.10",
                "meta_data": [{"key": "_refunded_item_id", "value": "3"}]}]}]
        })
    }

    fn event() -> Value {
        json!({
            "number": "7", "store_status": "processing", "currency": "EUR", "total": "17.08",
            "total_tax": "3.080", "payment": {"method": "bacs", "title": ""},
            "customer": {"email": "ana@example.com", "phone": "1"},
            "billing": {"phone": "1"},
            "shipping": {"first_name": "Eva", "line1": "Pot 3", "line2": "Stairs B", "state": "NY"},
            "lines": [{"external_id": "3", "sku": "MUG-01", "name": "Mug", "quantity": "1",
                "net_before_discount": "10.00", "net": "10.00", "tax": "2.20"}],
            "shipping_charges": [{"name": "Post", "net": "4", "tax": "0.88"}],
            "refunds": [{"external_id": "9", "amount": "6.1", "reason": "damaged", "lines": [{
                "line": "3", "sku": "MUG-01", "quantity": "1", "net": "5", "tax": "1.1"}]}]
        })
    }

    #[test]
    fn equal_orders_have_no_differences() {
        assert_eq!(differences(&store(), &event()), Vec::<String>::new());
    }

    #[test]
    fn each_changed_member_is_found() {
        for (pointer, value) in [
            ("/total", json!("17.09")),
            ("/lines/0/tax", json!("2.21")),
            ("/lines/0/quantity", json!("2")),
            ("/lines/0/sku", json!("MUG-02")),
            ("/lines/0/external_id", json!("4")),
            ("/store_status", json!("completed")),
            ("/shipping_charges/0/net", json!("3.99")),
            ("/refunds/0/amount", json!("6.11")),
            ("/refunds/0/lines/0/quantity", json!("2")),
            ("/refunds/0/lines/0/tax", json!("1.11")),
            ("/refunds/0/lines", json!([])),
            ("/refunds", json!([])),
            ("/fees", json!([{"net": "1", "tax": "0"}])),
            ("/customer/email", json!(null)),
            ("/customer/phone", json!("2")),
            ("/billing/phone", json!("2")),
            ("/shipping/line1", json!("Pot 4")),
            ("/shipping/line2", json!("")),
            ("/shipping/state", json!("NJ")),
        ] {
            let mut changed = event();
            if let Some(member) = changed.pointer_mut(pointer) {
                *member = value;
            } else {
                changed[pointer.trim_start_matches('/')] = value;
            }
            assert_eq!(differences(&store(), &changed).len(), 1, "{pointer}");
        }
    }

    #[test]
    fn a_delivery_address_that_is_left_out_is_found() {
        let mut changed = event();
        changed["shipping"] = json!(null);
        assert_eq!(differences(&store(), &changed).len(), 4);
    }
}
