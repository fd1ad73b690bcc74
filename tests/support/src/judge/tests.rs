//! The judge is worth something only if it sees what is wrong.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde_json::{Map, Value, json};
use storelink_simulators::woocommerce::ApiKey;
use storelink_simulators::{Article, Effect, LedgerEntry, Source};

use super::{orders, values, writes};
use crate::api::LedgerOrder;
use crate::erp::{History, Price, Said};
use crate::hub::OrderEvent;
use crate::world::{LinkPlan, LinkedStore, PriceChoice};

fn link() -> LinkedStore {
    LinkedStore {
        plan: LinkPlan {
            name: "store".to_owned(),
            address: String::new(),
            key: ApiKey::default_pair(),
            warehouses: vec!["main".to_owned(), "shop".to_owned()],
            reserve: Decimal::from(2),
            prices: Some(PriceChoice {
                list: "B2C".to_owned(),
                gross: true,
            }),
            digits: 2,
            schedules: vec![("stock".to_owned(), 3_600), ("prices".to_owned(), 3_600)],
            settings: Map::new(),
        },
        connection: "con_1".to_owned(),
    }
}

fn said<T>(place: &str, sku: &str, said: Vec<(T, u64)>) -> History<T> {
    let list = said.into_iter().map(|(value, revision)| Said {
        value,
        revision,
        at_us: i64::try_from(revision).unwrap() * 10,
    });
    BTreeMap::from([(
        place.to_owned(),
        BTreeMap::from([(sku.to_owned(), list.collect())]),
    )])
}

/// 5 and 7 in one warehouse, 1 in the other: the store shows 4, then 6.
fn stock() -> History<Decimal> {
    let mut stock = said(
        "main",
        "MUG",
        vec![(Decimal::from(5), 1), (Decimal::from(7), 3)],
    );
    stock.extend(said("shop", "MUG", vec![(Decimal::ONE, 2)]));
    stock
}

fn prices() -> History<Price> {
    said(
        "B2C",
        "MUG",
        vec![(Price::net(Decimal::TEN, Decimal::from(22)), 1)],
    )
}

fn article(quantity: i64, price: &str) -> Article {
    Article {
        product_id: 1,
        variation_id: 0,
        sku: "MUG".to_owned(),
        status: "publish".to_owned(),
        manage_stock: "true".to_owned(),
        stock_quantity: Some(quantity),
        price: price.to_owned(),
        regular_price: price.to_owned(),
        sale_price: String::new(),
        modified_at: 0,
    }
}

fn entry(path: &str, effects: Vec<(&str, Value, i64)>) -> LedgerEntry {
    let effect = |(field, new, at_us): (&str, Value, i64)| Effect {
        at_us,
        entity: "product".to_owned(),
        id: 1,
        parent_id: 0,
        sku: "MUG".to_owned(),
        field: field.to_owned(),
        old: Value::Null,
        new,
    };
    LedgerEntry {
        seq: 1,
        store: "store".to_owned(),
        source: Source::Request,
        agent: String::new(),
        started_us: 0,
        started_mono_us: 0,
        duration_us: 1,
        in_flight: 1,
        method: "POST".to_owned(),
        path: path.to_owned(),
        query: String::new(),
        body: String::new(),
        status: Some(200),
        answer_bytes: 0,
        faults: Vec::new(),
        effects: effects.into_iter().map(effect).collect(),
    }
}

const BATCH: &str = "/wp-json/wc/v3/products/batch";

#[test]
fn a_value_is_right_or_named() {
    let right = [article(6, "12.20")];
    assert!(values::stock(&link(), &right, &stock()).is_right());
    assert!(values::prices(&link(), &right, &prices()).is_right());
    let wrong = [article(4, "10.00")];
    let tally = values::stock(&link(), &wrong, &stock());
    assert_eq!(tally.wrong, ["MUG shows 4, should show 6"]);
    let tally = values::prices(&link(), &wrong, &prices());
    assert_eq!(tally.wrong, ["MUG shows 10.00/, should show 12.20/0"]);
    // Nothing is wanted before each warehouse has reported.
    let one = said("main", "MUG", vec![(Decimal::from(5), 1)]);
    assert_eq!(values::stock(&link(), &wrong, &one).total, 0);
}

