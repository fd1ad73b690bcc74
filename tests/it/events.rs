//! Events over HTTP and over the broker, refused items, and the explanation of one SKU.

use rust_decimal::Decimal;
use serde_json::{Value, json};
use storelink_simulators::woocommerce::StoreSpec;
use storelink_test_support::erp::{Erp, Price};
use storelink_test_support::eventually::eventually;
use storelink_test_support::stores::ledger;
use storelink_test_support::system::SystemOptions;
use uuid::Uuid;

use crate::arena::{Arena, LIMIT, TENANT, WAREHOUSE, two_stores};

#[tokio::test]
async fn an_event_over_http_reaches_the_stores_and_a_wrong_one_is_pointed_out() {
    let mut arena = Arena::synchronised(options(), &two_stores()).await.unwrap();
    let token = arena.api.create_token("publisher", "ERP").await.unwrap();
    let publisher = arena.api.with_token(token);
    let sku = arena.skus().await.unwrap().remove(3);

    // The levels so far were said over the broker; this ERP goes on with later revisions.
    let revision = 1_000_000_u64;
    let event = stock_event(json!([{"sku": sku, "quantity": "555", "revision": revision}]));
    let id = event["id"].as_str().unwrap();
    let (status, accepted) = publisher.post_event(Some(id), &event).await.unwrap();
    assert_eq!(
        (status.as_u16(), accepted["id"].as_str()),
        (202, Some(id)),
        "{accepted}"
    );
    let (status, again) = publisher.post_event(Some(id), &event).await.unwrap();
    assert_eq!(
        (status.as_u16(), &again),
        (202, &accepted),
        "a repetition is answered alike"
    );
    for link in arena.links.clone() {
        stock_shows(&arena, &link.plan.name, &sku, 555)
            .await
            .unwrap();
    }

    let wrong = stock_event(json!([
        {"sku": sku, "quantity": "556", "revision": revision + 1},
        {"sku": "B", "quantity": "many", "revision": revision + 2},
    ]));
    let (status, problem) = publisher.post_event(None, &wrong).await.unwrap();
    assert_eq!(
        (status.as_u16(), problem["code"].as_str()),
        (422, Some("event.refused"))
    );
    assert_eq!(problem["errors"][0]["pointer"], "/data/items/1/quantity");
    // A publisher publishes, and nothing else.
    let refused = publisher
        .connection(&arena.first().connection)
        .await
        .unwrap_err();
    assert!(
        format!("{refused:#}").contains("403 auth.role"),
        "{refused:#}"
    );

    // Nothing of the refused event was taken: a later event is shown, its value never was.
    let event = stock_event(json!([{"sku": sku, "quantity": "557", "revision": revision + 3}]));
    publisher.post_event(None, &event).await.unwrap();
    for link in arena.links.clone() {
        stock_shows(&arena, &link.plan.name, &sku, 557)
            .await
            .unwrap();
        let shown = quantities(&arena, &link.plan.name, &sku).await;
        assert!(shown.contains(&555) && !shown.contains(&556), "{shown:?}");
    }
    arena.hub.read().await.unwrap();
    assert_eq!(
        arena.hub.ending_in(".event.rejected").count(),
        0,
        "HTTP is answered by HTTP"
    );
}

#[tokio::test]
async fn a_refused_item_is_answered_and_the_valid_ones_beside_it_are_applied() {
    let mut arena = Arena::synchronised(options(), &two_stores()).await.unwrap();
    let skus = arena.skus().await.unwrap();
    let event = stock_event(json!([
        {"sku": skus[0], "quantity": "611", "revision": 1_000_000},
        {"sku": skus[1], "quantity": "1e400", "revision": 1_000_001},
        {"sku": skus[2], "quantity": "613", "revision": 1_000_002},
    ]));
    let id = event["id"].as_str().unwrap().to_owned();
    let subject = format!("erp.{TENANT}.stock.changed");
    arena.erp.publish_raw(&subject, &id, &event).await.unwrap();
    for link in arena.links.clone() {
        stock_shows(&arena, &link.plan.name, &skus[0], 611)
            .await
            .unwrap();
        stock_shows(&arena, &link.plan.name, &skus[2], 613)
            .await
            .unwrap();
    }
    let rejected = rejection_of(&mut arena, &id).await;
    assert_eq!(rejected["partly_accepted"], true);
    assert_eq!(rejected["subject"], subject.as_str());
    assert_eq!(
        rejected["violations"].as_array().map(Vec::len),
        Some(1),
        "{rejected}"
    );
    assert_eq!(
        rejected["violations"][0]["pointer"],
        "/data/items/1/quantity"
    );

    // An event that is wrong as a whole is answered, too.
    let id = Uuid::now_v7().to_string();
    let strange = json!({"specversion": "1.0", "id": id, "source": "/erp", "tenant": TENANT,
        "type": "storelink.stock.changed.v9", "time": "2026-01-01T00:00:00Z", "data": {}});
    arena
        .erp
        .publish_raw(&subject, &id, &strange)
        .await
        .unwrap();
    let rejected = rejection_of(&mut arena, &id).await;
    assert_eq!(rejected["partly_accepted"], false);
    assert_eq!(rejected["violations"][0]["pointer"], "/type");
}

