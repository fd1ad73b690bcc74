//! Tickets: proof of exactly these values, for a short time.

use serde_json::json;

use crate::app::{App, On};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_red_verification_gives_no_ticket_and_names_its_cause() {
    let app = App::start(On::Sqlite).await;
    let id = app.draft("A").await;
    let path = format!("/v1/connections/{id}");
    app.world.stores.refuse(Some("test.key_unknown"));
    let red = app.admin.post_empty(&format!("{path}/verify")).await;
    assert_eq!(red.status, 200);
    assert_eq!(red.body["status"], "red");
    assert_eq!(red.body["checks"][0]["code"], "test.key_unknown");
    assert_eq!(red.body["ticket"], serde_json::Value::Null);

    app.world.stores.refuse(None);
    app.activate(&id).await;
    app.world.stores.refuse(Some("test.key_unknown"));
    app.admin.post_empty(&format!("{path}/test")).await;
    let shown = app.admin.get(&path).await;
    assert_eq!(shown.body["last_test"]["status"], "red");
    assert_eq!(shown.body["last_test"]["code"], "test.key_unknown");
    let before = app.world.record(&id).await.unwrap().credentials_revision;

    // A green test ends a stop because of refused credentials.
    app.world.stores.refuse(None);
    app.admin.post_empty(&format!("{path}/test")).await;
    assert_eq!(
        app.admin.get(&path).await.body["last_test"]["status"],
        "green"
    );
    assert!(app.world.record(&id).await.unwrap().credentials_revision > before);

    let list = app
        .admin
        .get(&format!("{path}/verifications?limit=3"))
        .await;
    let status = |index: usize| list.body["items"][index]["status"].clone();
    assert_eq!([status(0), status(1), status(2)], ["green", "red", "green"]);
    let cursor = list.body["next"].as_str().unwrap();
    let rest = app
        .admin
        .get(&format!("{path}/verifications?cursor={cursor}"))
        .await;
    assert_eq!(rest.body["items"].as_array().unwrap().len(), 1);
    assert_eq!(rest.body["items"][0]["purpose"], "activation");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_proves_its_own_values_only() {
    let app = App::start(On::Sqlite).await;
    let (one, two) = (app.draft("A").await, app.draft("B").await);
    let ticket = app.ticket(&one).await;
    let activate = |id: &str, ticket: &str| {
        let path = format!("/v1/connections/{id}/activate");
        let (client, body) = (app.admin.clone(), json!({"ticket": ticket}));
        async move { client.post(&path, &body).await }
    };
    assert_eq!(activate(&two, &ticket).await.code(), "ticket.invalid");
    assert_eq!(activate(&one, "x.y").await.code(), "ticket.invalid");
    assert_eq!(activate(&one, "").await.code(), "ticket.invalid");

    let path = format!("/v1/connections/{one}");
    for (change, back) in [
        (
            json!({"address": "https://b.example"}),
            json!({"address": crate::app::ADDRESS}),
        ),
        (
            json!({"credentials": {"secret": "s_0000000000000001"}}),
            json!({"credentials": {"secret": crate::app::SECRET}}),
        ),
    ] {
        app.admin.patch(&path, &change).await;
        let refused = activate(&one, &ticket).await;
        assert_eq!(
            (refused.status.as_u16(), refused.code()),
            (409, "ticket.other_values")
        );
        app.admin.patch(&path, &back).await;
    }
    app.admin
        .patch(&path, &json!({"credentials": {"secret": null}}))
        .await;
    assert_eq!(
        activate(&one, &ticket).await.code(),
        "connection.incomplete"
    );
    app.admin
        .patch(
            &path,
            &json!({"credentials": {"secret": crate::app::SECRET}}),
        )
        .await;

    // Label and settings need no new ticket.
    app.admin
        .patch(&path, &json!({"name": "C", "settings": {"reserve": "3"}}))
        .await;
    assert_eq!(app.admin.get(&path).await.body["state"]["state"], "draft");
    let done = activate(&one, &ticket).await;
    assert_eq!(done.status, 200, "{done:?}");
    assert_eq!(done.body["state"]["state"], "healthy");
    assert_eq!(app.world.record(&one).await.unwrap().name, "C");
}
