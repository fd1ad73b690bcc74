use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use storelink_model::{Amount, Currency, Quantity, Sku, TaxRate, Timestamp};

use crate::{Address, Customer};

/// Where an order stands, over all platforms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    /// Placed, waiting for payment or a decision.
    Pending,
    /// To be worked on.
    Open,
    /// Delivered, done.
    Completed,
    /// Called off: cancelled, failed, deleted or put in the trash.
    Cancelled,
    /// Given back in full.
    Refunded,
    /// A status of the store that has no fixed meaning, for example one of a plugin.
    Other,
}

/// One order of a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Order {
    /// The store's own id: the identity of the order within its connection.
    pub external_id: String,
    /// The number that people see; plugins change its form.
    pub number: String,
    /// Where it stands.
    pub state: OrderState,
    /// The store's own word for where it stands.
    pub store_status: String,
    /// Currency of every amount; may differ from the store's.
    pub currency: Currency,
    /// Fraction digits that the store rounds amounts of this order to.
    pub digits: u32,
    /// When it was placed.
    pub created: Timestamp,
    /// When the store last touched it.
    pub modified: Timestamp,
    /// Who ordered.
    pub customer: Customer,
    /// Where the invoice goes.
    pub billing: Address,
    /// Where the goods go; none when they go to the billing address or nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipping: Option<Address>,
    /// The articles.
    pub lines: Vec<Line>,
    /// Delivery charges.
    #[serde(default)]
    pub shipping_charges: Vec<Charge>,
    /// Surcharges and deductions: payment fees, wrapping, negative fees.
    #[serde(default)]
    pub fees: Vec<Charge>,
    /// Discounts: already inside the lines, listed for information.
    #[serde(default)]
    pub discounts: Vec<Discount>,
    /// Gift cards that paid a part: taken off the total after tax.
    #[serde(default)]
    pub gift_cards: Vec<GiftCard>,
    /// What the customer owed, gross, in the store's words.
    pub total: Amount,
    /// The tax inside the total, in the store's words.
    pub total_tax: Amount,
    /// How it is paid.
    pub payment: Payment,
    /// What was given back; the total stays as it was.
    #[serde(default)]
    pub refunds: Vec<Refund>,
    /// The customer's own words.
    #[serde(default)]
    pub note: String,
}

/// One article of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Line {
    /// The store's id of the line.
    pub external_id: String,
    /// The code at the time of reading; none when the product has none or is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sku: Option<Sku>,
    /// The store's product id; none when the product is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// The store's id of the variation; none for simple products.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variation: Option<String>,
    /// The name on the day of the order.
    pub name: String,
    /// How many.
    pub quantity: Quantity,
    /// Net of the whole line before discounts.
    pub net_before_discount: Amount,
    /// Net of the whole line after discounts.
    pub net: Amount,
    /// Tax of the whole line after discounts.
    pub tax: Amount,
    /// The rate, where the store states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax_rate: Option<TaxRate>,
    /// What was chosen: colour, size, engraving.
    #[serde(default)]
    pub options: Vec<LineOption>,
}

/// One choice on a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LineOption {
    /// What was chosen on.
    pub name: String,
    /// What was chosen.
    pub value: String,
}

/// An amount beside the articles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Charge {
    /// The store's code of the method or kind.
    pub code: String,
    /// What the customer reads.
    pub name: String,
    /// Net; negative for a deduction.
    pub net: Amount,
    /// Tax on it.
    pub tax: Amount,
    /// The rate, where the store states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax_rate: Option<TaxRate>,
}

/// A discount, for information.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Discount {
    /// The coupon's code, or what the store calls the rule.
    pub code: String,
    /// Net amount taken off, positive.
    pub net: Amount,
    /// Tax on it, positive.
    pub tax: Amount,
}

/// A gift card that paid a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GiftCard {
    /// The card's code or name.
    pub code: String,
    /// What it paid, positive, gross.
    pub amount: Amount,
}

/// How an order is paid.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Payment {
    /// The store's code of the method; empty when it has none.
    pub method: String,
    /// What the customer reads.
    pub title: String,
    /// The payment provider's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction_id: Option<String>,
    /// When it was paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paid: Option<Timestamp>,
}

/// Money given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Refund {
    /// The store's id of the refund.
    pub external_id: String,
    /// Gross amount given back, positive.
    pub amount: Amount,
    /// Why, in the shop's words.
    #[serde(default)]
    pub reason: String,
    /// When, where the store says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// Which articles; empty for an amount alone.
    #[serde(default)]
    pub lines: Vec<RefundedLine>,
}

/// The articles of one line that were given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RefundedLine {
    /// The line of the order, where the store names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    /// The code at the time of reading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sku: Option<Sku>,
    /// How many came back, positive.
    pub quantity: Quantity,
    /// Net given back, positive.
    pub net: Amount,
    /// Tax given back, positive.
    pub tax: Amount,
}
