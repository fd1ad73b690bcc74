//! Orders, refunds and notes: lists, single reads and writes.

use serde_json::{Value, json};

use super::call::{Call, Handled, Output, single};
use super::error::{Invalid, RestError, Verb};
use super::json::{JsonText, ToJson};
use super::listing::Paging;
use super::order::{Order, Refund};
use super::order_edit::{check, create, edit, failed_row, refund_spec, row_members};
use super::order_view::{
    note_links, order_links, refund_links, write_note, write_order, write_refund,
};
use super::order_write::add_note;
use super::params::{ListKind, ListQuery, ORDER_ORDER, OrderBy, decimals, order_statuses};
use super::refund;
use super::state::{State, collated};
use super::view::View;
use crate::platform::Work;

/// `GET orders`.
pub(crate) fn list(call: &Call<'_>, state: &State) -> Handled {
    let new = call.config.spec.version.is_new();
    let mut invalid = Invalid::default();
    let kind = ListKind {
        order_names: &ORDER_ORDER,
        order_tables: new,
    };
    let query = ListQuery::read(&call.params, &kind, &call.config.site, &mut invalid);
    let statuses = order_statuses(&call.params, &mut invalid);
    invalid.finish()?;
    call.require(Verb::List)?;
    let view = View {
        decimals: decimals(&call.params, call.config.spec.decimals)?,
        ..call.view(state, false)
    };
    let found = matching(call, state, &query, &statuses);
    let ids = query.page_of(&found);
    let fields = call.fields();
    let keeps_links = fields.as_ref().is_none_or(|fields| fields.has("_links"));
    let mut text = JsonText::default();
    text.list(&ids, |text, id| {
        let Some(order) = state.orders.get(id) else {
            return;
        };
        if keeps_links {
            text.append(single(
                fields.as_ref(),
                |text, fields| write_order(text, order, view, fields),
                |object| order_links(object, order, view),
            ));
        } else {
            write_order(text, order, view, fields.as_ref());
        }
    });
    let mut output = Output::ok(text);
    // Past the end, order tables forget the totals; orders as posts keep them (recordings 62, 300).
    let total = if ids.is_empty() && new && query.page > 1 {
        0
    } else {
        found.len()
    };
    output.paging = Some(Paging::new(query.page, query.per_page, total));
    output.link_query = list_query(call, &statuses, !ids.is_empty());
    Ok(output)
}

fn matching(call: &Call<'_>, state: &State, query: &ListQuery, statuses: &[String]) -> Vec<u64> {
    let new = call.config.spec.version.is_new();
    let customer = call.params.get("customer").map(super::params::plain_text);
    let product = call.params.get("product").map(super::params::plain_text);
    let mut found: Vec<&Order> = state
        .orders
        .values()
        .filter(|order| status_fits(&order.status, statuses, new))
        .filter(|order| query.takes_id(order.id))
        .filter(|order| query.in_time(order.created, order.modified, &call.config.site))
        .filter(|order| {
            query
                .search
                .as_ref()
                .is_none_or(|text| mentions(order, text))
        })
        .filter(|order| {
            customer
                .as_ref()
                .is_none_or(|id| order.customer_id.to_string() == *id)
        })
        .filter(|order| product.as_ref().is_none_or(|id| has_product(order, id)))
        .collect();
    let place = |id: u64| query.include.iter().position(|wanted| *wanted == id);
    match query.order_by {
        OrderBy::Include => found.sort_by_key(|order| place(order.id)),
        OrderBy::Modified => found.sort_by_key(|order| order.modified),
        OrderBy::Id | OrderBy::Title | OrderBy::Slug => {}
        _ => found.sort_by_key(|order| (order.created, order.id)),
    }
    if !query.ascending && query.order_by != OrderBy::Include {
        found.reverse();
    }
    found.iter().map(|order| order.id).collect()
}

/// `any` leaves out the trash even when it is named beside it (recording 83); only the older version
/// shows unfinished checkouts.
fn status_fits(status: &str, wanted: &[String], new: bool) -> bool {
    if wanted.iter().any(|word| word == "any") {
        let unfinished = new && status == "checkout-draft";
        return !unfinished && !matches!(status, "trash" | "auto-draft");
    }
    wanted.iter().any(|word| word == status)
}

