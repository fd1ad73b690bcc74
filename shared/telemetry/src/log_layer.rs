//! One JSON object per line: `ts`, `level`, `msg`, `service`, `target`, the ids of the trace, and
//! the fields of the event and of the spans around it.

use std::io::Write;

use opentelemetry::trace::TraceContextExt as _;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::log_fields::LogFields;

pub(crate) struct JsonLogLayer<W> {
    service: String,
    writer: W,
}

impl<W> JsonLogLayer<W> {
    pub(crate) fn new(service: &str, writer: W) -> Self {
        Self {
            service: service.to_owned(),
            writer,
        }
    }
}

impl<S, W> Layer<S> for JsonLogLayer<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = LogFields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<LogFields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = fields_of_spans(event, &context);
        let mut own = LogFields::default();
        event.record(&mut own);
        fields.extend(own.0);
        let mut line = self.beginning(event, fields.remove("message"));
        for (name, value) in fields {
            // The fixed members come first and cannot be replaced by a field of the same name.
            line.entry(name).or_insert(value);
        }
        let Ok(mut text) = serde_json::to_vec(&line) else {
            return;
        };
        text.push(b'\n');
        // There is nowhere left to report that logging fails.
        let _ = self
            .writer
            .make_writer_for(event.metadata())
            .write_all(&text);
    }
}

impl<W> JsonLogLayer<W> {
    fn beginning(&self, event: &Event<'_>, message: Option<Value>) -> Map<String, Value> {
        let metadata = event.metadata();
        let now = OffsetDateTime::now_utc()
            .format(&Rfc3339)
            .unwrap_or_default();
        let mut line = Map::new();
        line.insert("ts".to_owned(), Value::from(now));
        line.insert(
            "level".to_owned(),
            Value::from(metadata.level().as_str().to_lowercase()),
        );
        line.insert("msg".to_owned(), message.unwrap_or_default());
        line.insert("service".to_owned(), Value::from(self.service.as_str()));
        line.insert("target".to_owned(), Value::from(metadata.target()));
        let context = opentelemetry::Context::current();
        let span = context.span().span_context().clone();
        if span.is_valid() {
            line.insert(
                "trace_id".to_owned(),
                Value::from(span.trace_id().to_string()),
            );
            line.insert(
                "span_id".to_owned(),
                Value::from(span.span_id().to_string()),
            );
        }
        line
    }
}

/// Fields of the spans around an event; inner spans win.
fn fields_of_spans<S>(event: &Event<'_>, context: &Context<'_, S>) -> Map<String, Value>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let mut fields = Map::new();
    for span in context
        .event_scope(event)
        .into_iter()
        .flat_map(|scope| scope.from_root())
    {
        if let Some(LogFields(of_span)) = span.extensions().get::<LogFields>() {
            fields.extend(of_span.clone());
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing::field::Empty;
    use tracing_subscriber::Registry;
    use tracing_subscriber::filter::EnvFilter;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;
    use crate::init::trace_layer;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What `work` logs at level info, one object per line.
    fn logged(work: impl FnOnce()) -> Vec<Map<String, Value>> {
        let lines = Lines::default();
        let writer = lines.clone();
        let logs = JsonLogLayer::new("poller", move || writer.clone());
        let provider = SdkTracerProvider::builder().build();
        let subscriber = Registry::default()
            .with(trace_layer(&provider))
            .with(logs.with_filter(EnvFilter::new("info")));
        tracing::subscriber::with_default(subscriber, work);
        let bytes = lines.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn a_line_has_the_fixed_members_and_the_fields() {
        let lines =
            logged(|| tracing::warn!(code = "store.limited", attempt = 3, "store asks to wait"));
        let line = &lines[0];
        assert_eq!(line["level"], "warn");
        assert_eq!(line["msg"], "store asks to wait");
        assert_eq!(line["service"], "poller");
        assert_eq!(line["code"], "store.limited");
        assert_eq!(line["attempt"], 3);
        let time = line["ts"].as_str().unwrap();
        let age = OffsetDateTime::now_utc() - OffsetDateTime::parse(time, &Rfc3339).unwrap();
        assert!(time.ends_with('Z') && age.whole_seconds() < 60, "{time}");
        assert!(!line.contains_key("trace_id"));
    }

    #[test]
    fn fields_of_spans_and_the_ids_of_the_trace_are_part_of_the_line() {
        let mut traceparent = None;
        let lines = logged(|| {
            let outer = tracing::info_span!("job", connection = "con_1", order = Empty).entered();
            outer.record("order", "4711");
            let _inner = tracing::info_span!("page", connection = "con_2", page = 2).entered();
            traceparent = crate::trace_context::traceparent();
            tracing::info!(items = 100_u64, "page read");
        });
        let line = &lines[0];
        assert_eq!(line["connection"], "con_2", "inner spans win");
        assert_eq!(
            (&line["order"], &line["page"]),
            (&Value::from("4711"), &Value::from(2))
        );
        let ids = format!(
            "{}-{}",
            line["trace_id"].as_str().unwrap(),
            line["span_id"].as_str().unwrap()
        );
        assert!(traceparent.unwrap().contains(&ids), "{ids}");
    }

    #[test]
    fn a_field_cannot_replace_a_fixed_member() {
        let lines = logged(|| tracing::info!(service = "other", level = 9, "text"));
        assert_eq!(
            (&lines[0]["service"], &lines[0]["level"]),
            (&Value::from("poller"), &Value::from("info"))
        );
    }

    #[test]
    fn one_event_is_one_line_and_secrets_are_masked() {
        let lines = logged(|| {
            tracing::error!(text = "a\nb", consumer_secret = "s3cret", password = ?"s3cret", "two\nlines");
            tracing::debug!("not logged at this level");
        });
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["text"], "a\nb");
        assert_eq!(lines[0]["msg"], "two\nlines");
        assert_eq!(
            (&lines[0]["consumer_secret"], &lines[0]["password"]),
            (&Value::from("***"), &Value::from("***"))
        );
    }

    #[test]
    fn an_error_is_written_with_its_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("order not published")]
        struct Outer(#[source] io::Error);
        let error = Outer(io::Error::other("connection lost"));
        let lines = logged(|| tracing::error!(err = &error as &dyn std::error::Error, "failed"));
        assert_eq!(lines[0]["err"], "order not published: connection lost");
    }
}
