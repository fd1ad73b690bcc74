//! The orders of the world: what their contents are, and how one is known again.

use serde::{Deserialize, Serialize};
use storelink_adapter_api::Unreadable;
use storelink_model::{Amount, Quantity, Timestamp};
use storelink_order::{Address, Customer, Line, Order, OrderState, Payment, Refund};

/// What an order says, apart from its dates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    /// In cents.
    pub(super) total: i64,
    pub(super) state: OrderState,
    pub(super) refunded: i64,
    /// The adapter does not understand it.
    pub(super) unreadable: bool,
}

impl Content {
    /// By which it is known again in a ledger and in events.
    pub(super) fn key(&self) -> String {
        let Self {
            total,
            state,
            refunded,
            unreadable,
        } = self;
        if *unreadable {
            return format!("?{total}");
        }
        format!("{total}/{state:?}/{refunded}")
    }

    /// The key of an order as the ledger or an event shows it.
    pub(super) fn key_of(order: &Order) -> String {
        let refunded: i64 = order
            .refunds
            .iter()
            .map(|refund| cents(&refund.amount))
            .sum();
        let content = Self {
            total: cents(&order.total),
            state: order.state,
            refunded,
            unreadable: false,
        };
        content.key()
    }

    /// The normalised order, or why there is none.
    pub(super) fn order(
        &self,
        id: &str,
        created: Timestamp,
        modified: Timestamp,
    ) -> Result<Box<Order>, Unreadable> {
        if self.unreadable {
            return Err(Unreadable {
                code: "store.total".to_owned(),
                text: "/total: expected an amount".to_owned(),
            });
        }
        let total = amount(self.total);
        let refund = Refund {
            external_id: "1".to_owned(),
            amount: amount(self.refunded),
            reason: String::new(),
            created: None,
            lines: Vec::new(),
        };
        Ok(Box::new(Order {
            external_id: id.to_owned(),
            number: id.to_owned(),
            state: self.state,
            store_status: String::new(),
            currency: currency(),
            digits: 2,
            created,
            modified,
            customer: Customer::default(),
            billing: Address::default(),
            shipping: None,
            lines: vec![Line {
                external_id: "1".to_owned(),
                sku: "MUG-01".parse().ok(),
                product: None,
                variation: None,
                name: "mug".to_owned(),
                quantity: Quantity::ZERO,
                net_before_discount: total,
                net: total,
                tax: amount(0),
                tax_rate: None,
                options: Vec::new(),
            }],
            shipping_charges: Vec::new(),
            fees: Vec::new(),
            discounts: Vec::new(),
            gift_cards: Vec::new(),
            total,
            total_tax: amount(0),
            payment: Payment::default(),
            refunds: if self.refunded > 0 {
                vec![refund]
            } else {
                Vec::new()
            },
            note: String::new(),
        }))
    }
}

/// What the store's own words tell of themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Words {
    pub(super) version: usize,
    pub(super) key: String,
    /// When the store looked, by the true time; none for what is not understood, whose words are all
    /// that it is known by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) at: Option<i64>,
}

impl Words {
    /// The store's own words of a version.
    pub(super) fn of(version: usize, content: &Content, at: i64) -> Self {
        Self {
            version,
            key: content.key(),
            at: (!content.unreadable).then_some(at),
        }
    }

    /// Reads what was kept of them.
    pub(super) fn read(raw: &str) -> Option<Self> {
        serde_json::from_str(raw).ok()
    }
}

/// Which version of an order a message carries: found without reading all of it.
pub(super) fn version_in(payload: &[u8]) -> Option<usize> {
    const MARK: &[u8] = br#"{"version":"#;
    let at = payload.windows(MARK.len()).position(|part| part == MARK)?;
    let digits = payload.get(at + MARK.len()..)?;
    let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(digits.get(..end)?).ok()?.parse().ok()
}

fn amount(cents: i64) -> Amount {
    Amount::new(rust_decimal::Decimal::new(cents, 2)).unwrap_or_default()
}

fn cents(amount: &Amount) -> i64 {
    use rust_decimal::prelude::ToPrimitive;
    let cents = amount.decimal() * rust_decimal::Decimal::ONE_HUNDRED;
    cents.to_i64().unwrap_or(i64::MIN)
}

fn currency() -> storelink_model::Currency {
    static EURO: std::sync::LazyLock<Option<storelink_model::Currency>> =
        std::sync::LazyLock::new(|| "EUR".parse().ok());
    EURO.clone()
        .unwrap_or_else(|| unreachable!("EUR is a currency"))
}
