//! Runs of stock and prices: asked of the publisher, told like all runs.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use storelink_bus::Bus;
use storelink_bus::rpc::{Call, Endpoint, Fault};
use storelink_bus::streams::names;
use storelink_events::internal::RunReport;
use storelink_events::rpc::{
    Difference, Drift, DriftQuestion, DriftReport, DriftReports, Reconcile, ReconcileAnswer,
};
use storelink_events::subject;
use storelink_model::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::app::{App, On, World, on_both, until};

/// A publisher that takes one run after the other.
#[derive(Clone, Default)]
struct Publisher {
    asked: Arc<Mutex<Vec<Reconcile>>>,
    open: Arc<Mutex<Option<String>>>,
}

impl Publisher {
    fn start(bus: &Bus, service: &'static str) -> Self {
        let publisher = Self::default();
        let kept = publisher.clone();
        let endpoint: Endpoint<Reconcile> =
            Endpoint::new(bus, subject::rpc(service, "reconcile"), service);
        let answer = move |call: Call<Reconcile>| {
            let kept = kept.clone();
            async move {
                let run = call.request.run.clone();
                kept.asked.lock().unwrap().push(call.request);
                let mut open = kept.open.lock().unwrap();
                let accepted = *open.get_or_insert_with(|| run.clone()) == run;
                Ok::<_, Fault>(ReconcileAnswer { accepted })
            }
        };
        tokio::spawn(endpoint.serve(answer, CancellationToken::new()));
        publisher
    }

    fn runs(&self) -> BTreeSet<String> {
        let asked = self.asked.lock().unwrap();
        asked.iter().map(|asked| asked.run.clone()).collect()
    }

    /// Ends the run that is open, as the publisher tells it.
    async fn end(&self, world: &World, connection: &str, error: Option<&str>) -> String {
        let run = self.open.lock().unwrap().take().unwrap();
        let report = RunReport {
            run: run.clone(),
            connection: connection.parse().unwrap(),
            entity: "stock".to_owned(),
            started: Timestamp::now(),
            finished: Timestamp::now(),
            read: 9_987,
            changed: 1,
            failed: 0,
            watermark: None,
            error_code: error.map(str::to_owned),
            error_text: error.map(str::to_owned),
            needs_attention: false,
        };
        let subject = subject::rpc("connection-registry", "run");
        let limit = std::time::Duration::from_secs(5);
        world
            .bus
            .request::<_, ()>(&subject, &report, limit)
            .await
            .unwrap();
        run
    }
}

on_both!(a_reconciliation_is_asked_of_the_publisher_and_shown_as_a_run);

