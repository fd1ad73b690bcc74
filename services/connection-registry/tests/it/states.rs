//! The state of a connection, from what publishers and runs say.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use storelink_bus::rpc::{Endpoint, Fault};
use storelink_events::internal::RunReport;
use storelink_events::rpc::{ConnectionQuestion, LaneStatus, Stopped};
use storelink_events::subject;
use storelink_model::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::app::{Answer, App, On, until};

async fn state(app: &App, id: &str, wanted: &str) -> Answer {
    until(wanted, || async {
        let shown = app.admin.get(&format!("/v1/connections/{id}")).await;
        (shown.body["state"]["state"] == wanted).then_some(shown)
    })
    .await
}

fn lane(app: &App) -> Arc<Mutex<LaneStatus>> {
    let status = Arc::new(Mutex::new(LaneStatus {
        running: true,
        ..LaneStatus::default()
    }));
    let endpoint: Endpoint<ConnectionQuestion> = Endpoint::new(
        &app.world.bus,
        subject::rpc("stock-publisher", "lane"),
        "stock-publisher",
    );
    let answered = status.clone();
    let answer = move |_: storelink_bus::rpc::Call<ConnectionQuestion>| {
        let status = answered.lock().unwrap().clone();
        async move { Ok::<_, Fault>(status) }
    };
    tokio::spawn(endpoint.serve(answer, CancellationToken::new()));
    status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gravest_cause_decides_and_every_change_is_told() {
    let app = App::start(On::Sqlite).await;
    let status = lane(&app);
    let id = app.active("A").await;
    app.schedule(&id, "stock", &json!({"active": true})).await;
    state(&app, &id, "healthy").await;

    let look = || async {
        // A change of the schedule has the connection looked at with the next tick.
        for active in [false, true] {
            app.schedule(&id, "stock", &json!({"active": active})).await;
        }
    };
    let ago =
        |seconds: i64| Some(Timestamp::now().saturating_sub(time::Duration::seconds(seconds)));
    *status.lock().unwrap() = LaneStatus {
        dirty: 7,
        oldest_dirty: ago(60),
        ..LaneStatus::default()
    };
    look().await;
    let shown = state(&app, &id, "catching_up").await;
    assert_eq!(shown.body["state"]["text"], "7 changes wait to be written.");

    *status.lock().unwrap() = LaneStatus {
        dirty: 7,
        oldest_dirty: ago(600),
        ..LaneStatus::default()
    };
    look().await;
    assert_eq!(
        state(&app, &id, "delayed").await.body["state"]["code"],
        "lane.delayed"
    );

    let stopped = |needs_attention: bool| Stopped {
        code: "test.stopped".to_owned(),
        text: "The store refuses the key.".to_owned(),
        needs_attention,
        until: None,
    };
    status.lock().unwrap().stopped = Some(stopped(false));
    look().await;
    state(&app, &id, "store_unavailable").await;
    status.lock().unwrap().stopped = Some(stopped(true));
    look().await;
    let shown = state(&app, &id, "needs_attention").await;
    assert_eq!(shown.body["state"]["code"], "test.stopped");
    assert_eq!(shown.body["state"]["text"], "The store refuses the key.");
    let list = app.admin.get("/v1/connections?state=needs_attention").await;
    assert_eq!(list.body["items"][0]["id"], id);

    let event = until("the change is told", || async {
        let (event, _) = app
            .world
            .last("HUB", "hub.default.connection.state_changed")
            .await?;
        (event["data"]["state"] == "needs_attention").then_some(event)
    })
    .await;
    assert_eq!(event["type"], "storelink.connection.state_changed.v1");
    assert_eq!(event["data"]["connection"], id);
    assert_eq!(event["data"]["code"], "test.stopped");
    // Healthy, catching up, delayed, store unavailable, needs attention: each once.
    assert_eq!(app.world.messages("HUB").await, 5);

    *status.lock().unwrap() = LaneStatus {
        running: true,
        ..LaneStatus::default()
    };
    let test = format!("/v1/connections/{id}/test");
    app.admin.post_empty(&test).await;
    state(&app, &id, "healthy").await;
    let status = app.admin.get(&format!("/v1/connections/{id}/status")).await;
    assert_eq!(status.body["stock"]["running"], true);
    assert_eq!(status.body["prices"]["unavailable"], true);
    assert_eq!(status.body["catalog"]["unavailable"], true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_run_counts_until_the_next_or_until_the_repair_is_proven() {
    let app = App::start(On::Sqlite).await;
    let id = app.active("A").await;
    let path = format!("/v1/connections/{id}");
    let run = || async {
        let queued = app
            .admin
            .post_empty(&format!("{path}/schedules/orders/run-now"))
            .await;
        queued.body["id"].as_str().map(str::to_owned)
    };
    let report = |run: String, error: Option<(&'static str, bool)>| {
        let report = RunReport {
            run,
            connection: id.parse().unwrap(),
            entity: "orders".to_owned(),
            started: Timestamp::now(),
            finished: Timestamp::now(),
            read: 0,
            changed: 0,
            failed: 0,
            watermark: None,
            error_code: error.map(|(code, _)| code.to_owned()),
            error_text: None,
            needs_attention: error.is_some_and(|(_, attention)| attention),
        };
        let bus = app.world.bus.clone();
        async move {
            let subject = subject::rpc("connection-registry", "run");
            let limit = std::time::Duration::from_secs(5);
            bus.request::<_, ()>(&subject, &report, limit)
                .await
                .unwrap();
        }
    };
    let first = run().await.unwrap();
    report(first.clone(), Some(("http.timeout", false))).await;
    let shown = state(&app, &id, "store_unavailable").await;
    assert_eq!(shown.body["state"]["code"], "http.timeout");
    report(first.clone(), Some(("store.key_unknown", true))).await;
    assert_eq!(
        state(&app, &id, "needs_attention").await.body["state"]["code"],
        "store.key_unknown"
    );

    // Repaired and tested: the old failure is no cause any more.
    app.admin.post_empty(&format!("{path}/test")).await;
    state(&app, &id, "healthy").await;
    report(first, None).await;
    let runs = app.admin.get(&format!("{path}/runs")).await;
    assert_eq!(runs.body["items"][0]["state"], "succeeded");
    assert_eq!(runs.body["items"][0]["error_code"], Value::Null);
}
