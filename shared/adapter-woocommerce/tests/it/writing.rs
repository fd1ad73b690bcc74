//! Writes beyond the recordings: what is sent, what is never sent, and answers that do not tell.

use std::sync::Arc;

use serde_json::{Value, json};
use storelink_adapter_api::{
    CapabilityProfile, ErrorClass, ItemOutcome, PriceWrite, SalePrice, StockWrite, StoreAdapter,
    StoreIds, ValueKind,
};
use storelink_adapter_woocommerce::WooCommerce;

use crate::recording::load;
use crate::rig::{Asked, Reply, Rig, with_option};

fn product(id: &str) -> StoreIds {
    StoreIds {
        product: id.into(),
        variation: None,
        stock_row: None,
    }
}

fn variation(product: &str, id: &str, stock_row: Option<&str>) -> StoreIds {
    StoreIds {
        product: product.into(),
        variation: Some(id.into()),
        stock_row: stock_row.map(str::to_owned),
    }
}

fn stock(ids: StoreIds, quantity: &str) -> StockWrite {
    StockWrite {
        ids,
        quantity: quantity.parse().unwrap(),
    }
}

fn price(id: &str, regular: &str, sale: Option<&str>) -> PriceWrite {
    let sale = sale.map(|price| SalePrice {
        price: price.parse().unwrap(),
        from: None,
        until: None,
    });
    PriceWrite {
        ids: product(id),
        regular: regular.parse().unwrap(),
        sale,
    }
}

fn code(outcome: &ItemOutcome) -> &str {
    match outcome {
        ItemOutcome::Confirmed => "confirmed",
        ItemOutcome::Unknown => "unknown",
        ItemOutcome::Rejected { code, .. } => code,
    }
}

fn codes(outcomes: &[ItemOutcome]) -> Vec<&str> {
    outcomes.iter().map(code).collect()
}

/// A store that stores what it is sent and answers with it.
fn obedient(asked: &Asked) -> Reply {
    let sent: Value = serde_json::from_str(&asked.body).unwrap();
    let rows = sent["update"].as_array().unwrap().iter().map(|row| {
        let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let date = |name: &str| Some(text(name)).filter(|date| !date.is_empty());
        json!({
            "id": row["id"], "type": "simple", "status": "publish", "manage_stock": true,
            "stock_quantity": row["stock_quantity"],
            "regular_price": text("regular_price"), "sale_price": text("sale_price"),
            "date_on_sale_from_gmt": date("date_on_sale_from_gmt"),
            "date_on_sale_to_gmt": date("date_on_sale_to_gmt"),
        })
    });
    Reply::json(
        200,
        json!({ "update": rows.collect::<Vec<_>>() }).to_string(),
    )
}

#[tokio::test]
async fn whole_pieces_are_sent_as_numbers_and_nothing_beside() {
    let rig = Rig::http(obedient).await;
    let items = [stock(product("13"), "7.9"), stock(product("14"), "0")];
    let outcomes = WooCommerce::new()
        .write_stock(&rig.access(), &items)
        .await
        .unwrap();
    assert_eq!(codes(&outcomes), ["confirmed", "confirmed"]);
    let asked = rig.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(
        (asked[0].method.as_str(), asked[0].call()),
        ("POST", "products/batch")
    );
    assert_eq!(asked[0].header("content-type"), Some("application/json"));
    assert_eq!(
        serde_json::from_str::<Value>(&asked[0].body).unwrap(),
        json!({"update": [{"id": 13, "stock_quantity": 7}, {"id": 14, "stock_quantity": 0}]})
    );
    assert_eq!(
        asked[0].parameter("_fields"),
        None,
        "row errors would be lost (recording 141)"
    );
}

#[tokio::test]
async fn stock_keeping_is_switched_on_only_when_asked_for() {
    let rig = Rig::http(obedient).await;
    let access = with_option(rig.access(), "manage_stock", true.into());
    WooCommerce::new()
        .write_stock(&access, &[stock(product("16"), "9")])
        .await
        .unwrap();
    let sent: Value = serde_json::from_str(&rig.asked()[0].body).unwrap();
    assert_eq!(
        sent["update"][0],
        json!({"id": 16, "manage_stock": true, "stock_quantity": 9})
    );
}

