//! Carrying a trace over the broker and HTTP, in the form of the W3C's `traceparent`.

use std::collections::HashMap;

use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{SpanContext, TraceContextExt as _};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// Name of the header that carries the trace.
pub const TRACEPARENT: &str = "traceparent";

/// Headers that carry the current span's trace: `traceparent`, and `tracestate` if there is one.
/// Empty outside a trace.
#[must_use]
pub fn headers() -> Vec<(String, String)> {
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&current(), &mut carrier);
    // An empty `tracestate` says nothing.
    let mut headers: Vec<_> = carrier
        .into_iter()
        .filter(|(_, value): &(String, String)| !value.is_empty())
        .collect();
    headers.sort();
    headers
}

/// The current span's trace as a `traceparent`, for an event's envelope or a row.
#[must_use]
pub fn traceparent() -> Option<String> {
    headers()
        .into_iter()
        .find(|(name, _)| name == TRACEPARENT)
        .map(|(_, value)| value)
}

/// Makes `span` a child of the span that `traceparent` names: work that belongs to one cause.
/// Call it before the span is entered or anything is recorded below it. A text that cannot be
/// understood leaves the span as it is: a trace is never a reason to refuse work.
pub fn parent_from(span: &Span, traceparent: &str) {
    let context = extract(traceparent);
    if !context.span().span_context().is_valid() {
        return;
    }
    if let Err(error) = span.set_parent(context) {
        tracing::trace!(%error, "trace parent not set");
    }
}

/// Links `span` to the span that `traceparent` names: work that has many causes, or one cause with
/// very many effects. A text that cannot be understood is ignored.
pub fn link_from(span: &Span, traceparent: &str) {
    span.add_link(extract(traceparent).span().span_context().clone());
}

/// The trace that `traceparent` names as 32 hexadecimal digits, for log fields and answers.
#[must_use]
pub fn trace_id(traceparent: &str) -> Option<String> {
    let context = extract(traceparent);
    let span = context.span().span_context().clone();
    span.is_valid().then(|| span.trace_id().to_string())
}

fn current() -> Context {
    let of_span = Span::current().context();
    // A span that the trace layer does not record has no context; the one around it may.
    if of_span.span().span_context().is_valid() {
        of_span
    } else {
        Context::current()
    }
}

fn extract(traceparent: &str) -> Context {
    let carrier = HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]);
    let unrelated = Context::new().with_remote_span_context(SpanContext::empty_context());
    TraceContextPropagator::new().extract_with_context(&unrelated, &carrier)
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::SpanId;
    use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
    use proptest::prelude::*;
    use tracing_subscriber::filter::EnvFilter;
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::{Layer as _, Registry};

    use super::*;
    use crate::init::trace_layer;
    use crate::log_layer::JsonLogLayer;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn trace_ids_are_read_and_nonsense_is_none() {
        assert_eq!(
            trace_id(VALID).as_deref(),
            Some("4bf92f3577b34da6a3ce929d0e0e4736")
        );
        for nonsense in [
            "",
            "00",
            "00-0-0-0",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        ] {
            assert_eq!(trace_id(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn outside_a_trace_there_are_no_headers() {
        assert_eq!(headers(), []);
        assert_eq!(traceparent(), None);
    }

    /// Runs `work` with traces kept in memory and logs switched off, and returns its spans.
    fn recorded(work: impl FnOnce()) -> Vec<SpanData> {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder()
            .with_simple_exporter(exporter.clone())
            .build();
        let logs = JsonLogLayer::new("test", std::io::sink).with_filter(EnvFilter::new("off"));
        let subscriber = Registry::default().with(trace_layer(&provider)).with(logs);
        tracing::subscriber::with_default(subscriber, work);
        exporter.get_finished_spans().unwrap()
    }

    #[test]
    fn a_span_that_is_not_logged_carries_its_trace() {
        let mut handed_on = None;
        let spans = recorded(|| {
            let _entered = tracing::debug_span!("publish").entered();
            handed_on = traceparent();
        });
        let context = &spans[0].span_context;
        let expected = format!("00-{}-{}-01", context.trace_id(), context.span_id());
        assert_eq!(handed_on, Some(expected));
    }

    #[test]
    fn a_child_belongs_to_the_trace_of_its_parent() {
        let spans = recorded(|| {
            let span = tracing::info_span!("consume");
            parent_from(&span, VALID);
            let _entered = span.entered();
            assert!(
                traceparent()
                    .unwrap()
                    .starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-")
            );
        });
        assert_eq!(spans[0].name, "consume");
        assert_eq!(spans[0].parent_span_id.to_string(), "00f067aa0ba902b7");
        assert_eq!(
            spans[0].span_context.trace_id().to_string(),
            "4bf92f3577b34da6a3ce929d0e0e4736"
        );
    }

    #[test]
    fn a_linked_span_has_a_trace_of_its_own() {
        let spans = recorded(|| {
            let span = tracing::info_span!("write batch");
            link_from(&span, VALID);
            link_from(&span, "nonsense");
            let _entered = span.entered();
        });
        let linked: Vec<String> = spans[0]
            .links
            .iter()
            .map(|link| link.span_context.span_id().to_string())
            .collect();
        assert_eq!(linked, ["00f067aa0ba902b7"]);
        let own = spans[0].span_context.trace_id().to_string();
        assert_ne!(own, "4bf92f3577b34da6a3ce929d0e0e4736");
    }

    #[test]
    fn nonsense_begins_a_new_trace() {
        let spans = recorded(|| {
            let around = tracing::info_span!("around").entered();
            let span = tracing::info_span!(parent: None, "consume");
            parent_from(&span, "00-nonsense");
            drop(span.entered());
            drop(around);
        });
        assert_eq!(spans[0].parent_span_id, SpanId::INVALID);
    }

    proptest! {
        #[test]
        fn no_text_is_a_reason_to_panic(text in ".{0,80}") {
            recorded(|| {
                let span = tracing::info_span!("test");
                parent_from(&span, &text);
                link_from(&span, &text);
            });
        }
    }
}
