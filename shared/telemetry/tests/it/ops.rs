use std::time::Duration;

use storelink_telemetry::{Readiness, metrics, ops};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

struct Server {
    address: std::net::SocketAddr,
    stop: oneshot::Sender<()>,
    ended: tokio::task::JoinHandle<std::io::Result<()>>,
}

async fn serve(readiness: &Readiness) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async { drop(stopped.await) };
    let ended = tokio::spawn(ops::serve(listener, readiness.clone(), shutdown));
    Server {
        address,
        stop,
        ended,
    }
}

/// Status line and body.
async fn get(server: &Server, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: ops\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

#[tokio::test]
async fn readiness_is_told_with_its_reasons() {
    let readiness = Readiness::new();
    let broker = readiness.check("broker");
    let server = serve(&readiness).await;
    assert_eq!(
        get(&server, "/livez").await,
        ("HTTP/1.1 200 OK".into(), "ok\n".into())
    );
    let (status, body) = get(&server, "/readyz").await;
    assert_eq!(status, "HTTP/1.1 503 Service Unavailable");
    assert_eq!(body, r#"{"ready":false,"reasons":{"broker":"starting"}}"#);
    broker.ready();
    let (status, body) = get(&server, "/readyz").await;
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert_eq!(body, r#"{"ready":true,"reasons":{}}"#);
    readiness.drain();
    assert_eq!(
        get(&server, "/readyz").await.0,
        "HTTP/1.1 503 Service Unavailable"
    );
    assert_eq!(get(&server, "/livez").await.0, "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn metrics_have_prefix_labels_and_units() {
    let runs = metrics().counter("test_poll_runs", "Finished polls.");
    runs.add(2, &[("platform", "woocommerce"), ("result", "ok")]);
    runs.add(1, &[("platform", "woocommerce"), ("result", "ok")]);
    metrics()
        .gauge("test_parked", "Items that wait for a person.")
        .set(-4, &[]);
    metrics()
        .duration("test_lag", "Delay.")
        .record(Duration::from_millis(300), &[]);
    metrics()
        .histogram("test_batch", "Items of a request.")
        .record(50, &[]);
    metrics().observed_gauge("test_oldest_seconds", "Age.", |observe| {
        observe(17, &[("connection", "con_1")]);
    });
    let server = serve(&Readiness::new()).await;
    let (status, text) = get(&server, "/metrics").await;
    assert_eq!(status, "HTTP/1.1 200 OK");
    for line in [
        "# TYPE storelink_test_poll_runs_total counter",
        "storelink_test_poll_runs_total{platform=\"woocommerce\",result=\"ok\"} 3",
        "storelink_test_parked -4",
        "storelink_test_lag_seconds_bucket{le=\"0.25\"} 0",
        "storelink_test_lag_seconds_bucket{le=\"0.5\"} 1",
        "storelink_test_lag_seconds_count 1",
        "storelink_test_batch_sum 50",
        "storelink_test_oldest_seconds{connection=\"con_1\"} 17",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_up_the_end() {
    let server = serve(&Readiness::new()).await;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    idle.write_all(b"GET /livez HTTP/1.1\r\nhost: ops\r\n")
        .await
        .unwrap();
    server.stop.send(()).unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(10), server.ended).await;
    ended.unwrap().unwrap().unwrap();
}
