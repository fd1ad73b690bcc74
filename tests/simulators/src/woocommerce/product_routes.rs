//! Products and variations: lists, single reads and writes, batches.

use serde_json::Value;

use super::call::{Call, Handled, Output, single};
use super::error::{Invalid, RestError, Verb};
use super::json::{Fields, JsonText};
use super::listing::Paging;
use super::params::{ListKind, ListQuery, OrderBy, PRODUCT_ORDER, Params, product_status};
use super::product::{Kind, Product};
use super::product_view::{product_links, variation_links, write_product, write_variation};
use super::product_write::{check_types, create, update};
use super::state::{State, collated};
use super::view::View;

/// `GET products`: everything but variations and the trash; with `sku` variations too.
pub(crate) fn list(call: &Call<'_>, state: &State) -> Handled {
    let mut invalid = Invalid::default();
    let kind = ListKind {
        order_names: &PRODUCT_ORDER,
        order_tables: false,
    };
    let query = ListQuery::read(&call.params, &kind, &call.config.site, &mut invalid);
    let status = product_status(&call.params, &mut invalid);
    invalid.finish()?;
    call.require(Verb::List)?;
    let skus = wanted_skus(&call.params);
    let in_scope = |product: &&Product| match &skus {
        Some(skus) => skus.contains(&collated(&product.sku)),
        None => product.kind != Kind::Variation,
    };
    let types = call.params.text("type");
    let found = state.products.values().filter(in_scope).filter(|product| {
        status_fits(product, &status) && types.is_none_or(|name| product.type_name == name)
    });
    page(
        call,
        state,
        &query,
        found.collect(),
        write_product,
        product_links,
    )
}

/// `GET products/<id>/variations`.
pub(crate) fn variations(call: &Call<'_>, state: &State, parent: u64) -> Handled {
    let query = variation_query(call)?;
    let found = state.products.values().filter(|product| {
        product.kind == Kind::Variation && product.parent_id == parent && product.status != "trash"
    });
    page(
        call,
        state,
        &query,
        with_sku(call, found.collect()),
        write_variation,
        variation_links,
    )
}

/// `GET variations`, newer versions only (recordings 47, 301).
pub(crate) fn all_variations(call: &Call<'_>, state: &State) -> Handled {
    let query = variation_query(call)?;
    let found = state
        .products
        .values()
        .filter(|product| product.kind == Kind::Variation && product.status != "trash");
    page(
        call,
        state,
        &query,
        with_sku(call, found.collect()),
        write_variation,
        variation_links,
    )
}

fn variation_query(call: &Call<'_>) -> Result<ListQuery, RestError> {
    let mut invalid = Invalid::default();
    let kind = ListKind {
        order_names: &PRODUCT_ORDER,
        order_tables: false,
    };
    let query = ListQuery::read(&call.params, &kind, &call.config.site, &mut invalid);
    invalid.finish()?;
    call.require(Verb::List)?;
    Ok(query)
}

fn with_sku<'a>(call: &Call<'_>, found: Vec<&'a Product>) -> Vec<&'a Product> {
    match wanted_skus(&call.params) {
        Some(skus) => found
            .into_iter()
            .filter(|p| skus.contains(&collated(&p.sku)))
            .collect(),
        None => found,
    }
}

/// The `sku` filter: a comma list, and also the whole text as one SKU (recordings 37 to 40).
fn wanted_skus(params: &Params) -> Option<Vec<String>> {
    let text = params.text("sku").filter(|text| !text.is_empty())?;
    let mut skus: Vec<String> = text.split(',').map(str::trim_start).map(collated).collect();
    if skus.len() > 1 {
        skus.push(collated(text));
    }
    Some(skus)
}

fn status_fits(product: &Product, wanted: &str) -> bool {
    match wanted {
        "any" => !matches!(product.status.as_str(), "trash" | "auto-draft"),
        status => product.status == status,
    }
}

