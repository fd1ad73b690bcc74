//! Stores whose plugins make one row of a list odd: the row is reported, the others are read.

use serde_json::{Value, json};
use storelink_adapter_api::{
    ErrorClass, OrderPage, OrderWindow, ProductPage, ProductWindow, StoreAdapter,
};
use storelink_adapter_woocommerce::WooCommerce;
use storelink_model::Timestamp;

use crate::recording::load;
use crate::rig::{Asked, Reply, Rig};
use crate::verification::{cause, not_seen, verify};

fn recorded_rows(name: &str) -> Vec<Value> {
    serde_json::from_str(&load(name).response().body).unwrap()
}

fn product(id: u64) -> Value {
    json!({
        "id": id, "name": "Mug", "type": "simple", "status": "publish", "sku": format!("MUG-{id}"),
        "manage_stock": true, "stock_quantity": 3, "date_modified_gmt": "2026-11-05T10:00:00",
    })
}

/// The products of a store with two variable ones, 57 and 64, whose variations are answered by
/// `variations`.
async fn products(
    rows: Vec<Value>,
    variations: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
) -> Result<ProductPage, storelink_adapter_api::AdapterError> {
    let rig = Rig::https(move |asked| match asked.call() {
        "products" => Reply::json(200, Value::Array(rows.clone()).to_string()),
        _ => variations(asked),
    })
    .await;
    let window = ProductWindow {
        modified_since: None,
    };
    WooCommerce::new()
        .read_products(&rig.access(), &window, None)
        .await
}

fn variable(id: u64) -> Value {
    let mut product = product(id);
    product["type"] = "variable".into();
    product["variations"] = json!([id * 10]);
    product
}

fn ids(page: &ProductPage) -> Vec<&str> {
    let ids = page.products.iter();
    ids.map(|product| product.external_id.as_str()).collect()
}

#[tokio::test]
async fn an_odd_product_is_reported_and_the_others_of_its_page_are_read() {
    let mut odd = product(2);
    odd["manage_stock"] = json!({ "enabled": "yes" });
    let rows = vec![product(1), odd, product(3)];
    let page = products(rows, |_| Reply::json(200, "[]")).await.unwrap();
    assert_eq!(ids(&page), ["1", "3"]);
    assert!(page.next.is_none());
    let [unreadable] = &page.unreadable[..] else {
        panic!("{:?}", page.unreadable)
    };
    assert_eq!(unreadable.external_id, "2");
    assert_eq!(
        unreadable.modified,
        Some("2026-11-05T10:00:00Z".parse::<Timestamp>().unwrap())
    );
    assert_eq!(unreadable.reason.code, "woocommerce.product_unreadable");
    assert!(
        unreadable.reason.text.contains("manage_stock"),
        "{}",
        unreadable.reason.text
    );
}

#[tokio::test]
async fn an_odd_variation_leaves_out_its_product_whole_and_no_other() {
    let mut rows = recorded_rows("45-variations-list");
    rows[0]["manage_stock"] = "sometimes".into();
    let odd = Value::Array(rows).to_string();
    let page = products(vec![variable(57), variable(64)], move |asked| {
        match asked.call() {
            "products/64/variations" => Reply::json(200, odd.clone()),
            _ => load("46-variations-own-stock").reply(),
        }
    })
    .await
    .unwrap();
    assert_eq!(ids(&page), ["57"]);
    assert!(!page.products[0].articles.is_empty());
    assert_eq!(page.unreadable.len(), 1);
    assert_eq!(page.unreadable[0].external_id, "64");
}

#[tokio::test]
async fn variations_that_are_refused_are_their_products_fault_and_a_broken_store_is_not() {
    let refusal =
        r#"{"code":"woocommerce_rest_plugin_says_no","message":"No.","data":{"status":400}}"#;
    let page = products(vec![variable(57), product(1)], move |_| {
        Reply::json(400, refusal)
    })
    .await
    .unwrap();
    assert_eq!(ids(&page), ["1"]);
    assert_eq!(page.unreadable[0].external_id, "57");

    let error = products(vec![variable(57), product(1)], |_| {
        Reply::html(502, "<html>Bad gateway</html>")
    })
    .await
    .unwrap_err();
    assert_eq!(error.class, ErrorClass::Transient, "{error}");
}

async fn orders(
    order: Value,
    refunds: impl Fn() -> Reply + Send + Sync + 'static,
) -> Result<OrderPage, storelink_adapter_api::AdapterError> {
    let rig = Rig::https(move |asked| match asked.call() {
        "orders" => {
            let mut other = order.clone();
            other["id"] = 900_001.into();
            other["refunds"] = json!([]);
            Reply::json(200, json!([order, other]).to_string())
        }
        _ => refunds(),
    })
    .await;
    let window = OrderWindow {
        modified_since: Timestamp::from_micros(1_000_000),
        page_limit: None,
    };
    WooCommerce::new()
        .read_orders(&rig.access(), &window, None)
        .await
}

