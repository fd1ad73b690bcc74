//! How many requests are worked on now: read from the caller, and not answered yet.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use storelink_telemetry::metrics;

/// Requests that are worked on. Clones share the number.
#[derive(Debug, Clone, Default)]
pub(crate) struct InHand(Arc<AtomicI64>);

/// One of them; dropping it, as when the caller goes away, ends it.
struct OneMore(InHand);

impl InHand {
    /// None yet; the metric shows them from now on.
    pub(crate) fn shown() -> Self {
        let requests = Self::default();
        let counted = requests.clone();
        metrics().observed_gauge(
            "api_requests_in_hand",
            "Requests to the API that are worked on.",
            move |observe| observe(counted.0.load(Ordering::Acquire), &[]),
        );
        requests
    }

    fn one_more(&self) -> OneMore {
        self.0.fetch_add(1, Ordering::AcqRel);
        OneMore(self.clone())
    }
}

impl Drop for OneMore {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Counts a request until its answer is there.
pub(crate) async fn count(
    State(requests): State<InHand>,
    request: Request,
    next: Next,
) -> Response {
    let _one_more = requests.one_more();
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_in_hand_until_it_is_answered_or_given_up() {
        let requests = InHand::default();
        let (one, other) = (requests.one_more(), requests.one_more());
        assert_eq!(requests.0.load(Ordering::Acquire), 2);
        drop(one);
        drop(other);
        assert_eq!(requests.0.load(Ordering::Acquire), 0);
    }
}
