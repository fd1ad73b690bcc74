//! Message headers as plain text pairs.

use async_nats::header::{HeaderMap, HeaderName, HeaderValue};

/// Names of the headers that this crate reads or writes.
pub mod names {
    /// The message id that the server uses to recognise a repeated publish.
    pub const MESSAGE_ID: &str = "Nats-Msg-Id";
    /// "Store only if the last message of this subject has this sequence"; 0 means "if none".
    pub const EXPECTED_LAST_SUBJECT_SEQUENCE: &str = "Nats-Expected-Last-Subject-Sequence";
    /// W3C trace context, the parent span.
    pub const TRACEPARENT: &str = "traceparent";
    /// W3C trace context, vendor data.
    pub const TRACESTATE: &str = "tracestate";
    /// Dead letters: the stream in which the message was.
    pub const DEAD_STREAM: &str = "Storelink-Dead-Stream";
    /// Dead letters: the durable consumer that gave up.
    pub const DEAD_CONSUMER: &str = "Storelink-Dead-Consumer";
    /// Dead letters: the subject that the message had.
    pub const DEAD_SUBJECT: &str = "Storelink-Dead-Subject";
    /// Dead letters: the sequence that the message had in its stream.
    pub const DEAD_SEQUENCE: &str = "Storelink-Dead-Sequence";
    /// Dead letters: how often the message was delivered.
    pub const DEAD_DELIVERED: &str = "Storelink-Dead-Delivered";
    /// Dead letters: the stable code of the reason.
    pub const DEAD_CODE: &str = "Storelink-Dead-Code";
    /// Dead letters: the reason for a person.
    pub const DEAD_TEXT: &str = "Storelink-Dead-Text";
    /// Dead letters: the message id that the message had.
    pub const DEAD_MESSAGE_ID: &str = "Storelink-Dead-Message-Id";
}

/// A header that cannot be sent.
#[derive(Debug, thiserror::Error)]
#[error(
    "header {name:?} cannot be sent: a name is printable ASCII without a colon, a value has no line break"
)]
pub struct InvalidHeader {
    /// The name as it was given.
    pub name: String,
}

/// Headers of a message: names are compared exactly, one value per name.
#[derive(Clone, Debug, Default)]
pub struct Headers(HeaderMap);

impl Headers {
    /// No headers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a header; an earlier value of the same name is replaced.
    ///
    /// # Errors
    /// When name or value cannot be sent, for instance because of a line break.
    pub fn insert(&mut self, name: &str, value: &str) -> Result<(), InvalidHeader> {
        let invalid = || InvalidHeader {
            name: name.to_owned(),
        };
        let header_name = HeaderName::try_from(name).map_err(|_| invalid())?;
        let header_value: HeaderValue = value.parse().map_err(|_| invalid())?;
        self.0.insert(header_name, header_value);
        Ok(())
    }

    /// The value of a header.
    pub fn get(&self, name: &str) -> Option<&str> {
        let name = HeaderName::try_from(name).ok()?;
        self.0.get_last(name).map(HeaderValue::as_str)
    }

    /// All names and values, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|(name, values)| {
            values
                .last()
                .map(|value| (AsRef::<str>::as_ref(name), value.as_str()))
        })
    }

    /// True if there is no header.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sets a header whose value may hold line breaks: they become spaces, and what is longer
    /// than `limit` characters is cut.
    pub(crate) fn insert_text(&mut self, name: &'static str, text: &str, limit: usize) {
        let one_line: String = text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(limit)
            .collect();
        if self.insert(name, one_line.trim()).is_err() {
            tracing::error!(
                header = name,
                "a header was left out because it cannot be sent"
            );
        }
    }

    /// Sets a header whose value is known to be sendable, such as a number or an id.
    pub(crate) fn insert_plain(&mut self, name: &'static str, value: impl ToString) {
        self.insert_text(name, &value.to_string(), usize::MAX);
    }

    pub(crate) fn into_map(self) -> HeaderMap {
        self.0
    }
}

impl From<HeaderMap> for Headers {
    fn from(map: HeaderMap) -> Self {
        Self(map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_with_a_line_break_is_refused_and_text_is_flattened() {
        let mut headers = Headers::new();
        let refused = headers.insert("Storelink-Dead-Text", "first\r\nSecond: 2");
        assert_eq!(refused.unwrap_err().name, "Storelink-Dead-Text");
        headers.insert_text(names::DEAD_TEXT, "first\nsecond line", 12);
        assert_eq!(headers.get(names::DEAD_TEXT), Some("first second"));
    }

    #[test]
    fn the_last_value_of_a_name_wins() {
        let mut headers = Headers::new();
        headers.insert("traceparent", "a").unwrap();
        headers.insert("traceparent", "b").unwrap();
        assert_eq!(headers.iter().collect::<Vec<_>>(), [("traceparent", "b")]);
    }

    proptest::proptest! {
        #[test]
        fn any_text_becomes_a_value_of_one_line(text in "(?s).{0,60}") {
            let mut headers = Headers::new();
            headers.insert_text(names::DEAD_TEXT, &text, 40);
            let value = headers.get(names::DEAD_TEXT).expect("the header is there");
            proptest::prop_assert!(value.chars().count() <= 40);
            proptest::prop_assert!(!value.chars().any(char::is_control));
        }
    }

    #[test]
    fn a_name_with_a_colon_is_refused() {
        assert!(Headers::new().insert("bad:name", "x").is_err());
    }
}
