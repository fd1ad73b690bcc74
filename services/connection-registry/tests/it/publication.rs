//! Records in the bucket: after crashes, without a broker, after its loss.

use serde_json::json;
use storelink_bus::kv::Bucket;
use storelink_bus::streams::{self, Sizing};

use crate::app::{App, On, on_both, until};

on_both!(what_was_not_published_is_published_after_a_crash);

async fn what_was_not_published_is_published_after_a_crash(on: On) {
    let app = App::start(on).await;
    let id = app.active("A").await;
    let gone = app.active("B").await;
    let App { world, replica, .. } = app;
    replica.stop().await;

    // As a crash between commit and publication leaves it: the rows are ahead of the bucket.
    let database = world.open_database().await;
    let ahead = "UPDATE connections SET name = 'After', revision = revision + 1 WHERE name = 'A'";
    assert_eq!(database.execute(ahead, vec![]).await.unwrap(), 1);
    let deleted = "UPDATE connections SET deleted = 1, revision = revision + 1 WHERE name = 'B'";
    assert_eq!(database.execute(deleted, vec![]).await.unwrap(), 1);
    database.close().await;
    drop(database);
    assert_eq!(world.record(&id).await.unwrap().name, "A");

    let _replica = world.start().await;
    until("the record is published", || async {
        world
            .record(&id)
            .await
            .filter(|record| record.name == "After")
    })
    .await;
    until("the deletion is published", || async {
        world.record(&gone).await.is_none().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_without_a_broker_are_kept_and_published_later() {
    let mut app = App::start(On::Sqlite).await;
    let id = app.active("A").await;
    let path = format!("/v1/connections/{id}");
    app.world.broker.stop().await.unwrap();
    let changed = app.admin.patch(&path, &json!({"name": "B"})).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(changed.body["name"], "B");
    app.world.broker.restart().await.unwrap();
    until("the record is published", || async {
        app.world
            .record(&id)
            .await
            .filter(|record| record.name == "B")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_bucket_is_filled_again() {
    let mut app = App::start(On::Sqlite).await;
    let id = app.active("A").await;
    let before = app.world.record(&id).await.unwrap();
    app.world.broker.stop().await.unwrap();
    app.world.broker.wipe_store().await.unwrap();
    app.world.broker.restart().await.unwrap();
    until("the streams are back", || async {
        streams::apply(&app.world.bus, Sizing::default()).await.ok()
    })
    .await;
    until("the record is back", || async {
        app.world
            .record(&id)
            .await
            .filter(|record| *record == before)
    })
    .await;
    let bucket = Bucket::new(&app.world.bus, streams::names::CONNECTIONS);
    until("the tenant is back", || async {
        bucket.get("tenant.default").await.ok().flatten()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_restored_from_a_backup_passes_what_the_bucket_holds() {
    let app = App::start(On::Sqlite).await;
    let id = app.active("A").await;
    let bucket = Bucket::new(&app.world.bus, streams::names::CONNECTIONS);
    let key = format!("connection.{id}");
    // The bucket holds a later revision than the database ever wrote.
    let mut ahead = app.world.record(&id).await.unwrap();
    ahead.revision += 100;
    ahead.name = "Future".to_owned();
    bucket
        .put(&key, serde_json::to_vec(&ahead).unwrap())
        .await
        .unwrap();
    let app = app.restart().await;
    let record = until("the database's record stands", || async {
        app.world
            .record(&id)
            .await
            .filter(|record| record.name == "A")
    })
    .await;
    assert!(record.revision > ahead.revision);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_open_with_their_own_connection_only() {
    let app = App::start(On::Sqlite).await;
    let (one, two) = (app.active("A").await, app.active("B").await);
    let context = app.world.context("").await;
    let open = |sealed: &str, id: &str| context.vault.unseal(&sealed.parse().unwrap(), id).is_ok();
    let record = app.world.record(&one).await.unwrap();
    assert!(open(&record.sealed_credentials, &one));
    assert!(!open(&record.sealed_credentials, &two));
}
