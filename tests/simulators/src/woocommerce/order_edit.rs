//! Changing orders by members, as the API and the shopkeeper do (recordings 150 to 156).

use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::config::Config;
use super::error::{Invalid, RestError};
use super::order::{Order, SETTABLE};
use super::order_money::recalculate;
use super::order_write::{add_fees, add_lines, add_shipping, place, set_status};
use super::params::{Params, plain_text};
use super::product::meta_from;
use super::state::State;
use crate::action::{AddressSpec, FeeSpec, OrderLineSpec, OrderSpec, ShippingSpec};
use crate::platform::Work;

/// Checks the members that have a closed list of values (recording 151).
pub(crate) fn check(params: &Params) -> Result<(), RestError> {
    let mut invalid = Invalid::default();
    if params
        .get("status")
        .is_some_and(|value| !SETTABLE.contains(&plain_text(value).as_str()))
    {
        invalid.not_in_list("status", "status", &SETTABLE);
    }
    invalid.finish()
}

/// Makes an order from members (recordings 155, 156); answers its id.
pub(crate) fn create(
    state: &mut State,
    config: &Config,
    params: &Params,
    now: i64,
    work: &mut Work,
) -> u64 {
    let mut order = OrderSpec {
        status: Some("pending".to_owned()),
        created_via: Some("rest-api".to_owned()),
        currency: params.text("currency").map(str::to_owned),
        ..OrderSpec::default()
    };
    merge_address(&mut order.billing, params.get("billing"));
    merge_address(&mut order.shipping, params.get("shipping"));
    order.lines = rows(params, "line_items").iter().map(line_spec).collect();
    order.shipping_lines = rows(params, "shipping_lines")
        .iter()
        .map(shipping_spec)
        .collect();
    order.fees = rows(params, "fee_lines").iter().map(fee_spec).collect();
    let id = place(state, config, &order, now, work);
    let mut rest = params.clone();
    for done in ["line_items", "shipping_lines", "fee_lines"] {
        rest.remove(done);
    }
    // Nothing of the rest can fail: the order is there.
    let _ = edit(state, config, id, &rest, now, work);
    id
}

/// Changes an order.
pub(crate) fn edit(
    state: &mut State,
    config: &Config,
    id: u64,
    params: &Params,
    now: i64,
    work: &mut Work,
) -> Result<(), RestError> {
    let mut order = state
        .orders
        .get(&id)
        .cloned()
        .ok_or_else(|| RestError::order_invalid_id(400))?;
    let before = order.clone();
    set_header(&mut order, params);
    upsert_meta(&mut order, state, params);
    if edit_lines(&mut order, state, config, params) {
        recalculate(&mut order, config, state);
    }
    let changed = order != before;
    // The newer version counts every write as a change, the older one only a real change.
    if changed || config.spec.version.is_new() {
        order.modified = now;
    }
    if changed {
        work.changed(
            ("order", id, 0, ""),
            "edited",
            Value::Null,
            json!(params.names()),
        );
    }
    let unpaid = order.paid.is_none();
    state.orders.insert(id, order);
    if let Some(status) = params.text("status") {
        set_status(state, id, status, now, work);
    }
    if params.flag("set_paid") && unpaid {
        mark_paid(state, id, now, work);
    }
    Ok(())
}

fn mark_paid(state: &mut State, id: u64, now: i64, work: &mut Work) {
    if let Some(order) = state.orders.get_mut(&id) {
        order.paid = Some(now);
        if matches!(order.status.as_str(), "pending" | "failed" | "on-hold") {
            set_status(state, id, "processing", now, work);
        }
    }
}

fn set_header(order: &mut Order, params: &Params) {
    let slots = [
        ("customer_note", &mut order.customer_note),
        ("payment_method", &mut order.payment_method),
        ("payment_method_title", &mut order.payment_method_title),
        ("transaction_id", &mut order.transaction_id),
        ("currency", &mut order.currency),
    ];
    for (name, slot) in slots {
        if let Some(value) = params.get(name) {
            *slot = plain_text(value);
        }
    }
    if let Some(customer) = params.get("customer_id").and_then(Value::as_u64) {
        order.customer_id = customer;
    }
    merge_address(&mut order.billing, params.get("billing"));
    merge_address(&mut order.shipping, params.get("shipping"));
}

fn merge_address(address: &mut AddressSpec, members: Option<&Value>) {
    let Some(members) = members.and_then(Value::as_object) else {
        return;
    };
    let slots = [
        ("first_name", &mut address.first_name),
        ("last_name", &mut address.last_name),
        ("company", &mut address.company),
        ("address_1", &mut address.address_1),
        ("address_2", &mut address.address_2),
        ("city", &mut address.city),
        ("state", &mut address.state),
        ("postcode", &mut address.postcode),
        ("country", &mut address.country),
        ("email", &mut address.email),
        ("phone", &mut address.phone),
    ];
    for (name, slot) in slots {
        if let Some(value) = members.get(name) {
            *slot = plain_text(value);
        }
    }
}

