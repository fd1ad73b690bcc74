//! Takes objects as a real store showed them into a simulated store.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::config::Config;
use super::money::round;
use super::order::{
    Content, FeeLine, Line, LineMeta, Note, Order, Refund, ShippingLine, Sums, TaxLine, Taxes,
};
use super::order_edit::decimal;
use super::params::plain_text;
use super::product::{Kind, Meta, Product, meta_from};
use super::site_time::SiteTime;
use super::state::State;
use crate::action::AddressSpec;

/// Objects in the form of the API, with their ids and dates.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Snapshot {
    /// Products of the products routes.
    pub products: Vec<Value>,
    /// Variations, with `parent_id`.
    pub variations: Vec<Value>,
    /// Orders.
    pub orders: Vec<Value>,
    /// Refunds, with `parent_id` for the order; they take the place of the short ones in orders.
    pub refunds: Vec<Value>,
    /// Notes, with `order_id`.
    pub notes: Vec<Value>,
}

/// Puts a snapshot into a store.
pub(crate) fn load(state: &mut State, config: &Config, snapshot: &Snapshot) {
    for value in snapshot.products.iter().filter_map(Value::as_object) {
        insert(state, config, value, Kind::Simple);
    }
    for value in snapshot.variations.iter().filter_map(Value::as_object) {
        insert(state, config, value, Kind::Variation);
    }
    for value in &snapshot.orders {
        let order = order(value, &config.site);
        reserve(state, &order);
        state.orders.insert(order.id, order);
    }
    for value in &snapshot.refunds {
        let refund = refund(value);
        state.reserve_post(refund.id);
        if let Some(order) = state.orders.get_mut(&refund.order_id) {
            order.refunds.retain(|short| short.id != refund.id);
            order.refunds.push(refund);
            order.refunds.sort_by_key(|refund| refund.id);
        }
    }
    for value in &snapshot.notes {
        let note = note(value);
        state.reserve_note(note.id);
        if let Some(order) = value["order_id"]
            .as_u64()
            .and_then(|id| state.orders.get_mut(&id))
        {
            order.notes.push(note);
        }
    }
}

fn insert(state: &mut State, config: &Config, members: &Map<String, Value>, kind: Kind) {
    let id = members.get("id").and_then(Value::as_u64).unwrap_or(0);
    let mut product = Product::empty(id, kind, 0);
    if kind == Kind::Variation {
        product.type_name = "variation".to_owned();
        // Shown resolved; unless told otherwise a variation follows its parent.
        product.tax_class = "parent".to_owned();
    }
    let mut members = members.clone();
    if kind == Kind::Variation {
        members.remove("tax_class");
    }
    product.absorb(&members, &config.site);
    product
        .meta
        .iter()
        .for_each(|meta| state.reserve_meta(meta.id));
    state.insert_product(product);
}

fn reserve(state: &mut State, order: &Order) {
    state.reserve_post(order.id);
    let content = &order.content;
    content.lines.iter().for_each(|line| {
        state.reserve_item(line.id);
        line.meta
            .iter()
            .for_each(|meta| state.reserve_meta(meta.meta.id));
    });
    content
        .fee_lines
        .iter()
        .for_each(|line| state.reserve_item(line.id));
    content
        .shipping_lines
        .iter()
        .for_each(|line| state.reserve_item(line.id));
    content
        .tax_lines
        .iter()
        .for_each(|line| state.reserve_item(line.id));
    order
        .meta
        .iter()
        .for_each(|meta| state.reserve_meta(meta.id));
    order
        .refunds
        .iter()
        .for_each(|refund| state.reserve_post(refund.id));
}

fn order(value: &Value, site: &SiteTime) -> Order {
    let text = |name: &str| plain_text(&value[name]);
    let gmt = |name: &str| value[name].as_str().and_then(SiteTime::parse_gmt);
    let local = |name: &str| value[name].as_str().and_then(|text| site.parse_local(text));
    let id = value["id"].as_u64().unwrap_or(0);
    let created = gmt("date_created_gmt")
        .or_else(|| local("date_created"))
        .unwrap_or(0);
    let refunds = value["refunds"].as_array().into_iter().flatten();
    Order {
        number: text("number"),
        status: text("status"),
        prices_include_tax: value["prices_include_tax"] == true,
        modified: gmt("date_modified_gmt").unwrap_or(created),
        completed: gmt("date_completed_gmt"),
        paid: gmt("date_paid_gmt"),
        customer_id: value["customer_id"].as_u64().unwrap_or(0),
        order_key: text("order_key"),
        billing: address(&value["billing"]),
        shipping: address(&value["shipping"]),
        payment_method: text("payment_method"),
        payment_method_title: text("payment_method_title"),
        transaction_id: text("transaction_id"),
        customer_ip_address: text("customer_ip_address"),
        customer_user_agent: text("customer_user_agent"),
        created_via: text("created_via"),
        customer_note: text("customer_note"),
        cart_hash: text("cart_hash"),
        meta: meta_from(&value["meta_data"]),
        content: content(value),
        sums: sums(value),
        refunds: refunds
            .map(|short| short_refund(id, created, short))
            .collect(),
        ..Order::empty(id, created, &text("currency"))
    }
}

fn address(value: &Value) -> AddressSpec {
    serde_json::from_value(value.clone()).unwrap_or_default()
}

fn sums(value: &Value) -> Sums {
    let number = |name: &str| decimal(&value[name]).unwrap_or_default();
    Sums {
        discount_total: number("discount_total"),
        discount_tax: number("discount_tax"),
        shipping_total: number("shipping_total"),
        shipping_tax: number("shipping_tax"),
        cart_tax: number("cart_tax"),
        total: number("total"),
        total_tax: number("total_tax"),
    }
}

