//! Prices on the same engine.

use anyhow::{Context as _, ensure};
use serde_json::json;
use storelink_events::connection::{Audience, PriceFormat};
use storelink_lanes::kind::Price;
use storelink_test_support::eventually::eventually;

use crate::world::{PATIENCE, World};

#[tokio::test]
async fn consumers_get_gross_and_businesses_net_from_one_list() -> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let consumers = world.link().await?;
    let mut businesses = world.record()?;
    if let Some(choice) = &mut businesses.settings.price_list {
        choice.audience = Audience::Businesses;
    }
    world.publish_record(&businesses).await?;
    for store in [&consumers, &businesses] {
        world.list(&store.id, &["MUG-01"]).await?;
    }
    let publisher = world.start::<Price>().await?;
    let item = json!({
        "sku": "MUG-01", "net": "20.4098", "tax_rate": "22",
        "sale": { "gross": "9.90", "until": "2999-01-01T00:00:00Z" }, "revision": 7,
    });
    let data = json!({ "price_list": "B2C", "currency": "EUR", "items": [item] });
    world.event("price", data).await?;
    world
        .shows(&consumers.id, &[("MUG-01", "24.90 sale 9.90")])
        .await?;
    world
        .shows(&businesses.id, &[("MUG-01", "20.4098 sale 8.1148")])
        .await?;

    if let Some(choice) = &mut businesses.settings.price_list {
        choice.format = Some(PriceFormat::Gross);
    }
    businesses.revision = 2;
    world.publish_record(&businesses).await?;
    world
        .shows(&businesses.id, &[("MUG-01", "24.90 sale 9.90")])
        .await?;
    publisher.stop().await
}

#[tokio::test]
async fn a_price_that_must_not_be_sent_is_parked_until_it_is_right() -> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let store = world.link().await?;
    world.list(&store.id, &["A"]).await?;
    let publisher = world.start::<Price>().await?;
    let price = |gross: &str, currency: &str, revision: u64| {
        let item = json!({ "sku": "A", "gross": gross, "revision": revision });
        json!({ "price_list": "B2C", "currency": currency, "items": [item] })
    };
    let cases = [
        ("0", "EUR", 1, "price.not_positive"),
        ("9", "SEK", 2, "price.currency_differs"),
    ];
    for (gross, currency, revision, code) in cases {
        world
            .event("price", price(gross, currency, revision))
            .await?;
        eventually(code, PATIENCE, async || {
            let answer = world.sku::<Price>(&store.id, "A").await?;
            let parked = answer.parked.context("not parked")?;
            ensure!(
                parked.code == code && parked.entity == "price",
                "{parked:?}"
            );
            Ok(())
        })
        .await?;
    }
    ensure!(world.requests(&store.id) == 0);
    world.event("price", price("9.90", "EUR", 3)).await?;
    world.shows(&store.id, &[("A", "9.90")]).await?;
    eventually("it is not parked any more", PATIENCE, async || {
        ensure!(world.sku::<Price>(&store.id, "A").await?.parked.is_none());
        Ok(())
    })
    .await?;
    publisher.stop().await
}

#[tokio::test]
async fn a_sale_ends_by_itself() -> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let store = world.link().await?;
    world.list(&store.id, &["A"]).await?;
    let publisher = world.start::<Price>().await?;
    let until = storelink_model::Timestamp::now().saturating_add(time::Duration::seconds(2));
    let item = json!({
        "sku": "A", "gross": "12.20", "revision": 1,
        "sale": { "gross": "9.90", "until": until.to_string() },
    });
    let data = json!({ "price_list": "B2C", "currency": "EUR", "items": [item] });
    world.event("price", data).await?;
    world.shows(&store.id, &[("A", "12.20 sale 9.90")]).await?;
    world.shows(&store.id, &[("A", "12.20")]).await?;
    publisher.stop().await
}