fn mentions(order: &Order, text: &str) -> bool {
    let person = &order.billing;
    let words = [
        &person.first_name,
        &person.last_name,
        &person.email,
        &order.number,
    ];
    words.into_iter().any(|word| collated(word).contains(text))
}

fn has_product(order: &Order, id: &str) -> bool {
    order
        .content
        .lines
        .iter()
        .any(|line| line.product_id.to_string() == id)
}

fn list_query(call: &Call<'_>, statuses: &[String], has_rows: bool) -> Vec<(String, Value)> {
    let mut added = vec![("status".to_owned(), json!(statuses))];
    let given = |name: &str| call.params.get(name).is_some();
    if has_rows && !given("dp") {
        added.push((
            "dp".to_owned(),
            json!(call.config.spec.decimals.to_string()),
        ));
    }
    if has_rows && !given("context") {
        added.push(("context".to_owned(), json!("view")));
    }
    call.link_query(&added)
}

/// `GET orders/<id>`; the trash can be read by id (recording 161).
pub(crate) fn read(call: &Call<'_>, state: &State, id: u64) -> Handled {
    let order = order_of(state, id)?;
    call.require(Verb::View)?;
    let decimals = decimals(&call.params, call.config.spec.decimals)?;
    Ok(Output::ok(shown(
        call,
        View {
            decimals,
            ..call.view(state, false)
        },
        order,
    )))
}

/// `PUT orders/<id>`.
pub(crate) fn write(call: &mut Call<'_>, state: &mut State, id: u64) -> Handled {
    check(&call.params)?;
    call.require(Verb::Edit)?;
    if !state.orders.contains_key(&id) {
        return Err(RestError::order_invalid_id(400));
    }
    edit(state, call.config, id, &call.params, call.now, call.work)?;
    let order = order_of(state, id)?;
    Ok(Output::ok(shown(call, call.view(state, true), order)))
}

/// `POST orders`.
pub(crate) fn add(call: &mut Call<'_>, state: &mut State) -> Handled {
    check(&call.params)?;
    call.require(Verb::Create)?;
    let id = create(state, call.config, &call.params, call.now, call.work);
    let order = order_of(state, id)?;
    let text = shown(call, call.view(state, true), order);
    Ok(Output::created(text, call.api(&format!("orders/{id}"))))
}

/// `DELETE orders/<id>`: the answer shows the status before (recording 160).
pub(crate) fn delete(call: &mut Call<'_>, state: &mut State, id: u64) -> Handled {
    call.require(Verb::Delete)?;
    let order = order_of(state, id)?;
    let text = shown(call, call.view(state, true), order);
    remove(state, id, call.params.flag("force"), call.now, call.work)?;
    Ok(Output::ok(text))
}

/// Puts an order into the trash or takes it out for good.
pub(crate) fn remove(
    state: &mut State,
    id: u64,
    force: bool,
    now: i64,
    work: &mut Work,
) -> Result<(), RestError> {
    let order = state
        .orders
        .get_mut(&id)
        .ok_or_else(|| RestError::order_invalid_id(404))?;
    let old = json!(order.status);
    if force {
        state.orders.remove(&id);
        work.changed(("order", id, 0, ""), "status", old, Value::Null);
        return Ok(());
    }
    if order.status == "trash" {
        return Err(RestError::already_trashed("shop_order"));
    }
    order.status = "trash".to_owned();
    order.modified = now;
    work.changed(("order", id, 0, ""), "status", old, json!("trash"));
    Ok(())
}

