//! The 50 orders of the play: what is bought, and what becomes of it afterwards.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde_json::json;
use storelink_simulators::{
    Action, AddressSpec, CouponSpec, FeeSpec, OrderSpec, RefundLineSpec, RefundSpec, ShippingSpec,
    SimulatorClient,
};

/// Orders in each store.
pub(crate) const EACH: usize = 10;

/// Pieces that left or came back, by SKU.
pub(crate) type Movements = BTreeMap<String, i64>;

/// Order `number` of a store: one to three articles, every third with a coupon, every fourth with a
/// fee, all but every fifth with delivery.
pub(crate) fn order(number: usize, skus: &[String]) -> OrderSpec {
    let pick = |step: usize| skus.get((number * 37 + step * 11) % skus.len().max(1));
    let articles: Vec<(&str, i64)> = (0..=number % 3)
        .filter_map(|step| Some((pick(step)?.as_str(), 1 + ((number + step) % 2) as i64)))
        .collect();
    let mut order = OrderSpec::of(&articles);
    order.billing = AddressSpec {
        email: format!("customer{number}@example.com"),
        ..AddressSpec::sample()
    };
    if number.is_multiple_of(3) {
        order.coupon = Some(CouponSpec {
            code: "AUTUMN".to_owned(),
            percent: Decimal::from(15),
        });
    }
    if number % 4 == 1 {
        order.fees.push(FeeSpec {
            name: "Cash on delivery".to_owned(),
            total: Decimal::new(195, 2),
            ..FeeSpec::default()
        });
    }
    if number % 5 != 4 {
        order.shipping_lines.push(ShippingSpec {
            method_id: "flat_rate".to_owned(),
            method_title: "Parcel".to_owned(),
            instance_id: "1".to_owned(),
            total: Decimal::new(399, 2),
        });
    }
    order
}

/// Pieces that an order takes.
pub(crate) fn taken(order: &OrderSpec) -> Movements {
    let mut taken = Movements::new();
    for line in &order.lines {
        *taken.entry(line.sku.clone()).or_default() -= line.quantity;
    }
    taken
}

/// What happens to the orders of a store once they are known: one refund in part with a piece back
/// in stock, one in full, one edit, one cancellation. Answers what came back.
pub(crate) async fn change(
    stores: SimulatorClient,
    store: &str,
    placed: &[(u64, OrderSpec)],
) -> anyhow::Result<Movements> {
    let mut back = Movements::new();
    let [first, second, third, fourth, ..] = placed else {
        anyhow::bail!("too few orders")
    };

    let full = stores.order(store, first.0).await?;
    let line = full
        .pointer("/line_items/0/id")
        .and_then(serde_json::Value::as_u64);
    let refund = RefundSpec {
        reason: "One piece was broken".to_owned(),
        lines: vec![RefundLineSpec {
            item_id: line.unwrap_or_default(),
            quantity: 1,
            ..RefundLineSpec::default()
        }],
        restock: true,
        ..RefundSpec::default()
    };
    stores.refund(store, first.0, refund).await?;
    if let Some(line) = first.1.lines.first() {
        *back.entry(line.sku.clone()).or_default() += 1;
    }

    let refund = RefundSpec {
        reason: "Lost on the way".to_owned(),
        ..RefundSpec::default()
    };
    stores.refund(store, second.0, refund).await?;

    let members = json!({"customer_note": "Please ring twice."});
    stores
        .act(
            store,
            &Action::EditOrder {
                id: third.0,
                members,
            },
        )
        .await?;

    let status = "cancelled".to_owned();
    stores
        .act(
            store,
            &Action::SetOrderStatus {
                id: fourth.0,
                status,
            },
        )
        .await?;
    for line in &fourth.1.lines {
        *back.entry(line.sku.clone()).or_default() += line.quantity;
    }
    Ok(back)
}

/// What must have been told about the changed orders, beside their last content: the kinds of
/// events, by the order's place.
pub(crate) const TOLD: [(usize, &str); 4] = [
    (0, "refunded"),
    (1, "refunded"),
    (2, "updated"),
    (3, "cancelled"),
];
