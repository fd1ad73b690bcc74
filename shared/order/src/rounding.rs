//! How far the rounding of a store can move the sums of an order.

use rust_decimal::Decimal;
use storelink_model::{Amount, TaxRate};

/// Up to here half a minor unit for each rounded tax is granted without further proof.
const UNPROVEN_MINOR_UNITS: i64 = 10;

/// The largest difference that rounding explains: half a minor unit for each tax that had to be
/// rounded and half for the stated sum. Beyond ten minor units only as much as the stated rates
/// prove was lost, since on a long order half units add up to what a small fee is. One minor unit
/// is always granted: stores keep net amounts finer than they show them (WooCommerce recording 82
/// has 24.6912 where 60 shows 24.69).
pub(crate) fn tolerance(
    taxed: impl Iterator<Item = (Amount, Amount, Option<TaxRate>)>,
    digits: u32,
) -> Decimal {
    let unit = Decimal::new(1, digits.min(6));
    let half = unit / Decimal::TWO;
    let mut granted = Decimal::ZERO;
    let mut proven = Decimal::ZERO;
    for (net, tax, rate) in taxed {
        if let Some(lost) = lost_by_rounding(net, tax, rate, digits) {
            granted += half;
            proven += lost.min(half);
        }
    }
    let unproven = unit * Decimal::from(UNPROVEN_MINOR_UNITS);
    (granted.min(unproven.max(proven)) + half).max(unit)
}

/// What the rounding of this tax lost, as far as its rate says; none when it cannot have been
/// rounded: it is stated finer than a minor unit, it is nothing at all, or it is exactly its rate of
/// the net amount.
fn lost_by_rounding(
    net: Amount,
    tax: Amount,
    rate: Option<TaxRate>,
    digits: u32,
) -> Option<Decimal> {
    let tax = tax.decimal();
    if tax.normalize().scale() > digits {
        return None;
    }
    let Some(rate) = rate else {
        return (!tax.is_zero()).then_some(Decimal::ZERO);
    };
    let exact = net.decimal() * rate.decimal() / Decimal::ONE_HUNDRED;
    let lost = (exact - tax).abs();
    (!lost.is_zero()).then_some(lost)
}
