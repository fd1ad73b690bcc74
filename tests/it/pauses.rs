//! A paused connection and paused writes of a tenant: nothing leaves, and afterwards each article's
//! last value leaves once.

use rust_decimal::Decimal;
use storelink_simulators::{LedgerEntry, OrderSpec, Source};
use storelink_test_support::eventually::eventually;
use storelink_test_support::stores::ledger;
use storelink_test_support::system::SystemOptions;
use storelink_test_support::world::LinkedStore;

use crate::arena::{Arena, LIMIT, WAREHOUSE, two_stores};

#[tokio::test]
async fn a_paused_connection_gets_nothing_and_catches_up_with_the_last_value() {
    let options = SystemOptions::process_per_role();
    let mut arena = Arena::synchronised(options, &two_stores()).await.unwrap();
    let [paused, other] = [arena.links[0].clone(), arena.links[1].clone()];
    let sku = arena.skus().await.unwrap().remove(0);
    arena.api.pause(&paused.connection).await.unwrap();
    rests(&arena, &paused).await;
    assert_eq!(
        arena
            .api
            .connection(&paused.connection)
            .await
            .unwrap()
            .state
            .state,
        "paused"
    );
    let before = requests(&arena, &paused).await.len();

    for level in 901..=905 {
        arena
            .erp
            .say_stock(WAREHOUSE, &[(&sku, Decimal::from(level))])
            .await
            .unwrap();
    }
    let order = OrderSpec::of(&[(&sku, 1)]);
    arena
        .stores
        .client()
        .place_order(&paused.plan.name, order)
        .await
        .unwrap();
    shows(&arena, &other, &sku, 905).await;
    // The paused lane knows the value, too, and keeps it.
    eventually("the value waits", LIMIT, async || {
        let stock = arena.api.sku(&paused.connection, &sku).await?.stock;
        anyhow::ensure!(
            stock.wanted.as_deref() == Some("905") && stock.dirty,
            "{stock:?}"
        );
        Ok(())
    })
    .await
    .unwrap();
    let refused = arena
        .api
        .run_now(&paused.connection, "orders")
        .await
        .unwrap_err();
    assert!(
        format!("{refused:#}").contains("409 connection.paused"),
        "{refused:#}"
    );
    assert_eq!(
        requests(&arena, &paused).await.len(),
        before,
        "a request left for a paused store"
    );

    arena.api.resume(&paused.connection).await.unwrap();
    arena.values_are_right().await.unwrap();
    arena.orders_are_right().await.unwrap();
    let after = requests(&arena, &paused).await;
    let written = after.iter().skip(before).flat_map(|entry| &entry.effects);
    let written: Vec<_> = written
        .filter(|e| e.sku == sku && e.field == "stock_quantity")
        .map(|e| &e.new)
        .collect();
    assert_eq!(written, [905], "the last value leaves once");
    arena.must_be_right().await.unwrap();
}

#[tokio::test]
async fn paused_writes_of_a_tenant_reach_no_store_while_orders_go_on() {
    let options = SystemOptions::process_per_role();
    let mut arena = Arena::synchronised(options, &two_stores()).await.unwrap();
    let skus = arena.skus().await.unwrap();
    arena.api.pause_writes().await.unwrap();
    for link in &arena.links {
        rests(&arena, link).await;
    }
    let mut before = Vec::new();
    for link in &arena.links {
        before.push(writes(&arena, link).await.len());
    }
    let levels: Vec<(&str, Decimal)> = skus
        .iter()
        .map(|sku| (sku.as_str(), Decimal::from(77)))
        .collect();
    arena.erp.say_stock(WAREHOUSE, &levels).await.unwrap();
    let name = arena.first().plan.name.clone();
    arena
        .stores
        .client()
        .place_order(&name, OrderSpec::of(&[(&skus[0], 1)]))
        .await
        .unwrap();
    arena.orders_are_right().await.unwrap();
    for (link, before) in arena.links.iter().zip(&before) {
        eventually("all values wait", LIMIT, async || {
            let stock = arena.api.status(&link.connection).await?.stock;
            anyhow::ensure!(stock.dirty == skus.len() as u64, "{stock:?}");
            Ok(())
        })
        .await
        .unwrap();
        assert_eq!(
            writes(&arena, link).await.len(),
            *before,
            "{}",
            link.plan.name
        );
    }
    arena.api.resume_writes().await.unwrap();
    arena.values_are_right().await.unwrap();
    arena.must_be_right().await.unwrap();
}

/// Waits until neither lane of a connection sends any more.
async fn rests(arena: &Arena, link: &LinkedStore) {
    eventually("the lanes rest", LIMIT, async || {
        let status = arena.api.status(&link.connection).await?;
        anyhow::ensure!(status.stock.stopped.is_some(), "{:?}", status.stock);
        anyhow::ensure!(status.prices.stopped.is_some(), "{:?}", status.prices);
        Ok(())
    })
    .await
    .unwrap();
}

async fn shows(arena: &Arena, link: &LinkedStore, sku: &str, wanted: i64) {
    eventually(
        &format!("{} shows {wanted}", link.plan.name),
        LIMIT,
        async || {
            let articles = arena.stores.client().articles(&link.plan.name).await?;
            let shown = articles
                .iter()
                .find(|a| a.sku == sku)
                .and_then(|a| a.stock_quantity);
            anyhow::ensure!(shown == Some(wanted), "{shown:?}");
            Ok(())
        },
    )
    .await
    .unwrap();
}

async fn requests(arena: &Arena, link: &LinkedStore) -> Vec<LedgerEntry> {
    let entries = ledger(&arena.stores.client(), &link.plan.name, false)
        .await
        .unwrap();
    entries
        .into_iter()
        .filter(|entry| entry.source == Source::Request)
        .collect()
}

async fn writes(arena: &Arena, link: &LinkedStore) -> Vec<LedgerEntry> {
    requests(arena, link)
        .await
        .into_iter()
        .filter(LedgerEntry::is_write)
        .collect()
}
