//! What happens in the shop itself: sales, edits by hand, and what can be read about it.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::WooStore;
use super::config::Config;
use super::error::RestError;
use super::json::JsonText;
use super::money::text as amount;
use super::order::Order;
use super::order_edit;
use super::order_routes::remove;
use super::order_view::{write_order, write_refund};
use super::order_write::{place, set_status};
use super::product::{Kind, Product};
use super::product_write::{change_stock, members, update};
use super::refund;
use super::state::State;
use super::view::View;
use crate::action::{Action, ActionError, Article, OrderSpec, OrderSummary};
use crate::platform::Work;

/// Does an action.
pub(crate) fn act(
    state: &mut State,
    config: &Config,
    action: &Action,
    now: i64,
    work: &mut Work,
) -> Result<Value, ActionError> {
    let done = Value::Null;
    match action {
        Action::PlaceOrder(spec) => {
            check_articles(state, spec)?;
            Ok(json!(place(state, config, spec, now, work)))
        }
        Action::SetOrderStatus { id, status } => {
            known_order(state, *id)?;
            set_status(state, *id, status, now, work);
            Ok(done)
        }
        Action::EditOrder { id, members: given } => {
            let edited = order_edit::edit(state, config, *id, &members(given), now, work);
            edited.map(|()| done).map_err(|error| refusal(&error))
        }
        Action::Refund { id, refund } => {
            let made = refund::create(state, config, *id, refund, now, work);
            made.map(|id| json!(id)).map_err(|error| refusal(&error))
        }
        Action::TrashOrder { id } => remove(state, *id, false, now, work)
            .map(|()| done)
            .map_err(|error| refusal(&error)),
        Action::DeleteOrder { id } => remove(state, *id, true, now, work)
            .map(|()| done)
            .map_err(|error| refusal(&error)),
        Action::SetStock { sku, quantity } => {
            set_stock(state, sku, *quantity, now, work).map(|()| done)
        }
        Action::SetPrice { sku, regular, sale } => {
            let given = members(&json!({"regular_price": regular, "sale_price": sale}));
            for id in listed(state, sku)? {
                update(state, config, id, &given, now, work).map_err(|error| refusal(&error))?;
            }
            Ok(done)
        }
        Action::EditProduct { id, members: given } => {
            let edited = update(state, config, *id, &members(given), now, work);
            edited.map(|()| done).map_err(|error| refusal(&error))
        }
        Action::DeleteProduct { id } => delete_product(state, *id, work).map(|()| done),
    }
}

fn set_stock(
    state: &mut State,
    sku: &str,
    quantity: i64,
    now: i64,
    work: &mut Work,
) -> Result<(), ActionError> {
    for id in listed(state, sku)? {
        if change_stock(state, id, now, work, |_| quantity).is_none() {
            return Err(ActionError::Refused(format!("{sku}: stock is not managed")));
        }
    }
    Ok(())
}

fn delete_product(state: &mut State, id: u64, work: &mut Work) -> Result<(), ActionError> {
    let gone = state
        .remove_product(id)
        .ok_or_else(|| ActionError::NotFound(format!("product {id}")))?;
    work.changed(gone.entity(), "status", json!(gone.status), Value::Null);
    Ok(())
}

fn refusal(error: &RestError) -> ActionError {
    match error.status {
        404 => ActionError::NotFound(error.message.clone()),
        _ => ActionError::Refused(error.message.clone()),
    }
}

fn known_order(state: &State, id: u64) -> Result<(), ActionError> {
    match state.orders.contains_key(&id) {
        true => Ok(()),
        false => Err(ActionError::NotFound(format!("order {id}"))),
    }
}

fn listed(state: &State, sku: &str) -> Result<Vec<u64>, ActionError> {
    let ids = state.with_exact_sku(sku);
    if ids.is_empty() {
        return Err(ActionError::NotFound(format!("SKU {sku}")));
    }
    Ok(ids)
}

/// A line by SKU must have an article, unless it tells its own name and sum.
fn check_articles(state: &State, spec: &OrderSpec) -> Result<(), ActionError> {
    let by_sku = spec
        .lines
        .iter()
        .filter(|line| line.product_id == 0 && line.variation_id == 0);
    for line in by_sku.filter(|line| line.name.is_none()) {
        listed(state, &line.sku)?;
    }
    Ok(())
}

/// The state of all sellable articles.
pub(crate) fn articles(state: &State, now: i64) -> Vec<Article> {
    let sellable = state
        .products
        .values()
        .filter(|product| product.kind != Kind::Variable);
    sellable
        .map(|product| article(state, product, now))
        .collect()
}

fn article(state: &State, product: &Product, now: i64) -> Article {
    let keeper = state.stock_keeper(product);
    let (product_id, variation_id) = match product.kind {
        Kind::Variation => (product.parent_id, product.id),
        _ => (product.id, 0),
    };
    let manage_stock = match keeper.id == product.id {
        true => product.manage_stock.to_string(),
        false => "parent".to_owned(),
    };
    Article {
        product_id,
        variation_id,
        sku: product.sku.clone(),
        status: product.status.clone(),
        manage_stock,
        stock_quantity: keeper.stock_quantity,
        price: state.price(product, now),
        regular_price: product.regular_price.clone(),
        sale_price: product.sale_price.clone(),
        modified_at: product.modified,
    }
}

/// The essentials of all orders.
pub(crate) fn orders(state: &State, config: &Config) -> Vec<OrderSummary> {
    state
        .orders
        .values()
        .map(|order| summary(state, config, order))
        .collect()
}

fn summary(state: &State, config: &Config, order: &Order) -> OrderSummary {
    let money = |value: Decimal| amount(value, config.spec.decimals);
    let lines = order.content.lines.iter().map(|line| {
        let id = if line.variation_id > 0 {
            line.variation_id
        } else {
            line.product_id
        };
        let sku = state.products.get(&id).map(|product| product.sku.clone());
        (sku.unwrap_or_default(), line.quantity)
    });
    OrderSummary {
        id: order.id,
        number: order.number.clone(),
        status: order.status.clone(),
        currency: order.currency.clone(),
        total: money(order.sums.total),
        total_tax: money(order.sums.total_tax),
        refunded: money(order.refunded()),
        created_at: order.created,
        modified_at: order.modified,
        lines: lines.collect(),
    }
}

/// One order in full as the API shows it.
pub(crate) fn order(store: &WooStore, state: &State, id: u64) -> Option<Value> {
    let order = state.orders.get(&id)?;
    let mut text = JsonText::default();
    write_order(&mut text, order, view(store, state), None);
    serde_json::from_slice(&text.into_bytes()).ok()
}

/// The refunds of an order in full, oldest first.
pub(crate) fn refunds(store: &WooStore, state: &State, order: u64) -> Option<Vec<Value>> {
    let refunds = &state.orders.get(&order)?.refunds;
    let shown = refunds.iter().map(|refund| {
        let mut text = JsonText::default();
        write_refund(&mut text, refund, view(store, state), false, None);
        serde_json::from_slice(&text.into_bytes()).ok()
    });
    shown.collect()
}

fn view<'a>(store: &'a WooStore, state: &'a State) -> View<'a> {
    View {
        state,
        site: &store.config.site,
        version: store.config.spec.version,
        home: &store.config.home,
        now: store.clock.now(),
        editing: false,
        decimals: store.config.spec.decimals,
    }
}
