//! `deploy/compose.yaml` and what `deploy/secrets.sh` makes for it.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use storelink_deploy_checks::compose::{Compose, mistakes};
use storelink_deploy_checks::{Program, repository};
use tempfile::TempDir;

pub(crate) fn secrets() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    make_secrets(folder.path());
    folder
}

fn make_secrets(folder: &Path) {
    let made = Command::new(repository("deploy/secrets.sh"))
        .arg(folder)
        .env("STORELINK_PROGRAM", Program::built().unwrap().path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
}

fn compose(folder: &Path) -> Compose {
    let text = std::fs::read_to_string(repository("deploy/compose.yaml")).unwrap();
    Compose::parse(&text, folder).unwrap()
}

#[test]
fn compose_fits_the_program() {
    let folder = secrets();
    let program = Program::built().unwrap();
    let facts = program.facts().unwrap();
    let found = mistakes(&compose(folder.path()), &program, &facts).unwrap();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn planted_mistakes_in_compose_are_found() {
    type Change = fn(&mut Value);
    let folder = secrets();
    let program = Program::built().unwrap();
    let facts = program.facts().unwrap();
    let changes: [(&str, Change); 8] = [
        ("configuration", |service| {
            service["environment"]["STORELINK_NATS__ULR"] = json!("nats://nats:4222");
        }),
        ("role", |service| {
            service["command"] = json!(["serve", "publisher"])
        }),
        ("secret-mount", |service| service["secrets"] = json!([])),
        ("secret-mount", |service| service["volumes"] = json!([])),
        ("secret-mount", |service| {
            service["secrets"][1]["target"] = json!("broker");
        }),
        ("broker-user", |service| {
            service["secrets"][1]["source"] = json!("broker-price-publisher");
        }),
        ("reference", |service| {
            service["depends_on"] = json!({ "nats": { "condition": "service_started" } });
        }),
        ("image", |service| {
            service["image"] = json!("storelink:latest")
        }),
    ];
    for (rule, change) in changes {
        let mut wrong = compose(folder.path());
        change(&mut wrong.file_mut()["services"]["stock-publisher"]);
        let found = mistakes(&wrong, &program, &facts).unwrap();
        assert!(
            found.iter().any(|finding| finding.rule == rule),
            "{rule}: {found:#?}"
        );
    }
}

#[test]
fn secrets_are_made_once_and_for_their_owner_alone() {
    let folder = secrets();
    let first = files(folder.path());
    for name in [
        "database/password",
        "broker/server/users.conf",
        "broker/roles/administrator.nk",
        "broker/roles/poller-woocommerce.nk",
    ] {
        assert!(first.contains_key(&folder.path().join(name)), "{name}");
    }
    let keys = first
        .keys()
        .filter(|path| path.extension().is_some_and(|e| e == "key"));
    assert_eq!(keys.count(), 1);
    for path in first.keys() {
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", path.display());
    }
    make_secrets(folder.path());
    assert!(first == files(folder.path()), "a second run changed a file");
}

fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let content = std::fs::read(&path).unwrap();
                found.insert(path, content);
            }
        }
    }
    found
}