#[tokio::test]
async fn one_sku_is_explained_from_the_erp_to_the_store() {
    let arena = Arena::synchronised(options(), &two_stores()[..1])
        .await
        .unwrap();
    let sku = arena.skus().await.unwrap().remove(5);
    let link = arena.first();
    arena
        .erp
        .say_stock(WAREHOUSE, &[(&sku, Decimal::from(321))])
        .await
        .unwrap();
    arena.values_are_right().await.unwrap();
    let known = eventually("the value is confirmed", LIMIT, async || {
        let known = arena.api.sku(&link.connection, &sku).await?;
        anyhow::ensure!(!known.stock.dirty, "{known:?}");
        Ok(known)
    })
    .await
    .unwrap();
    let stock = known.stock;
    let erp: Vec<_> = stock
        .erp
        .iter()
        .map(|v| (v.source.as_str(), v.value.as_str()))
        .collect();
    assert_eq!(erp, [(WAREHOUSE, "321")]);
    assert_eq!(stock.wanted.as_deref(), Some("321"));
    assert_eq!(stock.confirmed.as_deref(), Some("321"));
    assert!(
        stock.confirmed_at.is_some() && stock.parked.is_none(),
        "{stock:?}"
    );
    assert_eq!(
        known.price.erp.first().map(|value| value.source.as_str()),
        Some("B2C")
    );
    assert!(known.listing.product.is_some());

    // A price that must not be sent is parked with its reason, and a good one ends that.
    let zero = Price::gross(Decimal::ZERO);
    arena
        .erp
        .say_prices("B2C", "EUR", &[(&sku, zero)])
        .await
        .unwrap();
    let parked = eventually("the price is parked", LIMIT, async || {
        let items = arena.api.parked(&link.connection).await?;
        let parked = items
            .into_iter()
            .find(|item| item.sku.as_deref() == Some(sku.as_str()));
        anyhow::Context::context(parked, "nothing is parked")
    })
    .await
    .unwrap();
    assert_eq!(parked.entity, "price");
    assert!(
        !parked.code.is_empty() && !parked.text.is_empty(),
        "{parked:?}"
    );
    let good = Price::gross(Decimal::new(11234, 2));
    arena
        .erp
        .say_prices("B2C", "EUR", &[(&sku, good)])
        .await
        .unwrap();
    arena.values_are_right().await.unwrap();
    eventually("nothing is parked any more", LIMIT, async || {
        let items = arena.api.parked(&link.connection).await?;
        anyhow::ensure!(items.is_empty(), "{items:?}");
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn an_erp_without_nats_synchronises_a_store_over_http_alone() {
    let specs: Vec<StoreSpec> = two_stores().into_iter().take(1).collect();
    let mut arena = Arena::open(options(), &specs).await.unwrap();
    let token = arena.api.create_token("publisher", "ERP").await.unwrap();
    arena.erp = Erp::over_http(arena.api.with_token(token), TENANT).into();
    arena.read("products").await.unwrap();
    arena.say_everything().await.unwrap();
    arena.values_are_right().await.unwrap();
    arena.must_be_right().await.unwrap();
}

fn options() -> SystemOptions {
    SystemOptions::process_per_role()
}

fn stock_event(items: Value) -> Value {
    json!({
        "specversion": "1.0",
        "id": Uuid::now_v7().to_string(),
        "source": "/erp/default",
        "type": "storelink.stock.changed.v1",
        "time": "2026-11-22T06:30:00Z",
        "tenant": TENANT,
        "data": {"warehouse": WAREHOUSE, "items": items},
    })
}

async fn rejection_of(arena: &mut Arena, id: &str) -> Value {
    let hub = &mut arena.hub;
    eventually("the refusal is answered", LIMIT, async || {
        hub.read().await?;
        let found = hub
            .ending_in("hub.default.event.rejected")
            .map(|event| &event.event["data"])
            .find(|data| data["event_id"] == id);
        anyhow::Context::context(found.cloned(), "no answer names the event")
    })
    .await
    .unwrap()
}

async fn stock_shows(arena: &Arena, store: &str, sku: &str, wanted: i64) -> anyhow::Result<()> {
    eventually(
        &format!("{store} shows {wanted} of {sku}"),
        LIMIT,
        async || {
            let articles = arena.stores.client().articles(store).await?;
            let shown = articles.iter().find(|article| article.sku == sku);
            let shown = shown.and_then(|article| article.stock_quantity);
            anyhow::ensure!(shown == Some(wanted), "{shown:?}");
            Ok(())
        },
    )
    .await
}

/// Every quantity that a store was ever told for a SKU.
async fn quantities(arena: &Arena, store: &str, sku: &str) -> Vec<i64> {
    let entries = ledger(&arena.stores.client(), store, true).await.unwrap();
    let effects = entries.iter().flat_map(|entry| &entry.effects);
    let of_sku = effects.filter(|e| e.sku == sku && e.field == "stock_quantity");
    of_sku.filter_map(|effect| effect.new.as_i64()).collect()
}
