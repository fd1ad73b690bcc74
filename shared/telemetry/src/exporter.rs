//! Sending finished spans to a collector: OTLP, protobuf over HTTP.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_otlp::{Protocol, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use tokio::runtime::Handle;

use crate::TelemetryError;

const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// Runs the HTTP exporter on our runtime: the batch processor calls it from a thread of its own,
/// where the HTTP client would find none.
#[derive(Debug)]
pub(crate) struct OtlpExporter {
    inner: Arc<opentelemetry_otlp::SpanExporter>,
    runtime: Handle,
}

impl OtlpExporter {
    /// `endpoint` is the collector's base address; `resource` says whose spans these are.
    pub(crate) fn new(
        endpoint: &str,
        resource: &Resource,
        runtime: Handle,
    ) -> Result<Self, TelemetryError> {
        // Fails when another part of the process chose a provider, which then serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .timeout(EXPORT_TIMEOUT)
            .no_proxy()
            .build()
            .map_err(|error| TelemetryError::Exporter(error.to_string()))?;
        let mut inner = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{endpoint}/v1/traces"))
            .with_timeout(EXPORT_TIMEOUT)
            .build()
            .map_err(|error| TelemetryError::Exporter(error.to_string()))?;
        inner.set_resource(resource);
        Ok(Self {
            inner: Arc::new(inner),
            runtime,
        })
    }
}

impl SpanExporter for OtlpExporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let inner = Arc::clone(&self.inner);
        match self
            .runtime
            .spawn(async move { inner.export(batch).await })
            .await
        {
            Ok(outcome) => outcome,
            Err(error) => Err(OTelSdkError::InternalFailure(error.to_string())),
        }
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }
}
