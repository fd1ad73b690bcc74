//! What happens in a shop without the API: sales, edits by the shopkeeper, stock counted by hand.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Something that happens in the shop.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// A customer buys; answers the order's id.
    PlaceOrder(Box<OrderSpec>),
    /// The status of an order changes, with the stock movement that belongs to it.
    SetOrderStatus {
        /// Order id.
        id: u64,
        /// New status.
        status: String,
    },
    /// The shopkeeper edits an order: members as the API would take them.
    EditOrder {
        /// Order id.
        id: u64,
        /// Members to change, for example `{"customer_note":"..."}`.
        members: Value,
    },
    /// Money is given back; answers the refund's id.
    Refund {
        /// Order id.
        id: u64,
        /// What is given back.
        refund: RefundSpec,
    },
    /// An order goes to the trash.
    TrashOrder {
        /// Order id.
        id: u64,
    },
    /// An order vanishes for good.
    DeleteOrder {
        /// Order id.
        id: u64,
    },
    /// Stock counted by hand, of every article with this SKU.
    SetStock {
        /// SKU.
        sku: String,
        /// New quantity.
        quantity: i64,
    },
    /// A price typed in by hand, of every article with this SKU.
    SetPrice {
        /// SKU.
        sku: String,
        /// Regular price as typed.
        regular: String,
        /// Sale price as typed, empty for none.
        sale: String,
    },
    /// The shopkeeper edits a product: members as the API would take them.
    EditProduct {
        /// Product or variation id.
        id: u64,
        /// Members to change.
        members: Value,
    },
    /// A product or variation vanishes for good.
    DeleteProduct {
        /// Product or variation id.
        id: u64,
    },
}

/// Why an action could not be done.
#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    /// Nothing there with that id or SKU.
    #[error("not found: {0}")]
    NotFound(String),
    /// The store refuses.
    #[error("refused: {0}")]
    Refused(String),
}

/// An order to place.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OrderSpec {
    /// Articles bought.
    pub lines: Vec<OrderLineSpec>,
    /// Status; default `processing`.
    pub status: Option<String>,
    /// Currency if not the store's own.
    pub currency: Option<String>,
    /// Number shown to people; default is the id.
    pub number: Option<String>,
    /// Customer id, 0 for a guest.
    pub customer_id: u64,
    /// Address of the bill.
    pub billing: AddressSpec,
    /// Address of delivery; empty means the same.
    pub shipping: AddressSpec,
    /// Ways of delivery.
    pub shipping_lines: Vec<ShippingSpec>,
    /// Surcharges and, negative, reductions.
    pub fees: Vec<FeeSpec>,
    /// A coupon.
    pub coupon: Option<CouponSpec>,
    /// Payment method code, for example `cod`.
    pub payment_method: String,
    /// Payment method as shown.
    pub payment_method_title: String,
    /// Number of the payment at the provider.
    pub transaction_id: String,
    /// Note of the customer.
    pub customer_note: String,
    /// Meta data by key.
    pub meta: BTreeMap<String, Value>,
    /// Unix second of creation; default is now.
    pub created_at: Option<i64>,
    /// Where it was made; default `checkout`.
    pub created_via: Option<String>,
}

impl OrderSpec {
    /// An order for some articles by SKU and quantity, with a Slovenian guest.
    #[must_use]
    pub fn of(articles: &[(&str, i64)]) -> Self {
        let lines = articles
            .iter()
            .map(|(sku, quantity)| OrderLineSpec::of(sku, *quantity))
            .collect();
        Self {
            lines,
            billing: AddressSpec::sample(),
            payment_method: "bacs".to_owned(),
            payment_method_title: "Bank transfer".to_owned(),
            ..Self::default()
        }
    }
}

/// A line of an order to place.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OrderLineSpec {
    /// SKU; used if no product id is given.
    pub sku: String,
    /// Product id, the parent for a variation.
    pub product_id: u64,
    /// Variation id or 0.
    pub variation_id: u64,
    /// Pieces.
    pub quantity: i64,
    /// Net line sum before coupons, if it should not come from the product.
    pub subtotal: Option<Decimal>,
    /// Net line sum after coupons, if it should not come from the product.
    pub total: Option<Decimal>,
    /// Name, if it should not come from the product.
    pub name: Option<String>,
    /// Meta data of the line, for example an engraving.
    pub meta: BTreeMap<String, Value>,
}

