//! Stock and prices (sheet section 6). The store does not check rows of a batch against its schema:
//! a word is stored as 0, an odd price wipes the price. So only values that were checked here are
//! sent, and only what the answer shows is believed.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde_json::{Map, Value, json};
use storelink_adapter_api::{
    AdapterError, CapabilityProfile, ItemOutcome, PriceWrite, SalePrice, StockWrite, StoreAccess,
};
use storelink_model::{Amount, Quantity, Timestamp};

use crate::api::Api;
use crate::codes;
use crate::rows::{self, Draft, Target};
use crate::walk::gmt_text;

/// Option: switch stock keeping on where it is off.
pub(crate) const OPTION_MANAGE_STOCK: &str = "manage_stock";
/// A net price may need more digits than the store shows, or its gross price is off by a minor unit
/// when several are bought; the store keeps them (recording 122).
const NET_DIGITS: u32 = 4;

pub(crate) async fn stock(
    access: &StoreAccess,
    items: &[StockWrite],
) -> Result<Vec<ItemOutcome>, AdapterError> {
    let api = Api::new(access)?;
    let switch_on = access.options.get(OPTION_MANAGE_STOCK) == Some(&Value::Bool(true));
    let twice = rows_given_twice(items);
    let rows = items.iter().map(|item| {
        let target = Target::of_stock(&item.ids);
        let draft = if twice.contains(&target.id) {
            Err(codes::STOCK_ROW_TWICE.rejected(""))
        } else {
            stock_row(item.quantity, switch_on)
        };
        (target, draft)
    });
    rows::write(&api, rows.collect(), judge_stock).await
}

pub(crate) async fn prices(
    access: &StoreAccess,
    items: &[PriceWrite],
) -> Result<Vec<ItemOutcome>, AdapterError> {
    let api = Api::new(access)?;
    let now = Timestamp::now();
    let rows = items.iter().map(|item| {
        (
            Target::of_price(&item.ids),
            price_row(item, &access.profile, now),
        )
    });
    rows::write(&api, rows.collect(), judge_price).await
}

/// Rows that two items want to set to different quantities. The store would run both, and the last
/// would win (recording 146).
fn rows_given_twice(items: &[StockWrite]) -> Vec<String> {
    let mut first: BTreeMap<String, Quantity> = BTreeMap::new();
    let mut twice = Vec::new();
    for item in items {
        let id = Target::of_stock(&item.ids).id;
        match first.get(&id) {
            Some(quantity) if *quantity != item.quantity => twice.push(id),
            Some(_) => {}
            None => {
                first.insert(id, item.quantity);
            }
        }
    }
    twice
}

/// The store sells whole pieces: a fraction cannot be sold and is left off, so that it never shows
/// more than there is.
fn stock_row(quantity: Quantity, switch_on: bool) -> Draft {
    if quantity < Quantity::ZERO {
        return Err(codes::QUANTITY_NEGATIVE.rejected(""));
    }
    let whole = quantity.whole().to_string();
    let Ok(number) = whole.parse::<u64>() else {
        return Err(codes::QUANTITY_NEGATIVE.rejected(""));
    };
    let mut row = json!({ "stock_quantity": number });
    if let (true, Some(members)) = (switch_on, row.as_object_mut()) {
        members.insert("manage_stock".to_owned(), Value::Bool(true));
    }
    Ok(row)
}

fn judge_stock(sent: &Value, row: &Value) -> ItemOutcome {
    let shown = row.get("stock_quantity").and_then(decimal);
    match row.get("manage_stock") {
        Some(Value::Bool(true)) if shown.is_none() => ItemOutcome::Unknown,
        Some(Value::Bool(true)) if shown == sent.get("stock_quantity").and_then(decimal) => {
            ItemOutcome::Confirmed
        }
        Some(Value::Bool(true)) => codes::STOCK_NOT_STORED.rejected(&shows("stock_quantity", row)),
        Some(Value::Bool(false)) => codes::STOCK_NOT_MANAGED.rejected(""),
        Some(Value::String(word)) if word == "parent" => codes::STOCK_AT_PARENT.rejected(""),
        _ => ItemOutcome::Unknown,
    }
}

