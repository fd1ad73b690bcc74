//! Changing what is in use already.

use serde_json::json;

use crate::app::{ADDRESS, App, KEY, On, SECRET};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_keys_of_an_active_connection_wait_for_their_ticket() {
    let app = App::start(On::Sqlite).await;
    let id = app.active("A").await;
    let path = format!("/v1/connections/{id}");
    let before = app.world.record(&id).await.unwrap();

    let other = "s_0000000000000001";
    let patch = json!({"credentials": {"secret": other}, "address": "https://new.example.com"});
    let patched = app.admin.patch(&path, &patch).await;
    assert_eq!(patched.body["address"], ADDRESS);
    assert_eq!(patched.body["credentials"]["secret"], "…3210");
    assert_eq!(
        patched.body["pending"]["address"],
        "https://new.example.com"
    );
    assert_eq!(patched.body["pending"]["credentials"]["secret"], "…0001");
    let unchanged = app.world.record(&id).await.unwrap();
    assert_eq!(unchanged, before);

    // A test asks with the values in use, a verification with the new ones.
    app.admin.post_empty(&format!("{path}/test")).await;
    app.activate(&id).await;
    let asked = app.world.stores.asked();
    assert_eq!(asked[1], (format!("{ADDRESS}/"), SECRET.to_owned()));
    assert_eq!(
        asked[2],
        ("https://new.example.com/".to_owned(), other.to_owned())
    );

    let after = app.world.record(&id).await.unwrap();
    assert_eq!(after.address, "https://new.example.com");
    assert_ne!(after.sealed_credentials, before.sealed_credentials);
    assert!(after.credentials_revision > before.credentials_revision);
    assert!(after.revision > before.revision);
    let shown = app.admin.get(&path).await;
    assert_eq!(shown.body["pending"], serde_json::Value::Null);
    assert_eq!(shown.body["credentials"]["secret"], "…0001");
    // The address in use is no pending change, whatever its spelling.
    let same = app
        .admin
        .patch(&path, &json!({"address": "https://new.example.com/"}))
        .await;
    assert_eq!(same.body["pending"], serde_json::Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entered_keys_of_an_active_connection_can_be_given_up() {
    let app = App::start(On::Sqlite).await;
    let id = app.active("A").await;
    let path = format!("/v1/connections/{id}");
    let nothing = serde_json::Value::Null;
    let wrong = json!({"credentials": {"secret": "s_0000000000000001"}});

    let pending = app.admin.patch(&path, &wrong).await;
    assert_eq!(pending.body["pending"]["credentials"]["secret"], "…0001");
    let given_up = app.admin.patch(&path, &json!({"credentials": null})).await;
    assert_eq!(given_up.body["pending"], nothing, "{given_up:?}");
    assert_eq!(given_up.body["credentials"]["secret"], "…3210");

    // Entering the keys in use again is no change either.
    app.admin.patch(&path, &wrong).await;
    let same = json!({"credentials": {"secret": SECRET}});
    let same = app.admin.patch(&path, &same).await;
    assert_eq!(same.body["pending"], nothing, "{same:?}");
    app.admin.post_empty(&format!("{path}/verify")).await;
    let asked = app.world.stores.asked();
    assert_eq!(asked.last().unwrap().1, SECRET);

    // A draft forgets what was entered.
    let draft = app.draft("B").await;
    let path = format!("/v1/connections/{draft}");
    let emptied = app.admin.patch(&path, &json!({"credentials": null})).await;
    assert_eq!(emptied.body["credentials"], json!({}));
    let early = app.admin.post_empty(&format!("{path}/verify")).await;
    assert_eq!(early.code(), "connection.incomplete");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_order_start_is_kept_and_never_moves_by_itself() {
    let app = App::start(On::Sqlite).await;
    let before = storelink_model::Timestamp::now();
    let id = app.active("A").await;
    let path = format!("/v1/connections/{id}");
    let start = app.world.record(&id).await.unwrap().settings.order_start;
    assert!(before <= start && start <= storelink_model::Timestamp::now());

    let other = json!({"settings": {"reserve": "1"}, "name": "B"});
    assert_eq!(app.admin.patch(&path, &other).await.status, 200);
    let kept = app.world.record(&id).await.unwrap();
    assert_eq!(kept.settings.order_start, start);

    // Null means the making of the connection, not the moment of the change.
    let null = json!({"settings": {"order_start": null}});
    let reset = app.admin.patch(&path, &null).await;
    assert_eq!(reset.body["settings"]["order_start"], reset.body["created"]);
    let record = app.world.record(&id).await.unwrap();
    assert_eq!(
        json!(record.settings.order_start),
        reset.body["settings"]["order_start"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_cannot_be_opened_any_more_are_replaced_by_new_ones() {
    let app = App::start(On::Sqlite).await;
    let id = app.active("A").await;
    let path = format!("/v1/connections/{id}");
    let App { world, replica, .. } = app;
    replica.stop().await;
    let database = world.open_database().await;
    let lose = "UPDATE connections SET credentials = 'lost'";
    assert_eq!(database.execute(lose, vec![]).await.unwrap(), 1);
    database.close().await;
    drop(database);
    let replica = world.start().await;
    let admin = replica.client(Some(&world.admin_token()));
    let app = App {
        world,
        replica,
        admin,
    };

    let verify = format!("{path}/verify");
    let lost = app.admin.post_empty(&verify).await;
    assert_eq!(lost.code(), "connection.credentials_unreadable");
    let entered = json!({"credentials": {"key": KEY, "secret": SECRET}});
    let entered = app.admin.patch(&path, &entered).await;
    assert_eq!(entered.status, 200, "{entered:?}");
    app.activate(&id).await;
    assert_eq!(app.admin.post_empty(&verify).await.body["status"], "green");
}