fn content(value: &Value) -> Content {
    let rows = |name: &str| value[name].as_array().cloned().unwrap_or_default();
    Content {
        lines: rows("line_items").iter().map(line).collect(),
        tax_lines: rows("tax_lines").iter().map(tax_line).collect(),
        shipping_lines: rows("shipping_lines").iter().map(shipping_line).collect(),
        fee_lines: rows("fee_lines").iter().map(fee_line).collect(),
        coupon_lines: rows("coupon_lines"),
    }
}

fn line(value: &Value) -> Line {
    let number = |name: &str| value[name].as_u64().unwrap_or(0);
    let quantity = value["quantity"].as_i64().unwrap_or(0);
    let (subtotal, total) = (
        shown_amount(&value["subtotal"]),
        shown_amount(&value["total"]),
    );
    let exact = exact_total(total, value, quantity);
    Line {
        id: number("id"),
        name: plain_text(&value["name"]),
        product_id: number("product_id"),
        variation_id: number("variation_id"),
        quantity,
        tax_class: plain_text(&value["tax_class"]),
        subtotal: if subtotal == total { exact } else { subtotal },
        total: exact,
        taxes: taxes(value, "total"),
        subtotal_taxes: taxes(value, "subtotal"),
        meta: line_meta(value),
    }
}

/// The shown total is rounded; the unit price, which is not, gives back the digits that were cut.
fn exact_total(shown: Decimal, value: &Value, quantity: i64) -> Decimal {
    let unit = decimal(&value["price"]).unwrap_or_default();
    let exact = round(unit * Decimal::from(quantity), 6);
    if round(exact, shown.scale()) == shown {
        exact
    } else {
        shown
    }
}

fn shown_amount(value: &Value) -> Decimal {
    decimal(value).unwrap_or_default()
}

fn taxes(value: &Value, part: &str) -> Taxes {
    let entries = value["taxes"].as_array().into_iter().flatten();
    entries
        .filter_map(|tax| Some((tax["id"].as_u64()?, decimal(&tax[part])?)))
        .collect()
}

fn tax_line(value: &Value) -> TaxLine {
    TaxLine {
        id: value["id"].as_u64().unwrap_or(0),
        rate_code: plain_text(&value["rate_code"]),
        rate_id: value["rate_id"].as_u64().unwrap_or(0),
        label: plain_text(&value["label"]),
        tax_total: shown_amount(&value["tax_total"]),
        shipping_tax_total: shown_amount(&value["shipping_tax_total"]),
        percent: decimal(&value["rate_percent"]).unwrap_or_default(),
    }
}

fn shipping_line(value: &Value) -> ShippingLine {
    ShippingLine {
        id: value["id"].as_u64().unwrap_or(0),
        method_title: plain_text(&value["method_title"]),
        method_id: plain_text(&value["method_id"]),
        instance_id: plain_text(&value["instance_id"]),
        total: shown_amount(&value["total"]),
        taxes: taxes(value, "total"),
        meta: line_meta(value),
    }
}

fn fee_line(value: &Value) -> FeeLine {
    FeeLine {
        id: value["id"].as_u64().unwrap_or(0),
        name: plain_text(&value["name"]),
        tax_class: plain_text(&value["tax_class"]),
        tax_status: plain_text(&value["tax_status"]),
        total: shown_amount(&value["total"]),
        taxes: taxes(value, "total"),
        meta: line_meta(value),
    }
}

fn line_meta(value: &Value) -> Vec<LineMeta> {
    let entries = value["meta_data"].as_array().into_iter().flatten();
    entries
        .map(|entry| LineMeta {
            meta: Meta {
                id: entry["id"].as_u64().unwrap_or(0),
                key: plain_text(&entry["key"]),
                value: entry["value"].clone(),
            },
            display_key: plain_text(&entry["display_key"]),
            display_value: entry["display_value"].clone(),
        })
        .collect()
}

/// A refund as an order shows it: without lines.
fn short_refund(order_id: u64, created: i64, value: &Value) -> Refund {
    Refund {
        id: value["id"].as_u64().unwrap_or(0),
        order_id,
        created,
        amount: -shown_amount(&value["total"]),
        total_tax: -shown_amount(&value["total_tax"]),
        reason: plain_text(&value["reason"]),
        refunded_by: 1,
        meta: Vec::new(),
        content: Content::default(),
    }
}

fn refund(value: &Value) -> Refund {
    let content = content(value);
    let tax: Decimal = content
        .tax_lines
        .iter()
        .map(|line| line.tax_total + line.shipping_tax_total)
        .sum();
    Refund {
        id: value["id"].as_u64().unwrap_or(0),
        order_id: value["parent_id"].as_u64().unwrap_or(0),
        created: value["date_created_gmt"]
            .as_str()
            .and_then(SiteTime::parse_gmt)
            .unwrap_or(0),
        amount: shown_amount(&value["amount"]),
        total_tax: -tax,
        reason: plain_text(&value["reason"]),
        refunded_by: value["refunded_by"].as_u64().unwrap_or(0),
        meta: meta_from(&value["meta_data"]),
        content,
    }
}

fn note(value: &Value) -> Note {
    Note {
        id: value["id"].as_u64().unwrap_or(0),
        author: plain_text(&value["author"]),
        created: value["date_created_gmt"]
            .as_str()
            .and_then(SiteTime::parse_gmt)
            .unwrap_or(0),
        text: plain_text(&value["note"]),
        for_customer: value["customer_note"] == true,
    }
}
