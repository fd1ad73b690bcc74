//! Playing one recording to the method of the adapter that reads such an answer.

use serde_json::Value;
use storelink_adapter_api::{
    AdapterError, ItemOutcome, OrderWindow, PriceWrite, ProductWindow, SalePrice, StockWrite,
    StoreAccess, StoreAdapter, StoreIds,
};
use storelink_adapter_woocommerce::WooCommerce;
use storelink_model::{Quantity, Timestamp};

use crate::facts::{self, Facts};
use crate::recording::{Recording, load};
use crate::rig::{Asked, Reply, Rig};

/// To which method an answer is played, and what is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way {
    /// As a page of orders modified since the bound of the recorded request.
    Orders,
    /// The same, with the members that the recorded request did not ask for from recording 71.
    OrderList,
    /// As one order.
    Order,
    /// As one order; members that the recorded request did not ask for are taken from the same
    /// order in another recording.
    PartOf(&'static str),
    /// As the refunds of order 97 of recording 60.
    Refunds,
    /// As the only refund of the order of another recording, completed from a third one.
    RefundOf(&'static str, &'static str),
    /// As a page of all products.
    Products,
    /// As a page of all products; members that the recorded request did not ask for are added.
    ProductList,
    /// As one product, in a list of its own.
    Product,
    /// As the variations of product 64 of recording 44.
    Variations,
    /// As what verification is answered on the recorded path; all else is as on a healthy store.
    Verify,
    /// The same on a store whose key may not read the system status.
    VerifySmallUser,
    /// As the answer to writing the quantities of the recorded request.
    Stock,
    /// As the answer to writing one price: regular, sale, from, until.
    Price(&'static str, Option<Sale>),
}

/// Sale price, begin and end.
pub(crate) type Sale = (&'static str, Option<&'static str>, Option<&'static str>);

/// Everything the adapter makes of a recording.
pub(crate) async fn play(recording: &Recording, way: Way) -> Facts {
    let played = recording.clone();
    let rig = Rig::https(move |asked| answer(&played, way, asked)).await;
    let mut access = rig.access();
    if recording.name.contains("-v79-") {
        access.profile = std::sync::Arc::default();
    }
    let result = match way {
        Way::Orders | Way::OrderList => orders(&access, recording, way).await,
        Way::Order | Way::PartOf(_) => order(&access, recording).await,
        Way::Refunds => order(&access, &load("78-order-refunds")).await,
        Way::RefundOf(order_of, _) => order(&access, &load(order_of)).await,
        Way::Products | Way::ProductList | Way::Product | Way::Variations => {
            products(&access).await
        }
        Way::Verify | Way::VerifySmallUser => Ok(facts::of_diagnosis(
            &WooCommerce::new().verify(&access).await,
        )),
        Way::Stock => stock(&access, recording).await,
        Way::Price(regular, sale) => price(&access, recording, regular, sale).await,
    };
    result.unwrap_or_else(|error| facts::of_error(&error))
}

fn answer(recording: &Recording, way: Way, asked: &Asked) -> Reply {
    let call = asked.call();
    let ok = recording.response().status < 300;
    let refunds = call.ends_with("/refunds");
    let variations = call.ends_with("/variations");
    match way {
        Way::Refunds if call == "orders/97" => order_97(),
        Way::RefundOf(..) if refunds => listed(recording),
        Way::RefundOf(order, base) => completed(&load(order), base),
        Way::OrderList if !refunds => completed(recording, "71-order-full-taxed-shipping"),
        Way::PartOf(base) if !refunds => completed(recording, base),
        Way::Order | Way::Orders | Way::OrderList | Way::PartOf(_) if refunds => {
            known_refunds(call)
        }
        Way::Variations if call == "products" => listed(&load("44-product-variable-full")),
        Way::Product if call == "products" && ok => listed(recording),
        Way::ProductList if call == "products" => with_defaults(recording),
        Way::Products | Way::ProductList | Way::Product if variations => match call {
            "products/64/variations" => load("45-variations-list").reply(),
            "products/57/variations" => load("46-variations-own-stock").reply(),
            _ => Reply::json(200, "[]"),
        },
        Way::Stock | Way::Price(..) if ok && !recording.request.path.ends_with("/batch") => {
            recording.wrapped("{\"update\":[", "]}")
        }
        Way::VerifySmallUser if call == "system_status" => {
            load("13-auth-key-of-customer-user").reply()
        }
        Way::Verify | Way::VerifySmallUser if asked.path != recording.request.path => {
            healthy(asked)
        }
        _ => recording.reply(),
    }
}

/// A store that verification has nothing to say against, put together from recordings.
pub(crate) fn healthy(asked: &Asked) -> Reply {
    let name = match asked.call() {
        "" if asked.path.ends_with("/wp-json/") => "01-index-fields",
        "orders" => "15-auth-manager-key-reads",
        "products" => "31-products-paged-middle",
        "products/batch" => "145-batch-empty",
        "system_status" => "85-system-status",
        "settings/tax" => "87-settings-tax",
        "data/currencies/current" => "89-currency-current",
        "webhooks" => "220-webhooks-list-disabled",
        _ => return Reply::html(404, "<html><body>404</body></html>"),
    };
    load(name).reply()
}

/// The orders of the recording with the members that they lack, from the same order in another
/// recording or from the only order of that one.
fn completed(recording: &Recording, base: &str) -> Reply {
    let base: Value = serde_json::from_str(&load(base).response().body).unwrap();
    let whole = |order: &mut Value| {
        let whole = match &base {
            Value::Array(rows) => rows.iter().find(|row| row["id"] == order["id"]).unwrap(),
            one => one,
        };
        for (name, value) in whole.as_object().unwrap() {
            order
                .as_object_mut()
                .unwrap()
                .entry(name)
                .or_insert_with(|| value.clone());
        }
    };
    let body = &recording.response().body;
    let completed = match serde_json::from_str(body) {
        Ok(Value::Array(mut rows)) => {
            rows.iter_mut().for_each(whole);
            Value::Array(rows)
        }
        Ok(mut order) if recording.response().status < 300 => {
            whole(&mut order);
            order
        }
        _ => return recording.reply(),
    };
    Reply {
        body: completed.to_string().into(),
        ..recording.reply()
    }
}

fn with_defaults(recording: &Recording) -> Reply {
    let body = &recording.response().body;
    let Ok(Value::Array(mut rows)) = serde_json::from_str(body) else {
        return recording.reply();
    };
    for row in rows.iter_mut().filter_map(Value::as_object_mut) {
        for (name, value) in [
            ("status", "publish".into()),
            ("manage_stock", Value::Bool(true)),
        ] {
            row.entry(name).or_insert(value);
        }
    }
    Reply {
        body: Value::Array(rows).to_string().into(),
        ..recording.reply()
    }
}

fn listed(recording: &Recording) -> Reply {
    recording.wrapped("[", "]")
}

/// The details of a refund as far as recordings have them (78, 79); for the others what the order
/// itself says of them.
fn known_refunds(call: &str) -> Reply {
    let order: u64 = call.split('/').nth(1).unwrap().parse().unwrap();
    if order == 97 {
        return load("78-order-refunds").reply();
    }
    let parse =
        |name: &str| -> Vec<Value> { serde_json::from_str(&load(name).response().body).unwrap() };
    let flat = parse("79-refunds-flat");
    let of_order = |refund: &&Value| refund["parent_id"] == order;
    let recorded: Vec<Value> = flat.iter().filter(of_order).cloned().collect();
    if !recorded.is_empty() {
        return Reply::json(200, serde_json::to_string(&recorded).unwrap());
    }
    let orders = parse("60-orders-page1-100");
    let named = orders
        .iter()
        .find(|known| known["id"] == order)
        .map(|known| known["refunds"].clone());
    let named = named.unwrap_or(Value::Array(vec![]));
    let details = named.as_array().unwrap().iter().map(|refund| {
        let total = refund["total"]
            .as_str()
            .unwrap()
            .trim_start_matches('-')
            .to_owned();
        serde_json::json!({
            "id": refund["id"], "date_created_gmt": "2026-11-22T04:45:11", "amount": total,
            "reason": refund["reason"], "line_items": [],
        })
    });
    Reply::json(
        200,
        serde_json::to_string(&details.collect::<Vec<_>>()).unwrap(),
    )
}

fn order_97() -> Reply {
    let body = load("60-orders-page1-100").response().body.clone();
    let orders: Vec<Box<serde_json::value::RawValue>> = serde_json::from_str(&body).unwrap();
    let found = orders
        .iter()
        .find(|order| order.get().starts_with("{\"id\":97,"))
        .unwrap();
    Reply::json(200, found.get())
}

async fn orders(
    access: &StoreAccess,
    recording: &Recording,
    way: Way,
) -> Result<Facts, AdapterError> {
    let bound = recording
        .request
        .query
        .split('&')
        .find_map(|pair| pair.strip_prefix("modified_after="))
        .and_then(|text| {
            format!("{}Z", text.trim_end_matches('Z'))
                .parse::<Timestamp>()
                .ok()
        });
    // The adapter asks from one second before, since the store's bound is strictly after.
    let modified_since = bound.map_or(Timestamp::from_micros(86_400_000_000), |at| {
        at.saturating_add(time::Duration::SECOND)
    });
    let window = OrderWindow {
        modified_since,
        page_limit: None,
    };
    let page = WooCommerce::new()
        .read_orders(access, &window, None)
        .await?;
    for reading in page.orders.iter().filter(|_| matches!(way, Way::Orders)) {
        let body = &recording.response().body;
        assert!(
            body.contains(reading.raw.get()),
            "the raw order is the store's own, byte for byte"
        );
    }
    Ok(facts::of_orders(&page))
}

async fn order(access: &StoreAccess, recording: &Recording) -> Result<Facts, AdapterError> {
    let id = recording
        .request
        .path
        .split("/orders/")
        .nth(1)
        .unwrap_or("1");
    let id = id.split('/').next().unwrap();
    let reading = WooCommerce::new().read_order(access, id).await?;
    Ok(reading
        .as_ref()
        .map_or(vec!["none".into()], facts::of_reading))
}

async fn products(access: &StoreAccess) -> Result<Facts, AdapterError> {
    let window = ProductWindow {
        modified_since: None,
    };
    let page = WooCommerce::new()
        .read_products(access, &window, None)
        .await?;
    Ok(facts::of_products(&page))
}

/// The ids of the recorded request: of its rows, or of its path.
fn targets(recording: &Recording) -> Vec<(StoreIds, Value)> {
    let path = &recording.request.path;
    let numbers: Vec<&str> = path
        .split('/')
        .filter(|part| part.bytes().all(|b| b.is_ascii_digit()) && !part.is_empty())
        .collect();
    let ids = |product: &str, variation: Option<&str>| StoreIds {
        product: product.to_owned(),
        variation: variation.map(str::to_owned),
        stock_row: None,
    };
    let sent = recording.sent();
    match (sent["update"].as_array(), numbers.as_slice()) {
        (Some(rows), parents) if !rows.is_empty() => rows
            .iter()
            .map(|row| {
                // A row that was sent without an id is asked for by one that the answer lacks.
                let id = row["id"].as_u64().unwrap_or(4242).to_string();
                let ids = match parents.first() {
                    Some(parent) => ids(parent, Some(&id)),
                    None => ids(&id, None),
                };
                (ids, row.clone())
            })
            .collect(),
        (_, [product]) => vec![(ids(product, None), sent)],
        (_, [product, variation]) => vec![(ids(product, Some(variation)), sent)],
        (_, _) => vec![(ids("1", None), sent)],
    }
}

/// What the adapter would send for a recorded quantity: whole and not below zero; 5 where the
/// recorded request sent no such thing.
fn quantity(row: &Value, same_as: Option<Quantity>) -> Quantity {
    let text = match &row["stock_quantity"] {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return same_as.unwrap_or_else(|| "5".parse().unwrap()),
    };
    let read = text
        .parse::<Quantity>()
        .ok()
        .filter(|value| *value == value.whole());
    read.map_or_else(|| "5".parse().unwrap(), Quantity::floor_at_zero)
}

async fn stock(access: &StoreAccess, recording: &Recording) -> Result<Facts, AdapterError> {
    let mut items: Vec<StockWrite> = Vec::new();
    for (ids, row) in targets(recording) {
        let earlier = items
            .iter()
            .find(|item| item.ids == ids)
            .map(|item| item.quantity);
        items.push(StockWrite {
            quantity: quantity(&row, earlier),
            ids,
        });
    }
    let outcomes = WooCommerce::new().write_stock(access, &items).await?;
    Ok(named(
        &items.iter().map(|item| &item.ids).collect::<Vec<_>>(),
        &outcomes,
    ))
}

async fn price(
    access: &StoreAccess,
    recording: &Recording,
    regular: &str,
    sale: Option<Sale>,
) -> Result<Facts, AdapterError> {
    let at = |text: Option<&str>| text.map(|text| text.parse().unwrap());
    let sale = sale.map(|(price, from, until)| SalePrice {
        price: price.parse().unwrap(),
        from: at(from),
        until: at(until),
    });
    let items: Vec<PriceWrite> = targets(recording)
        .into_iter()
        .map(|(ids, _)| PriceWrite {
            ids,
            regular: regular.parse().unwrap(),
            sale: sale.clone(),
        })
        .collect();
    let outcomes = WooCommerce::new().write_prices(access, &items).await?;
    Ok(named(
        &items.iter().map(|item| &item.ids).collect::<Vec<_>>(),
        &outcomes,
    ))
}

fn named(ids: &[&StoreIds], outcomes: &[ItemOutcome]) -> Facts {
    let ids: Vec<String> = ids
        .iter()
        .map(|ids| ids.variation.clone().unwrap_or_else(|| ids.product.clone()))
        .collect();
    facts::of_outcomes(&ids, outcomes)
}
