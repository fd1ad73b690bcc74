//! A request as a store sees it and the answer it gives, free of any server library.

use bytes::Bytes;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// One incoming HTTP request.
#[derive(Debug, Clone)]
pub struct Request {
    /// Method in capitals.
    pub method: String,
    /// Path as sent, still percent-encoded.
    pub path: String,
    /// Query as sent, without the question mark.
    pub query: String,
    /// Header names in small letters with their values.
    pub headers: Vec<(String, String)>,
    /// The raw body.
    pub body: Bytes,
}

impl Request {
    /// First value of a header, by its name in small letters.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether the client asks for JSON; error pages of WordPress depend on it (recordings 170, 170b).
    #[must_use]
    pub fn accepts_json(&self) -> bool {
        self.header("accept")
            .is_some_and(|accept| accept.contains("application/json"))
    }

    /// Whether the method can change the store.
    #[must_use]
    pub fn is_write(&self) -> bool {
        !matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS")
    }
}

/// One answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Header names with values, in sending order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

impl Reply {
    /// An answer with a body of the given content type.
    #[must_use]
    pub fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        let headers = vec![("Content-Type".to_owned(), content_type.to_owned())];
        Self {
            status,
            headers,
            body: body.into(),
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Sets a header, replacing an older value.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.headers
            .retain(|(key, _)| !key.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.into()));
    }
}

/// Decodes percent signs and plus signs as PHP does with a query.
pub(crate) fn decode_form(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

/// Reads a query or form body into members, with PHP's rules for `a[]` and `a[key]`.
pub(crate) fn parse_form(text: &str) -> Vec<(String, Value)> {
    let mut members: Vec<(String, Value)> = Vec::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode_form(name), decode_form(value));
        let (root, keys) = split_keys(&name);
        if root.is_empty() {
            continue;
        }
        let position = members.iter().position(|(key, _)| *key == root);
        let slot = match position {
            Some(index) => members.get_mut(index).map(|(_, slot)| slot),
            None => {
                members.push((root, Value::Null));
                members.last_mut().map(|(_, slot)| slot)
            }
        };
        if let Some(slot) = slot {
            put(slot, &keys, value);
        }
    }
    members
}

fn split_keys(name: &str) -> (String, Vec<String>) {
    let Some((root, rest)) = name.split_once('[') else {
        return (name.replace(['.', ' '], "_"), Vec::new());
    };
    let keys = rest
        .split('[')
        .map(|key| key.trim_end_matches(']').to_owned())
        .collect();
    (root.replace(['.', ' '], "_"), keys)
}

fn put(slot: &mut Value, keys: &[String], value: String) {
    let Some((key, rest)) = keys.split_first() else {
        *slot = Value::String(value);
        return;
    };
    let next = match slot {
        Value::Array(items) => items.len(),
        Value::Object(items) => items.len(),
        _ => 0,
    };
    let appends = key.is_empty() || key.parse() == Ok(next);
    match slot {
        Value::Array(items) if appends => {
            items.push(Value::Null);
            if let Some(last) = items.last_mut() {
                put(last, rest, value);
            }
            return;
        }
        Value::Array(items) => {
            let numbered = items
                .drain(..)
                .enumerate()
                .map(|(n, item)| (n.to_string(), item));
            *slot = Value::Object(numbered.collect());
        }
        Value::Object(_) => {}
        _ if appends => {
            *slot = Value::Array(Vec::new());
            return put(slot, keys, value);
        }
        _ => *slot = Value::Object(Map::new()),
    }
    if let Value::Object(items) = slot {
        put(items.entry(key.clone()).or_insert(Value::Null), rest, value);
    }
}
