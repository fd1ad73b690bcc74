//! Drafts, activation, editing, deleting.

use serde_json::json;

use crate::app::{ADDRESS, App, KEY, On, SECRET, draft, on_both, until};

on_both!(a_connection_from_draft_to_tombstone);

async fn a_connection_from_draft_to_tombstone(on: On) {
    let app = App::start(on).await;

    // Keys survive a closed window: the draft is partial and kept.
    let partial =
        json!({"platform": "teststore", "credentials": {"secret": format!(" {SECRET}\n")}});
    let made = app.admin.post("/v1/connections", &partial).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.body["name"], "Test store");
    assert_eq!(made.body["state"]["state"], "draft");
    assert_eq!(made.body["credentials"]["secret"], "…3210");
    let id = made.body["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/connections/{id}");
    assert_eq!(made.header("location"), path);

    let early = app.admin.post_empty(&format!("{path}/verify")).await;
    assert_eq!(early.code(), "connection.incomplete");
    let missing = [
        ("/address", "field.missing"),
        ("/credentials/key", "field.missing"),
    ];
    assert_eq!(
        early.errors(),
        missing.map(|(at, code)| (at.to_owned(), code.to_owned()))
    );

    let patch = json!({"address": "https://Shop.example.com/", "credentials": {"key": KEY},
        "settings": {"warehouses": ["main"], "reserve": "1.5"}});
    let patched = app.admin.patch(&path, &patch).await;
    assert_eq!(patched.status, 200, "{patched:?}");
    assert_eq!(patched.body["address"], ADDRESS);
    assert_eq!(patched.body["settings"]["reserve"], "1.5");
    assert_eq!(app.world.record(&id).await, None);

    app.activate(&id).await;
    let asked = app.world.stores.asked();
    assert_eq!(asked, [(format!("{ADDRESS}/"), SECRET.to_owned())]);
    let record = app.world.record(&id).await.unwrap();
    assert_eq!(record.address, ADDRESS);
    assert_eq!(record.tenant.as_str(), "default");
    assert_eq!(record.settings.warehouses[0].as_str(), "main");
    assert_eq!(record.profile.version.as_deref(), Some("1.0"));
    assert!(!record.paused);
    assert!(record.active_entities.is_empty());
    assert!(!format!("{record:?}").contains(SECRET));

    let on = app.schedule(&id, "stock", &json!({"active": true})).await;
    assert_eq!(on.status, 200, "{on:?}");
    assert_eq!(
        app.world.record(&id).await.unwrap().active_entities,
        ["stock"]
    );

    let paused = app
        .admin
        .post(&format!("{path}/pause"), &json!({"reason": "Moving"}))
        .await;
    assert_eq!(paused.body["state"]["state"], "paused");
    assert_eq!(paused.body["paused"]["reason"], "Moving");
    assert!(app.world.record(&id).await.unwrap().paused);
    let resumed = app.admin.post_empty(&format!("{path}/resume")).await;
    assert_eq!(resumed.body["state"]["state"], "healthy");
    assert!(!app.world.record(&id).await.unwrap().paused);

    let gone = app.admin.delete(&path).await;
    assert_eq!(gone.status, 204);
    assert_eq!(app.world.record(&id).await, None);
    for answer in [app.admin.get(&path).await, app.admin.delete(&path).await] {
        assert_eq!(answer.code(), "object.not_found");
    }
    // Its name is free again.
    let again = app
        .admin
        .post("/v1/connections", &json!({"platform": "teststore"}))
        .await;
    assert_eq!(again.body["name"], "Test store");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn swapped_keys_and_unknown_platforms_are_told_apart_from_typing_errors() {
    let app = App::start(On::Sqlite).await;
    let mut swapped = draft("A");
    swapped["credentials"] = json!({"key": SECRET, "secret": KEY});
    let refused = app.admin.post("/v1/connections", &swapped).await;
    for error in refused.body["errors"].as_array().unwrap() {
        let detail = error["detail"].as_str().unwrap();
        assert!(detail.ends_with("are they swapped?"), "{detail}");
        assert!(!detail.contains(SECRET), "{detail}");
    }
    let nowhere = json!({"platform": "nostore"});
    let refused = app.admin.post("/v1/connections", &nowhere).await;
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(detail.ends_with("there is teststore"), "{detail}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_input_is_pointed_to_and_changes_nothing() {
    let app = App::start(On::Sqlite).await;
    for (patch, pointer, code) in [
        (
            json!({"platform": "nostore"}),
            "/platform",
            "platform.unknown",
        ),
        (json!({"platform": 7}), "/platform", "member.invalid"),
        (json!({"colour": "red"}), "/colour", "member.unknown"),
        (json!({"name": ""}), "/name", "text.length"),
        (json!({"name": "x".repeat(121)}), "/name", "text.length"),
        (json!({"name": "a\u{0}b"}), "/name", "text.control"),
        (json!({"name": "a\nb"}), "/name", "text.control"),
        (
            json!({"address": "shop"}),
            "/address",
            "address.not_absolute",
        ),
        (
            json!({"address": "ftp://shop.example"}),
            "/address",
            "address.scheme",
        ),
        (
            json!({"address": "https://u:p@shop.example"}),
            "/address",
            "address.user_info",
        ),
        (
            json!({"credentials": {"key": "k_xyz"}}),
            "/credentials/key",
            "credential.form",
        ),
        (
            json!({"credentials": {"key": ""}}),
            "/credentials/key",
            "credential.empty",
        ),
        (
            json!({"credentials": {"key": "k_01234567 89abcdef"}}),
            "/credentials/key",
            "credential.blank",
        ),
        (
            json!({"credentials": {"password": "x"}}),
            "/credentials/password",
            "credential.unknown",
        ),
        (
            json!({"credentials": {"key": 1}}),
            "/credentials/key",
            "member.invalid",
        ),
        (
            json!({"settings": {"colour": 1}}),
            "/settings/colour",
            "member.unknown",
        ),
        (
            json!({"settings": {"reserve": "-1"}}),
            "/settings/reserve",
            "settings.reserve",
        ),
        (
            json!({"settings": {"options": {"legacy": 1}}}),
            "/settings/options/legacy",
            "option.type",
        ),
        (json!({"settings": []}), "/settings", "member.invalid"),
    ] {
        let mut body = draft("A");
        body.as_object_mut()
            .unwrap()
            .extend(patch.as_object().unwrap().clone());
        let refused = app.admin.post("/v1/connections", &body).await;
        assert_eq!(refused.status, 422, "{patch}: {refused:?}");
        assert_eq!(
            refused.errors(),
            [(pointer.to_owned(), code.to_owned())],
            "{patch}"
        );
        assert!(!refused.body.to_string().contains(SECRET));
    }
    let list = app.admin.get("/v1/connections").await;
    assert_eq!(list.body["items"], json!([]));

    let id = app.draft("A").await;
    let taken = app.admin.post("/v1/connections", &draft("A")).await;
    assert_eq!(
        (taken.status.as_u16(), taken.code()),
        (409, "connection.name_taken")
    );
    let other = app.draft("B").await;
    let renamed = app
        .admin
        .patch(&format!("/v1/connections/{other}"), &json!({"name": "A"}))
        .await;
    assert_eq!(renamed.code(), "connection.name_taken");
    let platform = json!({"platform": "teststore"});
    let fixed = app
        .admin
        .patch(&format!("/v1/connections/{id}"), &platform)
        .await;
    assert_eq!(
        fixed.errors(),
        [("/platform".to_owned(), "member.unknown".to_owned())]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_etag_refuses_a_change() {
    let app = App::start(On::Sqlite).await;
    let id = app.draft("A").await;
    let path = format!("/v1/connections/{id}");
    let read = app.admin.get(&path).await;
    let etag = read.header("etag").to_owned();
    let change = |etag: &str, name: &str| {
        app.admin
            .request(reqwest::Method::PATCH, &path)
            .header("if-match", etag)
            .json(&json!({"name": name}))
    };
    let first = app.admin.send(change(&etag, "B")).await;
    assert_eq!(first.status, 200);
    assert_ne!(first.header("etag"), etag);
    let second = app.admin.send(change(&etag, "C")).await;
    assert_eq!(
        (second.status.as_u16(), second.code()),
        (412, "object.changed")
    );
    assert_eq!(app.admin.get(&path).await.body["name"], "B");
    let without = app.admin.patch(&path, &json!({"name": "D"})).await;
    assert_eq!(without.status, 200);
}

on_both!(pages_are_stable_and_filtered);

async fn pages_are_stable_and_filtered(on: On) {
    let app = App::start(on).await;
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(app.draft(&format!("Store {number}")).await);
    }
    app.activate(&ids[2]).await;

    let first = app.admin.get("/v1/connections?limit=2").await;
    let names = |answer: &crate::app::Answer| -> Vec<String> {
        let items = answer.body["items"].as_array().unwrap();
        items
            .iter()
            .map(|item| item["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&first), ["Store 0", "Store 1"]);
    let link = first.header("link").to_owned();
    assert!(link.ends_with("rel=\"next\""), "{link}");
    app.draft("Store 5").await;
    let next = link.trim_start_matches('<').split('>').next().unwrap();
    let second = app.admin.get(next).await;
    assert_eq!(names(&second), ["Store 2", "Store 3"]);
    let cursor = second.body["next"].as_str().unwrap();
    let third = app
        .admin
        .get(&format!("/v1/connections?limit=10&cursor={cursor}"))
        .await;
    assert_eq!(names(&third), ["Store 4", "Store 5"]);
    assert_eq!(third.body["next"], serde_json::Value::Null);

    let drafts = app
        .admin
        .get("/v1/connections?state=draft&platform=teststore")
        .await;
    assert_eq!(drafts.body["items"].as_array().unwrap().len(), 5);
    let none = app.admin.get("/v1/connections?platform=woocommerce").await;
    assert_eq!(none.body["items"], json!([]));
    // A cursor belongs to its own list and filters, and cannot be made up.
    for query in [
        format!("state=draft&cursor={cursor}"),
        format!("cursor={}", &cursor[1..]),
        "cursor=x".to_owned(),
    ] {
        let refused = app.admin.get(&format!("/v1/connections?{query}")).await;
        assert_eq!(
            (refused.status.as_u16(), refused.code()),
            (400, "request.cursor_invalid")
        );
    }
    for query in [
        "limit=0",
        "limit=501",
        "limit=-1",
        "limit=x",
        "state=odd",
        "color=red",
        "platform=%00",
        "limit=1&limit=2",
    ] {
        let refused = app.admin.get(&format!("/v1/connections?{query}")).await;
        assert_eq!(
            (refused.status.as_u16(), refused.code()),
            (400, "request.query_invalid"),
            "{query}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_equal_drafts_at_once_exactly_one_is_made() {
    let app = App::start(On::Sqlite).await;
    let body = draft("A");
    let attempts = (0..40).map(|_| app.admin.post("/v1/connections", &body));
    let answers = futures::future::join_all(attempts).await;
    assert_eq!(
        answers.iter().filter(|answer| answer.status == 201).count(),
        1
    );
    assert_eq!(
        answers.iter().filter(|answer| answer.status == 409).count(),
        39
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn platforms_name_this_installations_addresses() {
    let world = crate::app::World::new(On::Sqlite).await;
    let replica = world.start_with("https://link.example.com").await;
    let client = replica.client(Some(&world.admin_token()));
    let platform = client.get("/v1/platforms/teststore").await;
    let copy = |step: usize| platform.body["guide"]["in_store"][step]["copy"].clone();
    assert_eq!(copy(0), "Storelink");
    assert_eq!(copy(1), "https://link.example.com/callbacks/teststore");
    assert_eq!(
        client.get("/v1/platforms").await.body["items"][0]["platform"],
        "teststore"
    );
    for unknown in [
        "/v1/platforms/other",
        "/v1/platforms/%00",
        "/v1/platforms/A.B",
    ] {
        assert_eq!(client.get(unknown).await.code(), "object.not_found");
    }
    replica.stop().await;

    let replica = world.start().await;
    let client = replica.client(Some(&world.admin_token()));
    let platform = client.get("/v1/platforms/teststore").await;
    let step = &platform.body["guide"]["in_store"][1];
    assert_eq!(step["copy"], serde_json::Value::Null);
    assert!(
        step["text"]
            .as_str()
            .unwrap()
            .contains("Callbacks are not available")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_of_a_tenant_stop_and_go_on() {
    let app = App::start(On::Sqlite).await;
    let paused = || async {
        let bucket = storelink_bus::kv::Bucket::new(&app.world.bus, "connections");
        let entry = bucket.get("tenant.default").await.unwrap()?;
        let record: serde_json::Value = serde_json::from_slice(&entry.value).unwrap();
        record["writes_paused"].as_bool()
    };
    until("the tenant's record is there", || async {
        paused().await.filter(|paused| !paused)
    })
    .await;
    let body = json!({"reason": "Stock-taking"});
    let stopped = app.admin.post("/v1/tenant/pause-writes", &body).await;
    assert_eq!(stopped.body["writes_paused"]["reason"], "Stock-taking");
    assert_eq!(paused().await, Some(true));
    let resumed = app.admin.post_empty("/v1/tenant/resume-writes").await;
    assert_eq!(resumed.body["writes_paused"], serde_json::Value::Null);
    assert_eq!(paused().await, Some(false));
    assert_eq!(app.admin.get("/v1/tenant").await.body["id"], "default");
}
