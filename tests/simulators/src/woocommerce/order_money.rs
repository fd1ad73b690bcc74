//! Sums of an order from its lines, as WooCommerce computes them (sheet section 5).

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::config::Config;
use super::money::round;
use super::order::{Content, Order, Sums, TaxLine, Taxes};
use super::state::State;

/// Computes the tax lines and sums of an order anew.
pub(crate) fn recalculate(order: &mut Order, config: &Config, state: &mut State) {
    order.content.tax_lines = tax_lines(&order.content, config, state);
    order.sums = sums(&order.content, config);
}

/// One line for every rate that stands on any line.
pub(crate) fn tax_lines(content: &Content, config: &Config, state: &mut State) -> Vec<TaxLine> {
    let mut cart: Taxes = BTreeMap::new();
    let mut shipping: Taxes = BTreeMap::new();
    let of_lines = content.lines.iter().map(|line| &line.taxes);
    for taxes in of_lines.chain(content.fee_lines.iter().map(|line| &line.taxes)) {
        add(&mut cart, taxes);
    }
    for line in &content.shipping_lines {
        add(&mut shipping, &line.taxes);
    }
    let mut rates: Vec<u64> = cart.keys().chain(shipping.keys()).copied().collect();
    rates.sort_unstable();
    rates.dedup();
    rates
        .into_iter()
        .filter_map(|id| {
            let rate = config.rate(id)?;
            Some(TaxLine {
                id: state.next_item(),
                rate_code: format!("{}-{}-1", rate.country, rate.name).to_uppercase(),
                rate_id: id,
                label: rate.name.clone(),
                tax_total: cart.get(&id).copied().unwrap_or_default(),
                shipping_tax_total: shipping.get(&id).copied().unwrap_or_default(),
                percent: rate.percent,
            })
        })
        .collect()
}

fn add(sums: &mut Taxes, taxes: &Taxes) {
    for (rate, tax) in taxes {
        *sums.entry(*rate).or_default() += *tax;
    }
}

fn sums(content: &Content, config: &Config) -> Sums {
    let decimals = config.spec.decimals;
    let subtotal: Decimal = content
        .lines
        .iter()
        .map(|line| config.line_rounded(line.subtotal))
        .sum();
    let total: Decimal = content
        .lines
        .iter()
        .map(|line| config.line_rounded(line.total))
        .sum();
    let fees: Decimal = content.fee_lines.iter().map(|line| line.total).sum();
    let shipping: Decimal = content
        .shipping_lines
        .iter()
        .map(|line| round(line.total, decimals))
        .sum();
    let cart_tax: Decimal = content.tax_lines.iter().map(|line| line.tax_total).sum();
    let shipping_tax: Decimal = content
        .tax_lines
        .iter()
        .map(|line| line.shipping_tax_total)
        .sum();
    let (cart_tax, shipping_tax) = (round(cart_tax, decimals), round(shipping_tax, decimals));
    let line_tax = |pick: fn(&super::order::Line) -> &Taxes| -> Decimal {
        content
            .lines
            .iter()
            .flat_map(|line| pick(line).values())
            .copied()
            .sum()
    };
    let discount_tax = line_tax(|line| &line.subtotal_taxes) - line_tax(|line| &line.taxes);
    Sums {
        discount_total: round(subtotal - total, decimals),
        discount_tax: round(discount_tax, decimals),
        shipping_total: shipping,
        shipping_tax,
        cart_tax,
        total: round(total + fees + shipping + cart_tax + shipping_tax, decimals),
        total_tax: cart_tax + shipping_tax,
    }
}
