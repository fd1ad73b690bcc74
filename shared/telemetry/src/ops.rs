//! The operations listener: `/livez`, `/readyz` and `/metrics`.

use std::future::Future;
use std::io;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json};
use axum::routing::get;
use axum::{BoxError, Router};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::Readiness;

/// How long open requests may take once the process ends.
const LAST_REQUESTS: Duration = Duration::from_secs(5);

/// The routes. `/livez` answers as long as the process runs at all; `/readyz` answers 503 with the
/// reasons while a check is not ready; `/metrics` is for Prometheus.
pub fn router(readiness: Readiness) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(readiness)
}

/// Serves the routes until `shutdown` is ready, then ends open requests within 5 seconds.
///
/// # Errors
/// The listener failed.
pub async fn serve(
    listener: TcpListener,
    readiness: Readiness,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (ending, mut ended) = watch::channel(false);
    let signal = async move {
        shutdown.await;
        ending.send_replace(true);
    };
    let server = axum::serve(listener, router(readiness)).with_graceful_shutdown(signal);
    let limit = async move {
        // An error says that the sender is gone: the server ended by itself.
        let _ = ended.wait_for(|ending| *ending).await;
        tokio::time::sleep(LAST_REQUESTS).await;
    };
    tokio::select! {
        outcome = async { server.await } => outcome,
        () = limit => Ok(()),
    }
}

async fn readyz(State(readiness): State<Readiness>) -> impl IntoResponse {
    let reasons = readiness.reasons();
    let status = if reasons.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (
        status,
        Json(json!({ "ready": reasons.is_empty(), "reasons": reasons })),
    )
}

async fn metrics() -> Result<impl IntoResponse, StatusCode> {
    // Callbacks of observed gauges take locks: not on a thread that serves others.
    let render = tokio::task::spawn_blocking(|| crate::metrics().render());
    let text = render.await.map_err(|error: tokio::task::JoinError| {
        let error: BoxError = error.into();
        tracing::error!(error, "metrics cannot be rendered");
        StatusCode::INTERNAL_SERVER_ERROR
    })?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text))
}
