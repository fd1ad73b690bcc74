//! Sums of orders, against the recorded ones.

use proptest::prelude::*;
use rust_decimal::Decimal;
use serde_json::Value;
use storelink_simulators::woocommerce::StoreSpec;
use storelink_simulators::{AddressSpec, CouponSpec, FeeSpec, OrderSpec, ShippingSpec};

use crate::caller::{get, product, start};
use crate::compare::differences;
use crate::recordings::body;

fn fee(name: &str, cents: i64, tax_status: &str) -> FeeSpec {
    FeeSpec {
        name: name.to_owned(),
        total: Decimal::new(cents, 2),
        tax_status: tax_status.to_owned(),
        tax_class: String::new(),
    }
}

fn post(cents: i64) -> ShippingSpec {
    ShippingSpec {
        method_id: "flat_rate".to_owned(),
        method_title: "Po\u{161}ta".to_owned(),
        instance_id: "1".to_owned(),
        total: Decimal::new(cents, 2),
    }
}

fn to(country: &str) -> AddressSpec {
    AddressSpec {
        country: country.to_owned(),
        ..AddressSpec::default()
    }
}

/// Members of an order that hold money, lines by position.
fn sums(order: &Value) -> Value {
    let mut sums = serde_json::Map::new();
    for name in [
        "discount_total",
        "discount_tax",
        "shipping_total",
        "shipping_tax",
        "cart_tax",
        "total",
        "total_tax",
    ] {
        sums.insert(name.to_owned(), order[name].clone());
    }
    for (list, members) in [
        (
            "line_items",
            &[
                "subtotal",
                "subtotal_tax",
                "total",
                "total_tax",
                "taxes",
                "price",
            ][..],
        ),
        ("fee_lines", &["total", "total_tax", "taxes"][..]),
        ("shipping_lines", &["total", "total_tax", "taxes"][..]),
        (
            "tax_lines",
            &[
                "rate_code",
                "label",
                "tax_total",
                "shipping_tax_total",
                "rate_percent",
            ][..],
        ),
    ] {
        for (index, line) in order[list].as_array().unwrap().iter().enumerate() {
            for member in members {
                sums.insert(format!("{list}.{index}.{member}"), line[*member].clone());
            }
        }
    }
    Value::Object(sums)
}

async fn assert_sums(spec: StoreSpec, order: OrderSpec, expected: &Value) {
    let (_simulators, store) = start(spec).await;
    let id = store.place_order(order).unwrap();
    let found = get(&store, &format!("orders/{id}")).await;
    let lines = differences(&sums(expected), &sums(&found), &[]);
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}

fn recorded_order(id: u64) -> Value {
    let orders = body("60");
    orders
        .as_array()
        .unwrap()
        .iter()
        .find(|order| order["id"] == id)
        .unwrap()
        .clone()
}

/// Order 126: four decimals in a price, shipping, a fee, rounding by line.
#[tokio::test]
async fn sums_rounded_by_line() {
    let products = vec![product(1, "A", "12.3456", 9), product(2, "B", "17.50", 9)];
    let order = OrderSpec {
        billing: to("SI"),
        shipping_lines: vec![post(399)],
        fees: vec![fee("Povzetje", 150, "taxable")],
        ..OrderSpec::of(&[("A", 2), ("B", 2)])
    };
    let spec = StoreSpec {
        products,
        ..StoreSpec::named("shop")
    };
    assert_sums(spec, order, &recorded_order(126)).await;
}

