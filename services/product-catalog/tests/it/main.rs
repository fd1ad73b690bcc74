//! The catalogue on a real broker and both databases.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod erp;
mod faults;
mod sharing;
mod world;

use storelink_adapter_api::StockKeeping;
use storelink_events::internal::Blocked;
use storelink_events::internal::Listing;
use storelink_events::rpc::{CATALOG, CatalogStatus, ConnectionQuestion, LISTING, SkuQuestion};
use storelink_events::subject;
use storelink_test_support::database::TestDatabase;
use storelink_test_support::on_each_database;

use crate::world::{World, article, product};

on_each_database!(
    products_become_listings,
    an_older_reading_changes_nothing,
    an_article_that_left_its_product_is_gone,
    a_code_that_stands_twice_is_blocked_and_freed_again,
    unchanged_listings_are_not_published_again,
    a_restart_publishes_what_was_only_committed,
    a_lost_broker_store_is_filled_again,
    questions_are_answered,
);

async fn products_become_listings(database: TestDatabase) {
    let world = World::start(&database).await;
    world
        .read(1, &product("13", vec![article("MUG-01", "13", None)]))
        .await;
    world
        .read(
            2,
            &product(
                "57",
                vec![
                    article("T-S", "57", Some("58")),
                    article("T-M", "57", Some("59")),
                ],
            ),
        )
        .await;
    let listings = world.listings_when(|listings| listings.len() == 3).await;
    let ids: Vec<_> = listings
        .iter()
        .map(|(sku, listing)| {
            (
                sku.as_str(),
                listing.ids.product.as_str(),
                listing.ids.variation.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        ids,
        [
            ("MUG-01", "13", None),
            ("T-M", "57", Some("59")),
            ("T-S", "57", Some("58"))
        ]
    );
    world.stop().await;
}

async fn an_older_reading_changes_nothing(database: TestDatabase) {
    let world = World::start(&database).await;
    world
        .read(5, &product("13", vec![article("NEW", "13", None)]))
        .await;
    world
        .listings_when(|listings| listings.contains_key("NEW"))
        .await;
    world
        .read(4, &product("13", vec![article("OLD", "13", None)]))
        .await;
    world
        .read(6, &product("14", vec![article("AFTER", "14", None)]))
        .await;
    let listings = world
        .listings_when(|listings| listings.contains_key("AFTER"))
        .await;
    assert!(listings.contains_key("NEW") && !listings.contains_key("OLD"));
    world.stop().await;
}

async fn an_article_that_left_its_product_is_gone(database: TestDatabase) {
    let world = World::start(&database).await;
    let both = vec![
        article("T-S", "57", Some("58")),
        article("T-M", "57", Some("59")),
    ];
    world.read(1, &product("57", both)).await;
    world.listings_when(|listings| listings.len() == 2).await;
    world
        .read(2, &product("57", vec![article("T-S", "57", Some("58"))]))
        .await;
    world
        .listings_when(|listings| listings.len() == 1 && listings.contains_key("T-S"))
        .await;
    world.stop().await;
}

async fn a_code_that_stands_twice_is_blocked_and_freed_again(database: TestDatabase) {
    let world = World::start(&database).await;
    world
        .read(1, &product("13", vec![article("TWICE", "13", None)]))
        .await;
    world
        .read(2, &product("14", vec![article("TWICE", "14", None)]))
        .await;
    let blocked = |listings: &world::Listings| {
        listings
            .get("TWICE")
            .and_then(|listing| listing.stock_blocked)
    };
    world
        .listings_when(|listings| blocked(listings) == Some(Blocked::DuplicateCode))
        .await;
    world
        .read(3, &product("14", vec![article("ONCE", "14", None)]))
        .await;
    let listings = world
        .listings_when(|listings| listings.contains_key("ONCE") && blocked(listings).is_none())
        .await;
    assert_eq!(listings["TWICE"].ids.product, "13");
    world.stop().await;
}

async fn unchanged_listings_are_not_published_again(database: TestDatabase) {
    let world = World::start(&database).await;
    world
        .read(1, &product("13", vec![article("MUG-01", "13", None)]))
        .await;
    world
        .listings_when(|listings| listings.contains_key("MUG-01"))
        .await;
    let before = world.revision_of("MUG-01").await;

    // Our own write comes back as a changed quantity.
    let mut sold = article("MUG-01", "13", None);
    sold.quantity = Some("3".parse().unwrap());
    world.read(2, &product("13", vec![sold])).await;
    world
        .read(3, &product("14", vec![article("AFTER", "14", None)]))
        .await;
    world
        .listings_when(|listings| listings.contains_key("AFTER"))
        .await;
    assert_eq!(world.revision_of("MUG-01").await, before);
    world.stop().await;
}

async fn a_restart_publishes_what_was_only_committed(database: TestDatabase) {
    let world = World::start(&database).await;
    world
        .read(1, &product("13", vec![article("MUG-01", "13", None)]))
        .await;
    world
        .listings_when(|listings| listings.contains_key("MUG-01"))
        .await;
    let world = world
        .restart_after(|rows| rows.forget_publication("MUG-01"))
        .await;
    world
        .listings_when(|listings| listings.contains_key("MUG-01"))
        .await;
    assert_eq!(world.pending().await, 0);
    world.stop().await;
}

async fn a_lost_broker_store_is_filled_again(database: TestDatabase) {
    let mut world = World::start(&database).await;
    world
        .read(1, &product("13", vec![article("MUG-01", "13", None)]))
        .await;
    world
        .listings_when(|listings| listings.contains_key("MUG-01"))
        .await;
    world.lose_broker_store().await;
    world
        .listings_when(|listings| listings.contains_key("MUG-01"))
        .await;
    world.stop().await;
}

async fn questions_are_answered(database: TestDatabase) {
    let world = World::start(&database).await;
    let mut off = article("OFF", "15", None);
    off.stock = StockKeeping::Off;
    let mut nameless = article("X", "16", None);
    nameless.sku = None;
    world
        .read(1, &product("13", vec![article("MUG-01", "13", None)]))
        .await;
    world.read(2, &product("15", vec![off])).await;
    world.read(3, &product("16", vec![nameless])).await;
    world.listings_when(|listings| listings.len() == 2).await;

    let question = SkuQuestion {
        connection: world.connection.clone(),
        sku: "OFF".parse().unwrap(),
    };
    let listing: Option<Listing> = world
        .ask(&subject::rpc("product-catalog", LISTING), &question)
        .await;
    assert_eq!(listing.unwrap().stock_blocked, Some(Blocked::StockOff));

    let question = ConnectionQuestion {
        connection: world.connection.clone(),
    };
    let subject = subject::rpc("product-catalog", CATALOG);
    let mut status: CatalogStatus = world.ask(&subject, &question).await;
    while status.missing_codes == 0 {
        status = world.ask(&subject, &question).await;
    }
    assert_eq!(
        (status.linked, status.missing_codes, status.blocked.len()),
        (2, 1, 1)
    );
    world.stop().await;
}
