//! Products and variations as the API shows them (recordings 43 to 47, 140, 147, 304).

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::json::{Fields, JsonText, Members};
use super::product::{Kind, Product, slug, wrapped};
use super::view::{Link, ONE, View};

/// Writes a product in the form of the products routes; variations take it too (recording 38).
pub(crate) fn write_product(
    text: &mut JsonText,
    product: &Product,
    view: View<'_>,
    fields: Option<&Fields>,
) {
    text.object(fields, |o| {
        o.put("id", &product.id);
        o.put("name", &full_name(product, view));
        o.put("slug", &product.slug);
        if o.wants("permalink") {
            o.put("permalink", &permalink(product, view));
        }
        o.moment("date_created", Some(product.created), view.site);
        o.moment("date_modified", Some(product.modified), view.site);
        o.put("type", &product.type_name);
        o.put("status", &product.status);
        plain(o, product, &["featured", "catalog_visibility"]);
        o.put("description", &shown(&product.description, view));
        o.put(
            "short_description",
            &shown(&product.short_description, view),
        );
        o.put("sku", &shown_sku(product, view));
        prices(o, product, view);
        o.put("on_sale", &view.state.on_sale(product, view.now));
        o.put("purchasable", &is_purchasable(product, view));
        o.put("total_sales", &product.total_sales);
        plain(
            o,
            product,
            &["virtual", "downloadable", "downloads", "download_limit"],
        );
        plain(
            o,
            product,
            &[
                "download_expiry",
                "external_url",
                "button_text",
                "tax_status",
            ],
        );
        o.put("tax_class", &tax_class(product, view));
        stock(o, product, view);
        backorders(o, product, view);
        plain(
            o,
            product,
            &[
                "low_stock_amount",
                "sold_individually",
                "weight",
                "dimensions",
            ],
        );
        shipping(o, product);
        plain(
            o,
            product,
            &["shipping_class", "shipping_class_id", "reviews_allowed"],
        );
        o.put("average_rating", &average_rating(product, view));
        o.put("rating_count", &0_u64);
        plain(o, product, &["upsell_ids", "cross_sell_ids"]);
        o.put("parent_id", &product.parent_id);
        plain(o, product, &["purchase_note", "categories"]);
        if view.version.is_new() {
            plain(o, product, &["brands"]);
        }
        plain(
            o,
            product,
            &["tags", "images", "attributes", "default_attributes"],
        );
        o.put("variations", product.children.as_slice());
        plain(o, product, &["grouped_products"]);
        o.put("menu_order", &product.menu_order);
        if o.wants("price_html") {
            o.put("price_html", &price_html(product, view));
        }
        o.put("related_ids", &json!([]));
        o.put("meta_data", product.meta.as_slice());
        o.put("stock_status", &stock_status(product, view));
        o.put("has_options", &(product.kind == Kind::Variable));
        if view.version.is_new() {
            plain(o, product, &["post_password", "global_unique_id"]);
        }
        if view.editing {
            o.put(
                "permalink_template",
                &format!("{}/product/%pagename%/", view.home),
            );
            o.put("generated_slug", &slug(&product.name));
        }
    });
}

/// Writes a variation in the form of the variations routes.
pub(crate) fn write_variation(
    text: &mut JsonText,
    product: &Product,
    view: View<'_>,
    fields: Option<&Fields>,
) {
    text.object(fields, |o| {
        o.put("id", &product.id);
        if view.version.is_new() {
            o.put("type", &product.type_name);
        }
        o.moment("date_created", Some(product.created), view.site);
        o.moment("date_modified", Some(product.modified), view.site);
        o.put("description", &shown(&product.description, view));
        if o.wants("permalink") {
            o.put("permalink", &permalink(product, view));
        }
        o.put("sku", &shown_sku(product, view));
        if view.version.is_new() {
            plain(o, product, &["global_unique_id"]);
        }
        prices(o, product, view);
        o.put("on_sale", &view.state.on_sale(product, view.now));
        o.put("status", &product.status);
        o.put("purchasable", &is_purchasable(product, view));
        plain(
            o,
            product,
            &["virtual", "downloadable", "downloads", "download_limit"],
        );
        plain(o, product, &["download_expiry", "tax_status"]);
        o.put("tax_class", &tax_class(product, view));
        stock(o, product, view);
        o.put("stock_status", &stock_status(product, view));
        backorders(o, product, view);
        plain(o, product, &["low_stock_amount", "weight", "dimensions"]);
        plain(
            o,
            product,
            &["shipping_class", "shipping_class_id", "image"],
        );
        if view.version.is_new() {
            plain(o, product, &["gallery_image_ids"]);
        }
        plain(o, product, &["attributes"]);
        o.put("menu_order", &product.menu_order);
        o.put("meta_data", product.meta.as_slice());
        if view.version.is_new() {
            o.put("name", &options(product));
            o.put("parent_id", &product.parent_id);
        }
    });
}

/// The links of a product in the form of the products routes.
pub(crate) fn product_links(object: &mut Members<'_>, product: &Product, view: View<'_>) {
    view.links(
        object,
        &format!("products/{}", product.id),
        ONE,
        "products",
        &[],
    );
}

