//! Whatever a store answers, nothing panics and nothing is invented.

use proptest::prelude::*;
use serde_json::Value;
use storelink_adapter_api::{OrderWindow, ProductWindow, StoreAdapter};
use storelink_adapter_woocommerce::WooCommerce;
use storelink_model::Timestamp;
use storelink_order::SumVerdict;

use crate::recording::load;
use crate::rig::{Reply, Rig};

/// Every place of a document, as a pointer.
fn places(value: &Value, here: &str, found: &mut Vec<String>) {
    found.push(here.to_owned());
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let name = name.replace('~', "~0").replace('/', "~1");
                places(member, &format!("{here}/{name}"), found);
            }
        }
        Value::Array(rows) => {
            for (at, row) in rows.iter().enumerate() {
                places(row, &format!("{here}/{at}"), found);
            }
        }
        _ => {}
    }
}

fn odd_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(Value::Bool(true)),
        Just(serde_json::json!([])),
        Just(serde_json::json!({})),
        Just(serde_json::json!("")),
        Just(serde_json::json!("-1e999")),
        Just(serde_json::json!("99999999999999999999.999999")),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        Just(serde_json::from_str("1e400").unwrap()),
        Just(serde_json::from_str("123456789012345678901234567890.5").unwrap()),
    ]
}

fn play(body: String) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let rig = Rig::http(move |_| Reply::json(200, body.clone())).await;
        let (adapter, access) = (WooCommerce::new(), rig.access());
        let modified_since = Timestamp::from_micros(0);
        let window = OrderWindow {
            modified_since,
            page_limit: None,
        };
        if let Ok(page) = adapter.read_orders(&access, &window, None).await {
            for reading in page.orders {
                assert!(!reading.external_id.is_empty());
                match reading.order {
                    Ok(order) => assert_eq!(order.external_id, reading.external_id),
                    Err(unreadable) => assert!(unreadable.code.starts_with("woocommerce.")),
                }
            }
        }
        let window = ProductWindow {
            modified_since: None,
        };
        let _ = adapter.read_products(&access, &window, None).await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn an_order_with_any_member_changed_is_read_or_named(at in any::<prop::sample::Index>(), odd in odd_value()) {
        let body = load("303-v79-order-full").response().body.clone();
        let mut order: Value = serde_json::from_str(&body).unwrap();
        let mut all = Vec::new();
        places(&order, "", &mut all);
        let place: &String = at.get(&all);
        *order.pointer_mut(place).unwrap() = odd;
        play(Value::Array(vec![order]).to_string());
    }

    #[test]
    fn a_page_cut_anywhere_is_never_read_as_a_whole(at in 0_usize..4000) {
        let body = load("45-variations-list").response().body.clone();
        let end = (0..=at).rev().find(|end| body.is_char_boundary(*end)).unwrap();
        play(body[..end].to_owned());
    }

    #[test]
    fn a_total_that_is_changed_shows_in_the_sum(cents in 1_i64..1_000_000) {
        let body = load("71-order-full-taxed-shipping").response().body.clone();
        let changed = format!("{}.{:02}", (2632 + cents) / 100, (2632 + cents) % 100);
        let body = body.replacen(r#""total":"26.32""#, &format!(r#""total":"{changed}""#), 1);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let reading = runtime.block_on(async {
            let rig = Rig::http(move |_| Reply::json(200, body.clone())).await;
            WooCommerce::new().read_order(&rig.access(), "90").await.unwrap().unwrap()
        });
        let sum = reading.order.unwrap().check_sum();
        prop_assert_ne!(sum.verdict, SumVerdict::Exact);
        prop_assert_eq!(sum.stated.to_string(), changed);
        prop_assert_eq!(sum.computed.to_string(), "26.32");
    }
}
