//! From the store's order to ours (sheet section 5). Amounts are net with their tax beside them
//! already; nothing is computed here. A member that is missing or odd makes the order unreadable,
//! with its path; members that are not known are passed over.

use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Number, Value};
use storelink_adapter_api::{CapabilityProfile, Unreadable};
use storelink_model::{Amount, Currency, Quantity, Sku, TaxRate};
use storelink_order::{
    Address, Charge, Customer, Discount, Line, LineOption, Order, OrderState, Payment, Refund,
    RefundedLine,
};
use storelink_outbound_http::lenient_json::{self, NotUnderstood};

use crate::codes::{self, Code};
use crate::wire::{Gmt, Meta, Text, nullable, plain_text, words};

/// Where plugins keep the VAT id of the buyer; the first one filled in counts. Recording 71 shows
/// the first, the others are those of the common EU VAT plugins.
const VAT_ID_KEYS: [&str; 8] = [
    "_billing_vat",
    "_billing_vat_number",
    "_billing_eu_vat_number",
    "_vat_number",
    "vat_number",
    "billing_vat_number",
    "billing_eu_vat_number",
    "_billing_vat_id",
];

#[derive(Debug, Deserialize)]
pub(crate) struct WireOrder {
    id: u64,
    number: String,
    status: String,
    currency: Currency,
    date_created_gmt: Gmt,
    date_modified_gmt: Gmt,
    total: Text<Amount>,
    total_tax: Text<Amount>,
    customer_id: u64,
    billing: WireAddress,
    shipping: WireAddress,
    #[serde(deserialize_with = "words")]
    payment_method: String,
    #[serde(deserialize_with = "words")]
    payment_method_title: String,
    #[serde(deserialize_with = "words")]
    transaction_id: String,
    #[serde(deserialize_with = "nullable")]
    date_paid_gmt: Option<Gmt>,
    #[serde(deserialize_with = "words")]
    customer_note: String,
    meta_data: Vec<Meta>,
    line_items: Vec<WireLine>,
    tax_lines: Vec<WireRate>,
    shipping_lines: Vec<WireShipping>,
    fee_lines: Vec<WireFee>,
    coupon_lines: Vec<WireCoupon>,
    refunds: Vec<WireRefundMark>,
}

#[derive(Debug, Deserialize)]
struct WireAddress {
    #[serde(deserialize_with = "words")]
    first_name: String,
    #[serde(deserialize_with = "words")]
    last_name: String,
    #[serde(deserialize_with = "words")]
    company: String,
    #[serde(deserialize_with = "words")]
    address_1: String,
    #[serde(deserialize_with = "words")]
    address_2: String,
    #[serde(deserialize_with = "words")]
    city: String,
    #[serde(deserialize_with = "words")]
    state: String,
    #[serde(deserialize_with = "words")]
    postcode: String,
    #[serde(deserialize_with = "words")]
    country: String,
    /// Delivery addresses have none.
    #[serde(default, deserialize_with = "words")]
    email: String,
    /// Delivery addresses have one since 5.6.
    #[serde(default, deserialize_with = "words")]
    phone: String,
}

#[derive(Debug, Deserialize)]
struct WireLine {
    id: u64,
    #[serde(deserialize_with = "words")]
    name: String,
    product_id: u64,
    variation_id: u64,
    quantity: Quantity,
    subtotal: Text<Amount>,
    total: Text<Amount>,
    total_tax: Text<Amount>,
    taxes: Vec<WireTax>,
    #[serde(deserialize_with = "nullable")]
    sku: Option<String>,
    meta_data: Vec<Meta>,
}

/// The part of a tax rate in a line; its total is empty where the rate does not apply. Tax services have
/// rates of their own there, with words as ids, that the store has no percentage of.
#[derive(Debug, Deserialize)]
struct WireTax {
    id: Value,
    #[serde(deserialize_with = "words")]
    total: String,
}

#[derive(Debug, Deserialize)]
struct WireRate {
    rate_id: Value,
    #[serde(default)]
    compound: bool,
    rate_percent: Option<Number>,
}

#[derive(Debug, Deserialize)]
struct WireShipping {
    #[serde(deserialize_with = "words")]
    method_title: String,
    #[serde(deserialize_with = "words")]
    method_id: String,
    #[serde(default, deserialize_with = "words")]
    instance_id: String,
    total: Text<Amount>,
    total_tax: Text<Amount>,
    taxes: Vec<WireTax>,
}

#[derive(Debug, Deserialize)]
struct WireFee {
    #[serde(deserialize_with = "words")]
    name: String,
    total: Text<Amount>,
    total_tax: Text<Amount>,
    taxes: Vec<WireTax>,
}

#[derive(Debug, Deserialize)]
struct WireCoupon {
    #[serde(deserialize_with = "words")]
    code: String,
    discount: Text<Amount>,
    discount_tax: Text<Amount>,
}

#[derive(Debug, Deserialize)]
struct WireRefundMark {
    id: u64,
}