#[tokio::test]
async fn variations_go_to_their_product_and_shared_stock_to_its_row() {
    let adapter = WooCommerce::new();
    let group = |ids: &StoreIds, kind| adapter.write_group(kind, ids).0;
    let own = variation("57", "58", None);
    let shared = variation("64", "67", Some("64"));
    assert_eq!(group(&own, ValueKind::Stock).as_deref(), Some("57"));
    assert_eq!(group(&shared, ValueKind::Stock), None);
    assert_eq!(group(&shared, ValueKind::Price).as_deref(), Some("64"));
    assert_eq!(group(&product("13"), ValueKind::Stock), None);

    let rig = Rig::http(obedient).await;
    adapter
        .write_stock(&rig.access(), &[stock(own.clone(), "4")])
        .await
        .unwrap();
    let mixed = [stock(shared, "50"), stock(product("13"), "1")];
    let outcomes = adapter.write_stock(&rig.access(), &mixed).await.unwrap();
    assert_eq!(codes(&outcomes), ["confirmed", "confirmed"]);
    let asked = rig.asked();
    assert_eq!(asked[0].call(), "products/57/variations/batch");
    assert_eq!(asked[1].call(), "products/batch");
    assert!(asked[1].body.contains(r#""id":64"#));

    let error = adapter
        .write_stock(&rig.access(), &[stock(own, "4"), stock(product("13"), "1")])
        .await
        .unwrap_err();
    assert_eq!(
        (error.code, error.class),
        ("woocommerce.row_not_sent", ErrorClass::Rejected)
    );
    assert_eq!(rig.asked().len(), 2, "nothing was sent");
}

#[tokio::test]
async fn what_a_store_would_take_for_something_else_is_never_sent() {
    let rig = Rig::http(obedient).await;
    let adapter = WooCommerce::new();
    let items = [
        stock(product("13"), "-1"),
        stock(product("abc"), "1"),
        stock(product("0"), "1"),
        stock(variation("64", "67", Some("64")), "5"),
        stock(variation("64", "68", Some("64")), "6"),
        stock(product("15"), "3"),
    ];
    let outcomes = adapter.write_stock(&rig.access(), &items).await.unwrap();
    assert_eq!(
        codes(&outcomes),
        [
            "woocommerce.quantity_negative",
            "woocommerce.article_not_listed",
            "woocommerce.article_not_listed",
            "woocommerce.stock_row_twice",
            "woocommerce.stock_row_twice",
            "confirmed",
        ]
    );
    let prices = [
        price("13", "0", None),
        price("14", "10.00", Some("10.00")),
        price("15", "10.00", Some("0")),
        price("16", "10.00", Some("9.99")),
    ];
    let outcomes = adapter.write_prices(&rig.access(), &prices).await.unwrap();
    assert_eq!(
        codes(&outcomes),
        [
            "woocommerce.price_not_positive",
            "woocommerce.sale_not_below_regular",
            "woocommerce.price_not_positive",
            "confirmed",
        ]
    );
    let sent: Vec<Value> = rig
        .asked()
        .iter()
        .map(|asked| serde_json::from_str(&asked.body).unwrap())
        .collect();
    assert_eq!(sent[0]["update"].as_array().unwrap().len(), 1);
    assert_eq!(sent[1]["update"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn nothing_is_sent_when_every_item_is_refused_here() {
    let rig = Rig::http(obedient).await;
    let outcomes = WooCommerce::new()
        .write_prices(&rig.access(), &[price("1", "-2", None)])
        .await
        .unwrap();
    assert_eq!(codes(&outcomes), ["woocommerce.price_not_positive"]);
    assert!(rig.asked().is_empty());
}

#[tokio::test]
async fn prices_go_out_in_the_stores_digits_with_all_four_members() {
    let sent = |profile: CapabilityProfile, write: PriceWrite| async move {
        let rig = Rig::http(obedient).await;
        let mut access = rig.access();
        access.profile = Arc::new(profile);
        let outcomes = WooCommerce::new()
            .write_prices(&access, &[write])
            .await
            .unwrap();
        assert_eq!(codes(&outcomes), ["confirmed"]);
        serde_json::from_str::<Value>(&rig.asked()[0].body).unwrap()["update"][0].clone()
    };
    let profile = |digits, with_tax| CapabilityProfile {
        currency_digits: Some(digits),
        prices_include_tax: Some(with_tax),
        ..CapabilityProfile::default()
    };
    let gross = sent(profile(2, true), price("13", "24.9", None)).await;
    let row = json!({
        "id": 13, "regular_price": "24.90", "sale_price": "",
        "date_on_sale_from_gmt": "", "date_on_sale_to_gmt": "",
    });
    assert_eq!(gross, row);
    let net = sent(profile(2, false), price("13", "20.4098", Some("8.1"))).await;
    assert_eq!(
        (&net["regular_price"], &net["sale_price"]),
        (&json!("20.4098"), &json!("8.10"))
    );
    let forints = sent(profile(0, true), price("13", "1290.00", None)).await;
    assert_eq!(forints["regular_price"], "1290");

    let at = |text: &str| Some(text.parse().unwrap());
    let with_window = PriceWrite {
        sale: Some(SalePrice {
            price: "7.50".parse().unwrap(),
            from: at("2026-12-01T01:00:00+01:00"),
            until: at("2090-01-01T00:00:00Z"),
        }),
        ..price("13", "9.99", None)
    };
    let window = sent(profile(2, true), with_window.clone()).await;
    assert_eq!(window["date_on_sale_from_gmt"], "2026-12-01T00:00:00");
    assert_eq!(window["date_on_sale_to_gmt"], "2090-01-01T00:00:00");

    let mut over = with_window;
    over.sale.as_mut().unwrap().until = at("2020-01-01T00:00:00Z");
    let over = sent(profile(2, true), over).await;
    assert_eq!(
        (&over["sale_price"], &over["date_on_sale_to_gmt"]),
        (&json!(""), &json!(""))
    );
}

#[tokio::test]
async fn answers_that_do_not_tell_confirm_nothing() {
    let items = [stock(product("13"), "1"), stock(product("14"), "2")];
    let row = |id: u64, quantity: u64| json!({"id": id, "manage_stock": true, "stock_quantity": quantity});
    let answers = [
        ("nothing", String::new(), ["unknown", "unknown"]),
        ("an empty list", "[]".into(), ["unknown", "unknown"]),
        ("no rows", json!({"update": []}).to_string(), ["unknown", "unknown"]),
        ("one row", json!({"update": [row(13, 1)]}).to_string(), ["confirmed", "unknown"]),
        ("swapped", json!({"update": [row(14, 2), row(13, 1)]}).to_string(), ["unknown", "unknown"]),
        ("a page", "<html><body>Welcome</body></html>".into(), ["unknown", "unknown"]),
        ("cut off", r#"{"update":[{"id":13,"manage_stock":true,"#.into(), ["unknown", "unknown"]),
        (
            "without members",
            json!({"update": [{"id": 13}, {"id": 14, "manage_stock": true}]}).to_string(),
            ["unknown", "unknown"],
        ),
        (
            "a row that crashed",
            json!({"update": [row(13, 1), {"id": 14, "error": {"code": "x", "data": {"status": 500}}}]})
                .to_string(),
            ["confirmed", "unknown"],
        ),
    ];
    for (what, body, expected) in answers {
        let rig = Rig::http(move |_| Reply::json(200, body.clone())).await;
        let outcomes = WooCommerce::new()
            .write_stock(&rig.access(), &items)
            .await
            .unwrap();
        assert_eq!(codes(&outcomes), expected, "{what}");
    }
}

#[tokio::test]
async fn a_write_under_noise_counts_when_its_rows_can_be_read() {
    let noise = load("172b-env-php-warning-noise-write")
        .response()
        .body
        .clone();
    let noise = noise.split("{\"id\"").next().unwrap().to_owned();
    assert!(noise.contains("Warning"));
    let batch = load("147-variations-batch").response().body.clone();
    let rig = Rig::http(move |_| Reply::json(200, format!("{noise}{batch}"))).await;
    let items = [
        stock(variation("57", "58", None), "4"),
        stock(variation("57", "59", None), "1"),
        stock(variation("57", "72", None), "5"),
    ];
    let outcomes = WooCommerce::new()
        .write_stock(&rig.access(), &items)
        .await
        .unwrap();
    assert_eq!(
        codes(&outcomes),
        [
            "confirmed",
            "woocommerce.stock_not_stored",
            "woocommerce.article_gone"
        ]
    );
}

#[tokio::test]
async fn what_may_have_been_done_is_marked_and_what_was_not_is_not() {
    let items = [stock(product("13"), "1")];
    for (recording, unknown, smaller) in [
        ("183-env-504", true, true),
        ("182-env-502", true, false),
        ("174-env-php-fatal-json", true, false),
        ("176-env-database-down", true, false),
        ("184-env-413-nginx", false, true),
        ("142-batch-101", false, true),
        ("170-env-maintenance", false, false),
        ("170b-env-maintenance-html", false, false),
        ("185-env-429", false, false),
        ("149-batch-read-only-key", false, false),
        ("181-env-redirect-to-https", false, false),
    ] {
        let reply = load(recording).reply();
        let rig = Rig::http(move |_| reply.clone()).await;
        let error = WooCommerce::new()
            .write_stock(&rig.access(), &items)
            .await
            .unwrap_err();
        assert_eq!(
            (error.outcome_unknown, error.smaller_batch),
            (unknown, smaller),
            "{recording}"
        );
        assert_eq!(
            rig.asked().len(),
            1,
            "{recording}: sent once, and never after a redirect"
        );
    }
}

#[tokio::test]
async fn a_pause_is_honoured_within_reason() {
    for (status, header, seconds) in [
        (429, None, 30),
        (429, Some("7"), 7),
        (429, Some("86400"), 600),
        (429, Some("0"), 1),
        (503, Some("900"), 600),
        (503, Some("5"), 5),
    ] {
        let rig = Rig::http(move |_| {
            let reply = Reply::html(status, "<html><body>wait</body></html>");
            header.map_or(reply.clone(), |value| reply.with("Retry-After", value))
        })
        .await;
        let error = WooCommerce::new()
            .write_stock(&rig.access(), &[stock(product("13"), "1")])
            .await
            .unwrap_err();
        let pause = std::time::Duration::from_secs(seconds);
        assert_eq!(
            error.class,
            ErrorClass::Limited { pause },
            "{status} {header:?}"
        );
    }
}
