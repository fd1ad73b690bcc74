//! Writing products: what is stored of what was sent, and what is not (sheet section 6, recordings
//! 100 to 148).

use serde_json::{Map, Value, json};

use super::config::Config;
use super::error::{Invalid, RestError};
use super::money::price_text;
use super::params::{Params, plain_text};
use super::product::{Kind, Product, meta_from, slug};
use super::site_time::SiteTime;
use super::state::State;
use crate::platform::Work;

/// Members whose change the ledger tells.
const TOLD: [&str; 12] = [
    "stock_quantity",
    "manage_stock",
    "stock_status",
    "backorders",
    "regular_price",
    "sale_price",
    "date_on_sale_from_gmt",
    "date_on_sale_to_gmt",
    "status",
    "sku",
    "name",
    "tax_class",
];

/// Plain members that a write may set.
const PLAIN: [&str; 22] = [
    "featured",
    "catalog_visibility",
    "virtual",
    "downloadable",
    "external_url",
    "button_text",
    "tax_status",
    "low_stock_amount",
    "sold_individually",
    "weight",
    "dimensions",
    "shipping_class",
    "reviews_allowed",
    "upsell_ids",
    "cross_sell_ids",
    "purchase_note",
    "categories",
    "tags",
    "images",
    "attributes",
    "default_attributes",
    "global_unique_id",
];

/// Checks types as a single write does. Rows of a batch are not checked (recording 140).
pub(crate) fn check_types(params: &Params) -> Result<(), RestError> {
    let mut invalid = Invalid::default();
    for name in [
        "name",
        "sku",
        "regular_price",
        "sale_price",
        "description",
        "tax_class",
        "weight",
    ] {
        if params
            .get(name)
            .is_some_and(|value| !matches!(value, Value::String(_) | Value::Null))
        {
            invalid.wrong_type(name, "string");
        }
    }
    if params
        .get("stock_quantity")
        .is_some_and(|value| !is_integer(value))
    {
        invalid.wrong_type("stock_quantity", "integer");
    }
    if params
        .get("manage_stock")
        .is_some_and(|value| !is_boolean(value))
    {
        invalid.wrong_type("manage_stock", "boolean");
    }
    check_list(params, "backorders", &["no", "notify", "yes"], &mut invalid);
    check_list(
        params,
        "stock_status",
        &["instock", "outofstock", "onbackorder"],
        &mut invalid,
    );
    let statuses = [
        "draft",
        "pending",
        "private",
        "publish",
        "future",
        "auto-draft",
        "trash",
    ];
    check_list(params, "status", &statuses, &mut invalid);
    check_list(
        params,
        "type",
        &["simple", "grouped", "external", "variable"],
        &mut invalid,
    );
    invalid.finish()
}

fn check_list(params: &Params, name: &str, allowed: &[&str], invalid: &mut Invalid) {
    if params
        .text(name)
        .is_some_and(|text| !allowed.contains(&text))
    {
        invalid.not_in_list(name, name, allowed);
    }
}

/// Whole numbers, also as text; null passes and is later taken as 0 (recordings 108, 110).
fn is_integer(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Number(_) | Value::String(_) => {
            let parsed = plain_text(value).trim().parse::<rust_decimal::Decimal>();
            parsed.is_ok_and(|number| number.fract().is_zero())
        }
        _ => false,
    }
}

fn is_boolean(value: &Value) -> bool {
    match value {
        Value::Bool(_) => true,
        Value::String(text) => matches!(text.to_lowercase().as_str(), "true" | "false" | "0" | "1"),
        Value::Number(number) => matches!(number.as_i64(), Some(0 | 1)),
        _ => false,
    }
}

/// Changes a product or variation.
pub(crate) fn update(
    state: &mut State,
    config: &Config,
    id: u64,
    params: &Params,
    now: i64,
    work: &mut Work,
) -> Result<(), RestError> {
    let before = state
        .products
        .get(&id)
        .cloned()
        .ok_or_else(|| RestError::invalid_id("product", 404))?;
    if let Some(sku) = params.get("sku").map(plain_text) {
        check_sku(state, id, &sku)?;
        state.change_sku(id, &sku);
    }
    let follows_parent = state.stock_keeper(&before).id != id;
    let metas = new_metas(state, &before, params);
    if let Some(product) = state.products.get_mut(&id) {
        set_texts(product, params);
        set_prices(product, config, params);
        set_stock(product, params, follows_parent);
        metas
            .into_iter()
            .for_each(|(position, meta)| match product.meta.get_mut(position) {
                Some(known) => known.value = meta.value,
                None => product.meta.push(meta),
            });
        product.modified = now;
    }
    touch_parent(state, before.parent_id, now);
    tell(state, &before, params, work);
    Ok(())
}

