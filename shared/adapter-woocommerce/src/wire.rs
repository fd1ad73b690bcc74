//! Members as the store writes them: read strictly, named when they are missing or odd.

use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use storelink_model::{InvalidValue, Timestamp};

use crate::walk::gmt_time;

/// A value that the store writes as a string (amounts always, sheet section 4); anything else is
/// refused, also a number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<T>(pub(crate) T);

impl<'de, T: FromStr<Err = InvalidValue>> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(D::Error::custom)
    }
}

/// A time in UTC without a zone mark.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gmt(pub(crate) Timestamp);

impl<'de> Deserialize<'de> for Gmt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let instant = gmt_time(&text).ok_or_else(|| D::Error::custom("expected a time"))?;
        Ok(Self(instant))
    }
}

/// A member that may be null but must be there.
pub(crate) fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}

/// Words for people, and names that plugins choose: null is no words, and a filter of a plugin may
/// make a number of a postcode. The member must be there, and nothing else is taken for words.
pub(crate) fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Null => Ok(String::new()),
        _ => Err(D::Error::custom("expected a text")),
    }
}

/// One entry of `meta_data`: any plugin's, so its value may be anything.
#[derive(Debug, Deserialize)]
pub(crate) struct Meta {
    #[serde(default)]
    pub(crate) key: Value,
    #[serde(default)]
    pub(crate) value: Value,
    #[serde(default)]
    pub(crate) display_key: Value,
    #[serde(default)]
    pub(crate) display_value: Value,
}

impl Meta {
    pub(crate) fn key(&self) -> &str {
        self.key.as_str().unwrap_or_default()
    }
}

/// A text, or the text of a number; nothing for all else and for an empty text.
pub(crate) fn plain_text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    };
    (!text.trim().is_empty()).then_some(text)
}
