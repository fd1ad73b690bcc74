//! Which articles become listings, and why some are not written.

use std::collections::{BTreeMap, HashMap};

use storelink_adapter_api::{Article, ProductReading, StockKeeping};
use storelink_events::internal::{Blocked, Listing};
use storelink_model::Sku;

/// An article and what its product says of it.
#[derive(Debug)]
pub(crate) struct KnownArticle {
    pub(crate) article: Article,
    /// Another code of the product is written to the same product and variation.
    pub(crate) crowded: bool,
}

/// The listings of these articles, one per code, in the order of the codes. `shared` says how many
/// articles keep their stock in a row; `only_active` leaves what the store does not offer unwritten.
pub(crate) fn listings(
    articles: &[KnownArticle],
    shared: &HashMap<String, u64>,
    only_active: bool,
) -> Vec<Listing> {
    let mut by_sku: BTreeMap<&Sku, Vec<&KnownArticle>> = BTreeMap::new();
    for known in articles {
        if let Some(sku) = &known.article.sku {
            by_sku.entry(sku).or_default().push(known);
        }
    }
    let listing =
        |(sku, same): (&Sku, Vec<&KnownArticle>)| listing(sku, &same, shared, only_active);
    by_sku.into_iter().filter_map(listing).collect()
}

fn listing(
    sku: &Sku,
    same: &[&KnownArticle],
    shared: &HashMap<String, u64>,
    only_active: bool,
) -> Option<Listing> {
    let offered: Vec<&&KnownArticle> = same
        .iter()
        .filter(|known| known.article.active || !only_active)
        .collect();
    let known = offered.first().copied().or(same.first())?;
    let whole = if offered.is_empty() {
        Some(Blocked::Inactive)
    } else if offered.len() > 1 {
        Some(Blocked::DuplicateCode)
    } else {
        None
    };
    Some(Listing {
        sku: sku.clone(),
        ids: known.article.ids.clone(),
        stock_blocked: whole.or_else(|| stock_blocked(known, shared)),
        price_blocked: whole.or(known.crowded.then_some(Blocked::SharedStock)),
    })
}

fn stock_blocked(known: &KnownArticle, shared: &HashMap<String, u64>) -> Option<Blocked> {
    let article = &known.article;
    let alone = match (&article.ids.stock_row, article.stock) {
        (_, StockKeeping::Off) => return Some(Blocked::StockOff),
        (Some(row), _) => shared.get(row) == Some(&1),
        (None, StockKeeping::Shared) => false,
        (None, StockKeeping::Own) => !known.crowded,
    };
    (!alone).then_some(Blocked::SharedStock)
}

/// What publishers need of a product, as a text to compare: quantities, prices and names that a store
/// changes all day are no part of it.
pub(crate) fn fingerprint(product: &ProductReading) -> String {
    let parts: Vec<_> = product
        .articles
        .iter()
        .map(|article| (&article.sku, &article.ids, article.active, article.stock))
        .collect();
    serde_json::to_string(&parts).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use storelink_adapter_api::StoreIds;

    use super::*;

    fn article(sku: &str, product: &str, stock: StockKeeping, active: bool) -> KnownArticle {
        let article = Article {
            sku: sku.parse().ok(),
            ids: StoreIds {
                product: product.to_owned(),
                variation: None,
                stock_row: (stock == StockKeeping::Shared).then(|| "57".to_owned()),
            },
            name: String::new(),
            barcode: None,
            active,
            stock,
            quantity: None,
            price: None,
            sale_price: None,
        };
        KnownArticle {
            article,
            crowded: false,
        }
    }

    fn one(
        articles: &[KnownArticle],
        only_active: bool,
    ) -> (String, Option<Blocked>, Option<Blocked>) {
        let shared = HashMap::from([("57".to_owned(), 2)]);
        let mut listings = listings(articles, &shared, only_active);
        assert_eq!(listings.len(), 1);
        let listing = listings.remove(0);
        (
            listing.ids.product,
            listing.stock_blocked,
            listing.price_blocked,
        )
    }

    #[test]
    fn an_article_of_its_own_is_written() {
        let found = one(&[article("A", "1", StockKeeping::Own, true)], true);
        assert_eq!(found, ("1".into(), None, None));
    }

    #[test]
    fn two_active_articles_with_one_code_are_not_written() {
        let twice = [
            article("A", "1", StockKeeping::Own, true),
            article("A", "2", StockKeeping::Own, true),
        ];
        let blocked = Some(Blocked::DuplicateCode);
        assert_eq!(one(&twice, true), ("1".into(), blocked, blocked));
    }

    #[test]
    fn an_inactive_article_gives_way_to_the_active_one() {
        let pair = [
            article("A", "1", StockKeeping::Own, false),
            article("A", "2", StockKeeping::Own, true),
        ];
        assert_eq!(one(&pair, true), ("2".into(), None, None));
        let blocked = Some(Blocked::DuplicateCode);
        assert_eq!(one(&pair, false), ("1".into(), blocked, blocked));
        let alone = [article("A", "1", StockKeeping::Own, false)];
        assert_eq!(
            one(&alone, true),
            ("1".into(), Some(Blocked::Inactive), Some(Blocked::Inactive))
        );
    }

    #[test]
    fn shared_and_missing_stock_block_stock_alone() {
        let shared = [article("A", "1", StockKeeping::Shared, true)];
        assert_eq!(
            one(&shared, true),
            ("1".into(), Some(Blocked::SharedStock), None)
        );
        let off = [article("A", "1", StockKeeping::Off, true)];
        assert_eq!(one(&off, true), ("1".into(), Some(Blocked::StockOff), None));
    }

    #[test]
    fn two_codes_of_one_article_block_its_price_and_stock() {
        let mut crowded = article("A", "1", StockKeeping::Own, true);
        crowded.crowded = true;
        let blocked = Some(Blocked::SharedStock);
        assert_eq!(one(&[crowded], true), ("1".into(), blocked, blocked));
    }

    #[test]
    fn articles_without_a_code_are_no_listings() {
        assert_eq!(
            listings(
                &[article("", "1", StockKeeping::Own, true)],
                &HashMap::new(),
                true
            ),
            []
        );
    }
}
