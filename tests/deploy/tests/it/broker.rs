//! The configurations of `deploy/nats`, as a real server takes them.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use storelink_deploy_checks::{Program, repository};

use crate::compose::secrets;

const START_LIMIT: Duration = Duration::from_secs(30);

/// A server that ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn server_program() -> PathBuf {
    let found = Command::new(repository("deploy/local/nats-server.sh"))
        .output()
        .unwrap();
    assert!(found.status.success(), "{found:?}");
    String::from_utf8(found.stdout).unwrap().trim().into()
}

/// Lays the configuration as it is mounted, with what belongs to this machine replaced.
fn lay(folder: &Path, kind: &str, replaced: &[(&str, &str)]) -> PathBuf {
    let path = repository("deploy/nats")
        .join(kind)
        .join("nats-server.conf");
    let mut text = std::fs::read_to_string(path).unwrap();
    for (from, to) in replaced {
        assert!(text.contains(from), "{from} is not in the configuration");
        text = text.replace(from, to);
    }
    std::fs::create_dir_all(folder.join("users")).unwrap();
    std::fs::copy(
        folder.join("broker/server/users.conf"),
        folder.join("users/users.conf"),
    )
    .unwrap();
    let path = folder.join("nats-server.conf");
    std::fs::write(&path, text).unwrap();
    path
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

#[test]
fn a_cluster_node_takes_its_configuration() {
    let folder = secrets();
    let tls = folder.path().join("tls");
    certificate(&tls);
    let configuration = lay(
        folder.path(),
        "cluster",
        &[("/etc/nats/tls", tls.to_str().unwrap())],
    );
    let checked = Command::new(server_program())
        .env("STORELINK_NODE", "nats-1")
        .arg("-t")
        .arg("-c")
        .arg(configuration)
        .output()
        .unwrap();
    assert!(checked.status.success(), "{checked:?}");
}

fn certificate(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    let names = ["nats-1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let text = made.cert.pem();
    for name in ["tls.crt", "ca.crt"] {
        std::fs::write(folder.join(name), &text).unwrap();
    }
    std::fs::write(folder.join("tls.key"), made.signing_key.serialize_pem()).unwrap();
}

/// The server of one node with the users that `secrets.sh` made: the administrator's streams are there
/// afterwards, a stranger is refused, a role is told what it may not do, and what is acknowledged is flushed.
#[test]
fn the_broker_of_one_node_takes_the_streams_from_its_user_alone() {
    let folder = secrets();
    let (port, monitor) = (free_port(), free_port());
    let configuration = lay(
        folder.path(),
        "single",
        &[
            ("\nport: 4222", &format!("\nport: {port}")),
            ("http_port: 8222", &format!("http_port: {monitor}")),
            ("/data", folder.path().join("nats").to_str().unwrap()),
        ],
    );
    let text = std::fs::read_to_string(&configuration).unwrap();
    assert!(text.contains("sync_interval: always"));
    let server = Command::new(server_program())
        .arg("-c")
        .arg(configuration)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _server = Server(server);
    let began = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        assert!(began.elapsed() < START_LIMIT, "the server does not listen");
        std::thread::yield_now();
    }

    let program = Program::built().unwrap();
    let apply = |user: &[(&str, &str)]| {
        Command::new(program.path())
            .args(["streams", "apply"])
            .current_dir(folder.path())
            .env_clear()
            .env("STORELINK_NATS__URL", format!("nats://127.0.0.1:{port}"))
            .envs(user.iter().copied())
            .output()
            .unwrap()
    };
    let stranger = apply(&[]);
    assert!(!stranger.status.success());
    let words = String::from_utf8_lossy(&stranger.stderr);
    assert!(words.contains("refuses the credentials"), "{words}");

    let as_user = |name: &str| {
        let seed = folder.path().join(format!("broker/roles/{name}.nk"));
        apply(&[("STORELINK_NATS__CREDENTIALS_FILE", seed.to_str().unwrap())])
    };
    // Told as what it is, and not after a time limit.
    let role = as_user("stock-publisher");
    assert!(!role.status.success());
    let words = String::from_utf8_lossy(&role.stderr);
    assert!(
        words.contains("may not subscribe to _INBOX_administrator."),
        "{words}"
    );

    let applied = as_user("administrator");
    assert!(applied.status.success(), "{applied:?}");
    // Those of platforms, too: an autoscaler asks for a consumer before its poller has run.
    let made = consumers(monitor);
    for wanted in program.facts().unwrap().consumers {
        assert!(made.contains(&wanted), "{wanted:?} is not in {made:?}");
    }
}

/// Stream and name of every consumer, from the address that the autoscaler asks.
fn consumers(monitor: u16) -> Vec<(String, String)> {
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, monitor)).unwrap();
    let request = "GET /jsz?accounts=true&streams=true&consumers=true HTTP/1.0\r\n\r\n";
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut found = Vec::new();
    for stream in list(&body["account_details"][0]["stream_detail"]) {
        for consumer in list(&stream["consumer_detail"]) {
            found.push((text(&stream["name"]), text(&consumer["name"])));
        }
    }
    found
}