/// Both prices always go together: a regular price lowered to the sale price deletes the sale
/// (recording 127b). Empty texts take a sale and its dates away (recording 129).
fn price_row(item: &PriceWrite, profile: &CapabilityProfile, now: Timestamp) -> Draft {
    let regular = in_store_digits(item.regular, profile);
    if !regular.is_positive() {
        return Err(codes::PRICE_NOT_POSITIVE.rejected(""));
    }
    // The store takes a sale that is over away by itself; sent, it would come back as not stored.
    let sale = item
        .sale
        .as_ref()
        .filter(|sale| sale.until.is_none_or(|until| until > now));
    let mut row = Map::new();
    row.insert("regular_price".into(), regular.to_string().into());
    let price = match sale {
        None => String::new(),
        Some(sale) => {
            let price = in_store_digits(sale.price, profile);
            if !price.is_positive() {
                return Err(codes::PRICE_NOT_POSITIVE.rejected(""));
            }
            if price >= regular {
                let seen = format!("Sale {price}, regular {regular}.");
                return Err(codes::SALE_NOT_BELOW_REGULAR.rejected(&seen));
            }
            price.to_string()
        }
    };
    row.insert("sale_price".into(), price.into());
    let moment = |of: fn(&SalePrice) -> Option<Timestamp>| {
        let moment = sale.and_then(of);
        moment.map_or_else(String::new, |at| gmt_text(at.datetime().unix_timestamp()))
    };
    row.insert(
        "date_on_sale_from_gmt".into(),
        moment(|sale| sale.from).into(),
    );
    row.insert(
        "date_on_sale_to_gmt".into(),
        moment(|sale| sale.until).into(),
    );
    Ok(Value::Object(row))
}

/// As many digits as the store keeps of a price.
pub(crate) fn in_store_digits(price: Amount, profile: &CapabilityProfile) -> Amount {
    let currency_digits = || {
        profile
            .currency
            .as_ref()
            .map_or(2, |currency| currency.digits())
    };
    let digits = profile.currency_digits.unwrap_or_else(currency_digits);
    let needed = price.decimal().normalize().scale();
    let net = profile.prices_include_tax == Some(false);
    price.rounded(if net {
        digits.max(needed.min(NET_DIGITS))
    } else {
        digits
    })
}

fn judge_price(sent: &Value, row: &Value) -> ItemOutcome {
    if row.get("type").and_then(Value::as_str) == Some("variable") {
        return codes::PRICE_ON_PARENT.rejected("");
    }
    for name in ["regular_price", "sale_price"] {
        let (Some(wanted), Some(shown)) = (price(sent, name), price(row, name)) else {
            return ItemOutcome::Unknown;
        };
        if wanted != shown {
            return codes::PRICE_NOT_STORED.rejected(&shows(name, row));
        }
    }
    for name in ["date_on_sale_from_gmt", "date_on_sale_to_gmt"] {
        let Some(shown) = row.get(name) else {
            return ItemOutcome::Unknown;
        };
        let wanted = sent.get(name).and_then(Value::as_str).unwrap_or_default();
        if shown.as_str().unwrap_or_default() != wanted {
            return codes::SALE_WINDOW_NOT_STORED.rejected(&shows(name, row));
        }
    }
    ItemOutcome::Confirmed
}

/// A price as the store writes it: a decimal text, or an empty one for no price. The outer option
/// is empty when the member is not there or is something else.
fn price(row: &Value, name: &str) -> Option<Option<Decimal>> {
    match row.get(name)?.as_str()? {
        "" => Some(None),
        text => Some(Some(text.parse::<Amount>().ok()?.decimal())),
    }
}

/// A whole number, or a decimal where a plugin sells fractions.
fn decimal(value: &Value) -> Option<Decimal> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        other => other.as_str()?.to_owned(),
    };
    Decimal::from_str_exact(&text).ok()
}

fn shows(name: &str, row: &Value) -> String {
    let shown = row.get(name).map(Value::to_string).unwrap_or_default();
    format!("It shows {name} {shown}.")
}
