//! What a person decides about stock: quantities that are kept back, and changes that would empty a
//! store.

use anyhow::{Context as _, ensure};
use rust_decimal::Decimal;
use storelink_test_support::eventually::eventually;
use storelink_test_support::stores::ledger;
use storelink_test_support::system::SystemOptions;
use storelink_test_support::world::LinkedStore;

use crate::arena::{Arena, LIMIT, SKUS, WAREHOUSE, two_stores};

/// 30 % of the articles of a store.
const ALLOWED: usize = SKUS * 3 / 10;

#[tokio::test]
async fn a_hold_lowers_every_store_until_it_is_cancelled() {
    let options = SystemOptions::process_per_role();
    let arena = Arena::synchronised(options, &two_stores()).await.unwrap();
    let sku = arena.skus().await.unwrap().remove(0);
    let level = arena.erp.level(WAREHOUSE, &sku).unwrap();
    let hold = arena.api.hold(&sku, "40").await.unwrap();
    for link in &arena.links {
        shows(&arena, link, &sku, level - Decimal::from(40))
            .await
            .unwrap();
    }
    arena.api.cancel_hold(&hold).await.unwrap();
    arena.values_are_right().await.unwrap();
    let held = i64::try_from(level - Decimal::from(40)).unwrap();
    for link in &arena.links {
        let client = arena.stores.client();
        let entries = ledger(&client, &link.plan.name, false).await.unwrap();
        let written = entries.iter().flat_map(|entry| &entry.effects);
        let written: Vec<_> = written
            .filter(|effect| effect.sku == sku && effect.field == "stock_quantity")
            .map(|effect| effect.new.clone())
            .collect();
        let whole = i64::try_from(level).unwrap();
        let last = written.last_chunk::<2>().unwrap();
        assert_eq!(last, &[held, whole], "{written:?}");
    }
}

#[tokio::test]
async fn an_emptied_warehouse_waits_for_a_person_in_every_store() {
    let options = SystemOptions::process_per_role();
    let mut arena = Arena::synchronised(options, &two_stores()).await.unwrap();
    let skus = arena.skus().await.unwrap();
    let empty: Vec<_> = skus
        .iter()
        .map(|sku| (sku.as_str(), Decimal::ZERO))
        .collect();
    arena.erp.say_stock(WAREHOUSE, &empty).await.unwrap();
    for link in &arena.links {
        let (asks, digest) = asks(&arena, link).await.unwrap();
        // What arrived before the rest may be gone.
        assert!(zeros(&arena, link).await.unwrap() <= ALLOWED);
        let approve = async |number, digest: &str| {
            let id = &link.connection;
            arena.api.approve(id, "stock", number, digest).await
        };
        for (number, digest) in [(asks - 1, digest.as_str()), (asks, "others")] {
            let other = approve(number, digest).await.unwrap_err();
            assert!(
                format!("{other:#}").contains("409 approval.changed"),
                "{other:#}"
            );
        }
        let approved = approve(asks, &digest).await;
        assert_eq!(approved.unwrap(), asks);
    }
    arena.values_are_right().await.unwrap();
    arena.must_be_right().await.unwrap();
}

/// Waits until a connection needs attention since all of its articles would be at zero.
async fn asks(arena: &Arena, link: &LinkedStore) -> anyhow::Result<(u64, String)> {
    eventually("the connection asks", LIMIT, async || {
        let connection = arena.api.connection(&link.connection).await?;
        ensure!(
            connection.state.state == "needs_attention",
            "{connection:?}"
        );
        let stock = arena.api.status(&link.connection).await?.stock;
        let asks = stock.asks.context("nothing is asked")?;
        let waiting = usize::try_from(asks)?;
        ensure!(waiting + zeros(arena, link).await? == SKUS, "{stock:?}");
        let code = stock
            .stopped
            .as_ref()
            .and_then(|stopped| stopped["code"].as_str());
        ensure!(code == Some("lane.blast_radius"), "{stock:?}");
        let digest = stock.asks_digest.context("it does not say what it asks")?;
        Ok((asks, digest))
    })
    .await
}

async fn zeros(arena: &Arena, link: &LinkedStore) -> anyhow::Result<usize> {
    let articles = arena.stores.client().articles(&link.plan.name).await?;
    let empty = articles.iter().filter(|a| a.stock_quantity == Some(0));
    Ok(empty.count())
}

async fn shows(
    arena: &Arena,
    link: &LinkedStore,
    sku: &str,
    wanted: Decimal,
) -> anyhow::Result<()> {
    eventually("the store shows it", LIMIT, async || {
        let articles = arena.stores.client().articles(&link.plan.name).await?;
        let shown = articles.iter().find(|article| article.sku == sku);
        let shown = shown.and_then(|article| article.stock_quantity);
        ensure!(shown.map(Decimal::from) == Some(wanted), "{shown:?}");
        Ok(())
    })
    .await
}
