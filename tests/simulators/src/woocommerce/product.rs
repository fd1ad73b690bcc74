//! A product or variation as the store keeps it, and the rules that a save applies.

use serde_json::{Map, Value, json};

use super::money::price_number;
use super::site_time::SiteTime;
use super::spec::ProductSpec;
use super::state::collated;

/// What a product is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Simple,
    Variable,
    Variation,
    /// Grouped or external: kept and shown, nothing more.
    Other,
}

/// One entry of meta data.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Meta {
    pub(crate) id: u64,
    pub(crate) key: String,
    pub(crate) value: Value,
}

/// A product or variation.
#[derive(Debug, Clone)]
pub(crate) struct Product {
    pub(crate) id: u64,
    pub(crate) parent_id: u64,
    pub(crate) kind: Kind,
    pub(crate) type_name: String,
    pub(crate) name: String,
    pub(crate) slug: String,
    pub(crate) status: String,
    pub(crate) created: i64,
    pub(crate) modified: i64,
    pub(crate) description: String,
    pub(crate) short_description: String,
    pub(crate) sku: String,
    pub(crate) regular_price: String,
    pub(crate) sale_price: String,
    pub(crate) sale_from: Option<i64>,
    pub(crate) sale_to: Option<i64>,
    pub(crate) tax_class: String,
    pub(crate) manage_stock: bool,
    pub(crate) stock_quantity: Option<i64>,
    pub(crate) stock_status: String,
    pub(crate) backorders: String,
    pub(crate) total_sales: i64,
    pub(crate) menu_order: i64,
    pub(crate) children: Vec<u64>,
    pub(crate) meta: Vec<Meta>,
    /// Members that nothing depends on, as given; the rest come from [`plain_default`].
    pub(crate) plain: Map<String, Value>,
}

impl Product {
    pub(crate) fn empty(id: u64, kind: Kind, now: i64) -> Self {
        let type_name = match kind {
            Kind::Variable => "variable",
            Kind::Variation => "variation",
            Kind::Simple | Kind::Other => "simple",
        };
        Self {
            id,
            parent_id: 0,
            kind,
            type_name: type_name.to_owned(),
            name: String::new(),
            slug: String::new(),
            status: "publish".to_owned(),
            created: now,
            modified: now,
            description: String::new(),
            short_description: String::new(),
            sku: String::new(),
            regular_price: String::new(),
            sale_price: String::new(),
            sale_from: None,
            sale_to: None,
            tax_class: String::new(),
            manage_stock: false,
            stock_quantity: None,
            stock_status: "instock".to_owned(),
            backorders: "no".to_owned(),
            total_sales: 0,
            menu_order: 0,
            children: Vec::new(),
            meta: Vec::new(),
            plain: Map::new(),
        }
    }

    /// Builds a product from a description; its variations are left to the caller.
    pub(crate) fn from_spec(id: u64, spec: &ProductSpec, now: i64, site: &SiteTime) -> Self {
        let kind = if spec.variations.is_empty() {
            Kind::Simple
        } else {
            Kind::Variable
        };
        let mut product = Self::empty(id, kind, now);
        product.name.clone_from(&spec.name);
        product.slug = slug(&spec.name);
        product.sku.clone_from(&spec.sku);
        product.regular_price.clone_from(&spec.regular_price);
        product.sale_price.clone_from(&spec.sale_price);
        product.manage_stock = spec.stock_quantity.is_some();
        product.stock_quantity = spec.stock_quantity;
        product.absorb(&spec.members, site);
        if let Some(modified) = spec.modified_at {
            product.modified = modified;
            product.created = product.created.min(modified);
        }
        if !spec.members.contains_key("stock_status") {
            product.settle_stock();
        }
        product
    }

    /// Takes members of an API object as they stand, without any rule.
    pub(crate) fn absorb(&mut self, members: &Map<String, Value>, site: &SiteTime) {
        for (name, value) in members {
            self.absorb_member(name, value, site);
        }
    }

    fn absorb_member(&mut self, name: &str, value: &Value, site: &SiteTime) {
        let text = || value.as_str().unwrap_or_default().to_owned();
        let gmt = || value.as_str().and_then(SiteTime::parse_gmt);
        match name {
            "id" => self.id = value.as_u64().unwrap_or(self.id),
            "parent_id" => self.parent_id = value.as_u64().unwrap_or(0),
            "type" => self.set_type(&text()),
            "name" => self.name = text(),
            "slug" => self.slug = text(),
            "status" => self.status = text(),
            "date_created_gmt" => self.created = gmt().unwrap_or(self.created),
            "date_modified_gmt" => self.modified = gmt().unwrap_or(self.modified),
            "date_created" => {
                let local = value.as_str().and_then(|text| site.parse_local(text));
                self.created = local.unwrap_or(self.created);
            }
            "description" => self.description = unwrapped(&text()),
            "short_description" => self.short_description = unwrapped(&text()),
            "sku" => self.sku = text(),
            "regular_price" => self.regular_price = text(),
            "sale_price" => self.sale_price = text(),
            "date_on_sale_from_gmt" => self.sale_from = gmt(),
            "date_on_sale_to_gmt" => self.sale_to = gmt(),
            "tax_class" => self.tax_class = text(),
            "manage_stock" => self.manage_stock = *value == Value::Bool(true),
            "stock_quantity" => self.stock_quantity = value.as_i64(),
            "stock_status" => self.stock_status = text(),
            "backorders" => self.backorders = text(),
            "total_sales" => self.total_sales = value.as_i64().unwrap_or(0),
            "menu_order" => self.menu_order = value.as_i64().unwrap_or(0),
            "variations" => {
                let ids = value.as_array().into_iter().flatten();
                self.children = ids.filter_map(Value::as_u64).collect();
            }
            "meta_data" => self.meta = meta_from(value),
            "average_rating" => {
                // Shown with decimals, kept without.
                let raw = if value == "0.00" {
                    json!("0")
                } else {
                    value.clone()
                };
                self.plain.insert(name.to_owned(), raw);
            }
            computed if COMPUTED.contains(&computed) => {}
            plain => {
                self.plain.insert(plain.to_owned(), value.clone());
            }
        }
        if !self.manage_stock {
            self.stock_quantity = None;
        }
    }