impl OrderLineSpec {
    /// A line for an article by SKU.
    #[must_use]
    pub fn of(sku: &str, quantity: i64) -> Self {
        Self {
            sku: sku.to_owned(),
            quantity,
            ..Self::default()
        }
    }
}

/// A postal address with contact.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs)]
pub struct AddressSpec {
    pub first_name: String,
    pub last_name: String,
    pub company: String,
    pub address_1: String,
    pub address_2: String,
    pub city: String,
    pub state: String,
    pub postcode: String,
    pub country: String,
    pub email: String,
    pub phone: String,
}

impl AddressSpec {
    /// An invented Slovenian customer.
    #[must_use]
    pub fn sample() -> Self {
        Self {
            first_name: "Ana".to_owned(),
            last_name: "Novak".to_owned(),
            address_1: "Ulica 1".to_owned(),
            city: "Ljubljana".to_owned(),
            postcode: "1000".to_owned(),
            country: "SI".to_owned(),
            email: "ana@example.com".to_owned(),
            phone: "+386 40 111 000".to_owned(),
            ..Self::default()
        }
    }
}

/// A way of delivery.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ShippingSpec {
    /// Code, for example `flat_rate`.
    pub method_id: String,
    /// Name shown.
    pub method_title: String,
    /// Number of the method in its zone, as text.
    pub instance_id: String,
    /// Net price.
    pub total: Decimal,
}

/// A fee.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FeeSpec {
    /// Name shown.
    pub name: String,
    /// Net amount, negative for a reduction.
    pub total: Decimal,
    /// `taxable` (also when empty) or `none`.
    pub tax_status: String,
    /// Tax class, empty for the standard one.
    pub tax_class: String,
}

/// A coupon in percent.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CouponSpec {
    /// Code; the store keeps it in small letters.
    pub code: String,
    /// Percent off every line.
    pub percent: Decimal,
}

/// Money given back.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RefundSpec {
    /// Gross amount; default is the sum of the lines, or all that is left if there are no lines.
    pub amount: Option<Decimal>,
    /// Reason.
    pub reason: String,
    /// Lines given back.
    pub lines: Vec<RefundLineSpec>,
    /// Whether the pieces go back into stock.
    pub restock: bool,
}

/// A line given back.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RefundLineSpec {
    /// Id of the order's line.
    pub item_id: u64,
    /// Pieces, 0 for money only.
    pub quantity: i64,
    /// Net amount; default by pieces from the line.
    pub total: Option<Decimal>,
    /// Tax by rate id; default by pieces from the line.
    pub tax: Option<BTreeMap<u64, Decimal>>,
}

/// The present state of one sellable article.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Article {
    /// Product id, the parent for a variation.
    pub product_id: u64,
    /// Variation id or 0.
    pub variation_id: u64,
    /// SKU.
    pub sku: String,
    /// Status of the product.
    pub status: String,
    /// `true`, `false` or `parent`.
    pub manage_stock: String,
    /// Quantity shown; none if stock is not managed.
    pub stock_quantity: Option<i64>,
    /// Price charged now, as text.
    pub price: String,
    /// Regular price, as text.
    pub regular_price: String,
    /// Sale price, as text.
    pub sale_price: String,
    /// Unix second of the last change.
    pub modified_at: i64,
}

/// The essentials of one order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderSummary {
    /// Id.
    pub id: u64,
    /// Number shown to people.
    pub number: String,
    /// Status.
    pub status: String,
    /// Currency.
    pub currency: String,
    /// Gross total as text in the currency's decimals.
    pub total: String,
    /// Taxes as text.
    pub total_tax: String,
    /// Sum given back, as positive text.
    pub refunded: String,
    /// Unix second of creation.
    pub created_at: i64,
    /// Unix second of the last change.
    pub modified_at: i64,
    /// SKU and pieces of each line.
    pub lines: Vec<(String, i64)>,
}
