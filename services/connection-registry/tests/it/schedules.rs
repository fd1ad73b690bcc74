//! Schedules, ticks, runs.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use storelink_bus::streams::{self, names};
use storelink_bus::{Outcome, WorkLoop};
use storelink_events::internal::{PollJob, RunReport};
use storelink_events::subject;
use storelink_model::Timestamp;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::app::{App, On, World, on_both, until};

/// Takes the jobs of the platform as a poller does; `done` decides what is acknowledged.
async fn take_jobs(world: &World, cancel: &CancellationToken) -> mpsc::UnboundedReceiver<PollJob> {
    let consumer = streams::poller("teststore");
    streams::apply_consumer(&world.bus, &consumer)
        .await
        .unwrap();
    let (sender, receiver) = mpsc::unbounded_channel();
    let work = WorkLoop::new(&world.bus, consumer);
    let handler = move |item: storelink_bus::WorkItem| {
        let sender = sender.clone();
        async move {
            sender
                .send(serde_json::from_slice(item.payload()).unwrap())
                .unwrap();
            Outcome::Done
        }
    };
    tokio::spawn(work.run(handler, cancel.clone()));
    receiver
}

async fn report(world: &World, job: &PollJob, error: Option<(&str, bool)>) {
    let report = RunReport {
        run: job.run.clone(),
        connection: job.connection.clone(),
        entity: job.entity.clone(),
        started: Timestamp::now(),
        finished: Timestamp::now(),
        read: 12,
        changed: 3,
        failed: 0,
        watermark: Some(Timestamp::now()),
        error_code: error.map(|(code, _)| code.to_owned()),
        error_text: error.map(|(code, _)| format!("It failed: {code}.")),
        needs_attention: error.is_some_and(|(_, attention)| attention),
    };
    let subject = subject::rpc("connection-registry", "run");
    let limit = std::time::Duration::from_secs(5);
    world
        .bus
        .request::<_, ()>(&subject, &report, limit)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schedules_are_inactive_until_switched_on_and_checked() {
    let app = App::start(On::Sqlite).await;
    let id = app.active("A").await;
    let list = app
        .admin
        .get(&format!("/v1/connections/{id}/schedules"))
        .await;
    let items = list.body["items"].as_array().unwrap();
    assert_eq!(items.len(), 4);
    assert!(
        items
            .iter()
            .all(|item| item["active"] == false && item["next_run"].is_null())
    );
    assert_eq!(items[0]["every_seconds"], 3600);
    assert_eq!(items[1]["times"], json!(["02:30"]));
    assert_eq!(
        (&items[1]["polled"], &items[2]["polled"]),
        (&json!(true), &json!(false))
    );

    for (entity, body, pointer, code) in [
        (
            "orders",
            json!({"active": true, "every_seconds": 0}),
            "/every_seconds",
            "schedule.interval",
        ),
        (
            "products",
            json!({"active": true, "every_seconds": 899}),
            "/every_seconds",
            "schedule.interval",
        ),
        (
            "orders",
            json!({"active": true, "every_seconds": 604_801}),
            "/every_seconds",
            "schedule.interval",
        ),
        (
            "orders",
            json!({"active": true, "every_seconds": -1}),
            "/every_seconds",
            "member.invalid",
        ),
        (
            "orders",
            json!({"active": true, "every_seconds": "60"}),
            "/every_seconds",
            "member.invalid",
        ),
        (
            "orders",
            json!({"active": true, "times": []}),
            "/times",
            "schedule.times",
        ),
        (
            "orders",
            json!({"active": true, "times": ["24:00"]}),
            "/times/0",
            "member.invalid",
        ),
        (
            "orders",
            json!({"active": true, "times": ["2:30"]}),
            "/times/0",
            "member.invalid",
        ),
        (
            "orders",
            json!({"active": true, "times": ["02:30"], "every_seconds": 60}),
            "/times",
            "schedule.two_rhythms",
        ),
        (
            "orders",
            json!({"active": true, "time_zone": "Mars/Olympus"}),
            "/time_zone",
            "member.invalid",
        ),
        (
            "orders",
            json!({"every_seconds": 60}),
            "/active",
            "member.missing",
        ),
        (
            "orders",
            json!({"active": true, "cron": "* * * * *"}),
            "/cron",
            "member.unknown",
        ),
    ] {
        let refused = app.schedule(&id, entity, &body).await;
        assert_eq!(refused.status, 422, "{body}");
        assert_eq!(
            refused.errors(),
            [(pointer.to_owned(), code.to_owned())],
            "{body}"
        );
    }
    for entity in ["invoices", "Orders", "%00", "a%2Fb"] {
        let unknown = app.schedule(&id, entity, &json!({"active": true})).await;
        assert_eq!(unknown.code(), "object.not_found", "{entity}");
    }

    let zone = json!({"active": true, "times": ["14:00", "02:30", "14:00"], "time_zone": "Europe/Ljubljana"});
    let set = app.schedule(&id, "products", &zone).await;
    assert_eq!(set.body["times"], json!(["02:30", "14:00"]));
    let next: Timestamp = set.body["next_run"].as_str().unwrap().parse().unwrap();
    assert!(next > Timestamp::now());
    // The runs of stock are reconciliations.
    let stock = app.schedule(&id, "stock", &json!({"active": true})).await;
    assert_eq!(
        (&stock.body["active"], &stock.body["polled"]),
        (&json!(true), &json!(false))
    );
    let next: Timestamp = stock.body["next_run"].as_str().unwrap().parse().unwrap();
    assert!(next > Timestamp::now());
    assert_eq!(
        app.world.record(&id).await.unwrap().active_entities,
        ["products", "stock"]
    );
    assert_eq!(app.world.messages(names::JOBS).await, 0);
}

on_both!(a_run_from_the_wish_to_the_report);

async fn a_run_from_the_wish_to_the_report(on: On) {
    let app = App::start(on).await;
    let draft = app.draft("Draft").await;
    let early = app
        .admin
        .post_empty(&format!("/v1/connections/{draft}/schedules/orders/run-now"))
        .await;
    assert_eq!(early.code(), "connection.not_active");

    let id = app.active("A").await;
    let run_now = format!("/v1/connections/{id}/schedules/orders/run-now");
    let queued = app.admin.post(&run_now, &json!({"full": true})).await;
    assert_eq!(
        (queued.status.as_u16(), &queued.body["state"]),
        (202, &json!("queued")),
        "{queued:?}"
    );
    let second = app.admin.post_empty(&run_now).await;
    assert_eq!(
        (second.status.as_u16(), second.code()),
        (409, "run.already_queued")
    );
    // A schedule never names a run that was taken back.
    let times = json!({"active": true, "every_seconds": 3600});
    app.schedule(&id, "orders", &times).await;
    assert_eq!(app.admin.post_empty(&run_now).await.status, 409);
    let path = format!("/v1/connections/{id}/schedules/orders");
    let schedule = app.admin.get(&path).await;
    assert_eq!(schedule.body["last_run"], queued.body["id"], "{schedule:?}");

    let cancel = CancellationToken::new();
    let mut jobs = take_jobs(&app.world, &cancel).await;
    let job = jobs.recv().await.unwrap();
    assert_eq!(
        (job.connection.as_str(), job.entity.as_str(), job.full),
        (id.as_str(), "orders", true)
    );
    assert_eq!(job.tenant.as_str(), "default");
    assert_eq!(queued.body["id"], job.run);
    report(&app.world, &job, None).await;

    let runs = app
        .admin
        .get(&format!("/v1/connections/{id}/runs?entity=orders"))
        .await;
    assert_eq!(
        runs.body["items"].as_array().unwrap().len(),
        1,
        "the refused run left no row"
    );
    let run = &runs.body["items"][0];
    assert_eq!(
        (&run["state"], &run["read"], &run["changed"]),
        (&json!("succeeded"), &json!(12), &json!(3))
    );
    assert_eq!(
        (&run["cause"], &run["full"]),
        (&json!("manual"), &json!(true))
    );

    // The acknowledged job leaves room for the next.
    until("the next run is taken", || async {
        (app.admin.post_empty(&run_now).await.status == 202).then_some(())
    })
    .await;
    let job = jobs.recv().await.unwrap();
    report(&app.world, &job, Some(("http.timeout", false))).await;
    let runs = app
        .admin
        .get(&format!("/v1/connections/{id}/runs?limit=1"))
        .await;
    assert_eq!(runs.body["items"][0]["error_code"], "http.timeout");
    assert_eq!(runs.body["items"][0]["state"], "failed");
    let next = runs.body["next"].as_str().unwrap();
    let rest = app
        .admin
        .get(&format!("/v1/connections/{id}/runs?cursor={next}"))
        .await;
    assert_eq!(rest.body["items"][0]["state"], "succeeded");

    // A report of a run that nobody knows is no error.
    let unknown = PollJob {
        run: "run_unknown".to_owned(),
        ..job
    };
    report(&app.world, &unknown, None).await;

    let path = format!("/v1/connections/{id}/pause");
    app.admin.post(&path, &json!({"reason": "x"})).await;
    assert_eq!(
        app.admin.post_empty(&run_now).await.code(),
        "connection.paused"
    );
    cancel.cancel();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_begin_each_run_once() {
    let app = App::start(On::Postgres).await;
    let _second = app.world.start().await;
    let cancel = CancellationToken::new();
    let mut jobs = take_jobs(&app.world, &cancel).await;
    let id = app.active("A").await;
    let set = app
        .schedule(&id, "orders", &json!({"active": true, "every_seconds": 1}))
        .await;
    let first: Timestamp = set.body["next_run"].as_str().unwrap().parse().unwrap();

    let mut seen = BTreeSet::new();
    for _ in 0..5 {
        let job = jobs.recv().await.unwrap();
        assert!(Timestamp::now() >= first, "no run at once");
        assert!(seen.insert(job.run.clone()), "{} came twice", job.run);
        report(&app.world, &job, None).await;
    }
    let off = app.schedule(&id, "orders", &json!({"active": false})).await;
    assert_eq!(off.body["next_run"], Value::Null);
    let runs = app.admin.get(&format!("/v1/connections/{id}/runs")).await;
    let created: Vec<Timestamp> = runs.body["items"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|run| run["created"].as_str().unwrap().parse().unwrap())
        .collect();
    // One run per second of the grid, whichever replica began it.
    let slots: BTreeSet<i64> = created
        .iter()
        .map(|at| (at.micros() - first.micros()) / 1_000_000)
        .collect();
    assert_eq!(slots.len(), created.len(), "{created:?}");
    cancel.cancel();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_registries_begin_each_due_run_once_and_lose_none_to_a_crash() {
    const CONNECTIONS: usize = 6;
    let app = App::start(On::Postgres).await;
    let mut ids = BTreeSet::new();
    for number in 0..CONNECTIONS {
        let id = app.active(&format!("Store {number}")).await;
        let hourly = json!({"active": true, "every_seconds": 3600});
        app.schedule(&id, "orders", &hourly).await;
        ids.insert(id);
    }
    let App { world, replica, .. } = app;
    let second = world.start().await;
    let cancel = CancellationToken::new();
    let mut jobs = take_jobs(&world, &cancel).await;

    // As a third one that ended between the rows and the publication leaves them.
    let database = world.open_database().await;
    let noted =
        "INSERT INTO runs (id, tenant, connection, platform, entity, cause, full_read, state,
            created, needs_attention)
        SELECT 'run_' || id, tenant, id, platform, 'products', 'schedule', FALSE, 'pending', $1,
            FALSE
        FROM connections";
    let ago = |minutes| Timestamp::now().saturating_sub(time::Duration::minutes(minutes));
    let args = storelink_persistence::args![ago(1).micros()];
    database.execute(noted, args).await.unwrap();
    // All of them are due at the same moment for both.
    let args = storelink_persistence::args![ago(10).micros()];
    let due = "UPDATE schedules SET next_run = $1 WHERE entity = 'orders' AND active";
    let moved = database.execute(due, args).await.unwrap();
    assert_eq!(usize::try_from(moved), Ok(CONNECTIONS));

    let mut seen = BTreeSet::new();
    for _ in 0..2 * CONNECTIONS {
        let job = jobs.recv().await.unwrap();
        let this = (job.connection.to_string(), job.entity.clone());
        assert!(
            seen.insert(this),
            "{} of {} twice",
            job.entity,
            job.connection
        );
    }
    replica.stop().await;
    second.stop().await;
    let each = |entity: &str| {
        ids.iter()
            .map(|id| (id.clone(), entity.to_owned()))
            .collect()
    };
    let (orders, products): (BTreeSet<_>, BTreeSet<_>) = (each("orders"), each("products"));
    assert_eq!(seen, &orders | &products);
    assert_eq!(world.messages(names::JOBS).await, 0);
    assert!(jobs.try_recv().is_err(), "one job too many");
    let rows = database
        .fetch_all("SELECT state FROM runs", vec![])
        .await
        .unwrap();
    assert_eq!(rows.len(), 2 * CONNECTIONS);
    let states: BTreeSet<String> = rows.iter().map(|row| row.text("state").unwrap()).collect();
    assert_eq!(states, BTreeSet::from(["queued".to_owned()]));
    cancel.cancel();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_missed_is_made_up_for_once_and_what_overlaps_is_counted() {
    let app = App::start(On::Sqlite).await;
    let id = app.active("A").await;
    app.schedule(&id, "orders", &json!({"active": true, "every_seconds": 2}))
        .await;
    let App { world, replica, .. } = app;
    replica.stop().await;
    let database = world.open_database().await;
    let long_ago = Timestamp::now()
        .saturating_sub(time::Duration::hours(9))
        .micros();
    let args = storelink_persistence::args![long_ago];
    database
        .execute("UPDATE schedules SET next_run = $1", args)
        .await
        .unwrap();
    database.execute("DELETE FROM runs", vec![]).await.unwrap();
    database.close().await;
    drop(database);

    // Nobody takes the job: the first stays in the queue, and the next ones are left out.
    let replica = world.start().await;
    let admin = replica.client(Some(&world.admin_token()));
    let path = format!("/v1/connections/{id}/schedules/orders");
    let schedule = until("an overlapping run was left out", || async {
        let schedule = admin.get(&path).await;
        (schedule.body["skipped"].as_i64()? >= 1).then_some(schedule)
    })
    .await;
    let next: Timestamp = schedule.body["next_run"].as_str().unwrap().parse().unwrap();
    assert!(Timestamp::now().since(next) < time::Duration::seconds(3));
    let runs = admin.get(&format!("/v1/connections/{id}/runs")).await;
    assert_eq!(runs.body["items"].as_array().unwrap().len(), 1);
    assert_eq!(world.messages(names::JOBS).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_noted_run_is_published_after_a_crash() {
    let app = App::start(On::Sqlite).await;
    let id = app.active("A").await;
    app.schedule(
        &id,
        "orders",
        &json!({"active": true, "every_seconds": 3600}),
    )
    .await;
    let App { world, replica, .. } = app;
    replica.stop().await;
    // As a crash between commit and publication leaves it.
    let database = world.open_database().await;
    let note =
        "INSERT INTO runs (id, tenant, connection, platform, entity, cause, full_read, state,
            created, needs_attention)
        SELECT 'run_noted', tenant, id, platform, 'orders', 'schedule', FALSE, 'pending', $1, FALSE
        FROM connections";
    let a_minute_ago = Timestamp::now()
        .saturating_sub(time::Duration::minutes(1))
        .micros();
    let args = storelink_persistence::args![a_minute_ago];
    assert_eq!(database.execute(note, args).await.unwrap(), 1);
    database.close().await;
    drop(database);
    let replica = world.start().await;
    let admin = replica.client(Some(&world.admin_token()));
    until("the job is in the queue", || async {
        let runs = admin.get(&format!("/v1/connections/{id}/runs")).await;
        (runs.body["items"][0]["state"] == "queued").then_some(())
    })
    .await;
    assert_eq!(world.messages(names::JOBS).await, 1);
}
