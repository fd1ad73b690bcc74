//! What the API answers when something is wrong: RFC 9457 with stable codes.

pub mod catalogue;

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use storelink_bus::PublishError;
use storelink_bus::rpc::RpcError;
use storelink_events::Violation;
use storelink_persistence::DbError;
use storelink_vault::VaultError;
use utoipa::ToSchema;

pub use catalogue::Kind;

/// An error on its way to the caller.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) kind: &'static Kind,
    pub(crate) detail: Option<String>,
    pub(crate) errors: Vec<FieldError>,
    pub(crate) retry_after: Option<Duration>,
}

/// What handlers return.
pub(crate) type Answer<T> = Result<T, Problem>;

/// One member that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(example = json!({"pointer": "/settings/reserve", "code": "value.quantity", "detail": "it is below zero"}))]
pub(crate) struct FieldError {
    /// Where, as a JSON pointer into the body.
    pub(crate) pointer: String,
    /// Stable code.
    pub(crate) code: String,
    /// What is wrong, in words.
    pub(crate) detail: String,
}

impl FieldError {
    pub(crate) fn new(
        pointer: impl Into<String>,
        code: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            pointer: pointer.into(),
            code: code.into(),
            detail: detail.into(),
        }
    }
}

impl From<Violation> for FieldError {
    fn from(violation: Violation) -> Self {
        Self::new(violation.pointer, violation.code, violation.detail)
    }
}

/// The answer when something is wrong (RFC 9457, `application/problem+json`).
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "type": "/v1/problems/object.not_found",
    "title": "There is no such object",
    "status": 404,
    "detail": "Check the id; objects of other tenants are never shown.",
    "instance": "/v1/connections/con_0",
    "code": "object.not_found",
    "remedy": "Check the id; objects of other tenants are never shown.",
    "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"
}))]
pub(crate) struct ProblemDocument {
    /// Where this kind of problem is explained.
    #[serde(rename = "type")]
    pub(crate) problem_type: String,
    /// What happened, always the same words for a code.
    pub(crate) title: String,
    /// The HTTP status.
    pub(crate) status: u16,
    /// What happened this time.
    pub(crate) detail: String,
    /// The path that was asked.
    pub(crate) instance: String,
    /// Stable code.
    pub(crate) code: String,
    /// What to do.
    pub(crate) remedy: String,
    /// The trace under which the log has more.
    pub(crate) trace_id: String,
    /// The members that are wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) errors: Vec<FieldError>,
}

impl Problem {
    pub(crate) fn new(kind: &'static Kind) -> Self {
        Self {
            kind,
            detail: None,
            errors: Vec::new(),
            retry_after: None,
        }
    }

    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    pub(crate) fn errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = errors;
        self
    }

    pub(crate) fn retry_after(mut self, pause: Duration) -> Self {
        self.retry_after = Some(pause);
        self
    }

    /// The body is wrong at one place.
    pub(crate) fn member(
        pointer: impl Into<String>,
        code: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        Self::new(catalogue::INVALID).errors(vec![FieldError::new(pointer, code, detail)])
    }

    /// Nothing here for this caller, whatever the reason.
    pub(crate) fn not_found() -> Self {
        Self::new(catalogue::NOT_FOUND)
    }

    /// A fault of ours: the log has the cause, the caller a trace id.
    pub(crate) fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, code = catalogue::INTERNAL.code, "a request failed");
        Self::new(catalogue::INTERNAL)
    }

    pub(crate) fn document(self, instance: &str, trace_id: String) -> ProblemDocument {
        let first = self.errors.first().map(|error| error.detail.clone());
        ProblemDocument {
            problem_type: format!("/v1/problems/{}", self.kind.code),
            title: self.kind.title.to_owned(),
            status: self.kind.status,
            detail: self
                .detail
                .or(first)
                .unwrap_or_else(|| self.kind.title.to_owned()),
            instance: instance.to_owned(),
            code: self.kind.code.to_owned(),
            remedy: self.kind.remedy.to_owned(),
            trace_id,
            errors: self.errors,
        }
    }
}

/// The status alone; the outermost layer writes the document, since it knows path and trace.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.kind.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        if status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, scheme);
        }
        if let Some(pause) = self.retry_after {
            let begun = u64::from(pause.subsec_nanos() > 0);
            let seconds = HeaderValue::from((pause.as_secs() + begun).max(1));
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<DbError> for Problem {
    fn from(error: DbError) -> Self {
        if error.is_transient() {
            tracing::warn!(%error, code = error.code(), "the database did not answer a request");
            return Self::new(catalogue::DATABASE_UNAVAILABLE).retry_after(Duration::from_secs(2));
        }
        Self::internal(error)
    }
}

impl From<VaultError> for Problem {
    fn from(error: VaultError) -> Self {
        tracing::error!(%error, code = error.code(), "the vault failed");
        match error {
            VaultError::UnknownKey { .. }
            | VaultError::DoesNotOpen { .. }
            | VaultError::MalformedValue => Self::new(catalogue::CREDENTIALS_UNREADABLE)
                .detail(format!("{error}; {}", error.remedy())),
            _ => Self::new(catalogue::INTERNAL),
        }
    }
}

impl From<PublishError> for Problem {
    fn from(error: PublishError) -> Self {
        tracing::warn!(%error, code = error.code(), "the broker did not take a message");
        match error {
            PublishError::Full { .. } => {
                Self::new(catalogue::BROKER_FULL).retry_after(Duration::from_secs(10))
            }
            PublishError::NoStream { .. } | PublishError::Unavailable { .. } => {
                Self::new(catalogue::BROKER_UNAVAILABLE).retry_after(Duration::from_secs(2))
            }
            PublishError::TooLarge { .. } => Self::new(catalogue::BODY_TOO_LARGE),
            _ => Self::new(catalogue::INTERNAL),
        }
    }
}

impl From<RpcError> for Problem {
    fn from(error: RpcError) -> Self {
        tracing::warn!(%error, "a service did not answer");
        match error {
            RpcError::Fault(fault) => Self::new(catalogue::SERVICE_UNAVAILABLE).detail(fault.text),
            other => Self::new(catalogue::SERVICE_UNAVAILABLE)
                .detail(other.to_string())
                .retry_after(Duration::from_secs(2)),
        }
    }
}
