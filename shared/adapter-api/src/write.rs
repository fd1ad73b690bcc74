use serde::{Deserialize, Serialize};
use storelink_model::{Amount, Quantity, Timestamp};

use crate::StoreIds;

/// Which of an article's values is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueKind {
    /// The quantity.
    Stock,
    /// The regular and the sale price.
    Price,
}

/// Items of one group may share a request; items of different groups never do. For WooCommerce the
/// group of a variation is its parent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct WriteGroup(pub Option<String>);

/// One absolute stock value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockWrite {
    /// Where.
    pub ids: StoreIds,
    /// What, zero or more.
    pub quantity: Quantity,
}

/// The prices of one article. Regular and sale price always go together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceWrite {
    /// Where.
    pub ids: StoreIds,
    /// The regular price, above zero, gross or net as the connection's settings say.
    pub regular: Amount,
    /// The sale price; none removes it.
    pub sale: Option<SalePrice>,
}

/// A sale price with its time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SalePrice {
    /// The price while the sale lasts.
    pub price: Amount,
    /// When it begins; at once when none.
    pub from: Option<Timestamp>,
    /// When it ends; never when none.
    pub until: Option<Timestamp>,
}

/// What became of one item of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemOutcome {
    /// The store's answer shows the value that was sent.
    Confirmed,
    /// The store refused it, or answered with another value than was sent.
    Rejected {
        /// Stable code.
        code: &'static str,
        /// The store's words or what its answer showed instead.
        text: String,
    },
    /// The answer does not tell.
    Unknown,
}
