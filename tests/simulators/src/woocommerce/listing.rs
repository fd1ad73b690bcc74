//! Headers of lists: totals and the Link header (recordings 31, 32, 61, 62, 300).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::params::plain_text;
use crate::http::Reply;

/// Characters that PHP's urlencode leaves as they are.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');

/// A list answer's place in the whole.
#[derive(Debug)]
pub(crate) struct Paging {
    pub(crate) page: usize,
    pub(crate) pages: usize,
    pub(crate) total: usize,
}

impl Paging {
    pub(crate) fn new(page: usize, per_page: usize, total: usize) -> Self {
        Self {
            page,
            pages: total.div_ceil(per_page.max(1)),
            total,
        }
    }

    /// Adds totals and links; the links repeat the whole query, credentials too (recording 28).
    pub(crate) fn put(&self, reply: &mut Reply, address: &str, query: &[(String, Value)]) {
        reply.set("X-WP-Total", self.total.to_string());
        reply.set("X-WP-TotalPages", self.pages.to_string());
        let mut links = Vec::new();
        if self.page > 1 {
            let before = (self.page - 1).min(self.pages);
            links.push(link(address, query, before, "prev"));
        }
        if self.pages > self.page {
            links.push(link(address, query, self.page + 1, "next"));
        }
        if !links.is_empty() {
            reply.set("Link", links.join(", "));
        }
    }
}

fn link(address: &str, query: &[(String, Value)], page: usize, relation: &str) -> String {
    let mut pairs = Vec::new();
    let mut placed = false;
    for (name, value) in query {
        if name == "page" {
            placed = true;
            pairs.push(format!("page={page}"));
        } else {
            spell(&encode(name), value, &mut pairs);
        }
    }
    if !placed {
        pairs.push(format!("page={page}"));
    }
    format!("<{address}?{}>; rel=\"{relation}\"", pairs.join("&"))
}

fn spell(name: &str, value: &Value, pairs: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                spell(&format!("{name}%5B{index}%5D"), item, pairs);
            }
        }
        Value::Object(members) => {
            for (key, item) in members {
                spell(&format!("{name}%5B{}%5D", encode(key)), item, pairs);
            }
        }
        // WordPress drops equal signs at the end of a value (recording 16).
        plain => {
            let text = plain_text(plain);
            pairs.push(format!("{name}={}", encode(text.trim_end_matches('='))));
        }
    }
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, KEPT)
        .to_string()
        .replace("%20", "+")
}
