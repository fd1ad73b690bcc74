//! The built program from the outside: what an administrator and a developer type.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod backup;

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use storelink_test_support::broker::{TestBroker, server_program};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

const LIMIT: Duration = Duration::from_secs(60);

fn storelink(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_storelink"));
    command
        .args(arguments)
        .current_dir(folder)
        .env("STORELINK_DATA_DIR", folder)
        .env("STORELINK_HTTP__LISTEN", "127.0.0.1:0")
        .env("STORELINK_OPS__LISTEN", "127.0.0.1:0")
        .kill_on_drop(true);
    command
}

async fn end(mut command: Command) -> Output {
    tokio::time::timeout(LIMIT, command.output())
        .await
        .unwrap()
        .unwrap()
}

fn keys(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder.join("keys")) else {
        return Vec::new();
    };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".key")).collect()
}

#[tokio::test]
async fn a_role_makes_no_key_and_the_administrator_makes_one() {
    let broker = TestBroker::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    for keys_folder_is_there in [false, true] {
        if keys_folder_is_there {
            std::fs::create_dir(folder.path().join("keys")).unwrap();
        }
        let mut role = storelink(folder.path(), &["serve", "order-ingest"]);
        role.env("STORELINK_NATS__URL", broker.url());
        let refused = end(role).await;
        assert_eq!(refused.status.code(), Some(1));
        let words = String::from_utf8(refused.stderr).unwrap();
        let said = words.lines().filter(|line| line.starts_with("storelink: "));
        let lines: Vec<&str> = said.collect();
        assert_eq!(lines.len(), 1, "{words}");
        assert!(lines[0].contains("`storelink keys create`"), "{words}");
        assert_eq!(keys(folder.path()), Vec::<String>::new());
    }
    for _ in 0..2 {
        let made = end(storelink(folder.path(), &["keys", "create"])).await;
        assert!(made.status.success());
        assert_eq!(keys(folder.path()).len(), 1);
    }
}

/// Who starts it must know what a power cut takes away, and the broker must do what is said.
#[tokio::test]
async fn dev_waits_for_the_disk_unless_it_is_told_not_to() {
    let path = std::env::join_paths(
        [server_program().await.unwrap().parent().unwrap().to_owned()]
            .into_iter()
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let path = path.unwrap();
    for (arguments, said, synced) in [
        (
            &["dev", "--nats-port", "0", "--data-dir", "."][..],
            "Durability: every message and every row is on the disk before it is acknowledged",
            "sync_interval: always",
        ),
        (
            &["dev", "--nats-port", "0", "--data-dir", ".", "--fast"][..],
            "Durability: fast mode, a power cut may lose what was acknowledged in the last two minutes",
            "sync_interval: 2m",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut dev = storelink(folder.path(), arguments)
            .env("PATH", &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(dev.stdout.take().unwrap()).lines();
        let announced = async {
            let mut announced = Vec::new();
            while let Some(line) = lines.next_line().await.unwrap() {
                let last = line.starts_with("Broker: ");
                announced.push(line);
                if last {
                    break;
                }
            }
            announced
        };
        let announced = tokio::time::timeout(LIMIT, announced).await.unwrap();
        assert!(announced.iter().any(|line| line == said), "{announced:?}");
        let server = folder.path().join("nats").join("nats-server.conf");
        let server = std::fs::read_to_string(server).unwrap();
        assert!(server.contains(synced), "{server}");
        assert_eq!(keys(folder.path()).len(), 1);

        let asked = Instant::now();
        let process = dev.id().unwrap().to_string();
        let signal = Command::new("kill").args(["-TERM", &process]).status();
        assert!(signal.await.unwrap().success());
        let ended = tokio::time::timeout(LIMIT, dev.wait()).await.unwrap();
        assert_eq!(ended.unwrap().code(), Some(0));
        assert!(asked.elapsed() < Duration::from_secs(30));
    }
}
