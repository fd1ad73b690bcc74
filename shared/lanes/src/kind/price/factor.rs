//! Prices that change by more than a factor: a list in cents, a decimal point that moved.

use rust_decimal::Decimal;
use storelink_model::Amount;

use super::WantedPrice;
use super::entry::describe_wanted;
use crate::lane::{Few, GuardRule, LastShown};

/// Each such price waits for a person, and all together when they are more than a few.
pub(super) fn rule(factor: u32) -> GuardRule<WantedPrice> {
    GuardRule {
        is_dangerous,
        limit: factor,
        percent: 0,
        few: Few::Park {
            code: "price.factor_exceeded",
            explain,
        },
    }
}

/// A price that was never confirmed cannot be compared. One that may have been replaced meanwhile is
/// still the best that is known.
fn is_dangerous(shown: LastShown<'_, WantedPrice>, wanted: &WantedPrice, factor: u32) -> bool {
    shown.value.is_some_and(|shown| {
        exceeds(shown.regular, wanted.regular, factor)
            || exceeds(asked(shown), asked(wanted), factor)
    })
}

/// What a customer pays while a sale lasts.
fn asked(price: &WantedPrice) -> Amount {
    price.sale.as_ref().map_or(price.regular, |sale| sale.price)
}

fn exceeds(before: Amount, after: Amount, factor: u32) -> bool {
    let (before, after) = (before.decimal(), after.decimal());
    let beyond = |small: Decimal, large: Decimal| {
        let limit = small.checked_mul(factor.into());
        limit.is_some_and(|limit| large > limit)
    };
    beyond(before, after) || beyond(after, before)
}

fn explain(shown: Option<&WantedPrice>, wanted: &WantedPrice, factor: u32) -> String {
    let shown = shown.map_or_else(|| "an unknown price".to_owned(), describe_wanted);
    format!(
        "the price would change from {shown} to {}, by more than the factor {factor}; \
         trying it again approves exactly this change",
        describe_wanted(wanted)
    )
}

#[cfg(test)]
mod tests {
    use storelink_events::connection::PriceFormat;

    use super::*;
    use crate::kind::WantedSale;

    fn price(text: &str) -> WantedPrice {
        let (regular, sale) = text
            .split_once(' ')
            .map_or((text, None), |(regular, sale)| (regular, Some(sale)));
        let sale = sale.map(|sale| {
            Box::new(WantedSale {
                price: sale.parse().unwrap(),
                from: None,
                until: None,
            })
        });
        WantedPrice {
            regular: regular.parse().unwrap(),
            format: PriceFormat::Gross,
            sale,
        }
    }

    #[test]
    fn a_price_beyond_the_factor_is_dangerous_up_and_down() {
        for (before, after, dangerous) in [
            ("10", "50", false),
            ("10", "50.01", true),
            ("10", "2", false),
            ("10", "1.99", true),
            ("24.90", "2490", true),
            ("10", "10 2", false),
            ("10", "10 1.99", true),
            ("10 1.50", "10", true),
            ("10 2", "100 2", true),
            ("10 2", "11 1.90", false),
        ] {
            let (before, after) = (price(before), price(after));
            let shown = LastShown {
                value: Some(&before),
                sure: false,
            };
            assert_eq!(
                is_dangerous(shown, &after, 5),
                dangerous,
                "{before:?} {after:?}"
            );
        }
        let unknown = LastShown {
            value: None,
            sure: false,
        };
        assert!(!is_dangerous(unknown, &price("10"), 5));
    }

    #[test]
    fn the_text_names_both_prices_and_the_limit() {
        let text = explain(Some(&price("24.90")), &price("2490 990"), 5);
        for part in ["24.90 gross", "2490 gross, sale 990", "factor 5"] {
            assert!(text.contains(part), "{text}");
        }
    }
}
