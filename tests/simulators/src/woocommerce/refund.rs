//! Giving money back (recordings 78, 157 to 159, 306 to 308).

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::config::Config;
use super::error::RestError;
use super::money::{round, text as amount};
use super::order::{Content, FeeLine, Line, LineMeta, Order, Refund, ShippingLine, Taxes};
use super::order_money::tax_lines;
use super::order_write::{set_line_meta, set_status};
use super::product::Meta;
use super::product_write::change_stock;
use super::state::State;
use crate::action::{RefundLineSpec, RefundSpec};
use crate::platform::Work;

/// Makes a refund; answers its id.
pub(crate) fn create(
    state: &mut State,
    config: &Config,
    order_id: u64,
    spec: &RefundSpec,
    now: i64,
    work: &mut Work,
) -> Result<u64, RestError> {
    let order = state
        .orders
        .get(&order_id)
        .cloned()
        .ok_or_else(|| RestError::order_invalid_id(404))?;
    let left = order.sums.total - order.refunded();
    let mut content = lines_back(state, &order, &spec.lines);
    content.tax_lines = tax_lines(&content, config, state);
    let (net, tax) = worth(&content);
    let wanted = spec.amount.unwrap_or(if spec.lines.is_empty() {
        left
    } else {
        -(net + tax)
    });
    let wanted = round(wanted, config.spec.decimals);
    if wanted < Decimal::ZERO || wanted > left {
        return Err(RestError::refund_refused("Invalid refund amount."));
    }
    let id = state.next_post();
    let full = wanted == left;
    let meta = refund_meta(state, config, full);
    let refund = Refund {
        id,
        order_id,
        created: now,
        amount: wanted,
        total_tax: -tax,
        reason: spec.reason.clone(),
        refunded_by: 1,
        meta,
        content,
    };
    if let Some(order) = state.orders.get_mut(&order_id) {
        order.refunds.push(refund);
        order.modified = now;
    }
    let shown = amount(wanted, config.spec.decimals);
    work.changed(
        ("refund", id, order_id, ""),
        "amount",
        Value::Null,
        json!(shown),
    );
    if spec.restock {
        restock(state, &order, &spec.lines, now, work);
    }
    if full {
        set_status(state, order_id, "refunded", now, work);
    }
    Ok(id)
}

fn refund_meta(state: &mut State, config: &Config, full: bool) -> Vec<Meta> {
    if !config.spec.version.is_new() {
        return Vec::new();
    }
    let kind = if full { "full" } else { "partial" };
    vec![Meta {
        id: state.next_meta(),
        key: "_refund_type".to_owned(),
        value: json!(kind),
    }]
}

fn worth(content: &Content) -> (Decimal, Decimal) {
    let mut net = Decimal::ZERO;
    let mut tax = Decimal::ZERO;
    let mut add = |total: Decimal, taxes: &Taxes| {
        net += total;
        tax += taxes.values().sum::<Decimal>();
    };
    content
        .lines
        .iter()
        .for_each(|line| add(line.total, &line.taxes));
    content
        .shipping_lines
        .iter()
        .for_each(|line| add(line.total, &line.taxes));
    content
        .fee_lines
        .iter()
        .for_each(|line| add(line.total, &line.taxes));
    (net, tax)
}

/// The lines given back, all amounts and pieces negative, each pointing to its origin.
fn lines_back(state: &mut State, order: &Order, specs: &[RefundLineSpec]) -> Content {
    let mut content = Content::default();
    for spec in specs {
        let origin = |state: &mut State| {
            let id = state.next_meta();
            vec![LineMeta::plain(
                id,
                "_refunded_item_id",
                json!(spec.item_id.to_string()),
            )]
        };
        if let Some(line) = order
            .content
            .lines
            .iter()
            .find(|line| line.id == spec.item_id)
        {
            let (total, taxes) = share(spec, line.total, &line.taxes, line.quantity);
            content.lines.push(Line {
                id: state.next_item(),
                quantity: -spec.quantity,
                subtotal: total,
                total,
                subtotal_taxes: taxes.clone(),
                taxes,
                meta: origin(state),
                ..line.clone()
            });
        } else if let Some(line) = order
            .content
            .shipping_lines
            .iter()
            .find(|l| l.id == spec.item_id)
        {
            let (total, taxes) = share(spec, line.total, &line.taxes, 0);
            let (id, meta) = (state.next_item(), origin(state));
            content.shipping_lines.push(ShippingLine {
                id,
                total,
                taxes,
                meta,
                ..line.clone()
            });
        } else if let Some(line) = order
            .content
            .fee_lines
            .iter()
            .find(|l| l.id == spec.item_id)
        {
            let (total, taxes) = share(spec, line.total, &line.taxes, 0);
            let (id, meta) = (state.next_item(), origin(state));
            content.fee_lines.push(FeeLine {
                id,
                total,
                taxes,
                meta,
                ..line.clone()
            });
        }
    }
    content
}

/// What a line gives back: as told, else by pieces, else all.
fn share(spec: &RefundLineSpec, total: Decimal, taxes: &Taxes, pieces: i64) -> (Decimal, Taxes) {
    let part = |amount: Decimal| {
        if pieces == 0 {
            return amount;
        }
        amount * Decimal::from(spec.quantity) / Decimal::from(pieces)
    };
    let net = spec.total.unwrap_or_else(|| part(total));
    let tax: BTreeMap<u64, Decimal> = match &spec.tax {
        Some(tax) => tax.clone(),
        None if spec.total.is_some() => Taxes::new(),
        None => taxes
            .iter()
            .map(|(rate, tax)| (*rate, round(part(*tax), 6)))
            .collect(),
    };
    (
        -round(net, 6),
        tax.into_iter().map(|(rate, tax)| (rate, -tax)).collect(),
    )
}

fn restock(state: &mut State, order: &Order, specs: &[RefundLineSpec], now: i64, work: &mut Work) {
    for spec in specs.iter().filter(|spec| spec.quantity > 0) {
        let found = order
            .content
            .lines
            .iter()
            .enumerate()
            .find(|(_, line)| line.id == spec.item_id);
        let Some((index, line)) = found else { continue };
        let article = if line.variation_id > 0 {
            line.variation_id
        } else {
            line.product_id
        };
        if change_stock(state, article, now, work, |old| old + spec.quantity).is_some() {
            set_line_meta(
                state,
                order.id,
                index,
                "_restock_refunded_items",
                spec.quantity,
            );
            set_line_meta(
                state,
                order.id,
                index,
                "_reduced_stock",
                line.quantity - spec.quantity,
            );
        }
    }
}
