//! Starting and ending the telemetry of a process.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use storelink_settings::TelemetrySettings;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, Registry};

use crate::TelemetryError;
use crate::exporter::OtlpExporter;
use crate::log_layer::JsonLogLayer;

const SHUTDOWN_LIMIT: Duration = Duration::from_secs(5);

/// Starts logs, traces and metrics for this process. Call it once, inside the runtime, before
/// anything else: spans that began earlier belong to no trace.
///
/// Logs go to standard error. Without an OTLP endpoint no trace is sent, but trace ids are still
/// made and handed on.
///
/// # Errors
/// An unusable log filter or endpoint, or a second call.
pub fn init(settings: &TelemetrySettings, service: &str) -> Result<TelemetryGuard, TelemetryError> {
    let filter = EnvFilter::builder()
        .parse(&settings.log)
        .map_err(|error| TelemetryError::LogFilter(error.to_string()))?;
    let provider = tracer_provider(settings, service)?;
    let traces = trace_layer(&provider);
    let logs = JsonLogLayer::new(service, std::io::stderr).with_filter(filter);
    Registry::default()
        .with(traces)
        .with(logs)
        .try_init()
        .map_err(|_| TelemetryError::AlreadyStarted)?;
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    opentelemetry::global::set_tracer_provider(provider.clone());
    crate::metrics().build_info(env!("CARGO_PKG_VERSION"), service);
    Ok(TelemetryGuard { provider })
}

/// Keeps the telemetry of the process; end it with [`TelemetryGuard::shutdown`].
#[derive(Debug)]
#[must_use = "spans that are not sent yet are lost without a shutdown"]
pub struct TelemetryGuard {
    provider: SdkTracerProvider,
}

impl TelemetryGuard {
    /// Sends what is left, for at most 5 seconds.
    pub async fn shutdown(self) {
        let provider = self.provider;
        // The provider waits for its sending thread, which works on this runtime.
        let ended =
            tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(SHUTDOWN_LIMIT));
        match tokio::time::timeout(SHUTDOWN_LIMIT, ended).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::warn!(%error, "last spans were not sent"),
            Ok(Err(_)) | Err(_) => tracing::warn!("last spans were not sent in time"),
        }
    }
}

/// Records spans for traces, whatever the log filter says: a span that this layer does not see
/// carries no trace context.
pub(crate) fn trace_layer<S>(provider: &SdkTracerProvider) -> impl tracing_subscriber::Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("storelink"))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_filter(filter_fn(belongs_to_traces))
}

fn tracer_provider(
    settings: &TelemetrySettings,
    service: &str,
) -> Result<SdkTracerProvider, TelemetryError> {
    let resource = Resource::builder_empty()
        .with_attributes([
            KeyValue::new(
                "service.name",
                format!("{}-{service}", settings.service_prefix),
            ),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        ])
        .build();
    let builder = SdkTracerProvider::builder()
        .with_sampler(Sampler::ParentBased(Box::new(sampler(
            settings.trace_sample_percent,
        ))))
        .with_resource(resource.clone());
    let Some(endpoint) = &settings.otlp_endpoint else {
        return Ok(builder.build());
    };
    let runtime = tokio::runtime::Handle::try_current()
        .map_err(|_| TelemetryError::Exporter("no runtime to send on".to_owned()))?;
    let exporter = OtlpExporter::new(endpoint, &resource, runtime)?;
    Ok(builder.with_batch_exporter(exporter).build())
}

#[expect(
    clippy::float_arithmetic,
    reason = "a probability, neither money nor a quantity"
)]
fn sampler(percent: u8) -> Sampler {
    Sampler::TraceIdRatioBased(f64::from(percent) / 100.0)
}

/// Every span of ours, important ones of libraries, and warnings within them. Libraries below the
/// exporter would trace their own sending.
fn belongs_to_traces(metadata: &Metadata<'_>) -> bool {
    const BELOW_THE_EXPORTER: [&str; 7] = [
        "opentelemetry",
        "reqwest",
        "hyper",
        "h2",
        "rustls",
        "tower",
        "tokio",
    ];
    let ours = metadata.target().starts_with("storelink");
    if metadata.is_span() && ours {
        return true;
    }
    let limit = if metadata.is_span() {
        Level::INFO
    } else {
        Level::WARN
    };
    *metadata.level() <= limit
        && !BELOW_THE_EXPORTER
            .iter()
            .any(|crate_name| metadata.target().starts_with(crate_name))
}
