use std::fmt;

use sha2::{Digest, Sha256};
use storelink_model::{Amount, Timestamp};

use crate::{Charge, Discount, GiftCard, Line, Order, Refund, RefundedLine};

/// The fingerprint of an order's content: SHA-256 in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ContentHash(String);

impl ContentHash {
    /// The fingerprint of bytes as they are: for an order that could not be understood.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let digest = Sha256::digest(bytes);
        Self(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The hexadecimal text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Order {
    /// The fingerprint of everything but the time of the last modification, which stores move
    /// without a change (WooCommerce sheet section 5: every PUT does). Equal orders have equal
    /// ones, however many digits the store writes its amounts with.
    #[must_use]
    pub fn content_hash(&self) -> ContentHash {
        let mut content = self.clone();
        content.modified = Timestamp::from_micros(0);
        for_each_amount(&mut content, |amount| *amount = amount.normalized());
        // Nothing in an order refuses to be written; if something ever did, its Debug text still
        // tells one content from another, as an empty text would not.
        let bytes =
            serde_json::to_vec(&content).unwrap_or_else(|_| format!("{content:?}").into_bytes());
        ContentHash::of_bytes(&bytes)
    }
}

/// Visits every amount. Each struct is taken apart by name, so that a new member is not forgotten;
/// quantities and rates are kept normalised by their types.
fn for_each_amount(order: &mut Order, mut visit: impl FnMut(&mut Amount)) {
    let Order {
        lines,
        shipping_charges,
        fees,
        discounts,
        gift_cards,
        total,
        total_tax,
        refunds,
        external_id: _,
        number: _,
        state: _,
        store_status: _,
        currency: _,
        digits: _,
        created: _,
        modified: _,
        customer: _,
        billing: _,
        shipping: _,
        payment: _,
        note: _,
    } = order;
    visit(total);
    visit(total_tax);
    for line in lines {
        let Line {
            net_before_discount,
            net,
            tax,
            external_id: _,
            sku: _,
            product: _,
            variation: _,
            name: _,
            quantity: _,
            tax_rate: _,
            options: _,
        } = line;
        [net_before_discount, net, tax]
            .into_iter()
            .for_each(&mut visit);
    }
    for charge in shipping_charges.iter_mut().chain(fees) {
        let Charge {
            net,
            tax,
            code: _,
            name: _,
            tax_rate: _,
        } = charge;
        [net, tax].into_iter().for_each(&mut visit);
    }
    for Discount { net, tax, code: _ } in discounts {
        [net, tax].into_iter().for_each(&mut visit);
    }
    for GiftCard { amount, code: _ } in gift_cards {
        visit(amount);
    }
    for refund in refunds {
        let Refund {
            amount,
            lines,
            external_id: _,
            reason: _,
            created: _,
        } = refund;
        visit(amount);
        for line in lines {
            let RefundedLine {
                net,
                tax,
                line: _,
                sku: _,
                quantity: _,
            } = line;
            [net, tax].into_iter().for_each(&mut visit);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rust_decimal::Decimal;

    use super::*;
    use crate::testing::{amount, fee, line, order};
    use crate::{Discount, GiftCard, Refund, RefundedLine};

    #[test]
    fn the_hash_ignores_only_the_time_of_modification() {
        let a = order(vec![], vec![], "1.00", "0.00");
        let mut b = a.clone();
        b.modified = Timestamp::MAX;
        assert_eq!(a.content_hash(), b.content_hash());
        b.note = "please ring".into();
        assert_ne!(a.content_hash(), b.content_hash());
    }

    #[test]
    fn a_store_that_shows_more_decimals_changes_nothing() {
        // WooCommerce recording 82: the same order with dp=6.
        let two = order(
            vec![line("35.00", "0.00")],
            vec![fee("3.99", "0.00")],
            "38.99",
            "0.00",
        );
        let six = order(
            vec![line("35.000000", "0.000000")],
            vec![fee("3.990000", "0.000000")],
            "38.990000",
            "0.000000",
        );
        assert_eq!(two.content_hash(), six.content_hash());
        let other = order(
            vec![line("35.00", "0.00")],
            vec![fee("3.98", "0.00")],
            "38.99",
            "0.00",
        );
        assert_ne!(two.content_hash(), other.content_hash());
    }

    #[test]
    fn contents_at_the_ends_of_time_differ_too() {
        let mut first = order(vec![], vec![], "1.00", "0.00");
        first.created = Timestamp::MAX;
        let mut second = first.clone();
        second.note = "please ring".into();
        assert_ne!(first.content_hash(), second.content_hash());
    }

    fn full(cents: &[i64]) -> Order {
        let money = |n: usize| {
            let cents = cents.get(n % cents.len()).copied().unwrap_or_default();
            Amount::new(Decimal::new(cents, 2)).unwrap().to_string()
        };
        let mut order = order(
            vec![line(&money(0), &money(1)), line(&money(2), &money(3))],
            vec![fee(&money(4), &money(5))],
            &money(6),
            &money(7),
        );
        order.shipping_charges = vec![fee(&money(8), &money(9))];
        order.discounts = vec![Discount {
            code: "5.00".into(),
            net: amount(&money(10)),
            tax: amount(&money(11)),
        }];
        order.gift_cards = vec![GiftCard {
            code: "card".into(),
            amount: amount(&money(12)),
        }];
        order.refunds = vec![Refund {
            external_id: "1".into(),
            amount: amount(&money(13)),
            reason: String::new(),
            created: None,
            lines: vec![RefundedLine {
                line: None,
                sku: None,
                quantity: "1".parse().unwrap(),
                net: amount(&money(14)),
                tax: amount(&money(15)),
            }],
        }];
        order
    }

    proptest! {
        #[test]
        fn equal_orders_hash_equal_and_others_do_not(
            cents in prop::collection::vec(-99_999i64..9_999_999, 16),
            digits in prop::collection::vec(2u32..=6, 1..40),
            changed in 0usize..18, by in 1i64..100,
        ) {
            let order = full(&cents);
            let mut written = order.clone();
            let mut scales = digits.iter().cycle();
            for_each_amount(&mut written, |amount| {
                *amount = amount.rounded(scales.next().copied().unwrap_or(2));
            });
            prop_assert_eq!(&order, &written);
            prop_assert_eq!(order.content_hash(), written.content_hash());

            let mut place = 0;
            for_each_amount(&mut written, |amount| {
                if place == changed {
                    *amount = amount.checked_add(Amount::new(Decimal::new(by, 2)).unwrap()).unwrap();
                }
                place += 1;
            });
            prop_assert_eq!(place, 18);
            prop_assert_ne!(&order, &written);
            prop_assert_ne!(order.content_hash(), written.content_hash());
        }
    }
}
