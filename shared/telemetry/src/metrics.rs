//! Metrics of the process: made through OpenTelemetry, served in Prometheus' text form.
//!
//! Names are given without the prefix `storelink_` and without `_total` and units, which are
//! added. Labels must have few values: never an order, a SKU or an address.

use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Meter, MeterProvider as _};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Registry, TextEncoder};

/// Bounds in seconds, from a local statement to a store's longest answer.
const SECONDS: [f64; 14] = [
    0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0,
];
/// Bounds for numbers of items.
const ITEMS: [f64; 11] = [
    1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 10_000.0,
];

/// Name and value of a label.
pub type Label<'a> = (&'static str, &'a str);

/// The metrics of this process. They work before and without [`init`](crate::init()).
pub fn metrics() -> &'static Metrics {
    static METRICS: OnceLock<Metrics> = OnceLock::new();
    METRICS.get_or_init(Metrics::new)
}

/// Makes instruments and renders their values.
pub struct Metrics {
    registry: Registry,
    meter: Meter,
    /// Instruments write to it as long as it lives.
    _provider: SdkMeterProvider,
}

impl Metrics {
    fn new() -> Self {
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            .without_target_info()
            .build();
        let provider = match exporter {
            Ok(exporter) => SdkMeterProvider::builder().with_reader(exporter).build(),
            // Only a registry that already has an exporter refuses one, and this one is new.
            Err(_) => SdkMeterProvider::default(),
        };
        Self {
            registry,
            meter: provider.meter("storelink"),
            _provider: provider,
        }
    }

    /// Something that only grows. Exported as `storelink_<name>_total`.
    #[must_use]
    pub fn counter(&self, name: &str, help: &'static str) -> Counter {
        Counter(
            self.meter
                .u64_counter(prefixed(name))
                .with_description(help)
                .build(),
        )
    }

    /// Something that rises and falls. Exported as `storelink_<name>`.
    ///
    /// A series stays until the process ends; use [`Metrics::observed_gauge`] for things that go
    /// away, such as connections.
    #[must_use]
    pub fn gauge(&self, name: &str, help: &'static str) -> Gauge {
        Gauge(
            self.meter
                .i64_gauge(prefixed(name))
                .with_description(help)
                .build(),
        )
    }

    /// Values that are asked for at each scrape; what the callback does not name has no series.
    /// The callback must be quick and must not wait.
    pub fn observed_gauge(
        &self,
        name: &str,
        help: &'static str,
        observe: impl Fn(&mut dyn FnMut(i64, &[Label<'_>])) + Send + Sync + 'static,
    ) {
        self.meter
            .i64_observable_gauge(prefixed(name))
            .with_description(help)
            .with_callback(move |observer| {
                observe(&mut |value, labels| observer.observe(value, &attributes(labels)));
            })
            .build();
    }

    /// How long something took. Exported as `storelink_<name>_seconds`.
    #[must_use]
    pub fn duration(&self, name: &str, help: &'static str) -> DurationHistogram {
        DurationHistogram(
            self.meter
                .f64_histogram(prefixed(name))
                .with_description(help)
                .with_unit("s")
                .with_boundaries(SECONDS.to_vec())
                .build(),
        )
    }

    /// How many items something had. Exported as `storelink_<name>`.
    #[must_use]
    pub fn histogram(&self, name: &str, help: &'static str) -> Histogram {
        Histogram(
            self.meter
                .u64_histogram(prefixed(name))
                .with_description(help)
                .with_boundaries(ITEMS.to_vec())
                .build(),
        )
    }

    /// All values in Prometheus' text form.
    #[must_use]
    pub fn render(&self) -> String {
        let families = self.registry.gather();
        TextEncoder::new()
            .encode_to_string(&families)
            .unwrap_or_else(|error| {
                tracing::warn!(%error, "metrics cannot be rendered");
                String::new()
            })
    }

    pub(crate) fn build_info(&self, version: &str, service: &str) {
        self.gauge("build_info", "Version of the program that runs, always 1.")
            .set(1, &[("version", version), ("service", service)]);
    }
}

/// Something that only grows.
#[derive(Clone, Debug)]
pub struct Counter(opentelemetry::metrics::Counter<u64>);

impl Counter {
    /// Adds `more`.
    pub fn add(&self, more: u64, labels: &[Label<'_>]) {
        self.0.add(more, &attributes(labels));
    }
}

/// Something that rises and falls.
#[derive(Clone, Debug)]
pub struct Gauge(opentelemetry::metrics::Gauge<i64>);

impl Gauge {
    /// Sets the value.
    pub fn set(&self, value: i64, labels: &[Label<'_>]) {
        self.0.record(value, &attributes(labels));
    }
}

/// How long something took.
#[derive(Clone, Debug)]
pub struct DurationHistogram(opentelemetry::metrics::Histogram<f64>);

impl DurationHistogram {
    /// Adds one observation.
    pub fn record(&self, took: Duration, labels: &[Label<'_>]) {
        self.0.record(took.as_secs_f64(), &attributes(labels));
    }
}

/// How many items something had.
#[derive(Clone, Debug)]
pub struct Histogram(opentelemetry::metrics::Histogram<u64>);

impl Histogram {
    /// Adds one observation.
    pub fn record(&self, items: u64, labels: &[Label<'_>]) {
        self.0.record(items, &attributes(labels));
    }
}

fn prefixed(name: &str) -> String {
    format!("storelink_{name}")
}

fn attributes(labels: &[Label<'_>]) -> Vec<KeyValue> {
    labels
        .iter()
        .map(|(name, value)| KeyValue::new(*name, value.to_string()))
        .collect()
}
