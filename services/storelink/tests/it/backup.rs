//! What is refused before anything is in its place.

use std::path::Path;
use std::process::Stdio;

use storelink_test_support::broker::TestBroker;
use storelink_test_support::eventually::eventually;
use tokio::process::Command;

use super::{LIMIT, end, keys, storelink};

#[tokio::test]
async fn without_the_vaults_keys_nothing_is_restored() {
    let (old, new, outside) = (folder(), folder(), folder());
    let backup = outside.path().join("backup");
    let backup = backup.to_str().unwrap();
    let broker = TestBroker::start().await.unwrap();
    let nothing = run(old.path(), &broker, &["backup", "--to", backup]).await;
    assert!(
        nothing.contains("streams apply") || nothing.contains("ERP_STOCK"),
        "{nothing}"
    );
    run(old.path(), &broker, &["keys", "create"]).await;
    run(old.path(), &broker, &["streams", "apply"]).await;
    let nothing = run(old.path(), &broker, &["backup", "--to", backup]).await;
    assert!(nothing.contains("there is no installation"), "{nothing}");
    start_registry_once(old.path(), &broker).await;
    let made = run(old.path(), &broker, &["backup", "--to", backup]).await;
    assert!(
        made.contains("holds everything that was acknowledged"),
        "{made}"
    );

    let broker = TestBroker::start().await.unwrap();
    let restore = ["restore", "--from", backup];
    let refused = run(new.path(), &broker, &restore).await;
    assert!(refused.contains("`storelink keys create`"), "{refused}");
    run(new.path(), &broker, &["keys", "create"]).await;
    let other_key = keys(new.path());
    let key = keys(old.path());
    for (named, from) in [(&other_key, new.path()), (&key, old.path())] {
        assert_eq!(named.len(), 1, "{}", from.display());
    }
    // Keys of one month have one name: it is the value that differs.
    let refused = run(new.path(), &broker, &restore).await;
    assert!(
        refused.contains("the vault must hold the keys"),
        "{refused}"
    );
    assert!(
        refused.contains("the signing key of the backup cannot be opened"),
        "{refused}"
    );
    assert!(!new.path().join("connection-registry.db").exists());

    for name in &other_key {
        std::fs::remove_file(new.path().join("keys").join(name)).unwrap();
    }
    for name in &key {
        let (from, to) = (old.path().join("keys"), new.path().join("keys"));
        std::fs::copy(from.join(name), to.join(name)).unwrap();
    }
    let restored = run(new.path(), &broker, &restore).await;
    assert!(
        restored.contains("Nothing is written to any store"),
        "{restored}"
    );
    assert!(new.path().join("connection-registry.db").exists());
    assert!(!new.path().join("restoring").exists());
    // The old installation has a database: nothing of it is touched.
    let broker = TestBroker::start().await.unwrap();
    let refused = run(old.path(), &broker, &restore).await;
    assert!(refused.contains("database.not_empty"), "{refused}");
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// What a command said, whether it succeeded or not.
async fn run(folder: &Path, broker: &TestBroker, arguments: &[&str]) -> String {
    let mut command = storelink(folder, arguments);
    command.env("STORELINK_NATS__URL", broker.url());
    let output = end(command).await;
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8(said).unwrap()
}

async fn start_registry_once(folder: &Path, broker: &TestBroker) {
    let mut registry = storelink(folder, &["serve", "connection-registry"])
        .env("STORELINK_NATS__URL", broker.url())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let token = folder.join("admin-token");
    eventually("the registry has started", LIMIT, async || {
        anyhow::ensure!(token.exists());
        Ok(())
    })
    .await
    .unwrap();
    let process = registry.id().unwrap().to_string();
    let signal = Command::new("kill").args(["-TERM", &process]).status();
    assert!(signal.await.unwrap().success());
    let ended = tokio::time::timeout(LIMIT, registry.wait()).await.unwrap();
    assert!(ended.unwrap().success());
}
