//! What a role says when its broker is not there, or is too old to be relied on.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use storelink_test_support::processes::{built_program, lasting_free_port};
use storelink_test_support::system::BINARY_VARIABLE;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::time::timeout;

const LIMIT: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_missing_broker_gives_one_clear_line() {
    let port = lasting_free_port().unwrap();
    let output = serve_with_broker_at(port).await;
    let line = only_line(&output);
    let expected = format!(
        "storelink: no NATS server answers at nats://127.0.0.1:{port}: \
         start one or set STORELINK_NATS__URL"
    );
    assert!(line.starts_with(&expected), "{line}");
}

#[tokio::test]
async fn a_broker_that_is_too_old_gives_one_clear_line() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(speak_as("2.9.10", stream));
        }
    });
    let output = serve_with_broker_at(port).await;
    let line = only_line(&output);
    let expected = "storelink: nats-server 2.9.10 is too old: Storelink needs 2.12 or newer";
    assert!(line.starts_with(expected), "{line}");
}

async fn serve_with_broker_at(port: u16) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("nats://127.0.0.1:{port}");
    let made = storelink(folder.path(), &url, &["keys", "create"]).await;
    assert!(made.status.success(), "{made:?}");
    storelink(folder.path(), &url, &["serve", "order-ingest"]).await
}

async fn storelink(folder: &Path, broker: &str, arguments: &[&str]) -> Output {
    let program = built_program("storelink", BINARY_VARIABLE).unwrap();
    let running = Command::new(program)
        .args(arguments)
        .env("STORELINK_NATS__URL", broker)
        .env("STORELINK_NATS__CONNECT_TIMEOUT_SECONDS", "2")
        .env("STORELINK_DATA_DIR", folder)
        .env("STORELINK_OPS__LISTEN", "127.0.0.1:0")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    timeout(LIMIT, running)
        .await
        .expect("it gives up in time")
        .unwrap()
}

/// The one line that is no log line.
fn only_line(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let errors = String::from_utf8(output.stderr.clone()).unwrap();
    let lines: Vec<&str> = errors
        .lines()
        .filter(|line| !line.starts_with('{'))
        .collect();
    assert_eq!(lines.len(), 1, "{errors}");
    lines[0].to_owned()
}

/// The beginning of the broker's protocol, as a server of this version.
async fn speak_as(version: &str, stream: TcpStream) -> std::io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let info = format!(
        "INFO {{\"server_id\":\"old\",\"server_name\":\"old\",\"version\":\"{version}\",\"proto\":1,\
         \"go\":\"go1.19\",\"host\":\"127.0.0.1\",\"port\":4222,\"headers\":true,\
         \"max_payload\":1048576,\"jetstream\":true,\"client_id\":1}}\r\n"
    );
    writer.write_all(info.as_bytes()).await?;
    let mut lines = BufReader::new(reader).lines();
    while let Some(line) = lines.next_line().await? {
        if line.starts_with("PING") {
            writer.write_all(b"PONG\r\n").await?;
        }
    }
    Ok(())
}
