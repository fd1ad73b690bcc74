//! Tokens and roles: every route of the description, with every kind of caller.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use storelink_model::Timestamp;

use crate::app::{Answer, App, Client, On, add_admin, on_both, until};

/// Method, path and roles of every operation, from the description of the API.
fn operations() -> Vec<(Method, String, Vec<String>)> {
    let document: Value = serde_json::from_str(&storelink_connection_registry::openapi()).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let roles = operation["x-roles"].as_array().cloned().unwrap_or_default();
            let roles = roles
                .iter()
                .map(|role| role.as_str().unwrap().to_owned())
                .collect();
            operations.push((method.to_uppercase().parse().unwrap(), path.clone(), roles));
        }
    }
    assert!(operations.len() >= 35, "{}", operations.len());
    operations
}

/// A path with ids that exist nowhere.
fn filled(path: &str) -> String {
    path.replace(
        "connections/{id}",
        "connections/con_00000000000000000000000000000000",
    )
    .replace("tokens/{id}", "tokens/tok_00000000000000000000000000000000")
    .replace("{id}", "none")
    .replace("{entity}", "orders")
    .replace("{sku}", "A")
    .replace("{platform}", "none")
    .replace("{code}", "none")
}

async fn call(client: &Client, method: &Method, path: &str) -> Answer {
    let mut request = client.request(method.clone(), path);
    if matches!(*method, Method::POST | Method::PUT | Method::PATCH) {
        request = request.json(&json!({"nonsense": true}));
    }
    client.send(request).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_refuses_callers_without_a_valid_token_of_its_roles() {
    let app = App::start(On::Sqlite).await;
    let soon = Timestamp::now()
        .saturating_add(time::Duration::seconds(1))
        .to_string();
    let body = json!({"role": "admin", "label": "short", "expires": soon});
    let short = app.admin.post("/v1/tokens", &body).await;
    let expired = app.replica.client(short.body["token"].as_str());
    let made = app
        .admin
        .post("/v1/tokens", &json!({"role": "admin", "label": "x"}))
        .await;
    let revoked = app.replica.client(made.body["token"].as_str());
    let gone = app
        .admin
        .delete(&format!("/v1/tokens/{}", made.body["id"].as_str().unwrap()))
        .await;
    assert_eq!(gone.status, 204);
    until("the token has expired", || async {
        (expired.get("/v1/tenant").await.status == 401).then_some(())
    })
    .await;

    let nobody = app.replica.client(None);
    let mut roles = Vec::new();
    for role in ["viewer", "operator", "publisher", "admin"] {
        roles.push((role, app.with_role(role).await));
    }
    for (method, path, allowed) in operations() {
        let path = filled(&path);
        if allowed.is_empty() {
            let open = call(&nobody, &method, &path).await;
            assert!(
                open.status == 200 || open.status == 404,
                "{method} {path}: {open:?}"
            );
            continue;
        }
        let unknown = app.replica.client(Some(&format!("slk_{}", "0".repeat(64))));
        for (client, code) in [
            (&nobody, "auth.token_missing"),
            (&unknown, "auth.token_unknown"),
            (&expired, "auth.token_expired"),
            (&revoked, "auth.token_revoked"),
        ] {
            let refused = call(client, &method, &path).await;
            assert_eq!(
                (refused.status.as_u16(), refused.code()),
                (401, code),
                "{method} {path}"
            );
            assert_eq!(refused.header("www-authenticate"), "Bearer");
        }
        for (role, client) in &roles {
            let answer = call(client, &method, &path).await;
            let may = allowed.iter().any(|allowed| allowed == role);
            assert_eq!(
                answer.code() == "auth.role",
                !may,
                "{role} {method} {path}: {answer:?}"
            );
            assert!(
                !answer.status.is_server_error() || answer.status == 503,
                "{answer:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_authorization_headers_are_refused() {
    let app = App::start(On::Sqlite).await;
    let token = app.world.admin_token();
    let nobody = app.replica.client(None);
    for values in [
        vec![format!("Bearer {token}"), format!("Bearer {token}")],
        vec![format!("Basic {token}")],
        vec![token.clone()],
        vec!["Bearer".to_owned()],
        vec![format!("Bearer {token}x")],
        vec![format!("Bearer {}", &token[..60])],
        vec!["Bearer ' OR 1=1 --".to_owned()],
    ] {
        let mut request = nobody.request(Method::GET, "/v1/tenant");
        for value in &values {
            request = request.header("authorization", value);
        }
        let refused = nobody.send(request).await;
        assert_eq!(
            (refused.status.as_u16(), refused.code()),
            (401, "auth.token_unknown")
        );
        assert!(!refused.body.to_string().contains(&token));
    }
    let in_query = nobody.get(&format!("/v1/tenant?token={token}")).await;
    assert_eq!(in_query.code(), "auth.token_missing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_start_writes_one_token_for_its_owner_alone() {
    let app = App::start(On::Sqlite).await;
    let file = app.world.admin_token_file();
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let token = app.world.admin_token();
    assert!(
        token.starts_with("slk_") && token.len() == 68,
        "{}",
        token.len()
    );
    let app = app.restart().await;
    assert_eq!(app.world.admin_token(), token);
    let list = app.admin.get("/v1/tokens").await;
    assert_eq!(list.body["items"].as_array().unwrap().len(), 1);
    assert!(!list.body.to_string().contains(&token));

    // The last administrator cannot lock everybody out.
    let id = list.body["items"][0]["id"].as_str().unwrap();
    let refused = app.admin.delete(&format!("/v1/tokens/{id}")).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (409, "token.last_admin")
    );
    app.with_role("admin").await;
    assert_eq!(
        app.admin.delete(&format!("/v1/tokens/{id}")).await.status,
        204
    );
    assert_eq!(
        app.admin.get("/v1/tenant").await.code(),
        "auth.token_revoked"
    );
}

on_both!(what_belongs_to_others_answers_like_what_does_not_exist);

async fn what_belongs_to_others_answers_like_what_does_not_exist(on: On) {
    let world = crate::app::World::new(on).await;
    let replica = world.start().await;
    replica.stop().await;
    let database = world.open_database().await;
    let stranger = add_admin(&database, "other").await;
    database.close().await;
    // The file is this process's until the last handle is gone.
    drop(database);
    let replica = world.start().await;
    let admin = replica.client(Some(&world.admin_token()));
    let app = App {
        world,
        replica,
        admin,
    };
    let stranger = app.replica.client(Some(&stranger));
    let id = app.active("A").await;
    let tokens = app.admin.get("/v1/tokens").await;
    let token = tokens.body["items"][0]["id"].as_str().unwrap().to_owned();

    let nowhere = "con_00000000000000000000000000000000";
    for (method, path, _) in operations()
        .into_iter()
        .filter(|(_, path, _)| path.contains("{id}"))
    {
        if path.contains("parked") {
            continue;
        }
        let path = path.replace("{entity}", "orders").replace("{sku}", "A");
        let own = path.replace("tokens/{id}", &format!("tokens/{token}"));
        let foreign = call(&stranger, &method, &own.replace("{id}", &id)).await;
        let unknown = call(&stranger, &method, &path.replace("{id}", nowhere)).await;
        assert_eq!(foreign.status, 404, "{method} {path}: {foreign:?}");
        assert_eq!(foreign.status, unknown.status);
        for member in ["type", "title", "detail", "code", "remedy"] {
            assert_eq!(
                foreign.body[member], unknown.body[member],
                "{method} {path}"
            );
        }
    }
    assert_eq!(
        stranger.get("/v1/connections").await.body["items"],
        json!([])
    );
    assert_eq!(
        stranger.get("/v1/audit").await.body["items"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    // The same name is free for another tenant.
    let same = stranger
        .post("/v1/connections", &crate::app::draft("A"))
        .await;
    assert_eq!(same.status, 201);
    assert_eq!(
        app.admin.get(&format!("/v1/connections/{id}")).await.status,
        200
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_leaves_one_row_in_the_audit_log() {
    let app = App::start(On::Sqlite).await;
    let id = app.draft("A").await;
    let path = format!("/v1/connections/{id}");
    let ticket = app.ticket(&id).await;
    app.admin
        .post(&format!("{path}/activate"), &json!({"ticket": ticket}))
        .await;
    app.admin.patch(&path, &json!({"name": "B"})).await;
    app.admin.post_empty(&format!("{path}/test")).await;
    app.admin
        .post(&format!("{path}/pause"), &json!({"reason": "x"}))
        .await;
    app.admin.post_empty(&format!("{path}/resume")).await;
    app.schedule(
        &id,
        "orders",
        &json!({"active": false, "every_seconds": 60}),
    )
    .await;
    app.admin
        .post_empty(&format!("{path}/schedules/orders/run-now"))
        .await;
    app.admin
        .post("/v1/tenant/pause-writes", &json!({"reason": "x"}))
        .await;
    app.admin.post_empty("/v1/tenant/resume-writes").await;
    let viewer = app.with_role("viewer").await;
    app.admin.delete(&path).await;
    // Reading and what is refused leave none.
    viewer.get("/v1/connections").await;
    viewer.delete(&path).await;
    app.admin.get(&path).await;

    let log = app.admin.get("/v1/audit").await;
    let actions: Vec<&str> = log.body["items"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|entry| entry["action"].as_str().unwrap())
        .collect();
    assert_eq!(
        actions,
        [
            "connection.create",
            "connection.verify",
            "connection.activate",
            "connection.change",
            "connection.test",
            "connection.pause",
            "connection.resume",
            "schedule.set",
            "schedule.run_now",
            "tenant.pause_writes",
            "tenant.resume_writes",
            "token.create",
            "connection.delete",
        ]
    );
    let change = &log.body["items"][9];
    assert_eq!(change["action"], "connection.change");
    assert_ne!(change["before_hash"], change["after_hash"]);
    assert_eq!(change["object"], id);
    assert_eq!(viewer.get("/v1/audit").await.code(), "auth.role");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_use_of_a_token_is_noted() {
    let app = App::start(On::Sqlite).await;
    let viewer = app.with_role("viewer").await;
    let used = || async {
        let list = app.admin.get("/v1/tokens").await;
        list.body["items"][1]["last_used"]
            .as_str()
            .map(str::to_owned)
    };
    assert_eq!(used().await, None);
    viewer.get("/v1/tenant").await;
    let at = used().await.unwrap();
    assert!(Timestamp::now().since(at.parse().unwrap()) < Duration::from_secs(60));
    let past = json!({"role": "viewer", "label": "x", "expires": "2020-01-01T00:00:00Z"});
    let refused = app.admin.post("/v1/tokens", &past).await;
    assert_eq!(
        refused.errors(),
        [("/expires".to_owned(), "token.expires".to_owned())]
    );
    let role = app
        .admin
        .post("/v1/tokens", &json!({"role": "root", "label": "x"}))
        .await;
    assert_eq!(
        role.errors(),
        [("/role".to_owned(), "member.invalid".to_owned())]
    );
}
