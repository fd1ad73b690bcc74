//! A collector: takes traces as OTLP, protobuf over HTTP, and keeps every span.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A span as tests look at it.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) service: String,
    pub(crate) name: String,
    /// In hexadecimal digits, as in `traceparent`.
    pub(crate) trace: String,
    pub(crate) id: String,
    pub(crate) parent: String,
    /// Traces that it is linked to.
    pub(crate) links: BTreeSet<String>,
    pub(crate) attributes: BTreeMap<String, String>,
}

impl Span {
    /// Whether it is in a trace, or linked to it.
    pub(crate) fn belongs_to(&self, trace: &str) -> bool {
        self.trace == trace || self.links.contains(trace)
    }

    pub(crate) fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

type Spans = Arc<Mutex<Vec<Span>>>;

/// The collector. It ends when it is dropped.
pub(crate) struct Collector {
    address: String,
    spans: Spans,
    serving: JoinHandle<()>,
}

impl Collector {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let spans = Spans::default();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = format!("http://{}", listener.local_addr()?);
        let router = Router::new()
            .route("/v1/traces", post(take))
            .layer(DefaultBodyLimit::max(64 * 1024 * 1024))
            .with_state(Arc::clone(&spans));
        let serving = tokio::spawn(async move {
            axum::serve(listener, router)
                .await
                .expect("the collector serves");
        });
        Ok(Self {
            address,
            spans,
            serving,
        })
    }

    /// Value for the setting `telemetry.otlp_endpoint`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Every span so far.
    pub(crate) fn spans(&self) -> Vec<Span> {
        self.spans.lock().expect("no holder panics").clone()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn take(State(spans): State<Spans>, body: Bytes) -> StatusCode {
    let Ok(request) = ExportTraceServiceRequest::decode(body) else {
        return StatusCode::BAD_REQUEST;
    };
    let mut kept = spans.lock().expect("no holder panics");
    for resource in request.resource_spans {
        let about = resource
            .resource
            .map(|resource| attributes(resource.attributes));
        let service = about
            .and_then(|mut about| about.remove("service.name"))
            .unwrap_or_default();
        let found = resource
            .scope_spans
            .into_iter()
            .flat_map(|scope| scope.spans);
        kept.extend(found.map(|span| {
            Span {
                service: service.clone(),
                name: span.name,
                trace: hexadecimal(&span.trace_id),
                id: hexadecimal(&span.span_id),
                parent: hexadecimal(&span.parent_span_id),
                links: span
                    .links
                    .iter()
                    .map(|link| hexadecimal(&link.trace_id))
                    .collect(),
                attributes: attributes(span.attributes),
            }
        }));
    }
    StatusCode::OK
}

fn attributes(list: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value: Option<AnyValue>| match value.and_then(|value| value.value) {
        Some(any_value::Value::StringValue(text)) => text,
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        Some(any_value::Value::BoolValue(flag)) => flag.to_string(),
        other => format!("{other:?}"),
    };
    list.into_iter()
        .map(|pair| (pair.key, text(pair.value)))
        .collect()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
