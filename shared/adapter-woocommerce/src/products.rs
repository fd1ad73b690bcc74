//! Reading products with all that can be sold of them (sheet section 6).

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use storelink_adapter_api::{
    AdapterError, Article, ErrorClass, Position, ProductPage, ProductReading, ProductWindow,
    Purpose, StockKeeping, StoreAccess, StoreIds, Unreadable, UnreadableProduct,
};
use storelink_model::{Amount, Quantity};
use storelink_outbound_http::lenient_json;

use crate::api::{Answer, Api, Call};
use crate::orders::{page_size, stuck, without_id};
use crate::walk::{LARGEST_PAGE, Page, Seen, Stage, gmt_seconds, gmt_time};
use crate::{codes, normalise};

/// Only what is read: cuts the store's work by half (sheet section 9).
const FIELDS: &str = "id,name,type,status,sku,global_unique_id,regular_price,sale_price,\
    manage_stock,stock_quantity,date_modified_gmt,variations,attributes";
/// Products whose variations are fetched within one page: each costs requests of its own.
const VARIABLE_PRODUCTS_PER_PAGE: usize = 25;
/// A product with more pages of variations than this is not one that WooCommerce can show.
const VARIATION_PAGES: usize = 100;

/// A product or a variation. What every one has is required, what plugins change is not.
#[derive(Debug, Deserialize)]
struct WireProduct {
    id: u64,
    #[serde(default)]
    name: String,
    #[serde(default, rename = "type")]
    kind: String,
    status: String,
    #[serde(default)]
    sku: Value,
    /// Since 9.2.
    #[serde(default)]
    global_unique_id: Value,
    #[serde(default)]
    regular_price: Value,
    #[serde(default)]
    sale_price: Value,
    manage_stock: ManageStock,
    #[serde(default)]
    stock_quantity: Value,
    #[serde(default)]
    date_modified_gmt: Value,
    #[serde(default)]
    variations: Vec<Value>,
    #[serde(default)]
    attributes: Vec<Attribute>,
}

/// True, false, or the word `parent` on a variation whose stock its product keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ManageStock(StockKeeping);

impl<'de> Deserialize<'de> for ManageStock {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Bool(true) => Ok(Self(StockKeeping::Own)),
            Value::Bool(false) => Ok(Self(StockKeeping::Off)),
            Value::String(word) if word == "parent" => Ok(Self(StockKeeping::Shared)),
            _ => Err(serde::de::Error::custom("expected true, false or parent")),
        }
    }
}

#[derive(Debug, Deserialize)]
struct Attribute {
    /// The choice of a variation; attributes of a product have `options` instead.
    #[serde(default)]
    option: String,
}

/// What the walk needs of a row, whatever else a plugin made of it.
#[derive(Debug, Deserialize)]
struct Head {
    id: u64,
    #[serde(default)]
    date_modified_gmt: Value,
}

impl Head {
    fn of(row: &RawValue) -> Option<Self> {
        serde_json::from_str(row.get()).ok()
    }

    fn seen(&self) -> Seen {
        Seen {
            id: self.id,
            modified: self.date_modified_gmt.as_str().and_then(gmt_seconds),
        }
    }

    fn unreadable(&self, reason: Unreadable) -> UnreadableProduct {
        UnreadableProduct {
            external_id: self.id.to_string(),
            modified: self.date_modified_gmt.as_str().and_then(gmt_time),
            reason,
        }
    }
}

/// What became of one row of a page.
enum Outcome {
    Read(ProductReading),
    /// It was deleted while it was read.
    Gone,
    Unreadable(Unreadable),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    stage: Stage,
}

impl Place {
    fn of(window: &ProductWindow, position: Option<&Position>) -> Self {
        let start = Self {
            stage: window
                .modified_since
                .map_or(Stage::everything(), Stage::since),
        };
        let Some(position) = position else {
            return start;
        };
        serde_json::from_value(position.0.clone()).unwrap_or_else(|_| {
            tracing::warn!("a position of a product walk is not readable; the walk starts anew");
            start
        })
    }
}

