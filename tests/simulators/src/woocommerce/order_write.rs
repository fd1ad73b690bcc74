//! Making and changing orders, with the stock movements that belong to it.

use serde_json::{Value, json};

use super::config::Config;
use super::money::{price_number, round, text as amount};
use super::order::{FeeLine, Line, LineMeta, Note, Order, ShippingLine, Taxes, is_paid_status};
use super::order_money::recalculate;
use super::product::{Kind, Meta, Product};
use super::product_view::full_name;
use super::product_write::change_stock;
use super::state::State;
use super::view::View;
use crate::action::{AddressSpec, CouponSpec, FeeSpec, OrderLineSpec, OrderSpec, ShippingSpec};
use crate::platform::Work;
use rust_decimal::Decimal;

/// Makes an order; answers its id.
pub(crate) fn place(
    state: &mut State,
    config: &Config,
    spec: &OrderSpec,
    now: i64,
    work: &mut Work,
) -> u64 {
    let id = state.next_post();
    let currency = spec.currency.as_deref().unwrap_or(&config.spec.currency);
    let mut order = Order::empty(id, now, currency);
    order.prices_include_tax = config.spec.prices_include_tax;
    order.created = spec.created_at.unwrap_or(now);
    order.modified = order.created;
    take_header(&mut order, spec);
    order.meta = spec
        .meta
        .iter()
        .map(|(key, value)| Meta {
            id: state.next_meta(),
            key: key.clone(),
            value: value.clone(),
        })
        .collect();
    add_lines(&mut order, state, config, &spec.lines);
    if let Some(coupon) = &spec.coupon {
        apply_coupon(&mut order, state, config, coupon);
    }
    add_shipping(&mut order, state, config, &spec.shipping_lines);
    add_fees(&mut order, state, config, &spec.fees);
    recalculate(&mut order, config, state);
    let status = spec
        .status
        .clone()
        .unwrap_or_else(|| "processing".to_owned());
    work.changed(
        ("order", id, 0, ""),
        "total",
        Value::Null,
        json!(amount(order.sums.total, config.spec.decimals)),
    );
    state.orders.insert(id, order);
    let made_at = spec.created_at.unwrap_or(now);
    set_status(state, id, &status, made_at, work);
    id
}

fn take_header(order: &mut Order, spec: &OrderSpec) {
    if let Some(number) = &spec.number {
        order.number.clone_from(number);
    }
    order.customer_id = spec.customer_id;
    order.billing = spec.billing.clone();
    order.shipping = spec.shipping.clone();
    order.payment_method.clone_from(&spec.payment_method);
    order
        .payment_method_title
        .clone_from(&spec.payment_method_title);
    order.transaction_id.clone_from(&spec.transaction_id);
    order.customer_note.clone_from(&spec.customer_note);
    if let Some(via) = &spec.created_via {
        order.created_via.clone_from(via);
    }
}

/// Adds article lines. An unknown product is no error: the line is kept without it (recording 156).
pub(crate) fn add_lines(
    order: &mut Order,
    state: &mut State,
    config: &Config,
    specs: &[OrderLineSpec],
) {
    for spec in specs {
        let article = find_article(state, spec);
        let line = new_line(
            state,
            config,
            spec,
            article.as_ref(),
            (&order.billing, &order.shipping),
            order.created,
        );
        order.content.lines.push(line);
    }
}

/// The article of a line: by ids, else by SKU.
fn find_article(state: &State, spec: &OrderLineSpec) -> Option<Product> {
    let by_id = if spec.variation_id > 0 {
        spec.variation_id
    } else {
        spec.product_id
    };
    if by_id > 0 || spec.sku.is_empty() {
        return state.products.get(&by_id).cloned();
    }
    let ids = state.with_exact_sku(&spec.sku);
    ids.first().and_then(|id| state.products.get(id)).cloned()
}

fn new_line(
    state: &mut State,
    config: &Config,
    spec: &OrderLineSpec,
    article: Option<&Product>,
    (billing, shipping): (&AddressSpec, &AddressSpec),
    now: i64,
) -> Line {
    let class = article
        .map(|product| line_tax_class(state, product))
        .unwrap_or_default();
    let unit = article
        .and_then(|product| price_number(product.own_price(now)))
        .unwrap_or_default();
    let subtotal = spec
        .subtotal
        .or(spec.total)
        .unwrap_or_else(|| config.net(unit * Decimal::from(spec.quantity), &class));
    let total = spec.total.unwrap_or(subtotal);
    let rates = config.rates_for(billing, shipping, &class);
    let (taxes, subtotal_taxes) = (
        config.taxes_on(total, &rates),
        config.taxes_on(subtotal, &rates),
    );
    let (product_id, variation_id) = match article {
        Some(product) if product.kind == Kind::Variation => (product.parent_id, product.id),
        Some(product) => (product.id, 0),
        None => (0, 0),
    };
    Line {
        id: state.next_item(),
        name: spec
            .name
            .clone()
            .unwrap_or_else(|| line_name(state, config, article)),
        product_id,
        variation_id,
        quantity: spec.quantity,
        tax_class: class,
        subtotal,
        total,
        taxes,
        subtotal_taxes,
        meta: line_meta(state, spec, article),
    }
}

