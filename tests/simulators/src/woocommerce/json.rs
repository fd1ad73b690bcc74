//! JSON as PHP writes it: ASCII only, slashes escaped, members in the order of the schema, and cut
//! to `_fields` while it is written.

use std::collections::BTreeMap;

use serde_json::Value;

use super::site_time::SiteTime;

/// The `_fields` parameter as a tree; no children means the whole member (sheet section 3).
#[derive(Debug, Default, Clone)]
pub(crate) struct Fields(BTreeMap<String, Fields>);

impl Fields {
    /// Reads `_fields`, a comma list or an array; none if it is absent or empty.
    pub(crate) fn parse(value: Option<&Value>) -> Option<Self> {
        let names: Vec<&str> = match value? {
            Value::String(text) => text.split(',').collect(),
            Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
            _ => return None,
        };
        let mut tree = Self::default();
        for name in names
            .iter()
            .map(|name| name.trim())
            .filter(|name| !name.is_empty())
        {
            let mut node = &mut tree;
            for part in name.split('.') {
                node = node.0.entry(part.to_owned()).or_default();
            }
        }
        (!tree.0.is_empty()).then_some(tree)
    }

    /// Whether a member is named.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    fn is_leaf(&self) -> bool {
        self.0.is_empty()
    }
}

/// A growing JSON text.
#[derive(Debug, Default)]
pub(crate) struct JsonText(Vec<u8>);

impl JsonText {
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Puts another finished text behind this one.
    pub(crate) fn append(&mut self, other: Self) {
        self.0.extend_from_slice(&other.0);
    }

    /// Puts the members of another object behind those of this one.
    pub(crate) fn join(mut self, other: Self) -> Self {
        let empty = self.0.ends_with(b"{}");
        self.0.pop();
        if !empty && other.0.len() > 2 {
            self.0.push(b',');
        }
        self.0
            .extend_from_slice(other.0.get(1..).unwrap_or_default());
        self
    }

    pub(crate) fn raw(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    pub(crate) fn string(&mut self, text: &str) {
        self.0.push(b'"');
        for character in text.chars() {
            match character {
                '"' => self.raw("\\\""),
                '\\' => self.raw("\\\\"),
                '/' => self.raw("\\/"),
                '\n' => self.raw("\\n"),
                '\r' => self.raw("\\r"),
                '\t' => self.raw("\\t"),
                '\u{8}' => self.raw("\\b"),
                '\u{c}' => self.raw("\\f"),
                ' '..='~' => self.0.push(u8::try_from(character).unwrap_or(b'?')),
                other => {
                    let mut units = [0u16; 2];
                    for unit in other.encode_utf16(&mut units) {
                        self.raw(&format!("\\u{unit:04x}"));
                    }
                }
            }
        }
        self.0.push(b'"');
    }

    /// Writes an object through its members.
    pub(crate) fn object(&mut self, fields: Option<&Fields>, write: impl FnOnce(&mut Members<'_>)) {
        self.0.push(b'{');
        write(&mut Members {
            text: self,
            fields,
            first: true,
        });
        self.0.push(b'}');
    }

    /// Writes a list.
    pub(crate) fn list<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) {
        self.0.push(b'[');
        for (position, item) in items.into_iter().enumerate() {
            if position > 0 {
                self.0.push(b',');
            }
            write(self, item);
        }
        self.0.push(b']');
    }
}

/// Something with a JSON form.
pub(crate) trait ToJson {
    fn write(&self, text: &mut JsonText);
    /// Writes what nested `_fields` leave of it; plain values stay whole.
    fn write_part(&self, text: &mut JsonText, _fields: &Fields) {
        self.write(text);
    }
}

/// The members of an object being written.
pub(crate) struct Members<'a> {
    text: &'a mut JsonText,
    fields: Option<&'a Fields>,
    first: bool,
}

