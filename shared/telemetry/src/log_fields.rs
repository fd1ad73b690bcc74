//! Fields of spans and events as JSON values.

use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};

/// Longest text of one field; longer ones are cut, so that no log line grows without bound.
const LONGEST_TEXT: usize = 4_096;

/// The last line of defence: fields with these names are masked, whatever they hold.
const NEVER_SHOWN: [&str; 8] = [
    "password",
    "secret",
    "token",
    "authorization",
    "cookie",
    "credentials",
    "email",
    "phone",
];

/// Collected fields, in the order of their names.
#[derive(Debug, Default, Clone)]
pub(crate) struct LogFields(pub(crate) Map<String, Value>);

impl LogFields {
    fn insert(&mut self, field: &Field, value: Value) {
        let name = field.name().strip_prefix("r#").unwrap_or(field.name());
        let shown = if NEVER_SHOWN.iter().any(|never| is_named(name, never)) {
            Value::from("***")
        } else {
            value
        };
        self.0.insert(name.to_owned(), shown);
    }
}

/// `token` and `access_token`, but neither `tokens_left` nor `token_id`.
fn is_named(name: &str, never: &str) -> bool {
    name.strip_suffix(never)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with(['_', '.']))
}

impl Visit for LogFields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, Value::from(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, Value::from(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, Value::from(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, Value::from(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, Value::from(cut(value)));
    }

    /// An error with its causes, since the outermost text alone rarely tells why.
    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut text = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        self.insert(field, Value::from(cut(&text)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.insert(field, Value::from(cut(&format!("{value:?}"))));
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST_TEXT) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_name() {
        for hidden in [
            "password",
            "access_token",
            "http.request.header.authorization",
            "email",
        ] {
            assert!(
                NEVER_SHOWN.iter().any(|never| is_named(hidden, never)),
                "{hidden}"
            );
        }
        for shown in ["tokens_left", "token_id", "passwordless", "key_id"] {
            assert!(
                !NEVER_SHOWN.iter().any(|never| is_named(shown, never)),
                "{shown}"
            );
        }
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let long = "č".repeat(LONGEST_TEXT + 1);
        assert_eq!(cut(&long).chars().count(), LONGEST_TEXT + 1);
        assert!(cut(&long).ends_with('…'));
        assert_eq!(cut("short"), "short");
    }
}
