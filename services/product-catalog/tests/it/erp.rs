//! Product master data of ERPs.

use serde_json::{Value, json};
use storelink_events::subject;
use storelink_test_support::database::TestDatabase;
use storelink_test_support::on_each_database;

use crate::world::World;

on_each_database!(
    the_last_version_of_each_product_is_kept,
    bad_products_are_answered_and_kept_and_good_ones_beside_them_taken,
    versions_that_do_not_fit_are_refused,
);

async fn publish(world: &World, id: &str, time: &str, items: &Value) {
    let event = json!({
        "specversion": "1.0", "id": id, "source": "/erp", "tenant": "acme", "time": time,
        "type": "storelink.product.changed.v1", "datacontenttype": "application/json",
        "data": { "items": items },
    });
    let subject = subject::erp_product_changed(&"acme".parse().unwrap());
    world.publish(&subject, &event).await;
}

const NOW: &str = "2026-11-22T06:30:00Z";

async fn the_last_version_of_each_product_is_kept(database: TestDatabase) {
    let mut world = World::start(&database).await;
    let named =
        |name: &str, revision: u64| json!([{ "sku": "A", "name": name, "revision": revision }]);
    publish(&world, "e-1", NOW, &named("first", 1)).await;
    publish(&world, "e-2", NOW, &named("third", 3)).await;
    publish(&world, "e-3", NOW, &named("second", 2)).await;
    let by_time = |name: &str| json!([{ "sku": "B", "name": name, "barcode": "401" }]);
    publish(&world, "e-4", NOW, &by_time("later")).await;
    publish(&world, "e-5", "2026-11-22T06:29:00Z", &by_time("earlier")).await;
    publish(
        &world,
        "e-6",
        NOW,
        &json!([{ "sku": "C", "removed": true, "revision": 1 }]),
    )
    .await;
    world.erp_products_done().await;
    let rows = world.halt().await.erp_products().await;
    assert_eq!(
        rows,
        [
            "acme A Some(\"third\") None false 3",
            "acme B Some(\"later\") Some(\"401\") false 1795329000000000",
            "acme C None None true 1",
        ]
    );
}

async fn bad_products_are_answered_and_kept_and_good_ones_beside_them_taken(
    database: TestDatabase,
) {
    let mut world = World::start(&database).await;
    let items = json!([
        { "sku": "A", "name": "good", "revision": 1 },
        { "sku": "B", "name": 7, "revision": 1 },
        { "sku": "C", "name": "nul \u{0}", "revision": 1 },
    ]);
    publish(&world, "e-1", NOW, &items).await;
    let rejected = world.told("hub.acme.event.rejected").await;
    assert_eq!(rejected["event_id"], "e-1");
    assert_eq!(rejected["partly_accepted"], true);
    assert_eq!(rejected["violations"][0]["pointer"], "/data/items/1/name");
    assert_eq!(rejected["violations"][1]["code"], "event.member_invalid");
    let letter = world.dead_letter("dead.ERP_PRODUCT.>").await;
    assert_eq!(letter.reason.code, "event.member_invalid");
    world.erp_products_done().await;
    let rows = world.halt().await.erp_products().await;
    assert_eq!(rows, ["acme A Some(\"good\") None false 1"]);
}

async fn versions_that_do_not_fit_are_refused(database: TestDatabase) {
    let mut world = World::start(&database).await;
    let named = |sku: &str, name: &str| json!({ "sku": sku, "name": name, "revision": 1 });
    publish(
        &world,
        "e-1",
        NOW,
        &json!([named("A", "one"), named("B", "one")]),
    )
    .await;
    let other = json!([{ "sku": "A", "name": "no revision" }, named("B", "two")]);
    publish(&world, "e-2", NOW, &other).await;
    publish(
        &world,
        "e-3",
        "2126-01-01T00:00:00Z",
        &json!([{ "sku": "C" }]),
    )
    .await;
    world.erp_products_done().await;
    let mut codes = Vec::new();
    for violation in world.rejections().await {
        codes.push(violation["code"].as_str().unwrap().to_owned());
    }
    assert_eq!(
        codes,
        [
            "event.version_order",
            "event.revision_conflict",
            "event.time_in_future"
        ]
    );
    let rows = world.halt().await.erp_products().await;
    assert_eq!(
        rows,
        [
            "acme A Some(\"one\") None false 1",
            "acme B Some(\"one\") None false 1"
        ]
    );
}