/// Writes a product in one of its two forms.
pub(crate) type Write = fn(&mut JsonText, &Product, View<'_>, Option<&Fields>);
/// Writes the links of a product in one of its two forms.
pub(crate) type Links = fn(&mut super::json::Members<'_>, &Product, View<'_>);

fn page(
    call: &Call<'_>,
    state: &State,
    query: &ListQuery,
    mut found: Vec<&Product>,
    write: Write,
    links: Links,
) -> Handled {
    found.retain(|product| {
        query.takes_id(product.id)
            && query.in_time(product.created, product.modified, &call.config.site)
            && query
                .search
                .as_ref()
                .is_none_or(|text| collated(&product.name).contains(text))
    });
    let view = call.view(state, false);
    sort(&mut found, query, view);
    let ids: Vec<u64> = found.iter().map(|product| product.id).collect();
    let fields = call.fields();
    let mut text = JsonText::default();
    text.list(query.page_of(&ids), |text, id| {
        if let Some(product) = state.products.get(&id) {
            write_row(text, product, view, fields.as_ref(), write, links);
        }
    });
    let mut output = Output::ok(text);
    output.paging = Some(Paging::new(query.page, query.per_page, ids.len()));
    output.link_query = call.link_query(&[]);
    Ok(output)
}

/// In lists `_fields` also decides about the links.
fn write_row(
    text: &mut JsonText,
    product: &Product,
    view: View<'_>,
    fields: Option<&Fields>,
    write: Write,
    links: Links,
) {
    if fields.is_some_and(|fields| !fields.has("_links")) {
        write(text, product, view, fields);
        return;
    }
    let row = single(
        fields,
        |text, fields| write(text, product, view, fields),
        |o| links(o, product, view),
    );
    text.append(row);
}

fn sort(found: &mut [&Product], query: &ListQuery, view: View<'_>) {
    found.sort_by_key(|product| product.id);
    let place = |id: u64| query.include.iter().position(|wanted| *wanted == id);
    match query.order_by {
        OrderBy::Include => return found.sort_by_key(|product| place(product.id)),
        OrderBy::Date => found.sort_by_key(|product| (product.created, product.id)),
        OrderBy::Id => {}
        OrderBy::Title => found.sort_by(|a, b| a.name.cmp(&b.name)),
        OrderBy::Slug => found.sort_by(|a, b| a.slug.cmp(&b.slug)),
        OrderBy::Modified => found.sort_by_key(|product| product.modified),
        OrderBy::Price => found.sort_by_key(|product| {
            super::money::price_number(&view.state.price(product, view.now)).unwrap_or_default()
        }),
        OrderBy::Sales => found.sort_by_key(|product| product.total_sales),
        OrderBy::MenuOrder => found.sort_by_key(|product| product.menu_order),
    }
    if !query.ascending {
        found.reverse();
    }
}

/// `GET products/<id>`.
pub(crate) fn read(call: &Call<'_>, state: &State, id: u64) -> Handled {
    let product = state
        .products
        .get(&id)
        .ok_or_else(|| RestError::invalid_id("product", 404))?;
    call.require(Verb::View)?;
    Ok(Output::ok(shown(call, state, product, false)))
}

/// `GET products/<parent>/variations/<id>`.
pub(crate) fn read_variation(call: &Call<'_>, state: &State, parent: u64, id: u64) -> Handled {
    let product = variation_of(state, parent, id)?;
    call.require(Verb::View)?;
    Ok(Output::ok(shown_variation(call, state, product, false)))
}

/// `PUT products/<id>`.
pub(crate) fn write(call: &mut Call<'_>, state: &mut State, id: u64) -> Handled {
    check_types(&call.params)?;
    call.require(Verb::Edit)?;
    check_product(state, id, 404)?;
    update(state, call.config, id, &call.params, call.now, call.work)?;
    written(call, state, id)
}

/// `PUT products/<parent>/variations/<id>`.
pub(crate) fn write_one_variation(
    call: &mut Call<'_>,
    state: &mut State,
    parent: u64,
    id: u64,
) -> Handled {
    check_types(&call.params)?;
    call.require(Verb::Edit)?;
    variation_of(state, parent, id)?;
    update(state, call.config, id, &call.params, call.now, call.work)?;
    let product = variation_of(state, parent, id)?;
    Ok(Output::ok(shown_variation(call, state, product, true)))
}

/// `POST products`, and `POST products/<parent>/variations`.
pub(crate) fn add(call: &mut Call<'_>, state: &mut State, parent: u64) -> Handled {
    check_types(&call.params)?;
    call.require(Verb::Create)?;
    if parent > 0 {
        check_product(state, parent, 404)?;
    }
    let id = create(
        state,
        call.config,
        parent,
        &call.params,
        call.now,
        call.work,
    )?;
    let product = state
        .products
        .get(&id)
        .ok_or_else(|| RestError::invalid_id("product", 404))?;
    if parent > 0 {
        let text = shown_variation(call, state, product, true);
        return Ok(Output::created(
            text,
            call.api(&format!("products/{parent}/variations/{id}")),
        ));
    }
    Ok(Output::created(
        shown(call, state, product, true),
        call.api(&format!("products/{id}")),
    ))
}

/// `DELETE products/<id>`: to the trash, or with `force` for good.
pub(crate) fn delete(call: &mut Call<'_>, state: &mut State, id: u64) -> Handled {
    call.require(Verb::Delete)?;
    check_product(state, id, 404)?;
    let body = state
        .products
        .get(&id)
        .map(|product| shown(call, state, product, true));
    trash(state, id, call.params.flag("force"), call.now, call.work)?;
    Ok(Output::ok(body.unwrap_or_default()))
}

/// Puts a product into the trash or takes it out for good.
pub(crate) fn trash(
    state: &mut State,
    id: u64,
    force: bool,
    now: i64,
    work: &mut crate::platform::Work,
) -> Result<(), RestError> {
    let Some(product) = state.products.get_mut(&id) else {
        return Err(RestError::invalid_id("product", 404));
    };
    let old = product.status.clone();
    if force {
        if let Some(gone) = state.remove_product(id) {
            work.changed(gone.entity(), "status", Value::String(old), Value::Null);
        }
        return Ok(());
    }
    if old == "trash" {
        return Err(RestError::already_trashed("product"));
    }
    product.status = "trash".to_owned();
    product.modified = now;
    work.changed(
        product.entity(),
        "status",
        Value::String(old),
        Value::String("trash".to_owned()),
    );
    Ok(())
}

fn written(call: &Call<'_>, state: &State, id: u64) -> Handled {
    let product = state
        .products
        .get(&id)
        .ok_or_else(|| RestError::invalid_id("product", 404))?;
    Ok(Output::ok(shown(call, state, product, true)))
}

fn shown(call: &Call<'_>, state: &State, product: &Product, editing: bool) -> JsonText {
    let view = call.view(state, editing);
    let fields = call.fields();
    single(
        fields.as_ref(),
        |text, fields| write_product(text, product, view, fields),
        |object| product_links(object, product, view),
    )
}

fn shown_variation(call: &Call<'_>, state: &State, product: &Product, editing: bool) -> JsonText {
    let view = call.view(state, editing);
    let fields = call.fields();
    single(
        fields.as_ref(),
        |text, fields| write_variation(text, product, view, fields),
        |object| variation_links(object, product, view),
    )
}

/// Refuses unknown ids and, on the products routes, variations (recording 116).
pub(crate) fn check_product(state: &State, id: u64, status: u16) -> Result<(), RestError> {
    match state.products.get(&id) {
        None => Err(RestError::invalid_id("product", status)),
        Some(product) if product.kind == Kind::Variation => {
            Err(RestError::variation_by_product_route())
        }
        Some(_) => Ok(()),
    }
}

/// A variation under another parent is not found (recording 115).
pub(crate) fn variation_of(state: &State, parent: u64, id: u64) -> Result<&Product, RestError> {
    let found = state.products.get(&id);
    found
        .filter(|product| product.kind == Kind::Variation && product.parent_id == parent)
        .ok_or_else(|| RestError::invalid_id("product_variation", 404).before_dispatch())
}
