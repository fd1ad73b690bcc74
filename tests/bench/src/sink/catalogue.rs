//! The list of products of a sink: made when it is asked for, so that a million articles cost no memory.

use std::fmt::Write as _;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;

use super::book::Book;

/// Everything was made then, and nothing was changed since.
const MODIFIED: &str = "2024-01-01T00:00:00";
const LARGEST_PAGE: usize = 100;

/// The code of an article, the same in every store.
pub(crate) fn sku(article: usize) -> String {
    format!("BENCH-{:06}", article + 1)
}

/// The article of a code.
pub(crate) fn article_of(sku: &str) -> Option<usize> {
    let id: usize = sku.strip_prefix("BENCH-")?.parse().ok()?;
    id.checked_sub(1)
}

/// Which page of the list was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Page {
    size: usize,
    number: usize,
    /// Only what was changed after a time that is later than the last change.
    empty: bool,
}

impl Page {
    /// The page that a walk over everything asks for; none when the question is another one.
    pub(super) fn of(query: &str) -> Option<Self> {
        let value = |wanted: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find_map(|(name, value)| (name == wanted).then_some(value))
        };
        value("orderby")?;
        let number = |name, usual| match value(name) {
            None => Some(usual),
            Some(text) => text.parse().ok().filter(|number| *number > 0),
        };
        Some(Self {
            size: number("per_page", 10)?.min(LARGEST_PAGE),
            number: number("page", 1)?,
            empty: value("modified_after").is_some(),
        })
    }

    /// The answer of a store with so many articles.
    pub(super) fn answer(self, book: &Book, articles: usize) -> Response<Full<Bytes>> {
        let all = if self.empty { 0 } else { articles };
        let first = self.size.saturating_mul(self.number - 1).min(all);
        let last = first.saturating_add(self.size).min(all);
        let mut text = String::with_capacity(2 + (last - first) * 240);
        text.push('[');
        for article in first..last {
            if article > first {
                text.push(',');
            }
            // To a text nothing fails to be written.
            write!(
                text,
                "{{\"id\":{},\"name\":\"Article {0}\",\"type\":\"simple\",\"status\":\"publish\",\
                 \"sku\":\"{}\",\"global_unique_id\":\"\",\"regular_price\":\"10.00\",\
                 \"sale_price\":\"\",\"manage_stock\":true,\"stock_quantity\":{},\
                 \"date_modified_gmt\":\"{MODIFIED}\",\"variations\":[],\"attributes\":[]}}",
                article + 1,
                sku(article),
                book.shown(article),
            )
            .ok();
        }
        text.push(']');
        let mut response = super::json(text);
        let headers = response.headers_mut();
        headers.insert("x-wp-total", all.into());
        headers.insert("x-wp-totalpages", all.div_ceil(self.size).into());
        response
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use serde_json::Value;

    use super::*;

    async fn asked(query: &str) -> (Vec<u64>, String) {
        let response = Page::of(query).unwrap().answer(&Book::of(250), 250);
        let pages = response.headers()["x-wp-totalpages"]
            .to_str()
            .unwrap()
            .to_owned();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let rows: Vec<Value> = serde_json::from_slice(&body).unwrap();
        (
            rows.iter().map(|row| row["id"].as_u64().unwrap()).collect(),
            pages,
        )
    }

    #[tokio::test]
    async fn pages_follow_each_other_and_end() {
        let (ids, pages) = asked("orderby=id&order=asc&per_page=100&page=3").await;
        assert_eq!(ids, (201..=250).collect::<Vec<_>>());
        assert_eq!(pages, "3");
        assert!(asked("orderby=id&per_page=100&page=4").await.0.is_empty());
        let changed = "modified_after=2026-01-01T00%3A00%3A00&orderby=modified&page=1";
        assert_eq!(asked(changed).await, (vec![], "0".to_owned()));
        assert_eq!(Page::of("per_page=1&_fields=id"), None);
        assert_eq!(Page::of("orderby=id&page=0"), None);
    }

    #[test]
    fn codes_lead_back_to_their_articles() {
        assert_eq!(article_of(&sku(0)), Some(0));
        assert_eq!(article_of(&sku(1_234_567)), Some(1_234_567));
        assert_eq!(article_of("MUG-01"), None);
        assert_eq!(article_of("BENCH-000000"), None);
    }
}
