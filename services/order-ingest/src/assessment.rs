//! Whether the amounts of an order let it go on.

use storelink_events::connection::RoundingChoice;
use storelink_model::Amount;
use storelink_order::{Charge, Order, SumCheck, SumVerdict};

/// The order's parts and its total differ by more than rounding explains.
pub(crate) const SUM_DIFFERS: &str = "order.sum_differs";
/// They differ by rounding, and the connection holds such orders.
pub(crate) const ROUNDING_HELD: &str = "order.rounding_held";

/// What the amounts say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Assessment {
    /// It goes on like this.
    Deliver {
        /// As others get it.
        order: Box<Order>,
        /// Of the order as others get it.
        sum: SumCheck,
    },
    /// It waits for a person.
    Hold {
        /// Stable code.
        code: &'static str,
        /// The difference, explained.
        text: String,
    },
}

/// Compares parts and total, and does with a rounding difference what the connection chose.
pub(crate) fn assess(order: &Order, sum: SumCheck, rounding: RoundingChoice) -> Assessment {
    match (sum.verdict, rounding) {
        (SumVerdict::Exact, _) | (SumVerdict::Rounding, RoundingChoice::Deliver) => {
            Assessment::Deliver {
                order: Box::new(order.clone()),
                sum,
            }
        }
        (SumVerdict::Rounding, RoundingChoice::AddLine) => {
            let order = with_rounding_line(order.clone(), &sum);
            Assessment::Deliver {
                sum: order.check_sum(),
                order: Box::new(order),
            }
        }
        (SumVerdict::Rounding, RoundingChoice::Hold) => Assessment::Hold {
            code: ROUNDING_HELD,
            text: format!(
                "{} Rounding explains it (up to {}), and this connection holds such orders: \
                 choose another treatment of rounding in its settings",
                sum.explain(&order.currency),
                sum.tolerance
            ),
        },
        (SumVerdict::Differs, _) => Assessment::Hold {
            code: SUM_DIFFERS,
            text: format!(
                "{} Rounding would explain {} at most: compare lines, delivery, fees, gift cards \
                 and taxes in the store, correct the order there, then retry",
                sum.explain(&order.currency),
                sum.tolerance
            ),
        },
    }
}

/// A difference between taxes alone needs no line.
fn with_rounding_line(mut order: Order, sum: &SumCheck) -> Order {
    if sum.difference == Amount::ZERO {
        return order;
    }
    order.fees.push(Charge {
        code: "rounding".to_owned(),
        name: "Rounding".to_owned(),
        net: sum.difference,
        tax: Amount::ZERO,
        tax_rate: None,
    });
    order
}
