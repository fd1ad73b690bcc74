//! Roles that end under load: asked to, and killed.

use std::sync::Arc;
use std::time::Instant;

use storelink_simulators::{Fault, FaultEffect, FaultMatch};
use storelink_test_support::database::TestDatabase;
use storelink_test_support::load::{Load, LoadPlan};
use storelink_test_support::on_each_database;
use storelink_test_support::system::{Role, STOP_LIMIT, SystemOptions};

use crate::arena::{Arena, WAREHOUSE, two_stores};

on_each_database!(
    every_role_ends_in_order_under_load,
    every_role_is_killed_under_load
);

async fn every_role_ends_in_order_under_load(database: TestDatabase) {
    let options = SystemOptions::process_per_role().on(database);
    let (mut arena, load) = under_load(options).await.unwrap();
    for role in Role::ALL {
        load.more(20, 4).await.unwrap();
        let asked = Instant::now();
        let status = arena.system.stop(role.name()).await.unwrap();
        assert!(
            asked.elapsed() < STOP_LIMIT,
            "{role} took {:?}",
            asked.elapsed()
        );
        assert_eq!(status.code(), Some(0), "{role}");
        load.more(10, 2).await.unwrap();
        arena.system.restart(role.name()).await.unwrap();
    }
    settle(arena, load).await.unwrap();
}

async fn every_role_is_killed_under_load(database: TestDatabase) {
    let options = SystemOptions::process_per_role().on(database);
    let (mut arena, load) = under_load(options).await.unwrap();
    for role in Role::ALL {
        load.more(20, 4).await.unwrap();
        let status = arena.system.kill(role.name()).await.unwrap();
        assert_eq!(status.code(), None, "{role} ended by itself");
        arena.system.restart(role.name()).await.unwrap();
    }
    settle(arena, load).await.unwrap();
}

/// A world with load, in which one store is so slow that a request is nearly always under way.
async fn under_load(options: SystemOptions) -> anyhow::Result<(Arena, Load)> {
    let arena = Arena::synchronised(options, &two_stores()).await?;
    let effect = FaultEffect::Latency {
        ms: 150,
        jitter_ms: 50,
        row_ms: 0,
    };
    let fault = Fault {
        on: FaultMatch::default(),
        effect,
    };
    arena
        .stores
        .client()
        .set_fault(&arena.first().plan.name, &fault)
        .await?;
    let plan = LoadPlan::moderate(WAREHOUSE, arena.skus().await?);
    let (erp, api) = (Arc::clone(&arena.erp), arena.api.clone());
    let load = Load::begin(&plan, &arena.links, arena.stores.client(), erp, api);
    Ok((arena, load))
}

/// Ends the load, waits until all is right, and judges.
async fn settle(mut arena: Arena, load: Load) -> anyhow::Result<()> {
    load.more(20, 4).await?;
    load.end().await?;
    arena.every_word_was_heard().await?;
    arena.orders_are_right().await?;
    // Sales lowered the stores' own stock after the last level of some SKU: the ERP speaks last.
    arena.say_everything().await?;
    arena.values_are_right().await?;
    arena.must_be_right().await?;
    arena.system.shut_down().await
}
