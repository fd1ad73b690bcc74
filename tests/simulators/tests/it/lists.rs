//! Lists: walks that miss nothing, bounds in other zones.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};
use storelink_simulators::OrderSpec;
use storelink_simulators::woocommerce::StoreSpec;

use crate::caller::{call, get, product, start, try_call};

fn ids(list: &Value) -> Vec<u64> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|row| row["id"].as_u64().unwrap())
        .collect()
}

fn orders_at(seconds: &[i64]) -> Vec<OrderSpec> {
    let order = |second: &i64| OrderSpec {
        created_at: Some(*second),
        ..OrderSpec::of(&[("P", 1)])
    };
    seconds.iter().map(order).collect()
}

fn shop(seconds: &[i64]) -> StoreSpec {
    StoreSpec {
        products: vec![product(1, "P", "10.00", 1_000)],
        orders: orders_at(seconds),
        ..StoreSpec::named("shop")
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Pages of any size together hold every order once, and totals agree, in both versions.
    #[test]
    fn pages_hold_every_order_once(count in 0_usize..40, per_page in 1_usize..15, old: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let seconds: Vec<i64> = (0..count).map(|n| 1_790_000_000 + i64::try_from(n / 3).unwrap()).collect();
            let version = if old { StoreSpec::old("o").version } else { StoreSpec::named("n").version };
            let (simulators, store) = start(StoreSpec { version, ..shop(&seconds) }).await;
            let mut seen = Vec::new();
            for page in 1..=count.div_ceil(per_page) {
                let target = format!("orders?orderby=modified&order=asc&per_page={per_page}&page={page}&_fields=id");
                let answer = try_call(&store, "GET", &target, None).await.unwrap();
                assert_eq!(answer.header("x-wp-total"), Some(count.to_string().as_str()));
                seen.extend(ids(&serde_json::from_slice(&answer.body).unwrap()));
            }
            let once: BTreeSet<u64> = seen.iter().copied().collect();
            assert_eq!((seen.len(), once.len()), (count, count));
            simulators.stop();
        });
    }
}

/// The hour that comes twice at the end of summer time in New York: the two orders have the same
/// local time; only GMT tells them apart.
#[tokio::test]
async fn the_doubled_hour_is_told_apart_by_gmt_only() {
    // 2026-11-01T05:30:00Z and 06:30:00Z are both 01:30 there.
    let first = 1_793_511_000;
    let spec = StoreSpec {
        time_zone: "America/New_York".to_owned(),
        ..shop(&[first, first + 3_600])
    };
    let (_simulators, store) = start(spec).await;
    let rows = get(
        &store,
        "orders?orderby=id&order=asc&_fields=date_created,date_created_gmt",
    )
    .await;
    assert_eq!(rows[0]["date_created"], "2026-11-01T01:30:00");
    assert_eq!(rows[1]["date_created"], "2026-11-01T01:30:00");
    assert_eq!(rows[0]["date_created_gmt"], "2026-11-01T05:30:00");
    assert_eq!(rows[1]["date_created_gmt"], "2026-11-01T06:30:00");
    let bound = "orders?modified_after=2026-11-01T05:30:00&dates_are_gmt=true&_fields=id";
    assert_eq!(ids(&get(&store, bound).await).len(), 1, "strictly after");
    let trap = "orders?modified_after=2026-11-01T05:30:00Z&dates_are_gmt=true&_fields=id";
    assert_eq!(
        ids(&get(&store, trap).await).len(),
        2,
        "west of Greenwich old ones come again"
    );
}

#[tokio::test]
async fn unfinished_checkouts_are_listed_by_the_older_version_only() {
    for (spec, expected) in [
        (shop(&[]), 0),
        (
            StoreSpec {
                version: StoreSpec::old("o").version,
                ..shop(&[])
            },
            1,
        ),
    ] {
        let (_simulators, store) = start(spec).await;
        let draft = OrderSpec {
            status: Some("checkout-draft".to_owned()),
            ..OrderSpec::of(&[("P", 1)])
        };
        store.place_order(draft).unwrap();
        assert_eq!(ids(&get(&store, "orders?_fields=id").await).len(), expected);
        assert_eq!(store.stocks()["P"], Some(1_000), "takes no stock");
    }
}

#[tokio::test]
async fn include_keeps_its_own_order_and_offset_moves_the_window() {
    let (_simulators, store) = start(shop(&[10, 20, 30, 40])).await;
    let all = ids(&get(&store, "orders?orderby=id&order=asc&_fields=id").await);
    let list = format!(
        "orders?include={},{}&orderby=include&_fields=id",
        all[2], all[0]
    );
    assert_eq!(ids(&get(&store, &list).await), [all[2], all[0]]);
    let offset = "orders?orderby=id&order=asc&offset=1&per_page=2&_fields=id";
    assert_eq!(ids(&get(&store, offset).await), [all[1], all[2]]);
}

#[tokio::test]
async fn fields_cut_nested_objects_but_not_into_lists() {
    let (_simulators, store) = start(shop(&[10])).await;
    let rows = get(&store, "orders?_fields=billing.city,line_items.sku,total.x").await;
    assert_eq!(
        rows[0],
        json!({"billing": {"city": "Ljubljana"}, "line_items": [], "total": "12.20"})
    );
}

#[tokio::test]
async fn a_product_created_by_the_api_can_be_found_written_and_deleted() {
    let (_simulators, store) = start(shop(&[])).await;
    let body = json!({"name": "New", "sku": "N-1", "regular_price": "5", "type": "variable"});
    let (status, made) = call(&store, "POST", "products", Some(&body)).await;
    assert_eq!(status, 201, "{made}");
    let id = made["id"].as_u64().unwrap();
    let row =
        json!({"sku": "N-1-S", "regular_price": "6", "manage_stock": true, "stock_quantity": 2});
    let batch = json!({"create": [row]});
    let (_, made) = call(
        &store,
        "POST",
        &format!("products/{id}/variations/batch"),
        Some(&batch),
    )
    .await;
    assert_eq!(made["create"][0]["stock_quantity"], 2, "{made}");
    let found = get(&store, "products?sku=N-1-S&_fields=type,parent_id,price").await;
    assert_eq!(
        found,
        json!([{"type": "variation", "parent_id": id, "price": "6"}])
    );
    assert_eq!(
        get(&store, &format!("products/{id}?_fields=price")).await["price"],
        "6"
    );
    let target = format!("products/{id}?force=true");
    assert_eq!(call(&store, "DELETE", &target, None).await.0, 200);
    assert_eq!(
        get(&store, "products?sku=N-1-S").await,
        json!([]),
        "variations go with it"
    );
}
