//! Reading JSON from stores whose plugins print into it.
//!
//! Warnings before the document, comments behind it and byte order marks are cut away and
//! reported; nothing is ever guessed inside the document. If the longest stretch that looks like
//! JSON is no whole document, or the cut would fall inside a larger one, the answer counts as not
//! understood.

mod document;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::de::DeserializeOwned;

use crate::redaction::excerpt;
use document::{Found, locate};

/// A value that was read, and what had to be cut away for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read<T> {
    /// The value.
    pub value: T,
    /// A byte order mark stood before it. Harmless, but a fault of the store.
    pub byte_order_mark: bool,
    /// Text around the document, if there was any.
    pub noise: Option<Noise>,
}

/// The most values of an answer. A page of a hundred large orders has some ten thousand.
const MOST_PARTS: usize = 500_000;

/// What a store printed around its document, as redacted excerpts of at most 200 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noise {
    /// Before the document.
    pub before: Option<String>,
    /// Behind the document.
    pub after: Option<String>,
}

impl fmt::Display for Noise {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [&self.before, &self.after];
        let shown: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
        formatter.write_str(&shown.join(" … "))
    }
}

/// Why an answer was not understood. Messages hold no value of the document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotUnderstood {
    /// No body, or blanks only.
    #[error("the answer is empty")]
    Empty,
    /// A page for people.
    #[error("the answer is a web page: {excerpt}")]
    Html {
        /// Redacted beginning of its text.
        excerpt: String,
    },
    /// More values than any answer of a store has: read, they would take many times their bytes.
    #[error("the answer holds more than {MOST_PARTS} values")]
    TooManyParts,
    /// The document ends in the middle.
    #[error("the answer is cut off")]
    Truncated,
    /// No JSON, or JSON that is broken in the middle.
    #[error("the answer is not JSON: {excerpt}")]
    NotJson {
        /// Redacted beginning of its text.
        excerpt: String,
    },
    /// JSON, but not the expected document.
    #[error("the answer has another shape than expected at {path}: {detail}")]
    WrongShape {
        /// Where, such as `line_items[0].quantity`; `.` is the whole document.
        path: String,
        /// What was expected there.
        detail: String,
    },
}

impl NotUnderstood {
    /// Stable code for logs, metrics and the API.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "answer.empty",
            Self::Html { .. } => "answer.html",
            Self::TooManyParts => "answer.too_many_parts",
            Self::Truncated => "answer.truncated",
            Self::NotJson { .. } => "answer.not_json",
            Self::WrongShape { .. } => "answer.wrong_shape",
        }
    }

    /// What the person can do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Empty => {
                "Look into the store's error log: an empty answer is mostly a crash of a plugin."
            }
            Self::Html { .. } => {
                "Open the excerpt: a maintenance page passes, a login or firewall page needs an \
                 exception for the interface."
            }
            Self::TooManyParts => {
                "Report it: the store answers with something else than what it was asked for."
            }
            Self::Truncated => {
                "Look into the store's error log; its memory or time limit may be too small."
            }
            Self::NotJson { .. } => {
                "Switch off the output of errors in the store (display_errors) and look at the \
                 plugin that the excerpt names."
            }
            Self::WrongShape { .. } => {
                "Report it: a plugin changes the answers, or the store is newer than we know."
            }
        }
    }
}

/// Reads a value from the body of an answer.
///
/// # Errors
/// Says which kind of answer it was instead.
pub fn read<T: DeserializeOwned>(body: &[u8]) -> Result<Read<T>, NotUnderstood> {
    let (text, byte_order_mark) = without_byte_order_mark(body);
    if has_too_many_parts(text) {
        return Err(NotUnderstood::TooManyParts);
    }
    let (document, noise) = match locate(text) {
        Found::Clean(document) => (document, None),
        Found::Noisy {
            before,
            document,
            after,
        } => {
            // A page may carry data for its own scripts; that is no answer to us.
            if has_page_elements(before) {
                return Err(NotUnderstood::Html {
                    excerpt: excerpt(text),
                });
            }
            (
                document,
                Some(Noise {
                    before: noise(before),
                    after: noise(after),
                }),
            )
        }
        Found::Empty => return Err(NotUnderstood::Empty),
        Found::Truncated if !is_html_page(text) => return Err(NotUnderstood::Truncated),
        Found::Truncated | Found::Nothing => return Err(not_json(text)),
    };
    Ok(Read {
        value: parse(document)?,
        byte_order_mark,
        noise,
    })
}

/// Counts what separates values, wherever it stands: more than the values, and cheap.
fn has_too_many_parts(text: &[u8]) -> bool {
    let separators = text
        .iter()
        .filter(|byte| matches!(byte, b',' | b'[' | b'{'));
    text.len() > MOST_PARTS && separators.count() > MOST_PARTS
}

fn without_byte_order_mark(body: &[u8]) -> (&[u8], bool) {
    const MARK: &[u8] = b"\xef\xbb\xbf";
    let mut text = body.trim_ascii();
    let mut found = false;
    // Each included file of a badly saved plugin adds one.
    while let Some(rest) = text.strip_prefix(MARK) {
        text = rest.trim_ascii();
        found = true;
    }
    (text, found)
}

fn noise(text: &[u8]) -> Option<String> {
    (!text.trim_ascii().is_empty()).then(|| excerpt(text))
}

fn not_json(text: &[u8]) -> NotUnderstood {
    let shown = excerpt(text);
    if text.starts_with(b"<") && !text.starts_with(b"<?xml") {
        NotUnderstood::Html { excerpt: shown }
    } else {
        NotUnderstood::NotJson { excerpt: shown }
    }
}

fn parse<T: DeserializeOwned>(document: &[u8]) -> Result<T, NotUnderstood> {
    let mut deserializer = serde_json::Deserializer::from_slice(document);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| NotUnderstood::WrongShape {
        path: error.path().to_string(),
        detail: without_values(&error.inner().to_string()),
    })
}

/// Messages quote the value they stumbled over; it may be a customer's name.
fn without_values(message: &str) -> String {
    let Some((front, rest)) = message.split_once('"') else {
        return message.to_owned();
    };
    let tail = rest.rsplit_once('"').map_or("", |(_, tail)| tail);
    format!("{front}\"…\"{tail}")
}

/// Whether a body is a page for people: it begins as markup and has what only whole pages have.
/// A lone warning in bold type is not one.
pub(crate) fn is_html_page(body: &[u8]) -> bool {
    let (text, _) = without_byte_order_mark(body.get(..4096).unwrap_or(body));
    text.starts_with(b"<") && has_page_elements(text)
}

fn has_page_elements(text: &[u8]) -> bool {
    const PAGE_MARKS: [&str; 5] = ["<!doctype html", "<html", "<head", "<body", "<script"];
    let text = String::from_utf8_lossy(text).to_ascii_lowercase();
    PAGE_MARKS.iter().any(|mark| text.contains(mark))
}