/// The links of a variation.
pub(crate) fn variation_links(object: &mut Members<'_>, product: &Product, view: View<'_>) {
    let parent = format!("products/{}", product.parent_id);
    let (own, all) = (
        format!("{parent}/variations/{}", product.id),
        format!("{parent}/variations"),
    );
    let up = Link {
        path: parent,
        embeddable: false,
    };
    view.links(object, &own, ONE, &all, &[("up", up)]);
}

/// A variation without a SKU of its own shows its parent's, except in answers to writes.
pub(crate) fn shown_sku(product: &Product, view: View<'_>) -> String {
    match view.state.parent_of(product) {
        Some(parent) if product.sku.is_empty() && !view.editing => parent.sku.clone(),
        _ => product.sku.clone(),
    }
}

fn is_purchasable(product: &Product, view: View<'_>) -> bool {
    product.kind != Kind::Other && !view.state.price(product, view.now).is_empty()
}

fn plain(object: &mut Members<'_>, product: &Product, names: &[&str]) {
    for name in names {
        if object.wants(name) {
            object.put(name, &product.plain(name));
        }
    }
}

fn prices(object: &mut Members<'_>, product: &Product, view: View<'_>) {
    object.put("price", &view.state.price(product, view.now));
    object.put("regular_price", &product.regular_price);
    object.put("sale_price", &product.sale_price);
    object.moment("date_on_sale_from", product.sale_from, view.site);
    object.moment("date_on_sale_to", product.sale_to, view.site);
}

fn stock(object: &mut Members<'_>, product: &Product, view: View<'_>) {
    let keeper = view.state.stock_keeper(product);
    if keeper.id == product.id {
        object.put("manage_stock", &product.manage_stock);
    } else {
        object.put("manage_stock", "parent");
    }
    object.put("stock_quantity", &keeper.stock_quantity);
}

fn stock_status(product: &Product, view: View<'_>) -> String {
    view.state.stock_keeper(product).stock_status.clone()
}

fn backorders(object: &mut Members<'_>, product: &Product, view: View<'_>) {
    let keeper = view.state.stock_keeper(product);
    let allowed = keeper.backorders != "no";
    let below_zero = keeper.stock_quantity.is_some_and(|quantity| quantity < 0);
    object.put("backorders", &keeper.backorders);
    object.put("backorders_allowed", &allowed);
    object.put(
        "backordered",
        &(keeper.manage_stock && allowed && below_zero),
    );
}

fn shipping(object: &mut Members<'_>, product: &Product) {
    let required = product.plain("virtual") != Value::Bool(true);
    let taxable = matches!(
        product.plain("tax_status").as_str(),
        Some("taxable" | "shipping")
    );
    object.put("shipping_required", &required);
    object.put("shipping_taxable", &(required && taxable));
}

/// A variation's `parent` is shown as the parent's class, except in answers to writes (132).
fn tax_class(product: &Product, view: View<'_>) -> String {
    match view.state.parent_of(product) {
        Some(parent) if product.tax_class == "parent" && !view.editing => parent.tax_class.clone(),
        _ => product.tax_class.clone(),
    }
}

fn average_rating(product: &Product, view: View<'_>) -> Value {
    let raw = product.plain("average_rating");
    if view.editing || raw != json!("0") {
        raw
    } else {
        json!("0.00")
    }
}

fn shown(raw: &str, view: View<'_>) -> String {
    if view.editing {
        raw.to_owned()
    } else {
        wrapped(raw)
    }
}

/// Name with the chosen options, as it stands on orders.
pub(crate) fn full_name(product: &Product, view: View<'_>) -> String {
    match view.state.parent_of(product) {
        Some(parent) => format!("{} - {}", parent.name, options(product)),
        None => product.name.clone(),
    }
}

fn options(product: &Product) -> String {
    let attributes = product.plain("attributes");
    let options = attributes.as_array().into_iter().flatten();
    options
        .filter_map(|a| a["option"].as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

fn permalink(product: &Product, view: View<'_>) -> String {
    if let Some(parent) = view.state.parent_of(product) {
        return format!("{}?{}", permalink(parent, view), chosen(product));
    }
    if matches!(
        product.status.as_str(),
        "draft" | "pending" | "auto-draft" | "future"
    ) {
        return format!("{}/?post_type=product&p={}", view.home, product.id);
    }
    format!("{}/product/{}/", view.home, product.slug)
}

fn chosen(product: &Product) -> String {
    let attributes = product.plain("attributes");
    let pairs = attributes
        .as_array()
        .into_iter()
        .flatten()
        .map(|attribute| {
            let key = attribute["slug"].as_str().unwrap_or_default();
            let option = attribute["option"].as_str().unwrap_or_default();
            // Shared attributes are named by slug, a product's own ones by their text.
            let value = if attribute["id"] == 0 {
                option.to_owned()
            } else {
                slug(option)
            };
            let value = utf8_percent_encode(&value, NON_ALPHANUMERIC)
                .to_string()
                .replace("%20", "+");
            format!("attribute_{key}={value}")
        });
    pairs.collect::<Vec<_>>().join("&")
}

/// Markup for people; the real one depends on the theme's settings.
fn price_html(product: &Product, view: View<'_>) -> String {
    let price = view.state.price(product, view.now);
    if price.is_empty() {
        return String::new();
    }
    format!("<span class=\"woocommerce-Price-amount amount\"><bdi>{price}</bdi></span>")
}
