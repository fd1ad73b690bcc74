#![doc = include_str!("../README.md")]

mod error;
mod exporter;
mod init;
mod log_fields;
mod log_layer;
pub mod metrics;
pub mod ops;
mod readiness;
pub mod trace_context;

pub use error::TelemetryError;
pub use init::{TelemetryGuard, init};
pub use metrics::metrics;
pub use readiness::{Readiness, ReadinessCheck};
pub use storelink_settings::TelemetrySettings;
