//! Holds over the API, and what publishers see of them.

use serde_json::{Value, json};
use storelink_bus::kv::Bucket;
use storelink_bus::streams::{self, Sizing};
use storelink_events::hold::SkuHolds;
use storelink_model::Timestamp;
use time::Duration;

use crate::app::{Answer, App, On, World, add_admin, on_both, until};

impl World {
    async fn holds(&self, sku: &str) -> Option<SkuHolds> {
        let bucket = Bucket::new(&self.bus, streams::names::HOLDS);
        let (tenant, sku) = ("default".parse().unwrap(), sku.parse().unwrap());
        let key = storelink_events::subject::hold_key(&tenant, &sku);
        let entry = bucket.get(&key).await.ok()??;
        Some(serde_json::from_slice(&entry.value).unwrap())
    }
}

async fn set(app: &App, body: &Value) -> Answer {
    app.admin.post("/v1/holds", body).await
}

fn id(answer: &Answer) -> String {
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.body["id"].as_str().unwrap().to_owned()
}

on_both!(a_hold_is_published_listed_and_gone_when_it_is_cancelled);

async fn a_hold_is_published_listed_and_gone_when_it_is_cancelled(on: On) {
    let app = App::start(on).await;
    let connection = app.active("A").await;
    let later = Timestamp::now().saturating_add(Duration::hours(1));
    let body = json!({
        "sku": "A/1", "quantity": "2.5", "connections": [connection, connection],
        "until": later.to_string(), "reason": " Fair in Graz "
    });
    let made = set(&app, &body).await;
    let first = id(&made);
    assert_eq!(made.body["quantity"], "2.5");
    assert_eq!(made.body["connections"], json!([connection]));
    assert_eq!(made.body["reason"], "Fair in Graz");
    let second = id(&set(&app, &json!({"sku": "A/1", "quantity": 3})).await);
    id(&set(&app, &json!({"sku": "B", "quantity": "1"})).await);

    let record = app.world.holds("A/1").await.unwrap();
    assert_eq!(record.revision, 2);
    let published: Vec<_> = record.holds.iter().map(|hold| hold.id.clone()).collect();
    assert_eq!(published, [first.clone(), second.clone()]);
    assert_eq!(record.holds[0].until, Some(later));
    assert_eq!(record.holds[0].connections[0].as_str(), connection);
    assert_eq!(record.holds[1].quantity.to_string(), "3");

    let viewer = app.with_role("viewer").await;
    let page = viewer.get("/v1/holds?limit=2").await;
    assert_eq!(page.body["items"].as_array().unwrap().len(), 2);
    let next = page.body["next"].as_str().unwrap();
    let rest = viewer
        .get(&format!("/v1/holds?limit=2&cursor={next}"))
        .await;
    assert_eq!(rest.body["items"][0]["sku"], "B");
    assert_eq!(rest.body["next"], Value::Null);
    let filtered = viewer.get("/v1/holds?sku=A%2F1").await;
    assert_eq!(filtered.body["items"].as_array().unwrap().len(), 2);
    assert_eq!(
        viewer.get("/v1/holds?sku=").await.code(),
        "request.query_invalid"
    );

    // The system that publishes stock may hold it back as well; who only looks may not.
    let publisher = app.with_role("publisher").await;
    let path = format!("/v1/holds/{first}");
    assert_eq!(viewer.delete(&path).await.code(), "auth.role");
    assert_eq!(publisher.delete(&path).await.status, 204);
    assert_eq!(publisher.delete(&path).await.status, 404);
    let record = app.world.holds("A/1").await.unwrap();
    assert_eq!((record.revision, record.holds.len()), (3, 1));
    assert_eq!(
        app.admin
            .delete(&format!("/v1/holds/{second}"))
            .await
            .status,
        204
    );
    // Nothing held is said, not left out: a bucket that was lost is filled with it, too.
    let record = app.world.holds("A/1").await.unwrap();
    assert_eq!((record.revision, record.holds.len()), (4, 0));

    let log = app.admin.get("/v1/audit").await;
    let actions = log.body["items"].as_array().unwrap().iter();
    let holds = actions.filter(|entry| entry["action"].as_str().unwrap().starts_with("hold."));
    let objects: Vec<_> = holds
        .map(|entry| (entry["action"].clone(), entry["object"].clone()))
        .collect();
    assert_eq!(objects.len(), 5, "{objects:?}");
    assert_eq!(objects[0], (json!("hold.cancel"), json!(second)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_hold_is_pointed_to() {
    let app = App::start(On::Sqlite).await;
    let unknown = "con_00000000000000000000000000000000";
    for (body, pointer, code) in [
        (
            json!({"sku": "A", "quantity": "0"}),
            "/quantity",
            "hold.quantity",
        ),
        (
            json!({"sku": "A", "quantity": "-1"}),
            "/quantity",
            "hold.quantity",
        ),
        (
            json!({"sku": "A", "quantity": "0.00001"}),
            "/quantity",
            "member.invalid",
        ),
        (
            json!({"sku": "A", "quantity": "1e3"}),
            "/quantity",
            "member.invalid",
        ),
        (
            json!({"sku": "", "quantity": "1"}),
            "/sku",
            "member.invalid",
        ),
        (json!({"quantity": "1"}), "/sku", "member.missing"),
        (
            json!({"sku": "A", "quantity": "1", "until": "2020-01-01T00:00:00Z"}),
            "/until",
            "hold.until",
        ),
        (
            json!({"sku": "A", "quantity": "1", "connections": [unknown]}),
            "/connections/0",
            "hold.connection_unknown",
        ),
        (
            json!({"sku": "A", "quantity": "1", "connections": vec![unknown; 101]}),
            "/connections",
            "hold.connections",
        ),
        (
            json!({"sku": "A", "quantity": "1", "reason": "x".repeat(501)}),
            "/reason",
            "text.length",
        ),
        (
            json!({"sku": "A", "quantity": "1", "colour": 1}),
            "/colour",
            "member.unknown",
        ),
    ] {
        let refused = set(&app, &body).await;
        assert_eq!(refused.status, 422, "{body}: {refused:?}");
        let errors = refused.errors();
        assert!(
            errors.contains(&(pointer.to_owned(), code.to_owned())),
            "{body}: {errors:?}"
        );
    }
    assert!(app.world.holds("A").await.is_none());

    for _ in 0..100 {
        id(&set(&app, &json!({"sku": "A", "quantity": "1"})).await);
    }
    let refused = set(&app, &json!({"sku": "A", "quantity": "1"})).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (409, "hold.too_many")
    );
    assert_eq!(app.world.holds("A").await.unwrap().holds.len(), 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_of_another_tenant_is_neither_shown_nor_cancelled() {
    let world = World::new(On::Sqlite).await;
    world.start().await.stop().await;
    let database = world.open_database().await;
    let stranger = add_admin(&database, "other").await;
    database.close().await;
    drop(database);
    let replica = world.start().await;
    let admin = replica.client(Some(&world.admin_token()));
    let stranger = replica.client(Some(&stranger));
    let app = App {
        world,
        replica,
        admin,
    };
    let connection = app.active("A").await;
    let hold = id(&set(&app, &json!({"sku": "A", "quantity": "1"})).await);
    assert_eq!(
        stranger.delete(&format!("/v1/holds/{hold}")).await.status,
        404
    );
    assert_eq!(stranger.get("/v1/holds").await.body["items"], json!([]));
    let body = json!({"sku": "A", "quantity": "1", "connections": [connection]});
    let refused = stranger.post("/v1/holds", &body).await;
    assert_eq!(
        refused.errors(),
        [(
            "/connections/0".to_owned(),
            "hold.connection_unknown".to_owned()
        )]
    );
    id(&stranger
        .post("/v1/holds", &json!({"sku": "A", "quantity": "9"}))
        .await);
    assert_eq!(app.world.holds("A").await.unwrap().holds.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_that_is_over_is_forgotten_in_the_end() {
    let app = App::start(On::Sqlite).await;
    id(&set(&app, &json!({"sku": "A", "quantity": "1"})).await);
    let soon = Timestamp::now().saturating_add(Duration::seconds(1));
    id(&set(
        &app,
        &json!({"sku": "A", "quantity": "2", "until": soon.to_string()}),
    )
    .await);
    until("only one counts", || async {
        let list = app.admin.get("/v1/holds").await;
        (list.body["items"].as_array()?.len() == 1).then_some(())
    })
    .await;
    let App { world, replica, .. } = app;
    replica.stop().await;
    let database = world.open_database().await;
    let aged = "UPDATE holds SET ends = 1 WHERE ends IS NOT NULL";
    assert_eq!(database.execute(aged, vec![]).await.unwrap(), 1);
    database.close().await;
    drop(database);
    let _replica = world.start().await;
    until("the record is without it", || async {
        let record = world.holds("A").await?;
        (record.holds.len() == 1 && record.revision == 3).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn holds_that_were_set_or_cancelled_without_a_broker_are_published_later() {
    let mut app = App::start(On::Sqlite).await;
    let first = id(&set(&app, &json!({"sku": "A", "quantity": "1"})).await);
    app.world.broker.stop().await.unwrap();
    assert_eq!(
        app.admin.delete(&format!("/v1/holds/{first}")).await.status,
        204
    );
    id(&set(&app, &json!({"sku": "B", "quantity": "2"})).await);
    app.world.broker.restart().await.unwrap();
    until("both are published", || async {
        let (a, b) = (app.world.holds("A").await?, app.world.holds("B").await?);
        (a.holds.is_empty() && b.holds.len() == 1).then_some(())
    })
    .await;

    // A bucket that was lost is whole again, what holds nothing included.
    app.world.broker.stop().await.unwrap();
    app.world.broker.wipe_store().await.unwrap();
    app.world.broker.restart().await.unwrap();
    until("the streams are back", || async {
        streams::apply(&app.world.bus, Sizing::default()).await.ok()
    })
    .await;
    until("both are published again", || async {
        let (a, b) = (app.world.holds("A").await?, app.world.holds("B").await?);
        (a.holds.is_empty() && b.holds.len() == 1).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_that_change_one_sku_lose_no_hold() {
    let app = App::start(On::Postgres).await;
    let other = app.world.start().await;
    let clients = [
        app.admin.clone(),
        other.client(Some(&app.world.admin_token())),
    ];
    let body = json!({"sku": "A", "quantity": "1"});
    let all = (0..20).map(|number| clients[number % 2].post("/v1/holds", &body));
    let made = futures::future::join_all(all).await;
    let ids: Vec<String> = made.iter().map(id).collect();
    let cancelled = ids[..10].iter().enumerate().map(|(number, id)| {
        let path = format!("/v1/holds/{id}");
        let client = &clients[number % 2];
        async move { client.delete(&path).await }
    });
    for answer in futures::future::join_all(cancelled).await {
        assert_eq!(answer.status, 204);
    }
    until("the record holds the rest", || async {
        let record = app.world.holds("A").await?;
        (record.holds.len() == 10 && record.revision >= 30).then_some(())
    })
    .await;
}
