//! `Idempotency-Key`.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{Answer, App, Client, On, draft, on_both, until};

async fn post(client: &Client, key: &str, path: &str, body: &Value) -> Answer {
    let request = client
        .request(Method::POST, path)
        .header("idempotency-key", key)
        .json(body);
    client.send(request).await
}

on_both!(a_repeated_request_has_its_effect_once);

async fn a_repeated_request_has_its_effect_once(on: On) {
    let app = App::start(on).await;
    let path = "/v1/connections";
    let body = json!({"platform": "teststore"});
    let first = post(&app.admin, "k-1", path, &body).await;
    assert_eq!(first.status, 201);
    let again = post(&app.admin, "k-1", path, &body).await;
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.header("location"), first.header("location"));
    assert_eq!(again.header("etag"), "\"1\"");
    assert_eq!(first.header("idempotent-replayed"), "");
    let list = app.admin.get(path).await;
    assert_eq!(list.body["items"].as_array().unwrap().len(), 1);

    for (path, body) in [(path, draft("B")), ("/v1/tokens", body.clone())] {
        let refused = post(&app.admin, "k-1", path, &body).await;
        assert_eq!(
            (refused.status.as_u16(), refused.code()),
            (422, "idempotency.other_request")
        );
    }
    // A key belongs to its token.
    let operator = app.with_role("operator").await;
    assert_eq!(post(&operator, "k-1", path, &draft("C")).await.status, 201);

    // A refusal had no effect: its key is free again.
    let wrong = post(&app.admin, "k-2", path, &json!({"platform": "none"})).await;
    assert_eq!(wrong.status, 422);
    assert_eq!(post(&app.admin, "k-2", path, &draft("D")).await.status, 201);

    // The text of a token comes back to its maker, and lies sealed in between.
    let wanted = json!({"role": "viewer", "label": "x"});
    let made = post(&app.admin, "k-3", "/v1/tokens", &wanted).await;
    let same = post(&app.admin, "k-3", "/v1/tokens", &wanted).await;
    assert_eq!(made.body["token"], same.body["token"]);
    let token = made.body["token"].as_str().unwrap().to_owned();
    for key in ["", " ", "a b", "ä", &"x".repeat(256)] {
        let refused = post(&app.admin, key, path, &draft("E")).await;
        assert_eq!(
            (refused.status.as_u16(), refused.code()),
            (400, "request.header_invalid"),
            "{key:?}"
        );
    }

    let App { world, replica, .. } = app;
    replica.stop().await;
    let database = world.open_database().await;
    let rows = database
        .fetch_all(
            "SELECT sealed_answer FROM idempotency WHERE sealed_answer IS NOT NULL",
            vec![],
        )
        .await
        .unwrap();
    assert_eq!(rows.len(), 4);
    for row in rows {
        assert!(!row.text("sealed_answer").unwrap().contains(&token));
    }
    // After a day the key is free.
    database
        .execute("UPDATE idempotency SET created = 0", vec![])
        .await
        .unwrap();
    database.close().await;
    drop(database);
    let replica = world.start().await;
    let admin = replica.client(Some(&world.admin_token()));
    let fresh = post(&admin, "k-1", path, &body).await;
    assert_eq!(
        (fresh.status.as_u16(), fresh.header("idempotent-replayed")),
        (201, "")
    );
    assert_eq!(fresh.body["name"], "Test store 2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_first_runs_a_repetition_waits_and_a_hang_up_loses_nothing() {
    let app = App::start(On::Sqlite).await;
    let id = app.draft("A").await;
    let path = format!("/v1/connections/{id}/verify");
    app.world.stores.delay(Duration::from_secs(2));
    let body = json!(null);
    let (client, first_path) = (app.admin.clone(), path.clone());
    let first = tokio::spawn(async move { post(&client, "k", &first_path, &Value::Null).await });
    until("the store was asked", || async {
        (app.world.stores.asked().len() == 1).then_some(())
    })
    .await;
    let second = post(&app.admin, "k", &path, &body).await;
    assert_eq!(
        (second.status.as_u16(), second.code()),
        (409, "idempotency.running")
    );

    // The first caller hangs up: its request ends all the same, once.
    first.abort();
    let answer = until("the first has ended", || async {
        let again = post(&app.admin, "k", &path, &body).await;
        (again.status == 200).then_some(again)
    })
    .await;
    assert_eq!(answer.header("idempotent-replayed"), "true");
    assert_eq!(answer.body["status"], "green");
    assert_eq!(app.world.stores.asked().len(), 1);
}