impl<'a> Members<'a> {
    /// Whether a member is asked for.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.fields.is_none_or(|fields| fields.0.contains_key(name))
    }

    /// Writes a member unless `_fields` leaves it out.
    pub(crate) fn put(&mut self, name: &str, value: &(impl ToJson + ?Sized)) {
        match self.fields.map(|fields| fields.0.get(name)) {
            None => {
                self.key(name);
                value.write(self.text);
            }
            Some(None) => {}
            Some(Some(part)) if part.is_leaf() => {
                self.key(name);
                value.write(self.text);
            }
            Some(Some(part)) => {
                self.key(name);
                value.write_part(self.text, part);
            }
        }
    }

    /// Writes an object member.
    pub(crate) fn object(&mut self, name: &str, write: impl FnOnce(&mut Members<'_>)) {
        let Some(part) = self.selection(name) else {
            return;
        };
        self.key(name);
        self.text.object(part, write);
    }

    /// Writes a list member; nested `_fields` do not reach into lists (recording 141).
    pub(crate) fn list<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        write: impl FnMut(&mut JsonText, T),
    ) {
        let Some(part) = self.selection(name) else {
            return;
        };
        self.key(name);
        if part.is_some() {
            self.text.raw("[]");
        } else {
            self.text.list(items, write);
        }
    }

    /// Writes a list member that is finished already.
    pub(crate) fn list_ready(&mut self, name: &str, list: JsonText) {
        let Some(part) = self.selection(name) else {
            return;
        };
        self.key(name);
        if part.is_some() {
            self.text.raw("[]");
        } else {
            self.text.append(list);
        }
    }

    /// Writes a moment twice, in site time and, under `<name>_gmt`, in GMT.
    pub(crate) fn moment(&mut self, name: &str, moment: Option<i64>, site: &SiteTime) {
        self.put(name, &moment.map(|moment| site.local_text(moment)));
        self.put(&format!("{name}_gmt"), &moment.map(SiteTime::gmt_text));
    }

    /// `None`: not wanted; `Some(None)`: whole; `Some(Some(_))`: in part.
    fn selection(&self, name: &str) -> Option<Option<&'a Fields>> {
        match self.fields {
            None => Some(None),
            Some(fields) => fields
                .0
                .get(name)
                .map(|part| (!part.is_leaf()).then_some(part)),
        }
    }

    fn key(&mut self, name: &str) {
        if !self.first {
            self.text.raw(",");
        }
        self.first = false;
        self.text.string(name);
        self.text.raw(":");
    }
}

impl ToJson for str {
    fn write(&self, text: &mut JsonText) {
        text.string(self);
    }
}

impl ToJson for String {
    fn write(&self, text: &mut JsonText) {
        text.string(self);
    }
}

impl ToJson for bool {
    fn write(&self, text: &mut JsonText) {
        text.raw(if *self { "true" } else { "false" });
    }
}

impl ToJson for i64 {
    fn write(&self, text: &mut JsonText) {
        text.raw(&self.to_string());
    }
}

impl ToJson for u64 {
    fn write(&self, text: &mut JsonText) {
        text.raw(&self.to_string());
    }
}

impl<T: ToJson> ToJson for Option<T> {
    fn write(&self, text: &mut JsonText) {
        match self {
            Some(value) => value.write(text),
            None => text.raw("null"),
        }
    }
}

/// A number whose digits are known.
pub(crate) struct Digits(pub(crate) String);

impl ToJson for Digits {
    fn write(&self, text: &mut JsonText) {
        text.raw(&self.0);
    }
}

impl<T: ToJson> ToJson for [T] {
    fn write(&self, text: &mut JsonText) {
        text.list(self, |text, item| item.write(text));
    }

    fn write_part(&self, text: &mut JsonText, _fields: &Fields) {
        text.raw("[]");
    }
}

impl ToJson for Value {
    fn write(&self, text: &mut JsonText) {
        match self {
            Self::Null => text.raw("null"),
            Self::Bool(value) => value.write(text),
            Self::Number(value) => text.raw(&value.to_string()),
            Self::String(value) => text.string(value),
            Self::Array(items) => items.as_slice().write(text),
            Self::Object(members) => text.object(None, |object| {
                for (name, value) in members {
                    object.put(name, value);
                }
            }),
        }
    }

    fn write_part(&self, text: &mut JsonText, fields: &Fields) {
        match self {
            Self::Array(_) => text.raw("[]"),
            Self::Object(members) => text.object(Some(fields), |object| {
                for (name, value) in members {
                    object.put(name, value);
                }
            }),
            plain => plain.write(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Any text comes back unchanged and travels as ASCII.
        #[test]
        fn any_text_survives_as_ascii(text: String) {
            let mut json = JsonText::default();
            json.string(&text);
            let bytes = json.into_bytes();
            prop_assert!(bytes.is_ascii());
            prop_assert_eq!(serde_json::from_slice::<String>(&bytes).unwrap(), text);
        }
    }
}
