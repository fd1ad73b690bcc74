//! What belongs to another tenant answers exactly like what does not exist, on every route.

use serde_json::{Value, json};

use super::{Route, check, effects, known_codes, routes};
use crate::app::{Answer, App, Client, On, add_admin};

async fn call(client: &Client, route: &Route, path: &str) -> Answer {
    let mut request = client.request(route.method.clone(), path);
    if let Some(body) = &route.body {
        request = request
            .header("content-type", &route.content_type)
            .body(body.to_string());
    }
    client.send(request).await
}

/// An answer without its own address and trace.
fn told(answer: Answer, own: &str) -> (u16, Value) {
    let mut body = answer.body;
    if let Some(members) = body.as_object_mut() {
        members.remove("trace_id");
        members.remove("instance");
    }
    assert!(!body.to_string().contains(own), "{own} is repeated: {body}");
    (answer.status.as_u16(), body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_tenants_objects_answer_like_none_on_every_route() {
    let mut world = crate::app::World::new(On::Sqlite).await;
    world.request_burst = 1_000_000;
    let other = {
        let database = world.open_database().await;
        let token = add_admin(&database, "other").await;
        database.close().await;
        token
    };
    let first = {
        let database = world.open_database().await;
        let token = add_admin(&database, "default").await;
        database.close().await;
        token
    };
    let replica = world.start().await;
    let (admin, other) = (replica.client(Some(&first)), replica.client(Some(&other)));
    let app = App {
        world,
        replica,
        admin,
    };
    let id = app.active("A").await;
    let made = app
        .admin
        .post("/v1/tokens", &json!({"role": "viewer", "label": "x"}))
        .await;
    let token = made.body["id"].as_str().unwrap().to_owned();
    let hold = json!({"sku": "MUG-01", "quantity": "1", "reason": "Fair"});
    let hold = app.admin.post("/v1/holds", &hold).await;
    let hold = hold.body["id"].as_str().unwrap().to_owned();
    let codes = known_codes(&app).await;
    let before = effects(&app).await;

    let mut compared = 0;
    for route in routes() {
        // The same form, and nobody's.
        let own = [
            (
                "connections/{id}",
                &id,
                "con_00000000000000000000000000000000",
            ),
            (
                "tokens/{id}",
                &token,
                "tok_00000000000000000000000000000000",
            ),
            ("holds/{id}", &hold, "hld_00000000000000000000000000000000"),
        ];
        for (part, theirs, nobodys) in own {
            let name = part.split('/').next().unwrap_or_default();
            if route.template.contains(part) {
                let place = |id: &str| route.template.replace(part, &format!("{name}/{id}"));
                let at = |id: &str| {
                    Route {
                        template: place(id),
                        ..route.clone()
                    }
                    .path(id)
                };
                let foreign = call(&other, &route, &at(theirs)).await;
                check(&foreign, &codes, &route.name());
                assert!(
                    !foreign.status.is_success(),
                    "{}: {foreign:?}",
                    route.name()
                );
                let none = call(&other, &route, &at(nobodys)).await;
                assert_eq!(
                    told(foreign, theirs),
                    told(none, nobodys),
                    "{}",
                    route.name()
                );
                compared += 1;
            }
        }
        if route.method == reqwest::Method::GET && !route.open && !route.template.contains('{') {
            let list = other.get(&route.template).await;
            for theirs in [&id, &token, &hold] {
                assert!(
                    !list.body.to_string().contains(theirs.as_str()),
                    "{}",
                    route.name()
                );
            }
            if route.query.iter().any(|name| name == "connection") {
                let path = route.template.clone();
                let ask = |id: &str| format!("{path}?connection={id}");
                let foreign = other.get(&ask(&id)).await;
                let none = other
                    .get(&ask("con_00000000000000000000000000000000"))
                    .await;
                assert_eq!(told(foreign, &id), told(none, "con_000"), "{path}");
                compared += 1;
            }
        }
    }
    assert!(compared >= 20, "{compared}");
    assert_eq!(effects(&app).await, before);
    let kept = app.admin.get("/v1/holds").await;
    assert!(kept.body.to_string().contains(&hold), "{kept:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_in_the_address_opens_nothing() {
    let app = App::start(On::Sqlite).await;
    let id = app.active("A").await;
    let nobody = app.replica.client(None);
    let token = app.world.admin_token();
    for route in routes().into_iter().filter(|route| !route.open) {
        for name in ["access_token", "token", "authorization"] {
            let path = format!("{}?{name}={token}", route.path(&id));
            let refused = call(&nobody, &route, &path).await;
            let found = (refused.status.as_u16(), refused.code().to_owned());
            assert_eq!(found, (401, "auth.token_missing".to_owned()), "{path}");
            assert!(!refused.body.to_string().contains(&token), "{path}");
        }
    }
}
