//! Many requests at once: equal creates, and more than a token may ask.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::app::{Answer, App, Client, On, World, draft, until};

const AT_ONCE: usize = 1_000;

async fn all_at_once(client: &Client, key: Option<&str>, path: &str, body: &Value) -> Vec<Answer> {
    let calls = (0..AT_ONCE).map(|_| {
        let mut request = client.request(reqwest::Method::POST, path).json(body);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        client.send(request)
    });
    futures::future::join_all(calls).await
}

fn counted(answers: &[Answer]) -> BTreeMap<(u16, &str), usize> {
    let mut counted = BTreeMap::new();
    for answer in answers {
        *counted
            .entry((answer.status.as_u16(), answer.code()))
            .or_default() += 1;
    }
    counted
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_thousand_equal_creates_exactly_one_is_made() {
    let app = limited(100).await;
    let answers = all_at_once(&app.admin, None, "/v1/connections", &draft("A")).await;
    let found = counted(&answers);
    assert_eq!(found.get(&(201, "")), Some(&1), "{found:?}");
    let others = found
        .keys()
        .all(|(status, _)| [201, 409, 429].contains(status));
    assert!(others, "{found:?}");
    let listed = answered(&app, "/v1/connections").await;
    assert_eq!(listed.body["items"].as_array().map(Vec::len), Some(1));

    // With one key all of them are the same request: one token, told to each that waited for it.
    let body = json!({"role": "viewer", "label": "once"});
    let answers = all_at_once(&app.admin, Some("k-1"), "/v1/tokens", &body).await;
    let found = counted(&answers);
    let made = found.get(&(201, "")).copied().unwrap_or_default();
    let others = [
        (201, ""),
        (409, "idempotency.running"),
        (429, "request.too_many"),
    ];
    assert!(
        made >= 1 && found.keys().all(|one| others.contains(one)),
        "{found:?}"
    );
    let ids: std::collections::BTreeSet<_> = answers
        .iter()
        .filter_map(|answer| answer.body["id"].as_str())
        .collect();
    assert_eq!(ids.len(), 1);
    let tokens = answered(&app, "/v1/tokens?limit=500").await;
    let tokens = tokens.body["items"].as_array().unwrap().iter();
    assert_eq!(tokens.filter(|token| token["label"] == "once").count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_asks_too_often_is_told_how_long_to_wait_and_no_other_is_slowed() {
    let app = limited(20).await;
    let other = app.with_role("viewer").await;
    let calls = (0..200).map(|_| app.admin.get("/v1/tenant"));
    let answers = futures::future::join_all(calls).await;
    let found = counted(&answers);
    let served = found.get(&(200, "")).copied().unwrap_or_default();
    let refused = found
        .get(&(429, "request.too_many"))
        .copied()
        .unwrap_or_default();
    assert!(
        served >= 10 && refused > 0 && served + refused == 200,
        "{found:?}"
    );
    for answer in answers.iter().filter(|answer| answer.status == 429) {
        let seconds: u64 = answer.header("retry-after").parse().unwrap();
        assert!((1..=2).contains(&seconds), "{seconds}");
    }
    assert_eq!(other.get("/v1/tenant").await.status, 200);
    assert_eq!(answered(&app, "/v1/tenant").await.status, 200);
}

/// A registry whose tokens may ask so often, in a second and at once.
async fn limited(requests: u32) -> App {
    let mut world = World::new(On::Sqlite).await;
    world.request_burst = requests;
    let replica = world.start().await;
    let admin = replica.client(Some(&world.admin_token()));
    App {
        world,
        replica,
        admin,
    }
}

/// The answer, when the token may ask again.
async fn answered(app: &App, path: &str) -> Answer {
    until("the token may ask again", || async {
        Some(app.admin.get(path).await).filter(|answer| answer.status != 429)
    })
    .await
}
