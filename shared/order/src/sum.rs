use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use storelink_model::{Amount, Currency};

use crate::{Order, rounding};

/// Whether the parts of an order meet its total, and the taxes of its parts its total tax.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SumCheck {
    /// The parts added up, gross.
    pub computed: Amount,
    /// The store's total.
    pub stated: Amount,
    /// Stated minus computed.
    pub difference: Amount,
    /// The largest difference that rounding can make here, of either sum.
    pub tolerance: Amount,
    /// What follows: the worse of the two comparisons.
    pub verdict: SumVerdict,
    /// The taxes beside the store's total tax.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax: Option<TaxCheck>,
}

/// Whether the taxes of an order's parts meet its total tax.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaxCheck {
    /// The taxes of the parts added up.
    pub computed: Amount,
    /// The store's total tax.
    pub stated: Amount,
    /// Stated minus computed.
    pub difference: Amount,
}

/// What a comparison of parts and total says; the later, the worse.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SumVerdict {
    /// They meet.
    Exact,
    /// They differ by no more than the store's rounding explains.
    Rounding,
    /// They differ by more: the order must not go on by itself.
    Differs,
}

impl Order {
    /// Adds up lines, delivery, fees and their taxes, takes off gift cards, and compares with the
    /// store's total; then compares the taxes alone with the store's total tax. How much rounding
    /// explains, the README says.
    #[must_use]
    pub fn check_sum(&self) -> SumCheck {
        let charges = self.shipping_charges.iter().chain(&self.fees);
        let charges = charges.map(|charge| (charge.net, charge.tax, charge.tax_rate));
        let lines = self.lines.iter();
        let parts = lines.map(|line| (line.net, line.tax, line.tax_rate));
        let parts = parts.chain(charges);

        let net: Decimal = parts.clone().map(|(net, ..)| net.decimal()).sum();
        let tax: Decimal = parts.clone().map(|(_, tax, _)| tax.decimal()).sum();
        let cards = self.gift_cards.iter();
        let paid: Decimal = cards.map(|card| card.amount.decimal()).sum();

        let tolerance = rounding::tolerance(parts, self.digits);
        let computed = net + tax - paid;
        let difference = self.total.decimal() - computed;
        let tax_difference = self.total_tax.decimal() - tax;
        SumCheck {
            computed: bounded(computed),
            stated: self.total,
            difference: bounded(difference),
            tolerance: bounded(tolerance),
            verdict: verdict(difference, tolerance).max(verdict(tax_difference, tolerance)),
            tax: Some(TaxCheck {
                computed: bounded(tax),
                stated: self.total_tax,
                difference: bounded(tax_difference),
            }),
        }
    }
}

impl SumCheck {
    /// What is left over, in a sentence for each sum that does not meet; empty when both do.
    #[must_use]
    pub fn explain(&self, currency: &Currency) -> String {
        let sentence = |parts: &str, sum: &str, computed: Amount, stated: Amount, left: Amount| {
            format!(
                "The {parts} add up to {computed} {currency} and the store's {sum} is {stated} \
                 {currency}: {left} {currency} are left over."
            )
        };
        let mut sentences = Vec::new();
        if !self.difference.is_zero() {
            let (computed, stated) = (self.computed, self.stated);
            sentences.push(sentence(
                "parts",
                "total",
                computed,
                stated,
                self.difference,
            ));
        }
        if let Some(tax) = self.tax.as_ref().filter(|tax| !tax.difference.is_zero()) {
            let (computed, stated) = (tax.computed, tax.stated);
            sentences.push(sentence(
                "taxes",
                "total tax",
                computed,
                stated,
                tax.difference,
            ));
        }
        sentences.join(" ")
    }
}

fn verdict(difference: Decimal, tolerance: Decimal) -> SumVerdict {
    if difference.is_zero() {
        SumVerdict::Exact
    } else if difference.abs() <= tolerance {
        SumVerdict::Rounding
    } else {
        SumVerdict::Differs
    }
}