pub(crate) async fn read_page(
    access: &StoreAccess,
    window: &ProductWindow,
    position: Option<&Position>,
) -> Result<ProductPage, AdapterError> {
    let api = Api::new(access)?;
    let page_size = page_size(access);
    let place = Place::of(window, position);
    let mut query = place.stage.query(page_size);
    query.push(("_fields".into(), FIELDS.into()));
    let call = Call {
        query,
        ..Call::get("products", &[])
    };
    let answer: Answer<Vec<Box<RawValue>>> = api.ask(&call, Purpose::Catalogue).await?;

    let rows = answer.value.len();
    let mut used = Vec::with_capacity(rows);
    let mut products = Vec::with_capacity(rows);
    let mut unreadable = Vec::new();
    let mut variable = 0;
    for row in answer.value {
        let head = Head::of(&row).ok_or_else(|| without_id("products"))?;
        // Repeated to prove that the page follows. Its variations, asked for again, would use up the
        // page's share and the walk would stand still.
        if place.stage.has_shown(head.id) {
            used.push(head.seen());
            continue;
        }
        let product = wire_product(&row);
        variable += usize::from(product.as_ref().is_ok_and(WireProduct::has_variations));
        if variable > VARIABLE_PRODUCTS_PER_PAGE {
            break;
        }
        used.push(head.seen());
        let outcome = match product {
            Ok(product) => reading(&api, product).await?,
            Err(reason) => Outcome::Unreadable(reason),
        };
        match outcome {
            Outcome::Read(product) => products.push(product),
            Outcome::Gone => {}
            Outcome::Unreadable(reason) => unreadable.push(head.unreadable(reason)),
        }
    }
    let page = Page {
        used: &used,
        rows,
        total_pages: answer.total_pages,
        before_request: answer.before_request.datetime().unix_timestamp(),
    };
    let stage = place.stage.next(page_size, &page).map_err(stuck)?;
    let next = stage
        .and_then(|stage| serde_json::to_value(Place { stage }).ok())
        .map(Position);
    Ok(ProductPage {
        products,
        unreadable,
        next,
        store_time: answer.store_time,
    })
}

/// One product among many: what only it can be the cause of makes it alone unreadable, and never the
/// page. Its list of articles says that all others are gone, so it is whole or not given at all.
async fn reading(api: &Api<'_>, product: WireProduct) -> Result<Outcome, AdapterError> {
    let articles = if product.has_variations() {
        let variations = match variations(api, product.id).await {
            Ok(Variations::All(variations)) => variations,
            Ok(Variations::Gone) => return Ok(Outcome::Gone),
            Ok(Variations::Unreadable(reason)) => return Ok(Outcome::Unreadable(reason)),
            Err(error) if error.class == ErrorClass::Rejected => {
                return Ok(Outcome::Unreadable(unreadable(&error.text)));
            }
            Err(error) => return Err(error),
        };
        variations
            .iter()
            .map(|variation| variation.as_variation_of(&product))
            .collect()
    } else {
        vec![product.as_article()]
    };
    Ok(Outcome::Read(ProductReading {
        external_id: product.id.to_string(),
        modified: product.date_modified_gmt.as_str().and_then(gmt_time),
        name: product.name,
        articles,
    }))
}

fn wire_product(row: &RawValue) -> Result<WireProduct, Unreadable> {
    let read = lenient_json::read(row.get().as_bytes());
    read.map(|read| read.value)
        .map_err(|why| unreadable(&format!("In short: {why}.")))
}

fn unreadable(seen: &str) -> Unreadable {
    let code = codes::PRODUCT_UNREADABLE;
    Unreadable {
        code: code.code.to_owned(),
        text: format!("{} {seen}", code.cause),
    }
}

/// The variations of a product.
enum Variations {
    All(Vec<WireProduct>),
    /// The product was deleted while it was read.
    Gone,
    /// One of them could not be understood.
    Unreadable(Unreadable),
}

