//! Rows that cannot be stored, shards that are too large, and stores that went back in time.

use storelink_events::rpc::{CATALOG, CatalogStatus, ConnectionQuestion};
use storelink_events::subject;
use storelink_model::ConnectionId;
use storelink_test_support::broker::BrokerOptions;
use storelink_test_support::database::TestDatabase;
use storelink_test_support::on_each_database;

use crate::world::{World, article, product};

on_each_database!(
    a_row_that_cannot_be_stored_parks_alone,
    an_oversized_shard_stops_no_other_connection,
    a_broker_that_lost_its_tail_gets_it_again,
    a_database_from_a_backup_publishes_its_changes,
);

async fn a_row_that_cannot_be_stored_parks_alone(database: TestDatabase) {
    let mut world = World::start(&database).await;
    // In one batch with others.
    world.halt().await.close().await;
    for number in 0..3 {
        let (id, sku) = (format!("1{number}"), format!("GOOD-{number}"));
        let good = product(&id, vec![article(&sku, &id, None)]);
        world.read(1, &good).await;
    }
    let bad = product("bad\0id", vec![article("BAD", "bad", None)]);
    world.read(1, &bad).await;
    world.resume();
    world.listings_when(|listings| listings.len() == 3).await;
    let letter = world.dead_letter("dead.PRODUCTS.>").await;
    assert_eq!(letter.reason.code, "catalog.row_refused");
    assert!(letter.subject.ends_with("bad=00id"), "{}", letter.subject);
    world.stop().await;
}

/// The shard of a code: FNV-1a.
fn shard(sku: &str) -> u64 {
    let hash = sku.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash % 16
}

async fn an_oversized_shard_stops_no_other_connection(database: TestDatabase) {
    let options = BrokerOptions {
        max_payload: 32 * 1024,
        ..BrokerOptions::default()
    };
    let world = World::start_with(&database, options).await;
    let mut connections = [world.connection.clone(), ConnectionId::generate()];
    connections.sort();
    let [large, small] = &connections;
    let codes: Vec<String> = (0..)
        .map(|number| format!("{number:0>255}"))
        .filter(|code| shard(code) == 5)
        .take(120)
        .collect();
    for (number, codes) in codes.chunks(20).enumerate() {
        let id = number.to_string();
        let variation = |(place, code): (usize, &String)| {
            let mut article = article(code, &id, Some(&place.to_string()));
            article.name.clear();
            article
        };
        let articles = codes.iter().enumerate().map(variation).collect();
        world.read_of(large, 1, &product(&id, articles)).await;
    }
    let one = product("13", vec![article("MUG-01", "13", None)]);
    world.read_of(small, 1, &one).await;

    let listings = world
        .listings_when(|listings| listings.contains_key("MUG-01") && listings.len() > 60)
        .await;
    assert!(listings.len() < 121, "{}", listings.len());
    // The first codes are there and the last ones are not.
    assert!(listings.contains_key(&codes[0]) && !listings.contains_key(&codes[119]));
    let question = ConnectionQuestion {
        connection: large.clone(),
    };
    let subject = subject::rpc("product-catalog", CATALOG);
    let mut status: CatalogStatus = world.ask(&subject, &question).await;
    while status.linked < 120 || status.left_out == 0 {
        status = world.ask(&subject, &question).await;
    }
    world.stop().await;
}

async fn a_broker_that_lost_its_tail_gets_it_again(database: TestDatabase) {
    let mut world = World::start(&database).await;
    world
        .read(1, &product("13", vec![article("MUG-01", "13", None)]))
        .await;
    world
        .listings_when(|listings| listings.contains_key("MUG-01"))
        .await;
    world
        .lose_tail(async |world| {
            let gone = product("13", vec![article("LATER", "13", None)]);
            world.read(2, &gone).await;
            world
                .listings_when(|listings| listings.contains_key("LATER"))
                .await;
        })
        .await;
    let listings = world
        .listings_when(|listings| listings.contains_key("LATER") && listings.len() == 1)
        .await;
    assert_eq!(listings["LATER"].ids.product, "13");
    world.stop().await;
}

async fn a_database_from_a_backup_publishes_its_changes(database: TestDatabase) {
    let mut world = World::start(&database).await;
    for number in 1..=4 {
        let id = number.to_string();
        let changed = product("13", vec![article("MUG-01", "13", Some(&id))]);
        world.read(number, &changed).await;
        world
            .listings_when(|listings| {
                let listing = listings.get("MUG-01");
                listing.is_some_and(|listing| listing.ids.variation == Some(id.clone()))
            })
            .await;
    }
    let before = world.revision_of("MUG-01").await;
    world.halt().await.forget_revisions().await;
    world.resume();
    let changed = product("13", vec![article("MUG-01", "13", Some("9"))]);
    world.read(5, &changed).await;
    world
        .listings_when(|listings| {
            listings
                .get("MUG-01")
                .is_some_and(|l| l.ids.variation.as_deref() == Some("9"))
        })
        .await;
    let after = world.revision_of("MUG-01").await;
    assert!(after > before, "{after} is not beyond {before}");
    world.stop().await;
}
