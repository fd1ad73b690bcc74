//! An order as WooCommerce shows it against the order of an event, member by member.

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
            ("/billing/first_name", "/billing/first_name"),
            ("/billing/last_name", "/billing/last_name"),
            ("/billing/company", "/billing/company"),
            ("/billing/address_1", "/billing/line1"),
            ("/billing/city", "/billing/city"),
            ("/billing/postcode", "/billing/postcode"),
            ("/billing/country", "/billing/country"),
        ],
    );
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
            found.texts(ours, theirs, &[("/sku", "/sku"), ("/name", "/name")]);
            let amounts = [
                ("/quantity", "/quantity"),
                ("/subtotal", "/net_before_discount"),
                ("/total", "/net"),
                ("/total_tax", "/tax"),
            ];
            found.amounts(ours, theirs, name, &amounts);
        },
    );
    for (ours, theirs) in [
        ("/shipping_lines", "/shipping_charges"),
        ("/fee_lines", "/fees"),
    ] {
        found.rows(store, event, ours, theirs, |found, name, ours, theirs| {
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

    /// Every refund once with its amount, whatever their order.
    fn refunds(&mut self, store: &Value, event: &Value) {
        let mut in_store: Vec<(String, Option<Decimal>)> = rows(store, "/refunds")
            .iter()
            .map(|refund| {
                (
                    text(refund, "/id"),
                    amount(refund, "/total").map(|total| total.abs()),
                )
            })
            .collect();
        let mut told: Vec<(String, Option<Decimal>)> = rows(event, "/refunds")
            .iter()
            .map(|refund| (text(refund, "/external_id"), amount(refund, "/amount")))
            .collect();
        in_store.sort();
        told.sort();
        if in_store != told {
            self.0
                .push(format!("refunds are {in_store:?}, told were {told:?}"));
        }
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
            "id": 7, "number": "7", "status": "processing", "currency": "EUR", "total": "12.20",
            "total_tax": "2.20", "payment_method": "bacs", "transaction_id": "",
            "billing": {"email": "ana@example.com"},
            "line_items": [{"sku": "MUG-01", "name": "Mug", "quantity": 1, "subtotal": "10.00",
                "total": "10.00", "total_tax": "2.20"}],
            "shipping_lines": [], "fee_lines": [], "coupon_lines": [],
            "refunds": [{"id": 9, "total": "-1.00"}]
        })
    }

    fn event() -> Value {
        json!({
            "number": "7", "store_status": "processing", "currency": "EUR", "total": "12.2",
            "total_tax": "2.20", "payment": {"method": "bacs", "title": ""},
            "customer": {"email": "ana@example.com"},
            "lines": [{"sku": "MUG-01", "name": "Mug", "quantity": "1",
                "net_before_discount": "10.00", "net": "10.00", "tax": "2.20"}],
            "refunds": [{"external_id": "9", "amount": "1.00"}]
        })
    }

    #[test]
    fn equal_orders_have_no_differences() {
        assert_eq!(differences(&store(), &event()), Vec::<String>::new());
    }

    #[test]
    fn each_changed_member_is_found() {
        for (pointer, value) in [
            ("/total", json!("12.21")),
            ("/lines/0/tax", json!("2.21")),
            ("/lines/0/quantity", json!("2")),
            ("/lines/0/sku", json!("MUG-02")),
            ("/store_status", json!("completed")),
            ("/refunds/0/amount", json!("1.01")),
            ("/refunds", json!([])),
            ("/fees", json!([{"net": "1", "tax": "0"}])),
            ("/customer/email", json!(null)),
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
}