fn line_name(state: &State, config: &Config, article: Option<&Product>) -> String {
    let view = View {
        state,
        site: &config.site,
        version: config.spec.version,
        home: &config.home,
        now: 0,
        editing: true,
        decimals: config.spec.decimals,
    };
    article
        .map(|product| full_name(product, view))
        .unwrap_or_default()
}

fn line_tax_class(state: &State, product: &Product) -> String {
    match state.parent_of(product) {
        Some(parent) if product.tax_class == "parent" => parent.tax_class.clone(),
        _ => product.tax_class.clone(),
    }
}

/// Chosen options first, then what the line itself carries.
fn line_meta(state: &mut State, spec: &OrderLineSpec, article: Option<&Product>) -> Vec<LineMeta> {
    let mut metas = Vec::new();
    let attributes = article
        .filter(|p| p.kind == Kind::Variation)
        .map(|p| p.plain("attributes"));
    for attribute in attributes.iter().filter_map(Value::as_array).flatten() {
        let text = |name: &str| attribute[name].as_str().unwrap_or_default().to_owned();
        let shared = attribute["id"] != 0;
        let value = if shared {
            super::product::slug(&text("option"))
        } else {
            text("option")
        };
        metas.push(LineMeta {
            meta: Meta {
                id: state.next_meta(),
                key: text("slug"),
                value: json!(value),
            },
            display_key: text("name"),
            display_value: json!(text("option")),
        });
    }
    for (key, value) in &spec.meta {
        metas.push(LineMeta::plain(state.next_meta(), key, value.clone()));
    }
    metas
}

/// Takes percent off every line; the discount is rounded as money, by line.
fn apply_coupon(order: &mut Order, state: &mut State, config: &Config, coupon: &CouponSpec) {
    let mut discount = Decimal::ZERO;
    let mut discount_tax = Decimal::ZERO;
    for line in &mut order.content.lines {
        let off = round(
            line.subtotal * coupon.percent / Decimal::ONE_HUNDRED,
            config.spec.decimals,
        );
        line.total = round(line.subtotal, config.spec.decimals) - off;
        let rates = config.rates_for(&order.billing, &order.shipping, &line.tax_class);
        line.taxes = config.taxes_on(line.total, &rates);
        discount += off;
        discount_tax +=
            line.subtotal_taxes.values().sum::<Decimal>() - line.taxes.values().sum::<Decimal>();
    }
    let code = coupon.code.to_lowercase();
    let info = format!("[0,\"{code}\",\"percent\",{}]", coupon.percent.normalize());
    order.content.coupon_lines.push(json!({
        "id": state.next_item(),
        "code": code,
        "discount": discount.normalize().to_string(),
        "discount_tax": discount_tax.normalize().to_string(),
        "meta_data": [{"id": state.next_meta(), "key": "coupon_info", "value": info,
            "display_key": "coupon_info", "display_value": info}],
        "discount_type": "percent",
        "nominal_amount": coupon.percent.normalize().to_string().parse::<serde_json::Number>().ok(),
        "free_shipping": false,
    }));
}

pub(crate) fn add_shipping(
    order: &mut Order,
    state: &mut State,
    config: &Config,
    specs: &[ShippingSpec],
) {
    for spec in specs {
        let rates = config.rates_for(&order.billing, &order.shipping, "");
        order.content.shipping_lines.push(ShippingLine {
            id: state.next_item(),
            method_title: spec.method_title.clone(),
            method_id: spec.method_id.clone(),
            instance_id: spec.instance_id.clone(),
            total: spec.total,
            taxes: config.taxes_on(spec.total, &rates),
            meta: Vec::new(),
        });
    }
}

pub(crate) fn add_fees(order: &mut Order, state: &mut State, config: &Config, specs: &[FeeSpec]) {
    for spec in specs {
        let status = if spec.tax_status.is_empty() {
            "taxable"
        } else {
            spec.tax_status.as_str()
        };
        let taxes = match status {
            "none" => Taxes::new(),
            _ => {
                let rates = config.rates_for(&order.billing, &order.shipping, &spec.tax_class);
                config.taxes_on(spec.total, &rates)
            }
        };
        order.content.fee_lines.push(FeeLine {
            id: state.next_item(),
            name: spec.name.clone(),
            tax_class: spec.tax_class.clone(),
            tax_status: status.to_owned(),
            total: spec.total,
            taxes,
            meta: Vec::new(),
        });
    }
}