/// Makes a product, or a variation of `parent`.
pub(crate) fn create(
    state: &mut State,
    config: &Config,
    parent: u64,
    params: &Params,
    now: i64,
    work: &mut Work,
) -> Result<u64, RestError> {
    check_sku(
        state,
        0,
        &params.get("sku").map(plain_text).unwrap_or_default(),
    )?;
    let kind = match (parent, params.text("type")) {
        (0, Some("variable")) => Kind::Variable,
        (0, None | Some("simple")) => Kind::Simple,
        (0, Some(_)) => Kind::Other,
        _ => Kind::Variation,
    };
    let id = state.next_post();
    let mut product = Product::empty(id, kind, now);
    product.parent_id = parent;
    if kind == Kind::Other {
        product.type_name = params.text("type").unwrap_or("external").to_owned();
    }
    if kind == Kind::Variation {
        product.tax_class = "parent".to_owned();
        if let Some(owner) = state.products.get_mut(&parent) {
            owner.children.push(id);
        }
    }
    product.slug = slug(params.text("name").unwrap_or_default());
    state.insert_product(product);
    update(state, config, id, params, now, work)?;
    Ok(id)
}

/// Sets the stock of an article, or of the parent that keeps it, and notes the change.
pub(crate) fn change_stock(
    state: &mut State,
    id: u64,
    now: i64,
    work: &mut Work,
    change: impl Fn(i64) -> i64,
) -> Option<(i64, i64)> {
    let article = state.products.get(&id)?;
    let keeper_id = state.stock_keeper(article).id;
    let keeper = state
        .products
        .get_mut(&keeper_id)
        .filter(|keeper| keeper.manage_stock)?;
    let old = keeper.stock_quantity.unwrap_or(0);
    let new = change(old);
    keeper.stock_quantity = Some(new);
    keeper.settle_stock();
    keeper.modified = now;
    work.changed(keeper.entity(), "stock_quantity", json!(old), json!(new));
    let parent = keeper.parent_id;
    touch_parent(state, parent, now);
    Some((old, new))
}

/// A change of a variation moves its parent too, and settles whether the parent has stock.
pub(crate) fn touch_parent(state: &mut State, parent: u64, now: i64) {
    let Some(owner) = state.products.get(&parent) else {
        return;
    };
    let statuses: Vec<&str> = state
        .children_of(owner)
        .map(|child| child.stock_status.as_str())
        .collect();
    let best = ["instock", "onbackorder"]
        .into_iter()
        .find(|status| statuses.contains(status));
    let best = best.unwrap_or("outofstock").to_owned();
    if let Some(owner) = state.products.get_mut(&parent) {
        owner.modified = now;
        if !owner.manage_stock {
            owner.stock_status = best;
        }
    }
}

fn check_sku(state: &State, id: u64, sku: &str) -> Result<(), RestError> {
    let Some(owner) = state.with_sku(sku).iter().find(|owner| **owner != id) else {
        return Ok(());
    };
    let free = (1..)
        .map(|n| format!("{sku}-{n}"))
        .find(|text| state.with_sku(text).is_empty());
    Err(RestError::duplicate_sku(*owner, &free.unwrap_or_default()))
}

fn set_texts(product: &mut Product, params: &Params) {
    let text = |name: &str| params.get(name).map(plain_text);
    let slots = [
        ("name", &mut product.name),
        ("slug", &mut product.slug),
        ("status", &mut product.status),
        ("description", &mut product.description),
        ("short_description", &mut product.short_description),
        ("tax_class", &mut product.tax_class),
    ];
    for (name, slot) in slots {
        if let Some(value) = text(name) {
            *slot = value;
        }
    }
    for name in PLAIN {
        if let Some(value) = params.get(name) {
            product.plain.insert(name.to_owned(), value.clone());
        }
    }
}

