//! Trace context on messages, as text: this crate knows no telemetry library.

use crate::Headers;
use crate::headers::names::{TRACEPARENT, TRACESTATE};

/// A W3C trace context, as it travels in headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    traceparent: String,
    tracestate: Option<String>,
}

impl TraceContext {
    /// Takes a `traceparent` of version 00, or `None` when the text is none.
    pub fn new(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        is_traceparent(traceparent).then(|| Self {
            traceparent: traceparent.to_owned(),
            tracestate: tracestate
                .filter(|state| !state.is_empty())
                .map(str::to_owned),
        })
    }

    /// Reads the trace context from headers; `None` when there is none or it is malformed.
    pub fn extract(headers: &Headers) -> Option<Self> {
        Self::new(headers.get(TRACEPARENT)?, headers.get(TRACESTATE))
    }

    /// Writes the trace context into headers.
    pub fn inject(&self, headers: &mut Headers) {
        headers.insert_text(TRACEPARENT, &self.traceparent, 55);
        if let Some(state) = &self.tracestate {
            headers.insert_text(TRACESTATE, state, 512);
        }
    }

    /// The `traceparent` value.
    pub fn traceparent(&self) -> &str {
        &self.traceparent
    }

    /// The `tracestate` value.
    pub fn tracestate(&self) -> Option<&str> {
        self.tracestate.as_deref()
    }
}

/// `00-<32 hex>-<16 hex>-<2 hex>`, lower case, ids not all zero.
fn is_traceparent(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [version, trace, span, flags] = parts.as_slice() else {
        return false;
    };
    let hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let not_zero = |part: &str| part.bytes().any(|b| b != b'0');
    *version == "00"
        && hex(trace, 32)
        && not_zero(trace)
        && hex(span, 16)
        && not_zero(span)
        && hex(flags, 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_context_survives_injection_and_extraction() {
        let context = TraceContext::new(PARENT, Some("a=1")).unwrap();
        let mut headers = Headers::new();
        context.inject(&mut headers);
        assert_eq!(TraceContext::extract(&headers), Some(context));
    }

    #[test]
    fn malformed_contexts_are_no_contexts() {
        for text in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceContext::new(text, None), None, "{text}");
        }
    }
}