/// Order 118: ten percent off, reduced tax class, discount rounded by line.
#[tokio::test]
async fn sums_with_a_coupon() {
    let mut reduced = product(1, "A", "11.24", 9);
    reduced
        .members
        .insert("tax_class".to_owned(), "reduced-rate".into());
    let coupon = CouponSpec {
        code: "HVALA10".to_owned(),
        percent: Decimal::TEN,
    };
    let order = OrderSpec {
        billing: to("SI"),
        coupon: Some(coupon),
        ..OrderSpec::of(&[("A", 3)])
    };
    let spec = StoreSpec {
        products: vec![reduced],
        ..StoreSpec::named("shop")
    };
    let expected = recorded_order(118);
    let (_simulators, store) = start(spec.clone()).await;
    let id = store.place_order(order.clone()).unwrap();
    let found = get(&store, &format!("orders/{id}")).await;
    assert_eq!(found["coupon_lines"][0]["code"], "hvala10");
    assert_eq!(
        found["coupon_lines"][0]["discount"],
        expected["coupon_lines"][0]["discount"]
    );
    assert_eq!(
        found["coupon_lines"][0]["discount_tax"],
        expected["coupon_lines"][0]["discount_tax"]
    );
    assert_sums(spec, order, &expected).await;
}

/// Order 96: a customer abroad without any rate, a negative fee.
#[tokio::test]
async fn sums_without_tax_and_with_a_negative_fee() {
    let products = vec![product(1, "A", "12.3456", 9), product(2, "B", "17.50", 9)];
    let order = OrderSpec {
        billing: to("IT"),
        shipping_lines: vec![post(399)],
        fees: vec![fee("Povzetje", 150, "taxable"), fee("Popust", -200, "none")],
        ..OrderSpec::of(&[("A", 2), ("B", 2)])
    };
    let spec = StoreSpec {
        products,
        ..StoreSpec::named("shop")
    };
    assert_sums(spec, order, &body("75")).await;
}

/// Recording 303: prices entered with tax, no decimals, taxes rounded on the sums only.
#[tokio::test]
async fn sums_of_the_old_store() {
    let products = vec![product(1, "A", "646", 9), product(2, "B", "5990", 9)];
    let order = OrderSpec {
        billing: to("HU"),
        shipping_lines: vec![post(129_000)],
        fees: vec![fee("Povzetje", 30_000, "taxable")],
        ..OrderSpec::of(&[("A", 2), ("B", 2)])
    };
    assert_sums(
        StoreSpec {
            products,
            ..StoreSpec::old("old")
        },
        order,
        &body("303"),
    )
    .await;
}

fn number(value: &Value) -> Decimal {
    value.as_str().unwrap().parse().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// What is shown adds up to the total: exactly when lines are rounded, else within half a minor
    /// unit for every rounded amount.
    #[test]
    fn shown_amounts_add_up(
        prices in proptest::collection::vec((1_i64..5_000_000, 1_i64..9), 1..6),
        percent in 0_i64..60,
        shipping in 0_i64..2_000,
        with_tax: bool,
        round_at_subtotal: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut spec = StoreSpec {
                prices_include_tax: with_tax,
                round_at_subtotal,
                ..StoreSpec::named("shop")
            };
            let mut order = OrderSpec { shipping_lines: vec![post(shipping)], ..OrderSpec::of(&[]) };
            for (index, (price, quantity)) in prices.iter().enumerate() {
                let sku = format!("S{index}");
                spec.products.push(product(0, &sku, &Decimal::new(*price, 4).to_string(), 9));
                order.lines.push(storelink_simulators::OrderLineSpec::of(&sku, *quantity));
            }
            if percent > 0 {
                order.coupon = Some(CouponSpec { code: "c".to_owned(), percent: percent.into() });
            }
            let (simulators, store) = start(spec).await;
            let id = store.place_order(order).unwrap();
            let found = get(&store, &format!("orders/{id}")).await;
            let mut sum = Decimal::ZERO;
            for list in ["line_items", "shipping_lines", "fee_lines"] {
                for line in found[list].as_array().unwrap() {
                    sum += number(&line["total"]) + number(&line["total_tax"]);
                }
            }
            let rounded = i64::try_from(prices.len()).unwrap() * 2 + 3;
            let slack = if round_at_subtotal { Decimal::new(5 * rounded, 3) } else { Decimal::ZERO };
            let difference = (sum - number(&found["total"])).abs();
            assert!(difference <= slack, "{difference} off: {found}");
            simulators.stop();
        });
    }
}
