//! Amounts as WooCommerce computes and prints them (sheet sections 4 and 5).

use rust_decimal::{Decimal, RoundingStrategy};

/// Decimals that taxes keep while they are computed.
const FINE: u32 = 6;

/// Rounds half away from zero, as PHP does.
pub(crate) fn round(amount: Decimal, decimals: u32) -> Decimal {
    amount.round_dp_with_strategy(decimals, RoundingStrategy::MidpointAwayFromZero)
}

/// An amount as text in a fixed number of decimals: `"15291"`, `"24.69"`, `"24.691200"`.
pub(crate) fn text(amount: Decimal, decimals: u32) -> String {
    let mut rounded = round(amount, decimals);
    if rounded.is_zero() {
        rounded = Decimal::ZERO;
    }
    rounded.rescale(decimals);
    rounded.to_string()
}

/// Amounts inside `taxes`: two decimals at least when rounded by line, else up to six, not padded.
pub(crate) fn tax_text(amount: Decimal, decimals: u32) -> String {
    let fine = round(amount, FINE).normalize();
    if fine.scale() <= decimals {
        text(fine, decimals)
    } else {
        fine.to_string()
    }
}

/// The unit price of an order line, a JSON number with the digits of a PHP float (sheet section 4).
pub(crate) fn unit_price_digits(total: Decimal, quantity: i64) -> String {
    let quantity = Decimal::from(quantity);
    let Some(unit) = total.checked_div(quantity) else {
        return "0".to_owned();
    };
    // Shortest text that reads back as the same double: what PHP prints. Nothing is computed with it.
    unit.normalize()
        .to_string()
        .parse::<f64>()
        .map_or_else(|_| "0".to_owned(), |double| format!("{double}"))
}

/// Tax on a net amount.
pub(crate) fn tax_on(net: Decimal, percent: Decimal) -> Decimal {
    round(net * percent / Decimal::ONE_HUNDRED, FINE)
}

/// Net part of a gross amount.
pub(crate) fn net_of(gross: Decimal, percent: Decimal) -> Decimal {
    round(
        gross * Decimal::ONE_HUNDRED / (Decimal::ONE_HUNDRED + percent),
        FINE,
    )
}

/// Reads a price as WooCommerce does: the store's separator and the dot both count, all but the last
/// dot go, everything else goes (recordings 123 to 125).
pub(crate) fn price_text(typed: &str, decimal_separator: &str) -> String {
    let dotted = if decimal_separator.is_empty() {
        typed.to_owned()
    } else {
        typed.replace(decimal_separator, ".")
    };
    let last_dot = dotted.rfind('.');
    let kept = dotted
        .char_indices()
        .filter(|(position, character)| match character {
            '.' => Some(*position) == last_dot,
            '-' => true,
            other => other.is_ascii_digit(),
        });
    kept.map(|(_, character)| character).collect()
}

/// A stored price as a number; none if there is none.
pub(crate) fn price_number(stored: &str) -> Option<Decimal> {
    stored.parse().ok()
}

/// The sign of a currency.
pub(crate) fn currency_symbol(code: &str) -> &'static str {
    match code {
        "EUR" => "\u{20ac}",
        "USD" | "CAD" | "AUD" => "$",
        "GBP" => "\u{a3}",
        "HUF" => "Ft",
        "CZK" => "K\u{10d}",
        "PLN" => "z\u{142}",
        "CHF" => "CHF",
        "RSD" => "\u{440}\u{441}\u{434}",
        _ => "\u{a4}",
    }
}
