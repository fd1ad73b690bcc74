//! The last question before a request leaves.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// Says whether a request may still leave. Cheap to clone.
#[derive(Clone)]
pub struct SendCheck(Arc<dyn Fn() -> bool + Send + Sync>);

impl SendCheck {
    /// `check` is called wherever the connection is worked on: it must not wait.
    pub fn new(check: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(check))
    }

    /// Asks now.
    #[must_use]
    pub fn passes(&self) -> bool {
        (self.0)()
    }
}

impl fmt::Debug for SendCheck {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SendCheck")
    }
}

/// The request was withdrawn before anything of it left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the request was withdrawn before it left")]
pub(crate) struct Withdrawn;

/// A body that asks the check when the connection takes it. That is the moment before the first byte
/// leaves: the HTTP stack holds the head back until it has seen the body, and drops both when the
/// body fails.
pub(crate) struct CheckedBody {
    check: SendCheck,
    body: Option<Bytes>,
}

impl CheckedBody {
    pub(crate) fn new(check: SendCheck, body: Bytes) -> Self {
        let body = Some(body);
        Self { check, body }
    }
}

impl Body for CheckedBody {
    type Data = Bytes;
    type Error = Withdrawn;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Withdrawn>>> {
        let Some(body) = self.body.take() else {
            return Poll::Ready(None);
        };
        Poll::Ready(Some(if self.check.passes() {
            Ok(Frame::data(body))
        } else {
            Err(Withdrawn)
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let length = self.body.as_ref().map_or(0, Bytes::len);
        SizeHint::with_exact(u64::try_from(length).unwrap_or(u64::MAX))
    }
}
