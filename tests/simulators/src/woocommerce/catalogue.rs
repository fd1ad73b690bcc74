//! Makes the products of a generated store.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::spec::{Catalogue, ProductSpec};

/// Variations of one generated product.
const VARIATIONS_EACH: usize = 6;

/// The products of a catalogue: simple ones `SKU-00001`…, variations `VAR-0001-1`….
pub(crate) fn products(catalogue: Catalogue) -> Vec<ProductSpec> {
    let mut random = StdRng::seed_from_u64(catalogue.seed);
    let variations = catalogue.variations.min(catalogue.skus);
    let mut made = Vec::new();
    for number in 1..=catalogue.skus - variations {
        made.push(article(
            &mut random,
            format!("SKU-{number:05}"),
            format!("Article {number}"),
        ));
    }
    let mut left = variations;
    let mut parent_number = 0;
    while left > 0 {
        parent_number += 1;
        let count = left.min(VARIATIONS_EACH);
        made.push(variable(&mut random, parent_number, count));
        left -= count;
    }
    made
}

fn variable(random: &mut StdRng, number: usize, count: usize) -> ProductSpec {
    let variations = (1..=count)
        .map(|size| {
            let mut variation = article(random, format!("VAR-{number:04}-{size}"), String::new());
            let option =
                json!([{"id": 1, "name": "Size", "slug": "pa_size", "option": size.to_string()}]);
            variation.members.insert("attributes".to_owned(), option);
            variation
        })
        .collect();
    let options: Vec<String> = (1..=count).map(|size| size.to_string()).collect();
    let attributes = json!([{"id": 1, "name": "Size", "slug": "pa_size", "position": 0,
        "visible": true, "variation": true, "options": options}]);
    ProductSpec {
        sku: format!("PARENT-{number:04}"),
        name: format!("Variable article {number}"),
        members: Map::from_iter([("attributes".to_owned(), attributes)]),
        variations,
        ..ProductSpec::default()
    }
}

fn article(random: &mut StdRng, sku: String, name: String) -> ProductSpec {
    let price = Decimal::new(random.random_range(199..19_999), 2);
    ProductSpec {
        sku,
        name,
        regular_price: price.to_string(),
        stock_quantity: Some(random.random_range(0..200)),
        members: Map::from_iter([("tax_class".to_owned(), Value::String(String::new()))]),
        ..ProductSpec::default()
    }
}