/// Sums of valid amounts stay far inside the range of a decimal; beyond the range of an amount the
/// nearest one is shown, and the verdict is `Differs` all the same.
fn bounded(value: Decimal) -> Amount {
    let most = Decimal::from(1_000_000_000_000_i64);
    Amount::new(value.clamp(-most, most).round_dp(6)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use storelink_model::Amount;

    use super::*;
    use crate::testing::{amount, fee, line, line_at, order};
    use crate::{GiftCard, Line};

    fn verdict_of(lines: Vec<Line>, total: &str, tax: &str) -> SumVerdict {
        order(lines, vec![], total, tax).check_sum().verdict
    }

    #[test]
    fn the_amounts_of_recorded_orders_meet() {
        // WooCommerce recording 71: 17.58 + 3.87 and delivery 3.99 + 0.88 make 26.32.
        let euros = order(
            vec![line_at("22", "17.58", "3.87")],
            vec![fee("3.99", "0.88")],
            "26.32",
            "4.75",
        );
        assert_eq!(euros.check_sum().verdict, SumVerdict::Exact);
        // WooCommerce recording 303: forints without fraction digits.
        let mut forints = order(
            vec![line_at("27", "1017", "275"), line_at("27", "9433", "2547")],
            vec![fee("1290", "348"), fee("300", "81")],
            "15291",
            "3251",
        );
        forints.digits = 0;
        assert_eq!(forints.check_sum().verdict, SumVerdict::Exact);
        assert_eq!(forints.check_sum().explain(&forints.currency), "");
    }

    #[test]
    fn parts_that_are_stated_finer_than_the_total_round_into_it() {
        // WooCommerce recordings 60, 75 and 82, order 96: 24.6912 + 35 + 3.99 - 0.50 for 63.18.
        let fees = vec![fee("3.990000", "0.000000"), fee("-0.500000", "0.000000")];
        let lines = vec![line("24.691200", "0.000000"), line("35.000000", "0.000000")];
        let check = order(lines, fees, "63.180000", "0.000000").check_sum();
        assert_eq!(
            (check.verdict, check.difference),
            (SumVerdict::Rounding, amount("-0.0012"))
        );
    }

    #[test]
    fn a_cent_of_rounding_is_told_from_a_missing_fee() {
        let lines = || vec![line("10.00", "2.20")];
        assert_eq!(verdict_of(lines(), "12.21", "2.20"), SumVerdict::Rounding);
        let check = order(lines(), vec![], "12.22", "2.20").check_sum();
        assert_eq!(
            (check.verdict, check.difference),
            (SumVerdict::Differs, amount("0.02"))
        );
    }

    #[test]
    fn a_lost_fee_is_no_rounding_on_a_long_order() {
        let fifty = |line: Line| vec![line; 50];
        // 500.00 + 110.00, all to the cent and exact by its rate: nothing was rounded.
        let exact = || fifty(line_at("22", "10.00", "2.20"));
        assert_eq!(verdict_of(exact(), "610.49", "110.00"), SumVerdict::Differs);
        assert_eq!(verdict_of(exact(), "610.02", "110.00"), SumVerdict::Differs);
        // The rates are not stated: each tax may have been rounded, within ten cents in all.
        let unknown = || fifty(line("10.00", "2.20"));
        assert_eq!(
            verdict_of(unknown(), "610.49", "110.00"),
            SumVerdict::Differs
        );
        assert_eq!(
            verdict_of(unknown(), "610.11", "110.00"),
            SumVerdict::Differs
        );
        assert_eq!(
            verdict_of(unknown(), "610.10", "110.00"),
            SumVerdict::Rounding
        );
    }

    #[test]
    fn taxes_rounded_per_line_and_summed_per_order_pass_as_far_as_their_rates_prove() {
        // 22 percent of 0.98 is 0.2156, shown as 0.22: fifty lose 0.22, the order's tax is 10.78.
        let lines = || vec![line_at("22", "0.98", "0.22"); 50];
        assert_eq!(verdict_of(lines(), "59.78", "10.78"), SumVerdict::Rounding);
        assert_eq!(verdict_of(lines(), "59.51", "10.78"), SumVerdict::Differs);
        // One of a minor unit for each of two taxes that were rounded alike.
        let two = || vec![line_at("22", "0.98", "0.22"); 2];
        assert_eq!(verdict_of(two(), "2.39", "0.43"), SumVerdict::Rounding);
        // The same in forints.
        let mut forints = order(vec![line_at("27", "1017", "275"); 2], vec![], "2583", "549");
        forints.digits = 0;
        assert_eq!(forints.check_sum().verdict, SumVerdict::Rounding);
    }

    #[test]
    fn taxes_are_compared_by_themselves() {
        let mut wrong = order(vec![line("10.20", "2.00")], vec![], "12.20", "2.20");
        let check = wrong.check_sum();
        assert!(check.difference.is_zero());
        assert_eq!(check.verdict, SumVerdict::Differs);
        assert_eq!(
            check.explain(&wrong.currency),
            "The taxes add up to 2.00 EUR and the store's total tax is 2.20 EUR: 0.20 EUR are left over."
        );
        wrong.total_tax = amount("2.01");
        assert_eq!(wrong.check_sum().verdict, SumVerdict::Rounding);
    }

    #[test]
    fn a_gift_card_is_taken_off_the_total_and_not_off_the_tax() {
        let mut paid = order(vec![line("10.00", "2.20")], vec![], "7.20", "2.20");
        paid.gift_cards = vec![GiftCard {
            code: "card".into(),
            amount: amount("5.00"),
        }];
        assert_eq!(paid.check_sum().verdict, SumVerdict::Exact);
    }

    proptest! {
        #[test]
        fn a_total_of_its_own_parts_is_exact(parts in prop::collection::vec((-99_999i64..9_999_999, 0i64..99_999), 0..20)) {
            let money = |cents: i64| Amount::new(Decimal::new(cents, 2)).unwrap().to_string();
            let tax: i64 = parts.iter().map(|(_, tax)| tax).sum();
            let total: i64 = parts.iter().map(|(net, tax)| net + tax).sum();
            let lines = parts.iter().map(|(net, tax)| line(&money(*net), &money(*tax))).collect();
            let checked = order(lines, vec![], &money(total), &money(tax)).check_sum();
            prop_assert_eq!(checked.verdict, SumVerdict::Exact);
        }

        #[test]
        fn rounding_per_line_is_always_explained(
            nets in prop::collection::vec(1i64..1_000_000, 1..60), percent in 1u32..=30,
        ) {
            let rate = percent.to_string();
            let mut lines = Vec::new();
            let (mut net_sum, mut tax_sum) = (Decimal::ZERO, Decimal::ZERO);
            for cents in nets {
                let net = Decimal::new(cents, 2);
                let exact = net * Decimal::new(i64::from(percent), 2);
                let shown = Amount::new(exact).unwrap().rounded(2);
                lines.push(line_at(&rate, &net.to_string(), &shown.to_string()));
                net_sum += net;
                tax_sum += exact;
            }
            let tax = Amount::new(tax_sum).unwrap().rounded(2);
            let total = Amount::new(net_sum + tax_sum).unwrap().rounded(2);
            let checked = order(lines, vec![], &total.to_string(), &tax.to_string()).check_sum();
            prop_assert_ne!(checked.verdict, SumVerdict::Differs);
        }

        #[test]
        fn rounding_never_explains_more_than_half_a_unit_each(
            count in 1usize..100, cents in 1i64..10_000, tax in 1i64..2_000,
        ) {
            let money = |cents: i64| Decimal::new(cents, 2).to_string();
            let lines = vec![line(&money(cents), &money(tax)); count];
            let tolerance = order(lines, vec![], "0", "0").check_sum().tolerance;
            let halves = i64::try_from(count).unwrap() + 1;
            prop_assert!(tolerance.decimal() <= Decimal::new(5 * halves, 3));
        }
    }
}