fn recorded_order() -> Value {
    serde_json::from_str(&load("71-order-full-taxed-shipping").response().body).unwrap()
}

#[tokio::test]
async fn refunds_that_the_store_refuses_to_give_hold_up_their_order_alone() {
    let mut order = recorded_order();
    order["refunds"] = json!([{ "id": 5, "reason": "", "total": "-1.00" }]);
    let refusal =
        r#"{"code":"woocommerce_rest_plugin_says_no","message":"No.","data":{"status":400}}"#;
    let page = orders(order.clone(), move || Reply::json(400, refusal))
        .await
        .unwrap();
    assert_eq!(page.orders.len(), 2);
    let reason = page.orders[0].order.as_ref().unwrap_err();
    assert_eq!(reason.code, "woocommerce.refund_missing");
    assert!(page.orders[1].order.is_ok());

    let error = orders(order, || Reply::html(502, "<html>Bad gateway</html>"))
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::Transient, "{error}");
}

#[tokio::test]
async fn empty_words_may_be_null_and_amounts_may_not() {
    let mut order = recorded_order();
    order["transaction_id"] = Value::Null;
    order["customer_note"] = Value::Null;
    order["billing"]["phone"] = Value::Null;
    order["billing"]["postcode"] = 1000.into();
    order["shipping_lines"][0]["instance_id"] = 3.into();
    let page = orders(order.clone(), || Reply::json(200, "[]"))
        .await
        .unwrap();
    let read = page.orders[0].order.as_ref().unwrap();
    assert_eq!(read.payment.transaction_id, None);
    assert_eq!(
        (read.note.as_str(), read.customer.phone.as_deref()),
        ("", None)
    );
    assert_eq!(read.billing.postcode, "1000");
    assert!(read.shipping_charges[0].code.ends_with(":3"));

    order["total_tax"] = Value::Null;
    let page = orders(order.clone(), || Reply::json(200, "[]"))
        .await
        .unwrap();
    assert!(page.orders[0].order.is_err());
    let mut order = recorded_order();
    order["billing"].as_object_mut().unwrap().remove("postcode");
    let page = orders(order, || Reply::json(200, "[]")).await.unwrap();
    assert!(page.orders[0].order.is_err());
}

/// A tax service names its rates itself: no percentage is known then, and none is guessed.
#[tokio::test]
async fn rates_of_a_tax_service_leave_the_order_readable_and_its_rates_unknown() {
    let mut order = recorded_order();
    assert_eq!(order["line_items"][0]["taxes"][0]["id"], 1);
    order["line_items"][0]["taxes"][0]["id"] = "avatax_si_22".into();
    let page = orders(order, || Reply::json(200, "[]")).await.unwrap();
    let read = page.orders[0].order.as_ref().unwrap();
    assert_eq!(read.lines[0].tax_rate, None);
    assert_eq!(read.lines[0].tax.to_string(), "3.87");
    assert!(read.shipping_charges[0].tax_rate.is_some());
}

/// Where somebody uses application passwords, WordPress answers for a key that WooCommerce does not
/// know, in its own words.
#[tokio::test]
async fn a_key_that_wordpress_takes_for_a_user_is_an_unknown_key_and_no_closed_interface() {
    let rig = Rig::https(|asked| {
        if asked.call().is_empty() {
            return crate::playing::healthy(asked);
        }
        match asked.auth() {
            "basic" => Reply::json(
                401,
                r#"{"code":"invalid_username","message":"Unknown username.","data":{"status":401}}"#,
            ),
            "query" => not_seen(),
            _ => load("20-oauth-unknown-key").reply(),
        }
    })
    .await;
    assert_eq!(
        cause(&verify(&rig.access()).await),
        ("credentials", "woocommerce.key_unknown")
    );
}

#[tokio::test]
async fn a_cause_is_not_named_when_the_proof_could_not_be_made() {
    let says = r#"{"code":"woocommerce_rest_authentication_error","message":"Neznano.","data":{"status":401}}"#;
    let rig = Rig::https(move |asked| {
        let pair = asked.header("authorization").unwrap_or_default().to_owned();
        match asked.call() {
            "" => crate::playing::healthy(asked),
            _ if pair == format!("Basic {}", real_pair()) => Reply::json(401, says),
            _ => Reply::html(502, "<html>Bad gateway</html>"),
        }
    })
    .await;
    assert_eq!(
        cause(&verify(&rig.access()).await),
        ("credentials", "woocommerce.credentials_refused")
    );
}

fn real_pair() -> String {
    use base64::Engine as _;
    let pair = format!("{}:{}", crate::rig::KEY, crate::rig::SECRET);
    base64::engine::general_purpose::STANDARD.encode(pair)
}
