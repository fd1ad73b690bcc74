//! Whether only what is wanted was written, and never an older value after a newer one.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde_json::Value;
use storelink_simulators::{Effect, LedgerEntry, Source};

use super::delays::{places, shown_quantities};
use super::examples;
use super::values::{number, wanted_prices, wanted_stock};
use crate::erp::{History, Price};
use crate::world::LinkedStore;

/// Members that follow from others in the store itself.
const DERIVED: [&str; 1] = ["stock_status"];

/// What was written to a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriteTally {
    /// Requests that could change something.
    pub requests: usize,
    /// Quantities that were set.
    pub quantities: usize,
    /// Prices that were set.
    pub prices: usize,
    /// Writes that nothing called for.
    pub foreign: Vec<String>,
    /// Times at which an older quantity was set after a newer one. It did not last where the stock
    /// is right at the end.
    pub went_back: usize,
}

impl WriteTally {
    /// Whether nothing was written that should not be.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.foreign.is_empty()
    }

    pub(super) fn complaint(&self) -> Option<String> {
        let foreign = self.foreign.len();
        (foreign > 0).then(|| format!("{foreign} not called for: {}", examples(&self.foreign)))
    }
}

/// What may be written for a SKU.
struct Allowed {
    quantities: Vec<Decimal>,
    prices: Vec<(Decimal, Option<Decimal>)>,
}

/// Judges all requests that a store got.
pub(super) fn judge(
    link: &LinkedStore,
    entries: &[LedgerEntry],
    stock: &History<Decimal>,
    prices: &History<Price>,
) -> WriteTally {
    let mut tally = WriteTally::default();
    let mut allowed: BTreeMap<String, Allowed> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.source != Source::Shop) {
        tally.requests += usize::from(entry.source == Source::Request);
        if !is_known_address(&entry.path, &entry.query) {
            tally
                .foreign
                .push(format!("{} {}", entry.method, entry.path));
        }
        for effect in &entry.effects {
            let allowed = allowed
                .entry(effect.sku.clone())
                .or_insert_with(|| Allowed::for_sku(link, stock, prices, &effect.sku));
            tally.quantities += usize::from(effect.field == "stock_quantity");
            tally.prices += usize::from(effect.field == "regular_price");
            if !allowed.takes(effect) {
                let at = format!("{} {} {}", effect.sku, effect.field, effect.new);
                tally.foreign.push(format!("{at} (was {})", effect.old));
            }
        }
    }
    for (sku, shown) in shown_quantities(entries) {
        let places = places(&wanted_stock(link, stock, &sku), &shown);
        tally.went_back += places
            .windows(2)
            .filter(|pair| matches!(pair, [a, b] if b.0 < a.0))
            .count();
    }
    tally
}

impl Allowed {
    fn for_sku(
        link: &LinkedStore,
        stock: &History<Decimal>,
        prices: &History<Price>,
        sku: &str,
    ) -> Self {
        let quantities = match link.plan.has("stock") {
            true => wanted_stock(link, stock, sku)
                .into_iter()
                .map(|wanted| wanted.value)
                .collect(),
            false => Vec::new(),
        };
        let prices = match link.plan.has("prices") {
            true => wanted_prices(link, prices, sku)
                .into_iter()
                .map(|wanted| wanted.value)
                .collect(),
            false => Vec::new(),
        };
        Self { quantities, prices }
    }

    fn takes(&self, effect: &Effect) -> bool {
        if !matches!(effect.entity.as_str(), "product" | "variation") {
            return false;
        }
        let text = effect.new.as_str().unwrap_or_default();
        match effect.field.as_str() {
            "stock_quantity" => {
                let new = effect.new.as_i64().map(Decimal::from);
                new.is_some_and(|new| self.quantities.contains(&new))
            }
            "regular_price" => {
                let new = number(text);
                new.is_some_and(|new| self.prices.iter().any(|(regular, _)| *regular == new))
            }
            "sale_price" => self.prices.iter().any(|(_, sale)| *sale == number(text)),
            "date_on_sale_from_gmt" | "date_on_sale_to_gmt" => !self.prices.is_empty(),
            field => DERIVED.contains(&field) || same(&effect.old, &effect.new),
        }
    }
}

fn same(old: &Value, new: &Value) -> bool {
    old == new
}

/// Products and their variations, single or in batches; nothing else is ever written.
fn is_known_address(path: &str, query: &str) -> bool {
    let route = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("rest_route="));
    let place = route.unwrap_or(path).replace("%2F", "/");
    let Some((_, below)) = place.split_once("/wc/v3/") else {
        return false;
    };
    let parts: Vec<&str> = below.split('/').filter(|part| !part.is_empty()).collect();
    let is_id = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match parts.as_slice() {
        ["products", "batch"] => true,
        ["products", id] | ["products", id, "variations", "batch"] => is_id(id),
        ["products", id, "variations", variation] => is_id(id) && is_id(variation),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_products_and_variations_may_be_written() {
        for path in [
            "/wp-json/wc/v3/products/batch",
            "/wp-json/wc/v3/products/12",
            "/shop/wp-json/wc/v3/products/12/variations/batch",
            "/wp-json/wc/v3/products/12/variations/13",
        ] {
            assert!(is_known_address(path, ""), "{path}");
        }
        for path in [
            "/wp-json/wc/v3/orders/12",
            "/wp-json/wc/v3/products",
            "/wp-json/wc/v3/products/x",
            "/",
        ] {
            assert!(!is_known_address(path, ""), "{path}");
        }
        assert!(is_known_address(
            "/",
            "rest_route=%2Fwc%2Fv3%2Fproducts%2Fbatch&x=1"
        ));
    }
}
