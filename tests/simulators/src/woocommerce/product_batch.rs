//! Batches of products and of the variations of one product (recordings 140 to 149).

use serde_json::{Map, Value};

use super::call::{Call, Handled, Output, single};
use super::error::{RestError, Verb};
use super::json::JsonText;
use super::params::Params;
use super::product::Product;
use super::product_routes::{Links, Write, check_product, trash, variation_of};
use super::product_view::{product_links, variation_links, write_product, write_variation};
use super::product_write::{create, update};
use super::state::State;

/// Rows that a batch may have, all kinds counted together (recordings 142, 144).
const LIMIT: usize = 100;

/// `POST products/batch`, or of the variations of `parent`.
pub(crate) fn run(call: &mut Call<'_>, state: &mut State, parent: Option<u64>) -> Handled {
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
    if kinds.iter().map(|(_, rows)| rows.len()).sum::<usize>() > LIMIT {
        return Err(RestError::too_many_rows());
    }
    let fields = call.fields();
    let mut left = call.work.row_limit.unwrap_or(usize::MAX);
    let mut parts = Vec::new();
    for (name, rows) in kinds.into_iter().filter(|(_, rows)| !rows.is_empty()) {
        let mut text = JsonText::default();
        text.list(rows, |text, row| {
            if left > 0 {
                left -= 1;
                batch_row(call, state, parent, name, &row, text);
            }
        });
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

fn batch_row(
    call: &mut Call<'_>,
    state: &mut State,
    parent: Option<u64>,
    kind: &str,
    row: &Value,
    text: &mut JsonText,
) {
    let result = run_row(call, state, parent, kind, row);
    let shown_id = match kind {
        "create" => Value::from(0),
        "delete" => row.clone(),
        _ => row["id"].clone(),
    };
    match result {
        Ok(RowDone::Kept(id)) => {
            if let Some(product) = state.products.get(&id) {
                text.append(row_text(call, state, parent, product));
            }
        }
        Ok(RowDone::Gone(shown)) => text.append(shown),
        Err(error) => text.object(None, |object| {
            object.put("id", &shown_id);
            object.put("error", &error.body());
        }),
    }
}

enum RowDone {
    Kept(u64),
    Gone(JsonText),
}

fn run_row(
    call: &mut Call<'_>,
    state: &mut State,
    parent: Option<u64>,
    kind: &str,
    row: &Value,
) -> Result<RowDone, RestError> {
    let members: Map<String, Value> = row.as_object().cloned().unwrap_or_default();
    let id = if kind == "delete" {
        row.as_u64()
    } else {
        row["id"].as_u64()
    }
    .unwrap_or(0);
    let params = Params::from_members(members);
    if kind == "create" {
        let id = create(
            state,
            call.config,
            parent.unwrap_or(0),
            &params,
            call.now,
            call.work,
        )?;
        return Ok(RowDone::Kept(id));
    }
    match parent {
        None => check_product(state, id, 400)?,
        Some(parent) => variation_of(state, parent, id).map(drop)?,
    }
    if kind == "delete" {
        let body = state
            .products
            .get(&id)
            .map(|product| row_text(call, state, parent, product));
        trash(state, id, parent.is_some(), call.now, call.work)?;
        return Ok(RowDone::Gone(body.unwrap_or_default()));
    }
    update(state, call.config, id, &params, call.now, call.work)?;
    Ok(RowDone::Kept(id))
}

fn row_text(call: &Call<'_>, state: &State, parent: Option<u64>, product: &Product) -> JsonText {
    let view = call.view(state, true);
    let essential = call.config.essential.as_ref();
    let (write, links): (Write, Links) = match parent {
        None => (write_product, product_links),
        Some(_) => (write_variation, variation_links),
    };
    if essential.is_some() {
        let mut text = JsonText::default();
        write(&mut text, product, view, essential);
        return text;
    }
    single(
        None,
        |text, fields| write(text, product, view, fields),
        |o| links(o, product, view),
    )
}
