//! An order and its refunds as the store keeps them.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde_json::Value;

use super::product::Meta;
use crate::action::AddressSpec;

/// Tax amounts by rate id.
pub(crate) type Taxes = BTreeMap<u64, Decimal>;

/// Meta data of a line: shown with name and value for people.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LineMeta {
    pub(crate) meta: Meta,
    pub(crate) display_key: String,
    pub(crate) display_value: Value,
}

impl LineMeta {
    pub(crate) fn plain(id: u64, key: &str, value: Value) -> Self {
        let meta = Meta {
            id,
            key: key.to_owned(),
            value: value.clone(),
        };
        Self {
            meta,
            display_key: key.to_owned(),
            display_value: value,
        }
    }
}

/// An article on an order. Amounts are net.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) product_id: u64,
    pub(crate) variation_id: u64,
    pub(crate) quantity: i64,
    pub(crate) tax_class: String,
    pub(crate) subtotal: Decimal,
    pub(crate) total: Decimal,
    pub(crate) taxes: Taxes,
    pub(crate) subtotal_taxes: Taxes,
    pub(crate) meta: Vec<LineMeta>,
}

/// Shipping on an order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ShippingLine {
    pub(crate) id: u64,
    pub(crate) method_title: String,
    pub(crate) method_id: String,
    pub(crate) instance_id: String,
    pub(crate) total: Decimal,
    pub(crate) taxes: Taxes,
    pub(crate) meta: Vec<LineMeta>,
}

/// A fee on an order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FeeLine {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) tax_class: String,
    pub(crate) tax_status: String,
    pub(crate) total: Decimal,
    pub(crate) taxes: Taxes,
    pub(crate) meta: Vec<LineMeta>,
}

/// The sum of one tax rate.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TaxLine {
    pub(crate) id: u64,
    pub(crate) rate_code: String,
    pub(crate) rate_id: u64,
    pub(crate) label: String,
    pub(crate) tax_total: Decimal,
    pub(crate) shipping_tax_total: Decimal,
    pub(crate) percent: Decimal,
}

/// The sums of an order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Sums {
    pub(crate) discount_total: Decimal,
    pub(crate) discount_tax: Decimal,
    pub(crate) shipping_total: Decimal,
    pub(crate) shipping_tax: Decimal,
    pub(crate) cart_tax: Decimal,
    pub(crate) total: Decimal,
    pub(crate) total_tax: Decimal,
}

/// The lines of an order or of a refund.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Content {
    pub(crate) lines: Vec<Line>,
    pub(crate) tax_lines: Vec<TaxLine>,
    pub(crate) shipping_lines: Vec<ShippingLine>,
    pub(crate) fee_lines: Vec<FeeLine>,
    /// As shown; nothing depends on them but the discount, which is inside the lines.
    pub(crate) coupon_lines: Vec<Value>,
}

/// A refund. `amount` is positive, its lines are negative.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refund {
    pub(crate) id: u64,
    pub(crate) order_id: u64,
    pub(crate) created: i64,
    pub(crate) amount: Decimal,
    pub(crate) total_tax: Decimal,
    pub(crate) reason: String,
    pub(crate) refunded_by: u64,
    pub(crate) meta: Vec<Meta>,
    pub(crate) content: Content,
}

/// An order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Order {
    pub(crate) id: u64,
    pub(crate) number: String,
    pub(crate) status: String,
    pub(crate) currency: String,
    pub(crate) prices_include_tax: bool,
    pub(crate) created: i64,
    pub(crate) modified: i64,
    pub(crate) completed: Option<i64>,
    pub(crate) paid: Option<i64>,
    pub(crate) customer_id: u64,
    pub(crate) order_key: String,
    pub(crate) billing: AddressSpec,
    pub(crate) shipping: AddressSpec,
    pub(crate) payment_method: String,
    pub(crate) payment_method_title: String,
    pub(crate) transaction_id: String,
    pub(crate) customer_ip_address: String,
    pub(crate) customer_user_agent: String,
    pub(crate) created_via: String,
    pub(crate) customer_note: String,
    pub(crate) cart_hash: String,
    pub(crate) meta: Vec<Meta>,
    pub(crate) content: Content,
    pub(crate) sums: Sums,
    pub(crate) refunds: Vec<Refund>,
    pub(crate) notes: Vec<Note>,
}

/// A note on an order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Note {
    pub(crate) id: u64,
    pub(crate) author: String,
    pub(crate) created: i64,
    pub(crate) text: String,
    pub(crate) for_customer: bool,
}

impl Order {
    /// An order without lines.
    pub(crate) fn empty(id: u64, now: i64, currency: &str) -> Self {
        Self {
            id,
            number: id.to_string(),
            status: "pending".to_owned(),
            currency: currency.to_owned(),
            prices_include_tax: false,
            created: now,
            modified: now,
            completed: None,
            paid: None,
            customer_id: 0,
            order_key: format!(
                "wc_order_{:013x}",
                id.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 12
            ),
            billing: AddressSpec::default(),
            shipping: AddressSpec::default(),
            payment_method: String::new(),
            payment_method_title: String::new(),
            transaction_id: String::new(),
            customer_ip_address: String::new(),
            customer_user_agent: String::new(),
            created_via: "checkout".to_owned(),
            customer_note: String::new(),
            cart_hash: String::new(),
            meta: Vec::new(),
            content: Content::default(),
            sums: Sums::default(),
            refunds: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Sum given back so far, positive.
    pub(crate) fn refunded(&self) -> Decimal {
        self.refunds.iter().map(|refund| refund.amount).sum()
    }

    /// Whether the shopkeeper may still edit the lines.
    pub(crate) fn is_editable(&self) -> bool {
        matches!(
            self.status.as_str(),
            "pending" | "on-hold" | "auto-draft" | "checkout-draft"
        )
    }

    /// Whether the customer should still pay.
    pub(crate) fn needs_payment(&self) -> bool {
        matches!(self.status.as_str(), "pending" | "failed") && self.sums.total > Decimal::ZERO
    }
}

/// Statuses an order can be set to (recording 151).
pub(crate) const SETTABLE: [&str; 9] = [
    "auto-draft",
    "pending",
    "processing",
    "on-hold",
    "completed",
    "cancelled",
    "refunded",
    "failed",
    "checkout-draft",
];

/// Statuses that count as paid.
pub(crate) fn is_paid_status(status: &str) -> bool {
    matches!(status, "processing" | "completed")
}