/// Sets an order's status, its dates, and moves stock: down when it is to be delivered, up when it
/// is cancelled or waits for payment again. Answers whether anything changed.
pub(crate) fn set_status(
    state: &mut State,
    id: u64,
    status: &str,
    now: i64,
    work: &mut Work,
) -> bool {
    let Some(order) = state.orders.get_mut(&id) else {
        return false;
    };
    if order.status == status {
        return false;
    }
    let old = std::mem::replace(&mut order.status, status.to_owned());
    order.modified = now;
    if status == "completed" {
        order.completed = Some(now);
    }
    if is_paid_status(status) && order.paid.is_none() {
        order.paid = Some(now);
    }
    work.changed(("order", id, 0, ""), "status", json!(old), json!(status));
    match status {
        "processing" | "completed" | "on-hold" => reduce_stock(state, id, now, work),
        "cancelled" | "pending" => restore_stock(state, id, now, work),
        _ => {}
    }
    let text = format!(
        "Order status changed from {} to {}.",
        status_name(&old),
        status_name(status)
    );
    add_note(state, id, &text, now);
    true
}

fn status_name(status: &str) -> &str {
    match status {
        "pending" => "Pending payment",
        "processing" => "Processing",
        "on-hold" => "On hold",
        "completed" => "Completed",
        "cancelled" => "Cancelled",
        "refunded" => "Refunded",
        "failed" => "Failed",
        "checkout-draft" => "Draft",
        other => other,
    }
}

/// Adds a note of the system; it moves no date (recording 154).
pub(crate) fn add_note(state: &mut State, order: u64, text: &str, now: i64) -> Option<u64> {
    let id = state.next_note();
    let order = state.orders.get_mut(&order)?;
    order.notes.push(Note {
        id,
        author: "WooCommerce".to_owned(),
        created: now,
        text: text.to_owned(),
        for_customer: false,
    });
    Some(id)
}

/// How many pieces of a line have been taken from stock; none if it was never done.
fn reduced(line: &Line) -> Option<i64> {
    let entry = line
        .meta
        .iter()
        .find(|meta| meta.meta.key == "_reduced_stock")?;
    entry
        .meta
        .value
        .as_str()
        .and_then(|text| text.parse().ok())
        .or_else(|| entry.meta.value.as_i64())
}

fn reduce_stock(state: &mut State, id: u64, now: i64, work: &mut Work) {
    for (index, article, quantity) in stock_lines(state, id) {
        let line = state
            .orders
            .get(&id)
            .and_then(|order| order.content.lines.get(index));
        if line.is_none_or(|line| reduced(line).is_some_and(|pieces| pieces > 0)) {
            continue;
        }
        if let Some(product) = state.products.get_mut(&article) {
            product.total_sales += quantity;
        }
        if change_stock(state, article, now, work, |old| old - quantity).is_some() {
            set_line_meta(state, id, index, "_reduced_stock", quantity);
        }
    }
}

fn restore_stock(state: &mut State, id: u64, now: i64, work: &mut Work) {
    for (index, article, _) in stock_lines(state, id) {
        let line = state
            .orders
            .get(&id)
            .and_then(|order| order.content.lines.get(index));
        let Some(pieces) = line.and_then(reduced).filter(|pieces| *pieces > 0) else {
            continue;
        };
        if change_stock(state, article, now, work, |old| old + pieces).is_some() {
            set_line_meta(state, id, index, "_reduced_stock", 0);
        }
    }
}

fn stock_lines(state: &State, id: u64) -> Vec<(usize, u64, i64)> {
    let lines = state
        .orders
        .get(&id)
        .map(|order| order.content.lines.as_slice())
        .unwrap_or_default();
    let articles = lines.iter().enumerate().map(|(index, line)| {
        let article = if line.variation_id > 0 {
            line.variation_id
        } else {
            line.product_id
        };
        (index, article, line.quantity)
    });
    articles.collect()
}

/// Sets a number among a line's meta data; the store keeps it as text.
pub(crate) fn set_line_meta(state: &mut State, order: u64, index: usize, key: &str, number: i64) {
    let id = state.next_meta();
    let line = state
        .orders
        .get_mut(&order)
        .and_then(|order| order.content.lines.get_mut(index));
    let Some(line) = line else { return };
    let fresh = LineMeta::plain(id, key, json!(number.to_string()));
    match line.meta.iter_mut().find(|meta| meta.meta.key == key) {
        Some(known) => {
            known.meta.value = fresh.meta.value;
            known.display_value = fresh.display_value;
        }
        None => line.meta.push(fresh),
    }
}
