//! Approving what a publisher keeps back.

use serde_json::json;
use storelink_bus::rpc::{Call, Endpoint, Fault};
use storelink_events::rpc::{Approve, Approved, LaneStatus, Stopped};
use storelink_events::subject;
use tokio_util::sync::CancellationToken;

use crate::app::{App, On, World, until};

/// What a publisher of the tests calls the changes that it keeps back.
const SHOWN: &str = "these";

/// A publisher that keeps back so many changes.
fn publisher(world: &World, service: &'static str, waiting: u64) {
    let endpoint = Endpoint::new(&world.bus, subject::rpc(service, "approve"), service);
    let answer = move |call: Call<Approve>| async move {
        let shown = (call.request.number, call.request.digest.as_str()) == (waiting, SHOWN);
        let fits = waiting > 0 && shown;
        Ok::<_, Fault>(Approved {
            approved: fits.then_some(waiting),
            waiting,
        })
    };
    tokio::spawn(endpoint.serve(answer, CancellationToken::new()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approval_is_for_the_changes_that_were_shown() {
    let app = App::start(On::Sqlite).await;
    let id = app.active("A").await;
    let path = format!("/v1/connections/{id}/approve");
    let body = json!({"entity": "stock", "number": 11, "digest": SHOWN});
    let nobody = app.admin.post(&path, &body).await;
    assert_eq!(
        (nobody.status.as_u16(), nobody.code()),
        (503, "service.no_answer")
    );
    publisher(&app.world, "stock-publisher", 12);
    publisher(&app.world, "price-publisher", 0);
    let grown = until("the publisher answers", || async {
        let answer = app.admin.post(&path, &body).await;
        (answer.status != 503).then_some(answer)
    })
    .await;
    assert_eq!(
        (grown.status.as_u16(), grown.code()),
        (409, "approval.changed")
    );
    assert_eq!(
        grown.body["detail"],
        "12 changes wait by now, 11 were shown"
    );
    let others = json!({"entity": "stock", "number": 12, "digest": "others"});
    let others = app.admin.post(&path, &others).await;
    assert_eq!(
        (others.status.as_u16(), others.code()),
        (409, "approval.changed")
    );
    assert_eq!(
        others.body["detail"],
        "12 changes were shown, and others wait by now"
    );
    let unnamed = json!({"entity": "stock", "number": 12});
    let unnamed = app.admin.post(&path, &unnamed).await;
    assert_eq!(unnamed.status, 422, "{unnamed:?}");
    let shown = json!({"entity": "stock", "number": 12, "digest": SHOWN});
    let done = app.admin.post(&path, &shown).await;
    assert_eq!(
        (done.status.as_u16(), &done.body),
        (200, &json!({"approved": 12}))
    );
    let nothing = until("the other publisher answers", || async {
        let answer = app
            .admin
            .post(
                &path,
                &json!({"entity": "prices", "number": 1, "digest": SHOWN}),
            )
            .await;
        (answer.status != 503).then_some(answer)
    })
    .await;
    assert_eq!(
        (nothing.status.as_u16(), nothing.code()),
        (409, "approval.nothing")
    );
    let wrong = app
        .admin
        .post(
            &path,
            &json!({"entity": "orders", "number": 1, "digest": SHOWN}),
        )
        .await;
    assert_eq!(
        wrong.errors(),
        [("/entity".to_owned(), "member.invalid".to_owned())]
    );
    let draft = app.draft("B").await;
    let path = format!("/v1/connections/{draft}/approve");
    assert_eq!(
        app.admin.post(&path, &body).await.code(),
        "connection.not_active"
    );

    let log = app.admin.get("/v1/audit").await;
    let entry = &log.body["items"][1];
    assert_eq!(entry["action"], "connection.approve", "{log:?}");
    assert_eq!(entry["object"], format!("{id} stock"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lane_that_asks_makes_its_connection_need_attention() {
    let app = App::start(On::Sqlite).await;
    let id = app.active("A").await;
    let on = json!({"active": true});
    assert_eq!(app.schedule(&id, "stock", &on).await.status, 200);
    let service = "stock-publisher";
    let endpoint: Endpoint<serde_json::Value> =
        Endpoint::new(&app.world.bus, subject::rpc(service, "lane"), service);
    let answer = |_: Call<serde_json::Value>| async {
        Ok::<_, Fault>(LaneStatus {
            running: true,
            listed: 1_000,
            dirty: 412,
            stopped: Some(Stopped {
                code: "lane.blast_radius".to_owned(),
                text: "412 of 1000 articles would be set to zero".to_owned(),
                needs_attention: true,
                until: None,
            }),
            asks: Some(412),
            asks_digest: Some(SHOWN.to_owned()),
            ..LaneStatus::default()
        })
    };
    tokio::spawn(endpoint.serve(answer, CancellationToken::new()));
    let path = format!("/v1/connections/{id}/status");
    let status = until("the state shows it", || async {
        let status = app.admin.get(&path).await;
        (status.body["state"]["state"] == "needs_attention").then_some(status)
    })
    .await;
    assert_eq!(status.body["state"]["code"], "lane.blast_radius");
    assert_eq!(status.body["stock"]["asks"], 412);
    assert_eq!(status.body["stock"]["asks_digest"], SHOWN);
}
