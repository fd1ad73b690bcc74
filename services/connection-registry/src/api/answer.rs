//! The outermost layer: trace, time limit, panics, problem documents and the headers of every
//! answer.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures::FutureExt as _;
use storelink_telemetry::trace_context;
use tokio::time::timeout;
use tracing::Instrument as _;
use tracing::field::Empty;
use uuid::Uuid;

use crate::problem::{Problem, catalogue};

/// The longest that a request may take.
const TIME_LIMIT: Duration = Duration::from_secs(25);
/// Verifying asks a store, which may take a minute.
const TIME_LIMIT_OF_CHECKS: Duration = Duration::from_secs(75);
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

const HEADERS: [(HeaderName, HeaderValue); 6] = [
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// Wraps the whole router.
pub(crate) async fn finish(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let is_head = request.method() == Method::HEAD;
    let span = span_of(&request);
    let parent = request
        .headers()
        .get(trace_context::TRACEPARENT)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    if let Some(parent) = &parent {
        trace_context::parent_from(&span, parent);
    }
    // A length that stood beside the encoding is dropped by the parser: a proxy may have believed it, and
    // what comes next on this connection may be no request of its caller's.
    let is_last = request.headers().contains_key(header::TRANSFER_ENCODING);
    async move {
        let response = carry_out(&path, request, next).await;
        let mut response = documented(response, &path, trace_id(parent.as_deref()), is_head);
        tracing::Span::current().record("http.response.status_code", response.status().as_u16());
        for (name, value) in HEADERS {
            response.headers_mut().entry(name).or_insert(value);
        }
        if is_last {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
        response
    }
    .instrument(span)
    .await
}

async fn carry_out(path: &str, request: Request, next: Next) -> Response {
    let work = AssertUnwindSafe(next.run(request)).catch_unwind();
    match timeout(time_limit(path), work).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => Problem::internal("a handler panicked").into_response(),
        Err(_) => Problem::new(catalogue::TIMED_OUT).into_response(),
    }
}

fn span_of(request: &Request) -> tracing::Span {
    // The path is not recorded: it may hold a SKU.
    tracing::info_span!(
        "http.server",
        otel.kind = "server",
        http.request.method = %request.method(),
        http.response.status_code = Empty,
        tenant = Empty,
    )
}

fn time_limit(path: &str) -> Duration {
    if path.ends_with("/verify") || path.ends_with("/test") {
        TIME_LIMIT_OF_CHECKS
    } else {
        TIME_LIMIT
    }
}

/// An error of any layer as a problem document; every other answer as it is.
fn documented(response: Response, path: &str, trace_id: String, is_head: bool) -> Response {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let (mut parts, _) = response.into_parts();
    let problem = parts
        .extensions
        .remove::<Problem>()
        .unwrap_or_else(|| Problem::new(catalogue::for_status(status.as_u16())));
    parts.status = StatusCode::from_u16(problem.kind.status).unwrap_or(status);
    tracing::debug!(
        code = problem.kind.code,
        detail = problem.detail,
        "a request was refused"
    );
    let document = problem.document(path, trace_id);
    let body = serde_json::to_vec(&document).unwrap_or_default();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, PROBLEM_JSON);
    Response::from_parts(
        parts,
        if is_head {
            Body::empty()
        } else {
            Body::from(body)
        },
    )
}

/// The trace of the current span, else of the caller, else a new one.
fn trace_id(parent: Option<&str>) -> String {
    trace_context::traceparent()
        .as_deref()
        .or(parent)
        .and_then(trace_context::trace_id)
        .unwrap_or_else(|| Uuid::now_v7().simple().to_string())
}