    fn set_type(&mut self, name: &str) {
        name.clone_into(&mut self.type_name);
        self.kind = match name {
            "simple" => Kind::Simple,
            "variable" => Kind::Variable,
            "variation" => Kind::Variation,
            _ => Kind::Other,
        };
    }

    /// Stock status by the quantity, where stock is managed (recordings 104 to 106, 111).
    pub(crate) fn settle_stock(&mut self) {
        if !self.manage_stock {
            self.stock_quantity = None;
            return;
        }
        let quantity = *self.stock_quantity.get_or_insert(0);
        self.stock_status = match (quantity > 0, self.backorders.as_str()) {
            (true, _) => "instock",
            (false, "no") => "outofstock",
            (false, _) => "onbackorder",
        }
        .to_owned();
    }

    /// A sale price must be below the regular one, else it vanishes (recordings 127, 127b).
    pub(crate) fn settle_prices(&mut self) {
        if self.kind == Kind::Variable {
            self.regular_price.clear();
            self.sale_price.clear();
            return;
        }
        let (regular, sale) = (
            price_number(&self.regular_price),
            price_number(&self.sale_price),
        );
        match (regular, sale) {
            (Some(regular), Some(sale)) if sale < regular => {}
            _ => self.sale_price.clear(),
        }
    }

    /// Whether the sale price is charged at this moment.
    pub(crate) fn on_sale(&self, now: i64) -> bool {
        let lower = match (
            price_number(&self.regular_price),
            price_number(&self.sale_price),
        ) {
            (Some(regular), Some(sale)) => sale < regular,
            _ => false,
        };
        lower
            && self.sale_from.is_none_or(|from| from <= now)
            && self.sale_to.is_none_or(|to| now <= to)
    }

    /// The price charged at this moment, of anything but a variable product.
    pub(crate) fn own_price(&self, now: i64) -> &str {
        if self.on_sale(now) {
            &self.sale_price
        } else {
            &self.regular_price
        }
    }

    /// A member that nothing depends on.
    pub(crate) fn plain(&self, name: &str) -> Value {
        self.plain
            .get(name)
            .cloned()
            .unwrap_or_else(|| plain_default(name))
    }

    /// The entity triple for the ledger.
    pub(crate) fn entity(&self) -> (&'static str, u64, u64, &str) {
        let kind = if self.kind == Kind::Variation {
            "variation"
        } else {
            "product"
        };
        (kind, self.id, self.parent_id, &self.sku)
    }
}

/// Members that are computed when the product is shown.
const COMPUTED: [&str; 14] = [
    "_links",
    "permalink",
    "price_html",
    "purchasable",
    "backorders_allowed",
    "backordered",
    "shipping_required",
    "shipping_taxable",
    "has_options",
    "date_modified",
    "date_on_sale_from",
    "date_on_sale_to",
    "rating_count",
    "related_ids",
];

/// What a fresh product shows for members that nothing depends on.
fn plain_default(name: &str) -> Value {
    match name {
        "catalog_visibility" => json!("visible"),
        "downloads" | "grouped_products" | "upsell_ids" | "cross_sell_ids" | "categories"
        | "brands" | "tags" | "images" | "attributes" | "default_attributes"
        | "gallery_image_ids" => json!([]),
        "download_limit" | "download_expiry" => json!(-1),
        "tax_status" => json!("taxable"),
        "low_stock_amount" | "image" => Value::Null,
        "dimensions" => json!({"length": "", "width": "", "height": ""}),
        "reviews_allowed" => json!(true),
        "featured" | "virtual" | "downloadable" | "sold_individually" => json!(false),
        "shipping_class_id" => json!(0),
        "average_rating" => json!("0"),
        _ => json!(""),
    }
}

/// Reads a `meta_data` list.
pub(crate) fn meta_from(value: &Value) -> Vec<Meta> {
    let entries = value.as_array().into_iter().flatten();
    entries
        .map(|entry| Meta {
            id: entry["id"].as_u64().unwrap_or(0),
            key: entry["key"].as_str().unwrap_or_default().to_owned(),
            value: entry["value"].clone(),
        })
        .collect()
}

/// The part of an address made from a name.
pub(crate) fn slug(name: &str) -> String {
    // Markup between angle brackets does not count.
    let parts = name
        .split('<')
        .map(|part| part.split_once('>').map_or(part, |(_, rest)| rest));
    let lower = collated(&parts.collect::<String>());
    let words = lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}

/// Paragraph markup around a text, as it is shown in the view context.
pub(crate) fn wrapped(raw: &str) -> String {
    if raw.is_empty() || raw.starts_with("<p>") {
        return raw.to_owned();
    }
    format!("<p>{}</p>\n", raw.replace('\n', "<br />\n"))
}

/// The text as typed, from what the view context shows.
fn unwrapped(shown: &str) -> String {
    let inner = shown
        .strip_prefix("<p>")
        .and_then(|rest| rest.strip_suffix("</p>\n"));
    inner.map_or_else(|| shown.to_owned(), |inner| inner.replace("<br />\n", "\n"))
}
