//! Levels and prices reach the stores, orders reach the ledger and their events: every role as its
//! own process, on both databases.

use anyhow::Context as _;
use rust_decimal::Decimal;
use serde_json::json;
use storelink_simulators::woocommerce::StoreSpec;
use storelink_simulators::{
    Action, CouponSpec, FeeSpec, OrderSpec, RefundLineSpec, RefundSpec, ShippingSpec,
};
use storelink_test_support::database::TestDatabase;
use storelink_test_support::erp::Price;
use storelink_test_support::on_each_database;
use storelink_test_support::system::SystemOptions;

use crate::arena::{Arena, SKUS, WAREHOUSE, two_stores};

on_each_database!(
    values_and_orders_reach_their_ends,
    a_single_process_does_the_same
);

async fn values_and_orders_reach_their_ends(database: TestDatabase) {
    let mut stores = two_stores();
    let third = StoreSpec {
        time_zone: "Pacific/Chatham".to_owned(),
        ..two_stores().remove(0)
    };
    stores.push(StoreSpec {
        name: "chatham".to_owned(),
        ..third
    });
    play(SystemOptions::process_per_role().on(database), &stores)
        .await
        .unwrap();
}

async fn a_single_process_does_the_same(database: TestDatabase) {
    play(SystemOptions::one_process().on(database), &two_stores())
        .await
        .unwrap();
}

async fn play(options: SystemOptions, stores: &[StoreSpec]) -> anyhow::Result<()> {
    let mut arena = Arena::synchronised(options, stores).await?;
    change_values(&arena).await?;
    arena.values_are_right().await?;

    let placed = place_orders(&arena).await?;
    arena.orders_are_right().await?;
    change_orders(&arena, &placed).await?;
    arena.orders_are_right().await?;
    assert_told(&arena, &placed);

    // The sales lowered the stores' own stock; the ERP tells what is left.
    let skus = arena.skus().await?;
    let left = |sku: &str| Some(arena.erp.level(WAREHOUSE, sku)? - Decimal::ONE);
    let levels: Vec<(&str, Decimal)> = skus
        .iter()
        .filter_map(|sku| Some((sku.as_str(), left(sku)?)))
        .collect();
    arena.erp.say_stock(WAREHOUSE, &levels).await?;
    arena.values_are_right().await?;

    let verdict = arena.must_be_right().await?;
    for store in &verdict.stores {
        assert_eq!(
            (store.stock.total, store.prices.total),
            (SKUS, SKUS),
            "{}",
            store.name
        );
        assert_eq!(store.writes.went_back, 0, "{}", store.name);
        assert_eq!(store.orders.in_store, ORDERS, "{}", store.name);
    }
    arena.system.shut_down().await
}

/// Orders in each store.
const ORDERS: usize = 10;

async fn change_values(arena: &Arena) -> anyhow::Result<()> {
    let articles = arena.articles().await?;
    for round in 0..5 {
        for (place, (sku, _)) in articles.iter().enumerate().step_by(4) {
            let level = Decimal::from(200 + 40 * round + place);
            arena.erp.say_stock(WAREHOUSE, &[(sku, level)]).await?;
        }
    }
    let vat = Some(Decimal::from(22));
    let sale = |regular: Decimal| Some((regular * Decimal::new(8, 1)).round_dp(2));
    let changed = || articles.iter().step_by(3);
    let raised = |base: &Decimal| (base * Decimal::new(111, 2)).round_dp(2);
    let consumers: Vec<(&str, Price)> = changed()
        .map(|(sku, base)| {
            let gross = raised(base);
            (
                sku.as_str(),
                Price {
                    gross: Some(gross),
                    tax_rate: vat,
                    sale: sale(gross),
                    net: None,
                },
            )
        })
        .collect();
    let businesses: Vec<(&str, Price)> = changed()
        .map(|(sku, base)| {
            let net = (raised(base) / Decimal::new(122, 2)).round_dp(4);
            (
                sku.as_str(),
                Price {
                    net: Some(net),
                    tax_rate: vat,
                    ..Price::default()
                },
            )
        })
        .collect();
    arena.erp.say_prices("B2C", "EUR", &consumers).await?;
    arena.erp.say_prices("B2B", "EUR", &businesses).await
}

async fn place_orders(arena: &Arena) -> anyhow::Result<Vec<Vec<u64>>> {
    let skus = arena.skus().await?;
    let sku = |number: usize| skus[number % skus.len()].as_str();
    let mut placed = Vec::new();
    for link in &arena.links {
        let mut ids = Vec::new();
        for number in 0..ORDERS {
            // The last articles are variations.
            let articles = [(sku(number), 1), (sku(skus.len() - 1 - number), 2)];
            let mut order = OrderSpec::of(&articles);
            order.coupon = (number % 2 == 0).then(|| CouponSpec {
                code: "TEN".to_owned(),
                percent: Decimal::TEN,
            });
            order.fees.push(FeeSpec {
                name: "Wrapping".to_owned(),
                total: Decimal::new(if number % 3 == 0 { -55 } else { 133 }, 2),
                ..FeeSpec::default()
            });
            order.shipping_lines.push(ShippingSpec {
                method_id: "flat_rate".to_owned(),
                method_title: "Post".to_owned(),
                instance_id: "1".to_owned(),
                total: Decimal::new(399, 2),
            });
            ids.push(
                arena
                    .stores
                    .client()
                    .place_order(&link.plan.name, order)
                    .await?,
            );
        }
        placed.push(ids);
    }
    Ok(placed)
}

async fn change_orders(arena: &Arena, placed: &[Vec<u64>]) -> anyhow::Result<()> {
    let stores = arena.stores.client();
    for (link, ids) in arena.links.iter().zip(placed) {
        let (name, id) = (&link.plan.name, |place: usize| ids[place]);
        let first = stores.order(name, id(0)).await?;
        let line = first
            .pointer("/line_items/1/id")
            .and_then(serde_json::Value::as_u64);
        let back = RefundLineSpec {
            item_id: line.context("an order of two lines")?,
            quantity: 1,
            ..RefundLineSpec::default()
        };
        let part = RefundSpec {
            lines: vec![back],
            restock: true,
            ..RefundSpec::default()
        };
        stores.refund(name, id(0), part).await?;
        stores.refund(name, id(1), RefundSpec::default()).await?;
        let members = json!({"customer_note": "Second floor", "billing": {"city": "Kranj"}});
        stores
            .act(name, &Action::EditOrder { id: id(2), members })
            .await?;
        let status = "cancelled".to_owned();
        stores
            .act(name, &Action::SetOrderStatus { id: id(3), status })
            .await?;
        stores.act(name, &Action::TrashOrder { id: id(4) }).await?;
    }
    Ok(())
}

fn assert_told(arena: &Arena, placed: &[Vec<u64>]) {
    for (link, ids) in arena.links.iter().zip(placed) {
        let events = arena.hub.orders_of(&link.connection);
        let verbs = |place: usize| -> Vec<&str> {
            events[&ids[place].to_string()]
                .iter()
                .map(|event| event.verb.as_str())
                .collect()
        };
        let name = &link.plan.name;
        assert_eq!(verbs(0), ["received", "refunded"], "{name}");
        assert_eq!(verbs(1), ["received", "refunded"], "{name}");
        assert_eq!(verbs(2), ["received", "updated"], "{name}");
        assert_eq!(verbs(3), ["received", "cancelled"], "{name}");
        assert_eq!(verbs(4), ["received", "cancelled"], "{name}");
        assert_eq!(verbs(5), ["received"], "{name}");
    }
}
