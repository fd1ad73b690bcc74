//! The broker's store is deleted while everything runs: an administrator makes the streams again, which
//! the roles' users may not, values come back from SQL, order events from the ledger, and nobody has to
//! be started anew.

use rust_decimal::Decimal;
use storelink_simulators::OrderSpec;
use storelink_test_support::database::TestDatabase;
use storelink_test_support::eventually::eventually;
use storelink_test_support::hub::Hub;
use storelink_test_support::on_each_database;
use storelink_test_support::system::SystemOptions;

use crate::arena::{Arena, LIMIT, TENANT, WAREHOUSE, two_stores};

on_each_database!(everything_goes_on_after_the_brokers_store_was_deleted);

async fn everything_goes_on_after_the_brokers_store_was_deleted(database: TestDatabase) {
    let options = SystemOptions::process_per_role().on(database);
    let mut arena = Arena::synchronised(options, &two_stores()).await.unwrap();
    let skus = arena.skus().await.unwrap();
    sell_one(&arena, &skus[0]).await;
    arena.orders_are_right().await.unwrap();
    arena.say_everything().await.unwrap();
    arena.every_word_was_heard().await.unwrap();

    let broker = arena.system.broker().unwrap();
    eventually("the store is deleted", LIMIT, async || {
        // The broker runs and may make a file anew meanwhile.
        std::fs::remove_dir_all(broker.store()).ok();
        anyhow::ensure!(!broker.store().exists());
        Ok(())
    })
    .await
    .unwrap();
    broker.kill().await.unwrap();
    broker.restart().await.unwrap();
    arena.system.apply_streams().await.unwrap();

    for (place, sku) in skus.iter().enumerate().step_by(3) {
        let level = Decimal::from(500 + place);
        arena
            .erp
            .say_stock(WAREHOUSE, &[(sku, level)])
            .await
            .unwrap();
    }
    arena.values_are_right().await.unwrap();
    sell_one(&arena, &skus[1]).await;
    // What was told before the loss must be told again.
    arena.hub = Hub::connect(arena.system.broker_url()).await.unwrap();
    arena.orders_are_right().await.unwrap();
    arena.say_everything().await.unwrap();
    arena.values_are_right().await.unwrap();
    arena.must_be_right().await.unwrap();
    arena.system.shut_down().await.unwrap();
}

async fn sell_one(arena: &Arena, sku: &str) {
    for link in &arena.links {
        let order = OrderSpec::of(&[(sku, 1)]);
        arena
            .stores
            .client()
            .place_order(&link.plan.name, order)
            .await
            .unwrap();
    }
}

/// Messages of others hide that the tail of a stream is gone: then an operator asks for it.
#[tokio::test]
async fn events_that_were_lost_unseen_come_again_when_an_operator_asks() {
    let options = SystemOptions::process_per_role();
    let mut arena = Arena::synchronised(options, &two_stores()).await.unwrap();
    let skus = arena.skus().await.unwrap();
    let before = arena.system.broker().unwrap().backup().await.unwrap();
    sell_one(&arena, &skus[0]).await;
    arena.orders_are_right().await.unwrap();
    let told = arena.hub.events().len();

    // A SQLite file is one process's alone.
    arena.system.stop("order-ingest").await.unwrap();
    let broker = arena.system.broker().unwrap();
    broker.go_back_to(&before).await.unwrap();
    arena.hub = Hub::connect(arena.system.broker_url()).await.unwrap();
    while arena.hub.read().await.unwrap().len() < told {
        arena.hub.say_something(TENANT).await.unwrap();
    }
    for link in &arena.links {
        assert!(arena.hub.orders_of(&link.connection).is_empty());
    }

    let first = arena.links[0].connection.clone();
    for whose in [["--connection", &first], ["--tenant", TENANT]] {
        let ask = [&["orders", "re-emit"][..], &whose[..]].concat();
        let said = arena.system.run(&ask, None).await.unwrap();
        assert!(said.starts_with("1 order events"), "{said}");
    }
    arena.system.launch("order-ingest").unwrap();
    arena.orders_are_right().await.unwrap();
    arena.system.shut_down().await.unwrap();
}
