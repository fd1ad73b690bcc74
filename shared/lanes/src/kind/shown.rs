//! What a page of a store shows of an article, beside what it should show.

use storelink_adapter_api::{Article, CapabilityProfile, StockKeeping, StoreAdapter};
use storelink_model::{Amount, Quantity};

use super::WantedPrice;

/// What a store shows of an article.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// What it should show.
    Right,
    /// Something else.
    Other {
        /// What, as people read it.
        text: String,
        /// It shows stock and should show none.
        to_zero: bool,
    },
    /// Nothing that could be compared: the store keeps no number for it.
    NotTold,
}

impl Shown {
    /// Judges the stock of an article. A store may show less than none, where it sells on backorder,
    /// or a fraction: both are another value than the whole pieces that are written.
    pub(super) fn stock(article: &Article, wanted: Quantity) -> Self {
        if article.stock == StockKeeping::Off {
            return Self::NotTold;
        }
        if article.quantity == Some(wanted) {
            return Self::Right;
        }
        let some = |shown: Quantity| shown > Quantity::ZERO;
        Self::Other {
            text: article
                .quantity
                .map_or_else(|| "no quantity".to_owned(), |shown| shown.to_string()),
            to_zero: wanted == Quantity::ZERO && article.quantity.is_some_and(some),
        }
    }

    /// Judges the regular and the sale price of an article, in the digits that the store keeps. When a
    /// sale begins and ends a page does not tell.
    pub(super) fn price(
        adapter: &dyn StoreAdapter,
        profile: &CapabilityProfile,
        article: &Article,
        wanted: &WantedPrice,
    ) -> Self {
        let kept = |price: Amount| adapter.kept_price(profile, price);
        let sale = wanted.sale.as_ref().map(|sale| kept(sale.price));
        if article.price == Some(kept(wanted.regular)) && article.sale_price == sale {
            return Self::Right;
        }
        let mut text = article
            .price
            .map_or_else(|| "no price".to_owned(), |price| price.to_string());
        if let Some(sale) = article.sale_price {
            text.push_str(&format!(", sale {sale}"));
        }
        Self::Other {
            text,
            to_zero: false,
        }
    }
}
