//! What a store should show, and whether it does.

use rust_decimal::Decimal;
use storelink_simulators::Article;

use super::examples;
use crate::erp::{History, Price};
use crate::world::LinkedStore;

/// How many values are right.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Values that are what they should be.
    pub right: usize,
    /// Values that were judged.
    pub total: usize,
    /// What is wrong.
    pub wrong: Vec<String>,
}

/// A value that a store should have shown from a moment on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wanted<T> {
    pub(super) value: T,
    pub(super) since_us: i64,
}

impl Tally {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.wrong.is_empty()
    }

    /// Fails with what is wrong.
    ///
    /// # Errors
    /// When anything is wrong, or when fewer than `least` values were judged.
    pub fn must_be_right(&self, least: usize) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.total >= least,
            "only {} of {least} values are judged",
            self.total
        );
        anyhow::ensure!(self.is_right(), "{}", self.complaint().unwrap_or_default());
        Ok(())
    }

    pub(super) fn complaint(&self) -> Option<String> {
        let wrong = self.wrong.len();
        (wrong > 0).then(|| format!("{wrong} of {} wrong: {}", self.total, examples(&self.wrong)))
    }

    fn count(&mut self, sku: &str, wanted: &str, shown: &str, right: bool) {
        self.total += 1;
        if right {
            self.right += 1;
        } else {
            self.wrong
                .push(format!("{sku} shows {shown}, should show {wanted}"));
        }
    }
}

/// Compares the stock of every article for which the ERP gave a level.
pub(super) fn stock(link: &LinkedStore, articles: &[Article], said: &History<Decimal>) -> Tally {
    let mut tally = Tally::default();
    if !link.plan.has("stock") {
        return tally;
    }
    for article in articles {
        let wanted = wanted_stock(link, said, &article.sku);
        let Some(last) = wanted.last() else { continue };
        let shown = article.stock_quantity.map(Decimal::from);
        let text = shown.map_or_else(|| "nothing".to_owned(), |shown| shown.to_string());
        tally.count(
            &article.sku,
            &last.value.to_string(),
            &text,
            shown == Some(last.value),
        );
    }
    tally
}

/// Compares the prices of every article for which the ERP gave one.
pub(super) fn prices(link: &LinkedStore, articles: &[Article], said: &History<Price>) -> Tally {
    let mut tally = Tally::default();
    if !link.plan.has("prices") {
        return tally;
    }
    for article in articles {
        let wanted = wanted_prices(link, said, &article.sku);
        let Some(last) = wanted.last() else { continue };
        let (regular, sale) = (number(&article.regular_price), number(&article.sale_price));
        let shown = format!("{}/{}", article.regular_price, article.sale_price);
        let text = format!("{}/{}", last.value.0, last.value.1.unwrap_or_default());
        let right = regular == Some(last.value.0) && sale == last.value.1;
        tally.count(&article.sku, &text, &shown, right);
    }
    tally
}

/// The quantities that a store should have shown for a SKU, oldest first: the sum over its
/// warehouses, once each of them has reported, minus the reserve, whole pieces, never below zero.
pub(super) fn wanted_stock(
    link: &LinkedStore,
    said: &History<Decimal>,
    sku: &str,
) -> Vec<Wanted<Decimal>> {
    let none = Vec::new();
    let mut events: Vec<(usize, u64, i64, Decimal)> = Vec::new();
    for (place, warehouse) in link.plan.warehouses.iter().enumerate() {
        let levels = said
            .get(warehouse)
            .and_then(|skus| skus.get(sku))
            .unwrap_or(&none);
        events.extend(
            levels
                .iter()
                .map(|said| (place, said.revision, said.at_us, said.value)),
        );
    }
    events.sort_by_key(|(_, revision, ..)| *revision);
    let mut levels: Vec<Option<Decimal>> = vec![None; link.plan.warehouses.len()];
    let mut wanted = Vec::new();
    for (place, _, since_us, value) in events {
        if let Some(level) = levels.get_mut(place) {
            *level = Some(value);
        }
        let Some(sum) = levels.iter().copied().sum::<Option<Decimal>>() else {
            continue;
        };
        let value = (sum - link.plan.reserve).max(Decimal::ZERO).floor();
        wanted.push(Wanted { value, since_us });
    }
    wanted
}

/// The regular and sale prices that a store should have shown for a SKU, oldest first.
pub(super) fn wanted_prices(
    link: &LinkedStore,
    said: &History<Price>,
    sku: &str,
) -> Vec<Wanted<(Decimal, Option<Decimal>)>> {
    let Some(choice) = &link.plan.prices else {
        return Vec::new();
    };
    let Some(prices) = said.get(&choice.list).and_then(|skus| skus.get(sku)) else {
        return Vec::new();
    };
    let shown = prices.iter().filter_map(|said| {
        let regular = said.value.shown(choice.gross, link.plan.digits)?;
        let sale = said.value.shown_sale(choice.gross, link.plan.digits);
        Some(Wanted {
            value: (regular, sale),
            since_us: said.at_us,
        })
    });
    shown.collect()
}

/// A price as a store writes it; none when there is none.
pub(super) fn number(text: &str) -> Option<Decimal> {
    text.parse().ok()
}
