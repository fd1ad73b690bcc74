//! How long values took from the ERP's word to the store.

use rust_decimal::Decimal;
use storelink_simulators::{LedgerEntry, Source};

use super::values::{Wanted, wanted_stock};
use crate::erp::History;
use crate::world::LinkedStore;

/// Delays in microseconds, sorted. A value that was superseded before it was written counts until
/// the store showed a later one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delays(Vec<i64>);

impl Delays {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The delay that so many percent of all do not exceed, in microseconds.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> Option<i64> {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).copied()
    }
}

/// The delays of all levels that were said after a moment.
pub(super) fn of_stock(
    link: &LinkedStore,
    entries: &[LedgerEntry],
    said: &History<Decimal>,
    since_us: i64,
) -> Delays {
    let mut delays = Vec::new();
    for (sku, shown) in shown_quantities(entries) {
        let wanted = wanted_stock(link, said, &sku);
        let places = places(&wanted, &shown);
        for (place, value) in wanted.iter().enumerate() {
            let repeated = place > 0
                && wanted
                    .get(place - 1)
                    .is_some_and(|w| w.value == value.value);
            if value.since_us < since_us || repeated {
                continue;
            }
            let reached = places
                .iter()
                .filter(|(reached, at)| *reached >= place && *at >= value.since_us);
            if let Some(first) = reached.map(|(_, at)| *at).min() {
                delays.push(first - value.since_us);
            }
        }
    }
    delays.sort_unstable();
    Delays(delays)
}

/// The quantities that requests set, by SKU, in order.
pub(super) fn shown_quantities(
    entries: &[LedgerEntry],
) -> std::collections::BTreeMap<String, Vec<(Decimal, i64)>> {
    let mut shown: std::collections::BTreeMap<String, Vec<(Decimal, i64)>> = Default::default();
    let requests = entries.iter().filter(|entry| entry.source != Source::Shop);
    for effect in requests.flat_map(|entry| &entry.effects) {
        if effect.field != "stock_quantity" {
            continue;
        }
        if let Some(value) = effect.new.as_i64() {
            let list = shown.entry(effect.sku.clone()).or_default();
            list.push((Decimal::from(value), effect.at_us));
        }
    }
    for list in shown.values_mut() {
        list.sort_by_key(|(_, at)| *at);
    }
    shown
}

/// For each shown quantity its place among the wanted ones: the first one not before the place of
/// the quantity shown before it, else the last one at all.
pub(super) fn places(wanted: &[Wanted<Decimal>], shown: &[(Decimal, i64)]) -> Vec<(usize, i64)> {
    let mut from = 0;
    let mut places = Vec::new();
    for (value, at) in shown {
        let is_it = |w: &Wanted<Decimal>| w.value == *value && w.since_us <= *at;
        let later = wanted
            .iter()
            .skip(from)
            .position(is_it)
            .map(|place| place + from);
        if let Some(place) = later.or_else(|| wanted.iter().rposition(is_it)) {
            from = place;
            places.push((place, *at));
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let delays = Delays((1..=200).collect());
        assert_eq!(delays.percentile(50), Some(100));
        assert_eq!(delays.percentile(99), Some(198));
        assert_eq!(Delays(vec![7]).percentile(99), Some(7));
        assert_eq!(Delays::default().percentile(50), None);
    }

    #[test]
    fn a_value_that_comes_back_stands_at_its_later_place() {
        let wanted = |value: i64, since_us| Wanted {
            value: Decimal::from(value),
            since_us,
        };
        let list = [wanted(5, 0), wanted(6, 10), wanted(5, 20)];
        let shown = |values: &[(i64, i64)]| {
            values
                .iter()
                .map(|(v, at)| (Decimal::from(*v), *at))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            places(&list, &shown(&[(5, 1), (6, 11), (5, 21)])),
            [(0, 1), (1, 11), (2, 21)]
        );
        // 5 again before it was wanted again is the old value.
        assert_eq!(
            places(&list, &shown(&[(6, 11), (5, 12)])),
            [(1, 11), (0, 12)]
        );
    }
}