/// `POST orders/batch` (recording 162).
pub(crate) fn batch(call: &mut Call<'_>, state: &mut State) -> Handled {
    call.require(Verb::Batch)?;
    let rows = |name: &str| {
        call.params
            .get(name)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let kinds = [
        ("create", rows("create")),
        ("update", rows("update")),
        ("delete", rows("delete")),
    ];
    if kinds.iter().map(|(_, rows)| rows.len()).sum::<usize>() > 100 {
        return Err(RestError::too_many_rows());
    }
    let fields = call.fields();
    let mut parts = Vec::new();
    for (name, rows) in kinds.into_iter().filter(|(_, rows)| !rows.is_empty()) {
        let mut text = JsonText::default();
        text.list(rows, |text, row| batch_row(call, state, name, &row, text));
        parts.push((name, text));
    }
    let mut text = JsonText::default();
    if parts.is_empty() {
        text.raw("[]");
        return Ok(Output::ok(text));
    }
    text.object(fields.as_ref(), |object| {
        for (name, rows) in parts {
            object.list_ready(name, rows);
        }
    });
    Ok(Output::ok(text))
}

fn batch_row(call: &mut Call<'_>, state: &mut State, kind: &str, row: &Value, text: &mut JsonText) {
    let id = if kind == "delete" {
        row.clone()
    } else {
        row["id"].clone()
    };
    let number = id.as_u64().unwrap_or(0);
    let params = row_members(row);
    let unknown = kind != "create" && !state.orders.contains_key(&number);
    let result = match kind {
        _ if unknown => Err(RestError::order_invalid_id(400)),
        "create" => Ok(create(state, call.config, &params, call.now, call.work)),
        "update" => check(&params)
            .and_then(|()| edit(state, call.config, number, &params, call.now, call.work))
            .map(|()| number),
        _ => remove(state, number, false, call.now, call.work).map(|()| number),
    };
    match result.map(|id| state.orders.get(&id)) {
        Ok(Some(order)) => {
            let view = call.view(state, true);
            text.append(single(
                None,
                |text, fields| write_order(text, order, view, fields),
                |object| order_links(object, order, view),
            ));
        }
        Ok(None) => text.raw("null"),
        Err(error) => failed_row(&id, &error).write(text),
    }
}

/// `GET orders/<id>/refunds`, newest first.
pub(crate) fn refunds(call: &Call<'_>, state: &State, order: u64) -> Handled {
    let order = order_of(state, order)?;
    call.require(Verb::List)?;
    refund_page(call, state, order.refunds.iter().collect(), false)
}

/// `GET refunds`, newer version only (recordings 79, 302).
pub(crate) fn all_refunds(call: &Call<'_>, state: &State) -> Handled {
    call.require(Verb::List)?;
    let mut all: Vec<&Refund> = state
        .orders
        .values()
        .flat_map(|order| &order.refunds)
        .collect();
    all.sort_by_key(|refund| refund.id);
    refund_page(call, state, all, true)
}

fn refund_page(call: &Call<'_>, state: &State, mut found: Vec<&Refund>, flat: bool) -> Handled {
    let mut invalid = Invalid::default();
    let kind = ListKind {
        order_names: &ORDER_ORDER,
        order_tables: false,
    };
    let query = ListQuery::read(&call.params, &kind, &call.config.site, &mut invalid);
    invalid.finish()?;
    let view = View {
        decimals: decimals(&call.params, call.config.spec.decimals)?,
        ..call.view(state, false)
    };
    found.retain(|refund| query.in_time(refund.created, refund.created, &call.config.site));
    if !query.ascending {
        found.reverse();
    }
    let fields = call.fields();
    let start = (query.page - 1).saturating_mul(query.per_page);
    let mut text = JsonText::default();
    text.list(
        found.iter().skip(start).take(query.per_page),
        |text, refund| {
            let row = single(
                fields.as_ref(),
                |text, fields| write_refund(text, refund, view, flat, fields),
                |object| refund_links(object, refund, view),
            );
            text.append(row);
        },
    );
    let mut output = Output::ok(text);
    output.paging = Some(Paging::new(query.page, query.per_page, found.len()));
    let dp = (
        "dp".to_owned(),
        json!(call.config.spec.decimals.to_string()),
    );
    output.link_query = call.link_query(&[dp]);
    Ok(output)
}

/// `GET orders/<id>/refunds/<id>`.
pub(crate) fn read_refund(call: &Call<'_>, state: &State, order: u64, id: u64) -> Handled {
    let order = order_of(state, order)?;
    let found = order.refunds.iter().find(|refund| refund.id == id);
    let refund = found.ok_or_else(|| RestError::invalid_id("shop_order_refund", 404))?;
    call.require(Verb::View)?;
    Ok(Output::ok(shown_refund(call, state, refund)))
}

/// `POST orders/<id>/refunds`; the Location header is as broken as recorded (157).
pub(crate) fn add_refund(call: &mut Call<'_>, state: &mut State, order: u64) -> Handled {
    call.require(Verb::Create)?;
    order_of(state, order)?;
    let spec = refund_spec(&call.params);
    let id = refund::create(state, call.config, order, &spec, call.now, call.work)?;
    let order = order_of(state, order)?;
    let refund = order.refunds.iter().find(|refund| refund.id == id);
    let refund = refund.ok_or_else(|| RestError::invalid_id("shop_order_refund", 404))?;
    let location = call.api(&format!("orders/(?P<order_id>[\\d]+)/refunds/{id}"));
    Ok(Output::created(shown_refund(call, state, refund), location))
}

fn shown_refund(call: &Call<'_>, state: &State, refund: &Refund) -> JsonText {
    let view = call.view(state, true);
    single(
        call.fields().as_ref(),
        |text, fields| write_refund(text, refund, view, false, fields),
        |object| refund_links(object, refund, view),
    )
}

/// `GET orders/<id>/notes`, all of them, oldest first (recording 80).
pub(crate) fn notes(call: &Call<'_>, state: &State, order: u64) -> Handled {
    let order = order_of(state, order)?;
    call.require(Verb::List)?;
    let view = call.view(state, false);
    let fields = call.fields();
    let mut text = JsonText::default();
    text.list(&order.notes, |text, note| {
        text.append(single(
            fields.as_ref(),
            |text, fields| write_note(text, note, view, fields),
            |object| note_links(object, order.id, note, view),
        ));
    });
    Ok(Output::ok(text))
}

/// `POST orders/<id>/notes`.
pub(crate) fn post_note(call: &mut Call<'_>, state: &mut State, order: u64) -> Handled {
    let Some(text) = call.params.text("note").map(str::to_owned) else {
        return Err(RestError::missing_parameters(&["note"]));
    };
    call.require(Verb::Create)?;
    order_of(state, order)?;
    let id = add_note(state, order, &text, call.now).unwrap_or(0);
    let for_customer = call.params.flag("customer_note");
    call.work
        .changed(("note", id, order, ""), "note", Value::Null, json!(text));
    if let Some(note) = state
        .orders
        .get_mut(&order)
        .and_then(|order| order.notes.last_mut())
    {
        note.for_customer = for_customer;
    }
    let location = call.api(&format!("orders/{order}/notes/{id}"));
    read_note(call, state, order, id).map(|read| Output {
        status: 201,
        location: Some(location),
        ..read
    })
}

/// `GET orders/<id>/notes/<id>`.
pub(crate) fn read_note(call: &Call<'_>, state: &State, order: u64, id: u64) -> Handled {
    let order = order_of(state, order)?;
    let found = order.notes.iter().find(|note| note.id == id);
    let note = found.ok_or_else(|| {
        RestError::new(404, "woocommerce_rest_invalid_id", "Invalid resource ID.")
    })?;
    call.require(Verb::View)?;
    let view = call.view(state, false);
    Ok(Output::ok(single(
        call.fields().as_ref(),
        |text, fields| write_note(text, note, view, fields),
        |object| note_links(object, order.id, note, view),
    )))
}

fn shown(call: &Call<'_>, view: View<'_>, order: &Order) -> JsonText {
    single(
        call.fields().as_ref(),
        |text, fields| write_order(text, order, view, fields),
        |object| order_links(object, order, view),
    )
}

fn order_of(state: &State, id: u64) -> Result<&Order, RestError> {
    state
        .orders
        .get(&id)
        .ok_or_else(|| RestError::invalid_id("shop_order", 404))
}