/// All variations of a product, walked by id like everything. The list that is not bound to a product (since 10.3) is not used: it cannot be asked for the
/// variations of one.
async fn variations(api: &Api<'_>, parent: u64) -> Result<Variations, AdapterError> {
    let mut all: Vec<WireProduct> = Vec::new();
    let mut stage = Stage::everything();
    for _ in 0..VARIATION_PAGES {
        let query = stage.query(LARGEST_PAGE);
        let call = Call {
            query,
            ..Call::get(format!("products/{parent}/variations"), &[])
        };
        let answer: Answer<Vec<Box<RawValue>>> = match api.ask(&call, Purpose::Catalogue).await {
            Err(error) if error.code == codes::NOT_FOUND.code => return Ok(Variations::Gone),
            other => other?,
        };
        let rows = answer.value.iter().map(|row| wire_product(row));
        let rows = match rows.collect::<Result<Vec<WireProduct>, Unreadable>>() {
            Ok(rows) => rows,
            Err(reason) => return Ok(Variations::Unreadable(reason)),
        };
        let used: Vec<Seen> = rows.iter().map(WireProduct::seen).collect();
        let page = Page {
            used: &used,
            rows: used.len(),
            total_pages: answer.total_pages,
            before_request: answer.before_request.datetime().unix_timestamp(),
        };
        let next = stage.next(LARGEST_PAGE, &page).map_err(stuck)?;
        all.extend(rows);
        let Some(next) = next else {
            all.sort_by_key(|variation| variation.id);
            all.dedup_by_key(|variation| variation.id);
            return Ok(Variations::All(all));
        };
        stage = next;
    }
    Ok(Variations::Unreadable(unreadable(
        "The list of its variations does not end.",
    )))
}

impl WireProduct {
    /// By the list and not by the type alone: plugins have variable types of their own.
    fn has_variations(&self) -> bool {
        self.kind == "variable" || !self.variations.is_empty()
    }

    fn seen(&self) -> Seen {
        Seen {
            id: self.id,
            modified: self.date_modified_gmt.as_str().and_then(gmt_seconds),
        }
    }

    /// Anything without variations. Products sold elsewhere (`external`) have no stock here,
    /// groups have no price of their own: the store says so by `manage_stock` and empty prices.
    fn as_article(&self) -> Article {
        let ids = StoreIds {
            product: self.id.to_string(),
            variation: None,
            stock_row: None,
        };
        self.article(ids, self.name.clone(), self.is_published())
    }

    fn as_variation_of(&self, parent: &Self) -> Article {
        let shared = self.manage_stock.0 == StockKeeping::Shared;
        let ids = StoreIds {
            product: parent.id.to_string(),
            variation: Some(self.id.to_string()),
            stock_row: shared.then(|| parent.id.to_string()),
        };
        let choices = || {
            let options = self
                .attributes
                .iter()
                .map(|attribute| attribute.option.as_str());
            options
                .filter(|option| !option.is_empty())
                .collect::<Vec<_>>()
                .join(", ")
        };
        // Older stores give variations no name (sheet section 10).
        let own = if self.name.is_empty() {
            choices()
        } else {
            self.name.clone()
        };
        let name = format!("{} - {own}", parent.name);
        let name = name.trim_end_matches(" - ").to_owned();
        self.article(ids, name, self.is_published() && parent.is_published())
    }

    fn article(&self, ids: StoreIds, name: String, active: bool) -> Article {
        let number = |value: &Value| match value {
            Value::Number(number) => Some(number.to_string()),
            other => other.as_str().map(str::to_owned),
        };
        let amount = |value: &Value| value.as_str().and_then(|text| text.parse::<Amount>().ok());
        let barcode = self
            .global_unique_id
            .as_str()
            .filter(|code| !code.is_empty());
        Article {
            sku: normalise::sku(self.sku.as_str()),
            ids,
            name,
            barcode: barcode.map(str::to_owned),
            active,
            stock: self.manage_stock.0,
            quantity: number(&self.stock_quantity).and_then(|text| text.parse::<Quantity>().ok()),
            price: amount(&self.regular_price),
            sale_price: amount(&self.sale_price),
        }
    }

    fn is_published(&self) -> bool {
        self.status == "publish"
    }
}
