//! Articles that share a stock row or an article of the store.

use storelink_adapter_api::{Article, StockKeeping};
use storelink_events::internal::Blocked;
use storelink_events::rpc::{CATALOG, CatalogStatus, ConnectionQuestion};
use storelink_events::subject;
use storelink_test_support::database::TestDatabase;
use storelink_test_support::on_each_database;

use crate::world::{Listings, World, article, product};

on_each_database!(
    a_shared_row_blocks_both_shards_and_frees_them_again,
    two_codes_of_one_article_are_both_there_and_blocked,
    samples_are_bounded_and_counts_are_exact,
);

fn shared(sku: &str, product: &str) -> Article {
    let mut article = article(sku, product, None);
    article.ids.stock_row = Some("57".to_owned());
    article.stock = StockKeeping::Shared;
    article
}

fn stock(listings: &Listings, sku: &str) -> Option<Option<Blocked>> {
    listings.get(sku).map(|listing| listing.stock_blocked)
}

async fn a_shared_row_blocks_both_shards_and_frees_them_again(database: TestDatabase) {
    let world = World::start(&database).await;
    let alone = |listings: &Listings| stock(listings, "A/B 5") == Some(None);
    let both_blocked = |listings: &Listings| {
        ["A/B 5", "MUG-01"].map(|sku| stock(listings, sku)) == [Some(Some(Blocked::SharedStock)); 2]
    };
    // Shards 2 and 12.
    world
        .read(1, &product("13", vec![shared("A/B 5", "13")]))
        .await;
    world.listings_when(alone).await;
    world
        .read(2, &product("14", vec![shared("MUG-01", "14")]))
        .await;
    world.listings_when(both_blocked).await;

    let mut inactive = shared("MUG-01", "14");
    inactive.active = false;
    world.read(3, &product("14", vec![inactive])).await;
    world.listings_when(alone).await;
    world
        .read(4, &product("14", vec![shared("MUG-01", "14")]))
        .await;
    world.listings_when(both_blocked).await;
    world.read(5, &product("14", Vec::new())).await;
    world
        .listings_when(|listings| alone(listings) && !listings.contains_key("MUG-01"))
        .await;
    world.stop().await;
}

async fn two_codes_of_one_article_are_both_there_and_blocked(database: TestDatabase) {
    let world = World::start(&database).await;
    let row = |sku: &str, row: &str| {
        let mut article = article(sku, "14", None);
        article.ids.stock_row = Some(row.to_owned());
        article
    };
    let same_ids = vec![article("A", "13", None), article("B", "13", None)];
    world.read(1, &product("13", same_ids)).await;
    let own_rows = vec![row("C", "60"), row("D", "61")];
    world.read(2, &product("14", own_rows)).await;
    let twice = vec![article("E", "15", None), article("E", "15", None)];
    world.read(3, &product("15", twice)).await;
    let listings = world.listings_when(|listings| listings.len() == 5).await;
    let found: Vec<_> = listings
        .values()
        .map(|listing| (listing.stock_blocked, listing.price_blocked))
        .collect();
    let shared = Some(Blocked::SharedStock);
    assert_eq!(
        found,
        [
            (shared, shared),
            (shared, shared),
            // Their stock has rows of their own, their price has not.
            (None, shared),
            (None, shared),
            // The same article, shown twice.
            (None, None)
        ]
    );
    world.stop().await;
}

async fn samples_are_bounded_and_counts_are_exact(database: TestDatabase) {
    let world = World::start(&database).await;
    let off = |number: u32| {
        let mut article = article(&format!("OFF-{number}"), "13", Some(&number.to_string()));
        article.stock = StockKeeping::Off;
        article
    };
    let twice = |id: &'static str| {
        move |number: u32| article(&format!("TWICE-{number}"), id, Some(&number.to_string()))
    };
    world
        .read(1, &product("13", (0..130).map(off).collect()))
        .await;
    world
        .read(2, &product("14", (0..120).map(twice("14")).collect()))
        .await;
    world
        .read(3, &product("15", (0..120).map(twice("15")).collect()))
        .await;
    world
        .listings_when(|listings| {
            let blocked = |listing: &&_| stock_is_blocked(listing);
            listings.len() == 250 && listings.values().filter(blocked).count() == 250
        })
        .await;
    let question = ConnectionQuestion {
        connection: world.connection.clone(),
    };
    let status: CatalogStatus = world
        .ask(&subject::rpc("product-catalog", CATALOG), &question)
        .await;
    let counts = status.blocked_counts;
    assert_eq!((counts.stock_off, counts.duplicate_code), (130, 120));
    assert_eq!((status.linked, status.blocked.len()), (250, 200));
    assert_eq!(status.duplicate_codes.len(), 100);
    world.stop().await;
}

fn stock_is_blocked(listing: &storelink_events::internal::Listing) -> bool {
    listing.stock_blocked.is_some()
}
