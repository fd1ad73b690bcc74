//! Keys, tokens and customers' data are where they belong and nowhere else.

use std::path::{Path, PathBuf};

use storelink_simulators::woocommerce::{ApiKey, StoreSpec};
use storelink_simulators::{AddressSpec, Fault, FaultEffect, FaultMatch, FaultPage, OrderSpec};
use storelink_test_support::system::SystemOptions;

use crate::arena::{Arena, two_stores};

const SECRET: &str = "cs_5ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7";
const WRONG_SECRET: &str = "cs_bad0bad0bad0bad0bad0bad0bad0bad0bad0bad0";
const EMAIL: &str = "canary.customer.7f3a@example.com";

#[tokio::test]
async fn secrets_occur_in_no_log_no_event_and_no_plain_column() {
    let key = ApiKey {
        secret: SECRET.to_owned(),
        ..ApiKey::default_pair()
    };
    let stores: Vec<StoreSpec> = two_stores()
        .into_iter()
        .map(|spec| StoreSpec {
            keys: vec![key.clone()],
            ..spec
        })
        .collect();
    // The most talkative log, since that is what an operator switches on when things go wrong.
    let options = SystemOptions::process_per_role().with("STORELINK_TELEMETRY__LOG", "debug");
    let mut arena = Arena::synchronised(options, &stores).await.unwrap();
    let publisher = arena.api.create_token("publisher", "ERP").await.unwrap();
    let admin = arena.system.admin_token().unwrap();
    provoke_errors(&arena).await;
    let sku = arena.skus().await.unwrap().remove(0);
    let mut order = OrderSpec::of(&[(&sku, 1)]);
    order.billing = AddressSpec {
        email: EMAIL.to_owned(),
        ..AddressSpec::sample()
    };
    let store = arena.first().plan.name.clone();
    arena
        .stores
        .client()
        .place_order(&store, order)
        .await
        .unwrap();
    arena.orders_are_right().await.unwrap();

    let secrets = [SECRET, WRONG_SECRET, admin.as_str(), publisher.as_str()];
    let events: Vec<String> = arena
        .hub
        .events()
        .iter()
        .map(|event| event.event.to_string())
        .collect();
    assert!(!events.is_empty());
    let shown: serde_json::Value = arena.api.get("/v1/connections").await.unwrap();
    for secret in secrets {
        assert!(
            !events.iter().any(|event| event.contains(secret)),
            "{secret} in an event"
        );
        assert!(!shown.to_string().contains(secret), "{secret} in an answer");
    }

    arena.system.shut_down().await.unwrap();
    for (process, log) in arena.system.logs() {
        assert!(!log.is_empty(), "{process} logged nothing");
        for secret in secrets.iter().chain([&EMAIL]) {
            assert!(!log.contains(secret), "{secret} in the log of {process}");
        }
    }
    let files = files_below(arena.system.folder());
    let databases: Vec<_> = files.iter().filter(|file| is_database(file)).collect();
    assert!(databases.len() >= 6, "{files:?}");
    for file in databases {
        let bytes = std::fs::read(file).unwrap();
        for secret in secrets {
            assert!(
                !contains(&bytes, secret.as_bytes()),
                "{secret} in {}",
                file.display()
            );
        }
    }
}

/// Wrong keys, and a store that refuses everything for a moment: both are logged.
async fn provoke_errors(arena: &Arena) {
    let link = arena.first();
    let mut entered = link.plan.entered();
    entered.name = "wrong keys".to_owned();
    entered.credentials["consumer_secret"] = WRONG_SECRET.into();
    let draft = arena.api.create_connection(&entered).await.unwrap();
    let verified = arena.api.verify(&draft).await.unwrap();
    assert!(!verified.is_green(), "{verified:?}");
    let effect = FaultEffect::Answer(FaultPage::FatalError);
    let on = FaultMatch {
        times: Some(2),
        ..FaultMatch::default()
    };
    arena
        .stores
        .client()
        .set_fault(&link.plan.name, &Fault { on, effect })
        .await
        .unwrap();
    arena.say_everything().await.unwrap();
    arena.values_are_right().await.unwrap();
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files
}

/// A SQLite file or what lies beside it until it is merged.
fn is_database(file: &Path) -> bool {
    let name = file
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    name.contains(".sqlite") || name.contains(".db")
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
