//! Orders for the tests of this crate.

use storelink_model::{Amount, Quantity, Timestamp};

use crate::{Address, Charge, Customer, Line, Order, OrderState, Payment};

pub(crate) fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

pub(crate) fn line(net: &str, tax: &str) -> Line {
    Line {
        external_id: "1".into(),
        sku: None,
        product: None,
        variation: None,
        name: "mug".into(),
        quantity: Quantity::ZERO,
        net_before_discount: amount(net),
        net: amount(net),
        tax: amount(tax),
        tax_rate: None,
        options: vec![],
    }
}

pub(crate) fn line_at(rate: &str, net: &str, tax: &str) -> Line {
    Line {
        tax_rate: Some(rate.parse().unwrap()),
        ..line(net, tax)
    }
}

pub(crate) fn fee(net: &str, tax: &str) -> Charge {
    Charge {
        code: "fee".into(),
        name: "fee".into(),
        net: amount(net),
        tax: amount(tax),
        tax_rate: None,
    }
}

pub(crate) fn order(lines: Vec<Line>, fees: Vec<Charge>, total: &str, total_tax: &str) -> Order {
    Order {
        external_id: "90".into(),
        number: "90".into(),
        state: OrderState::Open,
        store_status: "processing".into(),
        currency: "EUR".parse().unwrap(),
        digits: 2,
        created: Timestamp::from_micros(0),
        modified: Timestamp::from_micros(0),
        customer: Customer::default(),
        billing: Address::default(),
        shipping: None,
        lines,
        shipping_charges: vec![],
        fees,
        discounts: vec![],
        gift_cards: vec![],
        total: amount(total),
        total_tax: amount(total_tax),
        payment: Payment::default(),
        refunds: vec![],
        note: String::new(),
    }
}
