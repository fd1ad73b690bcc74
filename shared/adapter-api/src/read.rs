use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use storelink_model::{Amount, Quantity, Sku, Timestamp};
use storelink_order::Order;

/// Which orders to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderWindow {
    /// Every order modified at this instant or later, trashed ones included, is returned. An adapter
    /// whose store has an exclusive or coarse bound asks for more, never for less.
    pub modified_since: Timestamp,
    /// So many orders on a page are enough; the adapter's own size when none. An adapter that cannot
    /// go so low takes its smallest one. It may change between two pages of one walk.
    pub page_limit: Option<u32>,
}

/// Which products to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductWindow {
    /// Only products modified at this instant or later; all when none.
    pub modified_since: Option<Timestamp>,
}

/// Where a walk goes on: the adapter's own, kept by the caller and given back unread.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub serde_json::Value);

/// One page of orders. A walk over a window shows every order of it at least once, also when orders
/// change under it; it may show one twice.
#[derive(Debug)]
pub struct OrderPage {
    /// What was read, in the order of the store.
    pub orders: Vec<OrderReading>,
    /// Where the walk goes on; none at its end.
    pub next: Option<Position>,
    /// The store's clock, as its answer showed it.
    pub store_time: Option<Timestamp>,
}

/// The heads of one page of orders: enough to read each order by itself, where the store gives the
/// page but not its contents. A walk may go on at `next` with either kind of page.
#[derive(Debug)]
pub struct OrderHeads {
    /// What the page shows, in the order of the store.
    pub heads: Vec<OrderHead>,
    /// Where the walk goes on; none at its end.
    pub next: Option<Position>,
    /// The store's clock, as its answer showed it.
    pub store_time: Option<Timestamp>,
}

/// An order that is known to be there, and no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderHead {
    /// The store's id of the order.
    pub external_id: String,
    /// When it was placed, where that could be read.
    pub created: Option<Timestamp>,
    /// When the store last touched it, where that could be read.
    pub modified: Option<Timestamp>,
}

/// One order as read.
#[derive(Debug)]
pub struct OrderReading {
    /// The store's id of the order.
    pub external_id: String,
    /// When it was placed, where that could be read.
    pub created: Option<Timestamp>,
    /// When the store last touched it, where that could be read.
    pub modified: Option<Timestamp>,
    /// The store's own words, byte for byte where the answer was clean.
    pub raw: Box<RawValue>,
    /// The normalised order, or why there is none.
    pub order: Result<Box<Order>, Unreadable>,
}

/// Why something of a store could not be understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[error("{code}: {text}")]
pub struct Unreadable {
    /// Stable code.
    pub code: String,
    /// What is wrong and where, without personal data.
    pub text: String,
}

/// One page of products, with the same promise as [`OrderPage`].
#[derive(Debug)]
pub struct ProductPage {
    /// What was read.
    pub products: Vec<ProductReading>,
    /// What could not be understood; nothing is known of these products, also not that they are gone.
    pub unreadable: Vec<UnreadableProduct>,
    /// Where the walk goes on; none at its end.
    pub next: Option<Position>,
    /// The store's clock, as its answer showed it.
    pub store_time: Option<Timestamp>,
}

/// A product that a page shows and that could not be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableProduct {
    /// The store's id of the product.
    pub external_id: String,
    /// When the store last touched it, where that could be read.
    pub modified: Option<Timestamp>,
    /// Why.
    pub reason: Unreadable,
}

/// One product with all its articles: one for a simple product, one per variation otherwise. The
/// list is complete: an article that is not in it is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProductReading {
    /// The store's id of the product.
    pub external_id: String,
    /// Its name.
    pub name: String,
    /// When the store last touched it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<Timestamp>,
    /// What can be sold of it.
    pub articles: Vec<Article>,
}

/// The store's own ids of one article.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct StoreIds {
    /// Product.
    pub product: String,
    /// Variation or combination; none for simple products.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variation: Option<String>,
    /// The row that keeps its stock, where that is neither of the two above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stock_row: Option<String>,
}

/// How a store keeps the stock of an article.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StockKeeping {
    /// A number of its own.
    Own,
    /// One number shared with other articles, kept at `stock_row`.
    Shared,
    /// No number at all: writing one has no effect.
    Off,
}

/// One sellable article as a store shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Article {
    /// Its code; none when it has none or one that cannot be a SKU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sku: Option<Sku>,
    /// The store's ids.
    pub ids: StoreIds,
    /// Its name.
    pub name: String,
    /// EAN, GTIN or UPC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub barcode: Option<String>,
    /// Whether the store offers it.
    pub active: bool,
    /// How its stock is kept.
    pub stock: StockKeeping,
    /// The number the store shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<Quantity>,
    /// The regular price the store shows, gross or net as the store keeps prices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Amount>,
    /// The sale price the store shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sale_price: Option<Amount>,
}
