use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use storelink_telemetry::{TelemetryError, TelemetrySettings, init, trace_context};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tracing::Instrument as _;

type Received = mpsc::UnboundedSender<(HeaderMap, Bytes)>;

/// A collector that keeps what it is sent.
async fn collector() -> (String, mpsc::UnboundedReceiver<(HeaderMap, Bytes)>) {
    async fn receive(State(sender): State<Received>, headers: HeaderMap, body: Bytes) {
        sender.send((headers, body)).unwrap();
    }
    let (sender, receiver) = mpsc::unbounded_channel();
    let router = Router::new()
        .route("/v1/traces", post(receive))
        .with_state(sender);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (format!("http://{address}"), receiver)
}

fn contains(body: &[u8], part: &[u8]) -> bool {
    body.windows(part.len()).any(|window| window == part)
}

/// One test, since a process has one telemetry.
#[tokio::test]
async fn spans_reach_the_collector_and_a_second_start_is_refused() {
    let mut unusable = TelemetrySettings::default();
    unusable.log = "info,=,".to_owned();
    assert!(matches!(
        init(&unusable, "test"),
        Err(TelemetryError::LogFilter(_))
    ));
    let (endpoint, mut received) = collector().await;
    let mut settings = TelemetrySettings::default();
    settings.log = "off".to_owned();
    settings.otlp_endpoint = Some(endpoint);
    let guard = init(&settings, "stock-publisher").unwrap();
    assert_eq!(
        init(&settings, "stock-publisher").unwrap_err(),
        TelemetryError::AlreadyStarted
    );

    let traceparent = async {
        let child = tracing::debug_span!(target: "storelink_test", "write batch");
        async { trace_context::traceparent() }
            .instrument(child)
            .await
    }
    .instrument(tracing::info_span!("read event"))
    .await
    .unwrap();
    guard.shutdown().await;

    let sent = tokio::time::timeout(Duration::from_secs(10), received.recv()).await;
    let (headers, body) = sent.unwrap().unwrap();
    assert_eq!(headers["content-type"], "application/x-protobuf");
    assert!(contains(&body, b"read event") && contains(&body, b"write batch"));
    assert!(contains(&body, b"storelink-stock-publisher"));
    let trace_id = trace_context::trace_id(&traceparent).unwrap();
    let id: Vec<u8> = (0..32)
        .step_by(2)
        .map(|at| u8::from_str_radix(trace_id.get(at..at + 2).unwrap(), 16).unwrap())
        .collect();
    assert!(contains(&body, &id), "both spans belong to {trace_id}");
}
