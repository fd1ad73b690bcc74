//! Replays the recorded requests to simulated stores in the recorded state and compares the answers.

use std::time::Duration;

use serde_json::Value;
use storelink_simulators::{Answer, ClockSetting, Request, Simulators, StoreHandle, send};

use crate::compare::differences;
use crate::recorded_state::{Era, new_store, old_store};
use crate::recordings::{Recording, all, one, vectors};
use crate::replay_table::{ASIDE, ASIDE_ALWAYS, HEADERS, HEADERS_ASIDE, UNUSED, fault, prepare};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recorded_requests_get_the_recorded_answers() {
    let only = std::env::var("RECORDING").ok();
    let mut failures = Vec::new();
    let mut compared = 0;
    for recording in all() {
        if UNUSED.iter().any(|(number, _)| *number == recording.number) {
            continue;
        }
        if only.as_ref().is_some_and(|only| *only != recording.number) {
            continue;
        }
        compared += 1;
        let found = replay(recording).await;
        let lines = compare(recording, &found);
        if !lines.is_empty() {
            let shown: Vec<_> = lines.iter().take(12).cloned().collect();
            failures.push(format!(
                "{} ({} differences)\n    {}",
                recording.name,
                lines.len(),
                shown.join("\n    ")
            ));
        }
    }
    assert!(compared > 0, "nothing was compared");
    assert!(
        failures.is_empty(),
        "{} of {compared} differ:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

#[test]
fn tables_name_only_what_is_there() {
    let numbers: Vec<String> = all()
        .iter()
        .map(|recording| recording.number.clone())
        .collect();
    let named = UNUSED.iter().map(|(number, _)| *number);
    let named = named.chain(ASIDE.iter().map(|(number, ..)| *number));
    for number in named.chain(HEADERS_ASIDE.iter().map(|(number, ..)| *number)) {
        assert!(
            numbers.iter().any(|known| known == number),
            "no recording {number}"
        );
    }
    for (number, reason) in UNUSED {
        assert!(!reason.is_empty(), "{number} is unused without a reason");
    }
}

async fn replay(recording: &Recording) -> Answer {
    let simulators = Simulators::new();
    let mut spec = if recording.is_old_store() {
        old_store()
    } else {
        new_store(era(recording))
    };
    prepare(&recording.number, &mut spec.snapshot);
    let store = simulators.add_store(spec).await.expect("store starts");
    store.set_clock(ClockSetting::Frozen(moment(recording)));
    if recording.number == "18" {
        spend_nonce(&store).await;
    }
    if let Some(effect) = fault(&recording.number) {
        store.set_effect(effect);
    }
    let mut request = recording.request.clone();
    if recording.secure {
        request
            .headers
            .push(("x-forwarded-proto".to_owned(), "https".to_owned()));
    }
    let answer = send(store.address(), request, Duration::from_secs(10))
        .await
        .expect("an answer");
    simulators.stop();
    answer
}

/// What had happened in the store by then.
fn era(recording: &Recording) -> Era {
    match moment(recording) - moment(one("170")) {
        ..0 => Era::Before,
        0..1_000 => Era::AfterWrites,
        _ => Era::ManyOrders,
    }
}

/// The moment by the store's own clock.
fn moment(recording: &Recording) -> i64 {
    let date = recording.headers.get("date").expect("answers carry a date");
    let parsed = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date);
    parsed.expect("a date").as_second()
}

/// Recording 18 uses the nonce of an accepted request again.
async fn spend_nonce(store: &StoreHandle) {
    let vector = vectors()
        .into_iter()
        .find(|vector| vector["name"] == "v-nonce-first")
        .unwrap();
    let text = |name: &str| vector[name].as_str().unwrap().to_owned();
    let query = format!(
        "per_page=1&_fields=id&oauth_consumer_key={}&oauth_nonce={}&oauth_signature_method={}&oauth_timestamp={}&oauth_signature={}",
        text("consumer_key"),
        text("nonce"),
        text("signature_method"),
        text("timestamp"),
        text("signature")
            .replace('+', "%2B")
            .replace('/', "%2F")
            .replace('=', "%3D"),
    );
    let request = Request {
        method: "GET".to_owned(),
        path: "/wp-json/wc/v3/orders".to_owned(),
        query,
        headers: Vec::new(),
        body: bytes::Bytes::new(),
    };
    let answer = send(store.address(), request, Duration::from_secs(10))
        .await
        .unwrap();
    assert_eq!(answer.status, 200, "the nonce is accepted the first time");
}

fn compare(recording: &Recording, found: &Answer) -> Vec<String> {
    let mut lines = Vec::new();
    if recording.status != found.status {
        lines.push(format!(
            "status: recorded {}, found {}",
            recording.status, found.status
        ));
    }
    for name in HEADERS {
        if HEADERS_ASIDE
            .iter()
            .any(|(number, header, _)| *number == recording.number && header == name)
        {
            continue;
        }
        let (left, right) = (
            recording.headers.get(*name).map(String::as_str),
            found.header(name),
        );
        if left != right {
            lines.push(format!("header {name}: recorded {left:?}, found {right:?}"));
        }
    }
    let text = String::from_utf8_lossy(&found.body).into_owned();
    let aside: Vec<&str> = ASIDE_ALWAYS
        .iter()
        .map(|(pattern, _)| *pattern)
        .chain(
            ASIDE
                .iter()
                .filter(|(number, ..)| *number == recording.number)
                .map(|(_, p, _)| *p),
        )
        .collect();
    match serde_json::from_str::<Value>(&recording.body) {
        Ok(expected) => match serde_json::from_str::<Value>(&text) {
            Ok(body) => lines.extend(differences(&expected, &body, &aside)),
            Err(_) => lines.push(format!("body is no JSON: {text}")),
        },
        Err(_) if aside.contains(&"body") => {}
        Err(_)
            if recording.body.replace("\r\n", "\n").trim() == text.replace("\r\n", "\n").trim() => {
        }
        Err(_) => lines.push(format!(
            "body: recorded {:?}, found {text:?}",
            recording.body
        )),
    }
    lines
}