fn set_prices(product: &mut Product, config: &Config, params: &Params) {
    let typed = |name: &str| {
        params
            .get(name)
            .map(|value| price_text(&plain_text(value), &config.spec.decimal_separator))
    };
    if let Some(regular) = typed("regular_price") {
        product.regular_price = regular;
    }
    if let Some(sale) = typed("sale_price") {
        product.sale_price = sale;
    }
    for (name, slot) in [
        ("date_on_sale_from", &mut product.sale_from),
        ("date_on_sale_to", &mut product.sale_to),
    ] {
        let text = |value: &Value| value.as_str().map(str::to_owned).unwrap_or_default();
        if let Some(local) = params.get(name) {
            *slot = config.site.parse_local(&text(local));
        }
        if let Some(gmt) = params.get(&format!("{name}_gmt")) {
            *slot = SiteTime::parse_gmt(&text(gmt));
        }
    }
    product.settle_prices();
}

fn set_stock(product: &mut Product, params: &Params, follows_parent: bool) {
    let manage = params
        .get("manage_stock")
        .map(|_| params.flag("manage_stock"));
    if let Some(manage) = manage {
        product.manage_stock = manage;
    }
    if let Some(backorders) = params.text("backorders") {
        backorders.clone_into(&mut product.backorders);
    }
    if follows_parent && manage != Some(true) {
        return;
    }
    if !product.manage_stock {
        product.stock_quantity = None;
        if let Some(status) = params.text("stock_status") {
            status.clone_into(&mut product.stock_status);
        }
        return;
    }
    if let Some(quantity) = params.get("stock_quantity") {
        product.stock_quantity = Some(php_integer(quantity));
    } else if let Some(delta) = params.get("inventory_delta") {
        product.stock_quantity = Some(product.stock_quantity.unwrap_or(0) + php_integer(delta));
    }
    product.settle_stock();
}

/// What PHP makes of a value where it wants a whole number: leading digits, else 0.
fn php_integer(value: &Value) -> i64 {
    let text = plain_text(value);
    let text = text.trim();
    let end = text
        .char_indices()
        .find(|(at, c)| !(c.is_ascii_digit() || (*at == 0 && matches!(c, '-' | '+'))))
        .map_or(text.len(), |(at, _)| at);
    text.get(..end)
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0)
}

/// Meta data by id or key is an upsert; answers positions with values.
fn new_metas(
    state: &mut State,
    product: &Product,
    params: &Params,
) -> Vec<(usize, super::product::Meta)> {
    let Some(list) = params.get("meta_data") else {
        return Vec::new();
    };
    let mut next = product.meta.len();
    let mut placed = Vec::new();
    for mut meta in meta_from(list) {
        let known = product
            .meta
            .iter()
            .position(|m| m.id == meta.id || m.key == meta.key);
        let position = known.unwrap_or_else(|| {
            meta.id = state.next_meta();
            next += 1;
            next - 1
        });
        placed.push((position, meta));
    }
    placed
}

fn tell(state: &State, before: &Product, params: &Params, work: &mut Work) {
    let Some(after) = state.products.get(&before.id) else {
        return;
    };
    for name in TOLD {
        let (old, new) = (member(before, name), member(after, name));
        if old != new || params.get(name).is_some() {
            work.changed(after.entity(), name, old, new);
        }
    }
}

fn member(product: &Product, name: &str) -> Value {
    match name {
        "stock_quantity" => json!(product.stock_quantity),
        "manage_stock" => json!(product.manage_stock),
        "stock_status" => json!(product.stock_status),
        "backorders" => json!(product.backorders),
        "regular_price" => json!(product.regular_price),
        "sale_price" => json!(product.sale_price),
        "date_on_sale_from_gmt" => json!(product.sale_from.map(SiteTime::gmt_text)),
        "date_on_sale_to_gmt" => json!(product.sale_to.map(SiteTime::gmt_text)),
        "status" => json!(product.status),
        "sku" => json!(product.sku),
        "name" => json!(product.name),
        _ => json!(product.tax_class),
    }
}

/// Members of an API object as parameters.
pub(crate) fn members(value: &Value) -> Params {
    Params::from_members(value.as_object().cloned().unwrap_or_else(Map::new))
}
