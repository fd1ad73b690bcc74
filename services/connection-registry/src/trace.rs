//! The trace of the current work, as headers of what it publishes.

use storelink_bus::{Headers, TraceContext};
use storelink_events::subject;
use storelink_model::TenantId;
use storelink_telemetry::trace_context;

/// Headers that name the tenant and carry the current trace.
pub(crate) fn headers(tenant: &TenantId) -> Headers {
    let mut headers = Headers::new();
    // A tenant is a plain slug: such a header is never refused.
    headers.insert(subject::TENANT, tenant.as_str()).ok();
    if let Some(context) = context() {
        context.inject(&mut headers);
    }
    headers
}

/// The current trace, when there is one.
pub(crate) fn context() -> Option<TraceContext> {
    TraceContext::new(&trace_context::traceparent()?, None)
}