async fn a_reconciliation_is_asked_of_the_publisher_and_shown_as_a_run(on: On) {
    let app = App::start(on).await;
    let id = app.active("A").await;
    let publisher = Publisher::start(&app.world.bus, "stock-publisher");
    let path = format!("/v1/connections/{id}/reconcile");
    let wish = json!({"entity": "stock"});
    let queued = until("the publisher answers", || async {
        let queued = app.admin.post(&path, &wish).await;
        (queued.body["state"] == "queued" || queued.status == 409).then_some(queued)
    })
    .await;
    let second = app.admin.post(&path, &wish).await;
    assert_eq!(second.code(), "run.already_queued", "{queued:?}");
    // Run now is the same.
    let now = format!("/v1/connections/{id}/schedules/stock/run-now");
    assert_eq!(
        app.admin.post_empty(&now).await.code(),
        "run.already_queued"
    );
    assert_eq!(
        app.world.messages(names::JOBS).await,
        0,
        "it is no poll job"
    );
    let asked = publisher.asked.lock().unwrap()[0].clone();
    assert_eq!(
        (asked.tenant.as_str(), asked.connection.as_str()),
        ("default", id.as_str())
    );

    let run = publisher.end(&app.world, &id, None).await;
    let runs = format!("/v1/connections/{id}/runs?entity=stock");
    let shown = app.admin.get(&runs).await;
    let items = shown.body["items"].as_array().unwrap();
    assert_eq!(items.len(), 1, "refused runs leave no row: {items:?}");
    assert_eq!(items[0]["id"], run);
    assert_eq!(
        (&items[0]["state"], &items[0]["read"], &items[0]["changed"]),
        (&json!("succeeded"), &json!(9_987), &json!(1))
    );
    assert_eq!(app.admin.post_empty(&now).await.status, 202);
    // One that fails is shown, and what failed in the night does not decide the state of the store.
    publisher.end(&app.world, &id, Some("http.timeout")).await;
    let shown = app.admin.get(&runs).await;
    assert_eq!(shown.body["items"][0]["error_code"], "http.timeout");
    assert_eq!(shown.body["items"][0]["state"], "failed");

    for (body, pointer) in [
        (json!({"entity": "orders"}), "/entity"),
        (json!({"entity": "invoices"}), "/entity"),
        (json!({"entity": "stock", "full": true}), "/full"),
    ] {
        let refused = app.admin.post(&path, &body).await;
        assert_eq!(refused.status, 422, "{body}: {refused:?}");
        assert_eq!(refused.errors()[0].0, pointer, "{body}");
    }
    app.admin
        .post(
            &format!("/v1/connections/{id}/pause"),
            &json!({"reason": "x"}),
        )
        .await;
    assert_eq!(
        app.admin.post(&path, &wish).await.code(),
        "connection.paused"
    );
    let draft = app.draft("Draft").await;
    let early = app
        .admin
        .post(&format!("/v1/connections/{draft}/reconcile"), &wish)
        .await;
    assert_eq!(early.code(), "connection.not_active");
    let viewer = app.with_role("viewer").await;
    assert_eq!(viewer.post(&path, &wish).await.status, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reconciliation_that_is_due_waits_for_its_publisher_and_holds_no_other_run_up() {
    let app = App::start(On::Sqlite).await;
    let id = app.active("A").await;
    let daily = json!({"active": true, "every_seconds": 86_400});
    let stock = app.schedule(&id, "stock", &daily).await;
    assert!(stock.body["next_run"].is_string(), "{stock:?}");
    app.schedule(&id, "prices", &daily).await;
    app.schedule(
        &id,
        "orders",
        &json!({"active": true, "every_seconds": 3_600}),
    )
    .await;
    let App { world, replica, .. } = app;
    replica.stop().await;
    let database = world.open_database().await;
    let hours_ago = Timestamp::now().saturating_sub(time::Duration::hours(9));
    for (entity, due) in [("stock", 0), ("prices", 1), ("orders", 2)] {
        let due = hours_ago.micros() + due;
        let args = storelink_persistence::args![entity, due];
        database
            .execute("UPDATE schedules SET next_run = $2 WHERE entity = $1", args)
            .await
            .unwrap();
    }
    database.close().await;
    drop(database);

    // No publisher is there: both runs are noted, and the orders go on.
    let replica = world.start().await;
    let admin = replica.client(Some(&world.admin_token()));
    let states = || async {
        let runs = admin.get(&format!("/v1/connections/{id}/runs")).await;
        let mut states: Vec<(String, String)> = runs.body["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|run| {
                let text = |name: &str| run[name].as_str().unwrap().to_owned();
                (text("entity"), text("state"))
            })
            .collect();
        states.sort();
        states
    };
    let expected = |stock: &str| {
        let of = |entity: &str, state: &str| (entity.to_owned(), state.to_owned());
        vec![
            of("orders", "queued"),
            of("prices", "pending"),
            of("stock", stock),
        ]
    };
    until("the orders are queued", || async {
        (states().await == expected("pending")).then_some(())
    })
    .await;
    let publisher = Publisher::start(&world.bus, "stock-publisher");
    until("the publisher was asked", || async {
        (states().await == expected("queued")).then_some(())
    })
    .await;
    assert_eq!(
        publisher.runs().len(),
        1,
        "missed runs are made up for once"
    );
    let path = format!("/v1/connections/{id}/schedules/stock");
    let schedule = admin.get(&path).await;
    let next: Timestamp = schedule.body["next_run"].as_str().unwrap().parse().unwrap();
    assert!(next > Timestamp::now());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_ask_for_each_reconciliation_once() {
    let app = App::start(On::Postgres).await;
    let _second = app.world.start().await;
    let publisher = Publisher::start(&app.world.bus, "stock-publisher");
    let id = app.active("A").await;
    app.schedule(&id, "stock", &json!({"active": true, "every_seconds": 60}))
        .await;
    let database = app.world.open_database().await;
    let args = storelink_persistence::args![Timestamp::now().micros()];
    database
        .execute("UPDATE schedules SET next_run = $1", args)
        .await
        .unwrap();
    until("the run is queued", || async {
        let runs = app.admin.get(&format!("/v1/connections/{id}/runs")).await;
        let items = runs.body["items"].as_array()?.clone();
        (items.len() == 1 && items[0]["state"] == "queued").then_some(())
    })
    .await;
    assert_eq!(publisher.runs().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_of_drift_come_from_the_publisher() {
    let app = App::start(On::Sqlite).await;
    let id = app.active("A").await;
    let path = format!("/v1/connections/{id}/drift?entity=prices");
    assert_eq!(app.admin.get(&path).await.code(), "service.no_answer");
    let endpoint: Endpoint<DriftQuestion> = Endpoint::new(
        &app.world.bus,
        subject::rpc("price-publisher", "drift"),
        "price-publisher",
    );
    let answer = |call: Call<DriftQuestion>| async move {
        let finished = DriftReport {
            run: "run_2".to_owned(),
            asked: Timestamp::now(),
            started: Some(Timestamp::now()),
            finished: Some(Timestamp::now()),
            drift: Drift {
                observed: true,
                pages: u64::from(call.request.limit),
                compared: 100,
                differing: 1,
                sample: vec![Difference {
                    sku: "MUG-01".parse().unwrap(),
                    shown: "40".to_owned(),
                    wanted: "35".to_owned(),
                }],
                ..Drift::default()
            },
        };
        Ok::<_, Fault>(DriftReports {
            items: vec![finished],
        })
    };
    tokio::spawn(endpoint.serve(answer, CancellationToken::new()));
    let told = until("the publisher answers", || async {
        let told = app.admin.get(&format!("{path}&limit=7")).await;
        (told.status == 200).then_some(told)
    })
    .await;
    let report = &told.body["items"][0];
    assert_eq!(
        (&report["observed"], &report["pages"], &report["differing"]),
        (&json!(true), &json!(7), &json!(1))
    );
    let difference = json!({"sku": "MUG-01", "shown": "40", "wanted": "35"});
    assert_eq!(report["sample"], json!([difference]));
    assert_eq!(report["error_code"], Value::Null);
    for query in [
        "",
        "?entity=orders",
        "?entity=stock&limit=0",
        "?entity=stock&limit=11",
    ] {
        let refused = app
            .admin
            .get(&format!("/v1/connections/{id}/drift{query}"))
            .await;
        assert_eq!(refused.code(), "request.query_invalid", "{query}");
    }
}