#[derive(Debug, Deserialize)]
struct WireRefund {
    id: u64,
    date_created_gmt: Gmt,
    amount: Text<Amount>,
    #[serde(deserialize_with = "words")]
    reason: String,
    line_items: Vec<WireRefundLine>,
}

#[derive(Debug, Deserialize)]
struct WireRefundLine {
    quantity: Quantity,
    total: Text<Amount>,
    total_tax: Text<Amount>,
    #[serde(deserialize_with = "nullable")]
    sku: Option<String>,
    meta_data: Vec<Meta>,
}

/// Reads the store's order.
pub(crate) fn wire_order(raw: &RawValue) -> Result<WireOrder, Unreadable> {
    let read = lenient_json::read(raw.get().as_bytes());
    read.map(|read| read.value)
        .map_err(|why| unreadable(codes::ORDER_UNREADABLE, &why))
}

impl WireOrder {
    /// The ids of the refunds that the order names.
    pub(crate) fn refund_ids(&self) -> impl Iterator<Item = u64> {
        self.refunds.iter().map(|refund| refund.id)
    }

    /// The order in our form. `refunds` are the answers of `orders/<id>/refunds`, row by row.
    pub(crate) fn normalise(
        self,
        refunds: &[Box<RawValue>],
        profile: &CapabilityProfile,
    ) -> Result<Order, Unreadable> {
        let refunds = self.refunds(refunds)?;
        let digits = digits(&self.currency, self.total.0, profile);
        let rates = &self.tax_lines;
        let charge =
            |code: String, name: &str, net: Amount, tax: Amount, taxes: &[WireTax]| Charge {
                code,
                name: name.to_owned(),
                net,
                tax,
                tax_rate: rate_of(taxes, rates),
            };
        let shipping_charges = self.shipping_lines.iter().map(|line| {
            let code = match line.instance_id.as_str() {
                "" => line.method_id.clone(),
                instance => format!("{}:{instance}", line.method_id),
            };
            charge(
                code,
                &line.method_title,
                line.total.0,
                line.total_tax.0,
                &line.taxes,
            )
        });
        let fees = self.fee_lines.iter().map(|fee| {
            charge(
                "fee".to_owned(),
                &fee.name,
                fee.total.0,
                fee.total_tax.0,
                &fee.taxes,
            )
        });
        let discounts = self.coupon_lines.iter().map(|coupon| Discount {
            code: coupon.code.clone(),
            net: coupon.discount.0,
            tax: coupon.discount_tax.0,
        });
        Ok(Order {
            external_id: self.id.to_string(),
            state: state_of(&self.status),
            digits,
            created: self.date_created_gmt.0,
            modified: self.date_modified_gmt.0,
            lines: self
                .line_items
                .iter()
                .map(|line| line.normalise(rates))
                .collect(),
            shipping_charges: shipping_charges.collect(),
            fees: fees.collect(),
            discounts: discounts.collect(),
            gift_cards: Vec::new(),
            total: self.total.0,
            total_tax: self.total_tax.0,
            customer: Customer {
                external_id: id(self.customer_id),
                email: filled(&self.billing.email),
                phone: filled(&self.billing.phone),
                vat_id: vat_id(&self.meta_data),
            },
            payment: Payment {
                method: self.payment_method,
                title: self.payment_method_title,
                transaction_id: filled(&self.transaction_id),
                paid: self.date_paid_gmt.map(|paid| paid.0),
            },
            number: self.number,
            store_status: self.status,
            currency: self.currency,
            billing: self.billing.normalise(),
            shipping: Some(self.shipping.normalise()).filter(|address| !address.is_empty()),
            refunds,
            note: self.customer_note,
        })
    }

    /// The details of every refund that the order names. The store may know more of them by now;
    /// one that it does not give is an error, since its amount in the order has no lines.
    fn refunds(&self, rows: &[Box<RawValue>]) -> Result<Vec<Refund>, Unreadable> {
        let read = |row: &RawValue| {
            lenient_json::read::<WireRefund>(row.get().as_bytes())
                .map(|read| read.value)
                .map_err(|why| unreadable(codes::REFUND_UNREADABLE, &why))
        };
        let mut refunds = rows
            .iter()
            .map(|row| read(row))
            .collect::<Result<Vec<_>, _>>()?;
        if let Some(missing) = self
            .refund_ids()
            .find(|id| refunds.iter().all(|refund| refund.id != *id))
        {
            return Err(Unreadable {
                code: codes::REFUND_MISSING.code.to_owned(),
                text: format!("{} Missing: refund {missing}.", codes::REFUND_MISSING.cause),
            });
        }
        refunds.sort_by_key(|refund| refund.id);
        refunds.dedup_by_key(|refund| refund.id);
        refunds.into_iter().map(WireRefund::normalise).collect()
    }
}

impl WireLine {
    fn normalise(&self, rates: &[WireRate]) -> Line {
        Line {
            external_id: self.id.to_string(),
            sku: sku(self.sku.as_deref()),
            product: id(self.product_id),
            variation: id(self.variation_id),
            name: self.name.clone(),
            quantity: self.quantity,
            net_before_discount: self.subtotal.0,
            net: self.total.0,
            tax: self.total_tax.0,
            tax_rate: rate_of(&self.taxes, rates),
            options: self.meta_data.iter().filter_map(option_of).collect(),
        }
    }
}

