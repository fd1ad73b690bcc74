use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use storelink_model::Amount;

use crate::Order;

/// Whether the parts of an order meet its total.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SumCheck {
    /// The parts added up, gross.
    pub computed: Amount,
    /// The store's total.
    pub stated: Amount,
    /// Stated minus computed.
    pub difference: Amount,
    /// The largest difference that rounding can make here.
    pub tolerance: Amount,
    /// What follows.
    pub verdict: SumVerdict,
}

/// What a comparison of parts and total says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// store's total. Each part and each tax may have been rounded by half a minor unit.
    #[must_use]
    pub fn check_sum(&self) -> SumCheck {
        let charges = self.shipping_charges.iter().chain(&self.fees);
        let parts = self.lines.iter().map(|line| (line.net, line.tax));
        let parts = parts.chain(charges.map(|charge| (charge.net, charge.tax)));

        let mut computed = Decimal::ZERO;
        let mut rounded_amounts = 1_i64;
        for (net, tax) in parts {
            computed += net.decimal() + tax.decimal();
            rounded_amounts += 2;
        }
        for card in &self.gift_cards {
            computed -= card.amount.decimal();
        }

        let difference = self.total.decimal() - computed;
        let half_unit = Decimal::new(5, self.digits.min(6) + 1);
        let tolerance = half_unit * Decimal::from(rounded_amounts);
        let verdict = if difference.is_zero() {
            SumVerdict::Exact
        } else if difference.abs() <= tolerance {
            SumVerdict::Rounding
        } else {
            SumVerdict::Differs
        };
        SumCheck {
            computed: bounded(computed),
            stated: self.total,
            difference: bounded(difference),
            tolerance: bounded(tolerance),
            verdict,
        }
    }
}

/// Sums of valid amounts stay far inside the range of a decimal; beyond the range of an amount the
/// verdict is `Differs` whatever is shown here.
fn bounded(value: Decimal) -> Amount {
    Amount::new(value.round_dp(6)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use storelink_model::{Quantity, Timestamp};

    use super::*;
    use crate::{Charge, Customer, Line, OrderState, Payment};

    fn amount(text: &str) -> Amount {
        text.parse().unwrap()
    }

    fn line(net: Amount, tax: Amount) -> Line {
        Line {
            external_id: "1".into(),
            sku: None,
            product: None,
            variation: None,
            name: "mug".into(),
            quantity: Quantity::ZERO,
            net_before_discount: net,
            net,
            tax,
            tax_rate: None,
            options: vec![],
        }
    }

    fn order(lines: Vec<Line>, fees: Vec<Charge>, total: &str) -> Order {
        Order {
            external_id: "90".into(),
            number: "90".into(),
            state: OrderState::Open,
            store_status: "processing".into(),
            currency: "EUR".parse().unwrap(),
            digits: 2,
            created: Timestamp::from_micros(0),
            modified: Timestamp::from_micros(0),
            customer: Customer::default(),
            billing: crate::Address::default(),
            shipping: None,
            lines,
            shipping_charges: vec![],
            fees,
            discounts: vec![],
            gift_cards: vec![],
            total: amount(total),
            total_tax: Amount::ZERO,
            payment: Payment::default(),
            refunds: vec![],
            note: String::new(),
        }
    }

    fn fee(net: &str, tax: &str) -> Charge {
        Charge {
            code: "fee".into(),
            name: "fee".into(),
            net: amount(net),
            tax: amount(tax),
            tax_rate: None,
        }
    }

    #[test]
    fn the_amounts_of_a_recorded_order_meet() {
        // WooCommerce recording 71: 17.58 + 3.87 and delivery 3.99 + 0.88 make 26.32.
        let order = order(
            vec![line(amount("17.58"), amount("3.87"))],
            vec![fee("3.99", "0.88")],
            "26.32",
        );
        assert_eq!(order.check_sum().verdict, SumVerdict::Exact);
    }

    #[test]
    fn a_cent_of_rounding_is_told_from_a_missing_fee() {
        let lines = || vec![line(amount("10.00"), amount("2.20"))];
        assert_eq!(
            order(lines(), vec![], "12.21").check_sum().verdict,
            SumVerdict::Rounding
        );
        let check = order(lines(), vec![], "12.22").check_sum();
        assert_eq!(
            (check.verdict, check.difference),
            (SumVerdict::Differs, amount("0.02"))
        );
    }

    #[test]
    fn the_hash_ignores_only_the_time_of_modification() {
        let a = order(vec![], vec![], "1.00");
        let mut b = a.clone();
        b.modified = Timestamp::from_micros(5);
        assert_eq!(a.content_hash(), b.content_hash());
        b.note = "please ring".into();
        assert_ne!(a.content_hash(), b.content_hash());
    }

    proptest! {
        #[test]
        fn a_total_of_its_own_parts_is_exact(parts in prop::collection::vec((-99_999i64..9_999_999, 0i64..99_999), 0..20)) {
            let money = |cents: i64| Amount::new(Decimal::new(cents, 2)).unwrap();
            let total: i64 = parts.iter().map(|(net, tax)| net + tax).sum();
            let lines = parts.iter().map(|(net, tax)| line(money(*net), money(*tax))).collect();
            let checked = order(lines, vec![], &money(total).to_string()).check_sum();
            prop_assert_eq!(checked.verdict, SumVerdict::Exact);
        }
    }
}