/// Meta data by id or key is an upsert; a null value deletes (recording 152).
fn upsert_meta(order: &mut Order, state: &mut State, params: &Params) {
    let Some(list) = params.get("meta_data") else {
        return;
    };
    for mut meta in meta_from(list) {
        let known = order
            .meta
            .iter()
            .position(|m| m.id == meta.id || m.key == meta.key);
        match (known, meta.value.is_null()) {
            (Some(position), true) => drop(order.meta.remove(position)),
            (Some(position), false) => {
                if let Some(known) = order.meta.get_mut(position) {
                    known.value = meta.value;
                }
            }
            (None, true) => {}
            (None, false) => {
                meta.id = state.next_meta();
                order.meta.push(meta);
            }
        }
    }
}

/// Adds lines without id, changes those with; answers whether sums must be computed anew.
fn edit_lines(order: &mut Order, state: &mut State, config: &Config, params: &Params) -> bool {
    let lines = rows(params, "line_items");
    let shipping = rows(params, "shipping_lines");
    let fees = rows(params, "fee_lines");
    if lines.is_empty() && shipping.is_empty() && fees.is_empty() {
        return false;
    }
    for row in &lines {
        match row["id"].as_u64() {
            Some(id) => change_line(order, config, id, row),
            None => add_lines(order, state, config, &[line_spec(row)]),
        }
    }
    for row in shipping.iter().filter(|row| row["id"].is_null()) {
        add_shipping(order, state, config, &[shipping_spec(row)]);
    }
    for row in fees.iter().filter(|row| row["id"].is_null()) {
        add_fees(order, state, config, &[fee_spec(row)]);
    }
    true
}

/// A quantity of 0 takes the line away; a new quantity alone leaves its sums as they were.
fn change_line(order: &mut Order, config: &Config, id: u64, row: &Value) {
    if row["quantity"].as_i64() == Some(0) {
        order.content.lines.retain(|line| line.id != id);
        return;
    }
    let (billing, shipping) = (order.billing.clone(), order.shipping.clone());
    let Some(line) = order.content.lines.iter_mut().find(|line| line.id == id) else {
        return;
    };
    if let Some(quantity) = row["quantity"].as_i64() {
        line.quantity = quantity;
    }
    let rates = config.rates_for(&billing, &shipping, &line.tax_class);
    if let Some(total) = decimal(&row["total"]) {
        line.total = total;
        line.taxes = config.taxes_on(total, &rates);
    }
    if let Some(subtotal) = decimal(&row["subtotal"]) {
        line.subtotal = subtotal;
        line.subtotal_taxes = config.taxes_on(subtotal, &rates);
    }
}

fn rows(params: &Params, name: &str) -> Vec<Value> {
    params
        .get(name)
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default()
}

fn line_spec(row: &Value) -> OrderLineSpec {
    let metas = row["meta_data"].as_array().into_iter().flatten();
    OrderLineSpec {
        sku: plain_text(&row["sku"]),
        product_id: row["product_id"].as_u64().unwrap_or(0),
        variation_id: row["variation_id"].as_u64().unwrap_or(0),
        quantity: row["quantity"].as_i64().unwrap_or(1),
        subtotal: decimal(&row["subtotal"]),
        total: decimal(&row["total"]),
        name: row["name"].as_str().map(str::to_owned),
        meta: metas
            .map(|meta| (plain_text(&meta["key"]), meta["value"].clone()))
            .collect(),
    }
}

fn shipping_spec(row: &Value) -> ShippingSpec {
    ShippingSpec {
        method_id: plain_text(&row["method_id"]),
        method_title: plain_text(&row["method_title"]),
        instance_id: plain_text(&row["instance_id"]),
        total: decimal(&row["total"]).unwrap_or_default(),
    }
}

fn fee_spec(row: &Value) -> FeeSpec {
    FeeSpec {
        name: plain_text(&row["name"]),
        total: decimal(&row["total"]).unwrap_or_default(),
        tax_status: plain_text(&row["tax_status"]),
        tax_class: plain_text(&row["tax_class"]),
    }
}

/// An amount given as text or number.
pub(crate) fn decimal(value: &Value) -> Option<Decimal> {
    plain_text(value).trim().parse().ok()
}

/// The members of a refund request.
pub(crate) fn refund_spec(members: &Params) -> crate::action::RefundSpec {
    let lines = rows(members, "line_items").into_iter().map(|row| {
        let taxes = row["refund_tax"].as_array().map(|taxes| {
            let pairs = taxes.iter().filter_map(|tax| {
                Some((
                    plain_text(&tax["id"]).parse().ok()?,
                    decimal(&tax["refund_total"])?,
                ))
            });
            pairs.collect()
        });
        crate::action::RefundLineSpec {
            item_id: plain_text(&row["id"]).parse().unwrap_or(0),
            quantity: row["quantity"].as_i64().unwrap_or(0),
            total: decimal(&row["refund_total"]),
            tax: taxes,
        }
    });
    crate::action::RefundSpec {
        amount: members.get("amount").and_then(decimal),
        reason: members.text("reason").unwrap_or_default().to_owned(),
        lines: lines.collect(),
        restock: members
            .get("api_restock")
            .is_none_or(|_| members.flag("api_restock")),
    }
}

/// The answer of a batch row that failed.
pub(crate) fn failed_row(id: &Value, error: &RestError) -> Value {
    json!({"id": id, "error": error.body()})
}

/// Members of a batch row.
pub(crate) fn row_members(row: &Value) -> Params {
    Params::from_members(row.as_object().cloned().unwrap_or_else(Map::new))
}
