//! Why telemetry could not be started.

/// Why telemetry could not be started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// A process has one telemetry; it was started before.
    #[error("telemetry of this process was started before")]
    AlreadyStarted,
    /// The log filter cannot be understood.
    #[error("setting `telemetry.log` is no log filter: {0}")]
    LogFilter(String),
    /// The exporter of traces cannot be built.
    #[error("trace exporter cannot be built: {0}")]
    Exporter(String),
}

impl TelemetryError {
    /// Stable code of this kind of error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::AlreadyStarted => "telemetry.already_started",
            Self::LogFilter(_) => "telemetry.log_filter",
            Self::Exporter(_) => "telemetry.exporter",
        }
    }

    /// What a person can do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::AlreadyStarted => "report it with the surrounding log lines",
            Self::LogFilter(_) => "use a level such as `info`, or a list such as `info,sqlx=warn`",
            Self::Exporter(_) => "correct `telemetry.otlp_endpoint`, or empty it",
        }
    }
}