impl WireRefund {
    fn normalise(self) -> Result<Refund, Unreadable> {
        let positive = |what: &str, amount: Amount| {
            Amount::new(amount.decimal().abs())
                .map_err(|error| odd(codes::REFUND_UNREADABLE, what, &error.to_string()))
        };
        if self.amount.0.decimal() < Decimal::ZERO {
            return Err(odd(codes::REFUND_UNREADABLE, "amount", "it is negative"));
        }
        let lines = self.line_items.iter().map(|line| {
            let quantity = Quantity::new(line.quantity.decimal().abs()).map_err(|error| {
                odd(
                    codes::REFUND_UNREADABLE,
                    "line_items.quantity",
                    &error.to_string(),
                )
            })?;
            let original = line
                .meta_data
                .iter()
                .find(|meta| meta.key() == "_refunded_item_id");
            Ok(RefundedLine {
                line: original.and_then(|meta| plain_text(&meta.value)),
                sku: sku(line.sku.as_deref()),
                quantity,
                net: positive("line_items.total", line.total.0)?,
                tax: positive("line_items.total_tax", line.total_tax.0)?,
            })
        });
        Ok(Refund {
            external_id: self.id.to_string(),
            amount: self.amount.0,
            reason: self.reason,
            created: Some(self.date_created_gmt.0),
            lines: lines.collect::<Result<_, Unreadable>>()?,
        })
    }
}

impl WireAddress {
    fn normalise(self) -> Address {
        Address {
            first_name: self.first_name,
            last_name: self.last_name,
            company: self.company,
            line1: self.address_1,
            line2: self.address_2,
            city: self.city,
            state: self.state,
            postcode: self.postcode,
            country: self.country,
            phone: self.phone,
        }
    }
}

/// Statuses are free strings: plugins add their own, and orders keep them when the plugin is gone.
fn state_of(status: &str) -> OrderState {
    match status {
        "pending" | "on-hold" => OrderState::Pending,
        "processing" => OrderState::Open,
        "completed" => OrderState::Completed,
        "cancelled" | "failed" | "trash" => OrderState::Cancelled,
        "refunded" => OrderState::Refunded,
        _ => OrderState::Other,
    }
}

/// The store's own digits in its own currency; in another one, those that the total is written with.
fn digits(currency: &Currency, total: Amount, profile: &CapabilityProfile) -> u32 {
    let own = profile.currency.as_ref().is_none_or(|own| own == currency);
    let known = if own { profile.currency_digits } else { None };
    known.unwrap_or_else(|| total.decimal().scale()).min(6)
}

/// The rate as the store states it: of the only tax of a line, or the sum of several that are not
/// charged on top of each other.
fn rate_of(taxes: &[WireTax], rates: &[WireRate]) -> Option<TaxRate> {
    let applied: Vec<&WireTax> = taxes.iter().filter(|tax| !tax.total.is_empty()).collect();
    if applied.is_empty() {
        return None;
    }
    let mut sum = Decimal::ZERO;
    for tax in &applied {
        let id = plain_text(&tax.id)?;
        let rate = rates
            .iter()
            .find(|rate| plain_text(&rate.rate_id).as_ref() == Some(&id))?;
        if rate.compound && applied.len() > 1 {
            return None;
        }
        // A JSON number, read by its exact text and never as a float.
        let percent = rate.rate_percent.as_ref()?.to_string();
        sum += percent.parse::<TaxRate>().ok()?.decimal();
    }
    TaxRate::new(sum).ok()
}

fn option_of(meta: &Meta) -> Option<LineOption> {
    if meta.key().starts_with('_') {
        return None;
    }
    let name = plain_text(&meta.display_key).or_else(|| plain_text(&meta.key))?;
    let value = if meta.display_value.is_null() {
        &meta.value
    } else {
        &meta.display_value
    };
    Some(LineOption {
        name,
        value: plain_text(value)?,
    })
}

fn vat_id(meta: &[Meta]) -> Option<String> {
    VAT_ID_KEYS.iter().find_map(|key| {
        let entry = meta.iter().find(|entry| entry.key() == *key)?;
        plain_text(&entry.value).map(|text| text.trim().to_owned())
    })
}

/// A code as the store has it; none where it is empty or cannot be one.
pub(crate) fn sku(text: Option<&str>) -> Option<Sku> {
    text?.parse().ok()
}

fn id(number: u64) -> Option<String> {
    (number > 0).then(|| number.to_string())
}

fn filled(text: &str) -> Option<String> {
    (!text.trim().is_empty()).then(|| text.to_owned())
}

fn unreadable(code: Code, why: &NotUnderstood) -> Unreadable {
    Unreadable {
        code: code.code.to_owned(),
        text: format!("{} In short: {why}.", code.cause),
    }
}

fn odd(code: Code, path: &str, reason: &str) -> Unreadable {
    Unreadable {
        code: code.code.to_owned(),
        text: format!("{} At {path}: {reason}.", code.cause),
    }
}
