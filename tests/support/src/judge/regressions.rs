//! How long a store showed an older value after a newer one.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use storelink_simulators::{LedgerEntry, Source};

use super::delays::{places, shown_quantities};
use super::values::{Wanted, number, wanted_prices, wanted_stock};
use crate::erp::{History, Price};
use crate::world::LinkedStore;

/// A time in which a store showed an older value than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Regression {
    /// The article.
    pub sku: String,
    /// `stock_quantity` or `regular_price`.
    pub field: &'static str,
    /// When the older value was written, microseconds since 1970.
    pub from_us: i64,
    /// When one that is not older than the newest shown before was written; none if never.
    pub until_us: Option<i64>,
}

impl Regression {
    /// How long it lasted, up to `now_us` when it never ended.
    #[must_use]
    pub fn lasted_us(&self, now_us: i64) -> i64 {
        self.until_us.unwrap_or(now_us) - self.from_us
    }
}

/// What was said last of an article, and what was written last to the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastWord {
    /// The article.
    pub sku: String,
    /// What the store should show.
    pub said: Decimal,
    /// What was written last; none if nothing ever was.
    pub written: Option<Decimal>,
}

/// All regressions of a store's quantities and regular prices. Sales are none: only what was
/// written counts.
pub(super) fn of_store(
    link: &LinkedStore,
    entries: &[LedgerEntry],
    stock: &History<Decimal>,
    prices: &History<Price>,
) -> Vec<Regression> {
    let mut found = Vec::new();
    for (sku, shown) in shown_quantities(entries) {
        let wanted = wanted_stock(link, stock, &sku);
        found.extend(of_values(&sku, "stock_quantity", &wanted, &shown));
    }
    for (sku, shown) in shown_prices(entries) {
        let wanted = regular(link, prices, &sku);
        found.extend(of_values(&sku, "regular_price", &wanted, &shown));
    }
    found
}

/// The last word about the stock of every article of which something was said.
pub(super) fn last_stock(
    link: &LinkedStore,
    entries: &[LedgerEntry],
    stock: &History<Decimal>,
    skus: &[String],
) -> Vec<LastWord> {
    let shown = shown_quantities(entries);
    last(skus, &shown, |sku| wanted_stock(link, stock, sku))
}

/// The same of regular prices.
pub(super) fn last_prices(
    link: &LinkedStore,
    entries: &[LedgerEntry],
    prices: &History<Price>,
    skus: &[String],
) -> Vec<LastWord> {
    let shown = shown_prices(entries);
    last(skus, &shown, |sku| regular(link, prices, sku))
}

fn last(
    skus: &[String],
    shown: &BTreeMap<String, Vec<(Decimal, i64)>>,
    wanted: impl Fn(&str) -> Vec<Wanted<Decimal>>,
) -> Vec<LastWord> {
    let word = |sku: &String| {
        Some(LastWord {
            sku: sku.clone(),
            said: wanted(sku).last()?.value,
            written: shown.get(sku).and_then(|list| list.last()).map(|(v, _)| *v),
        })
    };
    skus.iter().filter_map(word).collect()
}

fn regular(link: &LinkedStore, prices: &History<Price>, sku: &str) -> Vec<Wanted<Decimal>> {
    let wanted = wanted_prices(link, prices, sku).into_iter();
    wanted
        .map(|wanted| Wanted {
            value: wanted.value.0,
            since_us: wanted.since_us,
        })
        .collect()
}

/// The regular prices that requests set, by SKU, in order.
fn shown_prices(entries: &[LedgerEntry]) -> BTreeMap<String, Vec<(Decimal, i64)>> {
    let mut shown: BTreeMap<String, Vec<(Decimal, i64)>> = BTreeMap::new();
    let requests = entries.iter().filter(|entry| entry.source != Source::Shop);
    for effect in requests.flat_map(|entry| &entry.effects) {
        if effect.field != "regular_price" {
            continue;
        }
        if let Some(value) = effect.new.as_str().and_then(number) {
            let list = shown.entry(effect.sku.clone()).or_default();
            list.push((value, effect.at_us));
        }
    }
    for list in shown.values_mut() {
        list.sort_by_key(|(_, at)| *at);
    }
    shown
}

fn of_values(
    sku: &str,
    field: &'static str,
    wanted: &[Wanted<Decimal>],
    shown: &[(Decimal, i64)],
) -> Vec<Regression> {
    let mut found: Vec<Regression> = Vec::new();
    let (mut newest, mut open) = (0, false);
    for (place, at) in places(wanted, shown) {
        if place >= newest {
            newest = place;
            if open && let Some(last) = found.last_mut() {
                last.until_us = Some(at);
            }
            open = false;
        } else if !open {
            open = true;
            found.push(Regression {
                sku: sku.to_owned(),
                field,
                from_us: at,
                until_us: None,
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_value_counts_until_a_newer_one_stands_again() {
        let wanted: Vec<_> = (0..5_i64)
            .map(|n| Wanted {
                value: Decimal::from(n),
                since_us: n,
            })
            .collect();
        let shown = |values: &[i64]| -> Vec<(Decimal, i64)> {
            values
                .iter()
                .zip(10..)
                .map(|(value, at)| (Decimal::from(*value), at))
                .collect()
        };
        let found = of_values("A", "stock_quantity", &wanted, &shown(&[0, 2, 1, 1, 2, 4]));
        let spans: Vec<_> = found.iter().map(|r| (r.from_us, r.until_us)).collect();
        assert_eq!(spans, [(12, Some(14))]);
        let found = of_values("A", "stock_quantity", &wanted, &shown(&[3, 2]));
        assert_eq!(found.first().map(|r| r.until_us), Some(None));
        assert_eq!(found.first().map(|r| r.lasted_us(20)), Some(9));
        assert!(of_values("A", "stock_quantity", &wanted, &shown(&[1, 3, 3, 4])).is_empty());
    }
}