#[test]
fn only_what_was_wanted_may_be_written() {
    let judge = |entries: &[LedgerEntry]| writes::judge(&link(), entries, &stock(), &prices());
    let good = entry(
        BATCH,
        vec![
            ("stock_quantity", json!(4), 25),
            ("stock_quantity", json!(6), 35),
            ("regular_price", json!("12.20"), 35),
        ],
    );
    let tally = judge(&[good]);
    assert!(tally.is_right(), "{tally:?}");
    assert_eq!((tally.requests, tally.quantities, tally.prices), (1, 2, 1));
    for foreign in [
        entry(BATCH, vec![("stock_quantity", json!(5), 25)]),
        entry(BATCH, vec![("regular_price", json!("12.21"), 25)]),
        entry(BATCH, vec![("name", json!("Cup"), 25)]),
        entry(BATCH, vec![("manage_stock", json!(true), 25)]),
        entry("/wp-json/wc/v3/orders/7", vec![]),
    ] {
        assert_eq!(
            judge(std::slice::from_ref(&foreign)).foreign.len(),
            1,
            "{foreign:?}"
        );
    }
    let mut off = link();
    off.plan.schedules.clear();
    let written = entry(BATCH, vec![("stock_quantity", json!(6), 35)]);
    assert_eq!(
        writes::judge(&off, &[written], &stock(), &prices())
            .foreign
            .len(),
        1
    );
}

#[test]
fn an_older_value_after_a_newer_one_is_counted() {
    let written = |values: &[(i64, i64)]| {
        let effects = values
            .iter()
            .map(|(value, at)| ("stock_quantity", json!(value), *at));
        writes::judge(
            &link(),
            &[entry(BATCH, effects.collect())],
            &stock(),
            &prices(),
        )
        .went_back
    };
    assert_eq!(written(&[(4, 25), (6, 35), (6, 45)]), 0);
    assert_eq!(written(&[(6, 35), (4, 45), (6, 55)]), 1);
}

fn order() -> Value {
    json!({"id": 7, "number": "7", "status": "processing", "currency": "EUR", "total": "12.20",
        "total_tax": "2.20", "line_items": [], "shipping_lines": [], "fee_lines": [],
        "coupon_lines": [], "refunds": []})
}

fn known() -> LedgerOrder {
    LedgerOrder {
        id: "ord_1".to_owned(),
        external_id: "7".to_owned(),
        revision: 1,
        published: 1,
        parked: None,
    }
}

fn told(verb: &str, revision: u64, total: &str) -> OrderEvent {
    let order = json!({"number": "7", "store_status": "processing", "currency": "EUR",
        "total": total, "total_tax": "2.20"});
    OrderEvent {
        verb: verb.to_owned(),
        order_id: "ord_1".to_owned(),
        revision,
        connection: "con_1".to_owned(),
        external_id: "7".to_owned(),
        event: json!({"data": {"order": order}}),
    }
}

#[test]
fn an_order_is_there_once_to_the_cent_or_named() {
    let judge = |ledger: &[LedgerOrder], events: Vec<OrderEvent>| {
        let mut by_id: BTreeMap<String, Vec<OrderEvent>> = BTreeMap::new();
        for event in events {
            by_id
                .entry(event.external_id.clone())
                .or_default()
                .push(event);
        }
        orders::judge(&[order()], ledger, &by_id)
    };
    let received = || told("received", 1, "12.20");
    assert!(judge(&[known()], vec![received()]).is_right());

    let missing = judge(&[], vec![received()]);
    assert_eq!(missing.wrong, ["order 7 is not in the ledger"]);
    assert_eq!(judge(&[known()], vec![]).wrong, ["order 7 has no event"]);
    let twice = LedgerOrder {
        id: "ord_2".to_owned(),
        ..known()
    };
    assert!(!judge(&[known(), twice], vec![received()]).is_right());
    assert!(!judge(&[known()], vec![received(), received()]).is_right());
    assert!(!judge(&[known()], vec![told("received", 1, "12.21")]).is_right());
    let second = LedgerOrder {
        revision: 2,
        published: 2,
        ..known()
    };
    assert!(!judge(std::slice::from_ref(&second), vec![received()]).is_right());
    assert!(judge(&[second], vec![received(), told("updated", 2, "12.20")]).is_right());
    let parked = LedgerOrder {
        parked: Some("order.sum_differs".to_owned()),
        ..known()
    };
    assert!(!judge(&[parked], vec![received()]).is_right());
    let stranger = OrderEvent {
        external_id: "8".to_owned(),
        ..received()
    };
    assert!(!judge(&[known()], vec![received(), stranger]).is_right());
    let other_id = OrderEvent {
        order_id: "ord_9".to_owned(),
        ..received()
    };
    assert!(!judge(&[known()], vec![other_id]).is_right());
}
