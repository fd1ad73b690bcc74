//! Exact decimals: how a text or a JSON number becomes one.

use rust_decimal::Decimal;
use schemars::generate::Contract;
use schemars::{Schema, json_schema};
use serde::{Deserialize, Deserializer};

use crate::InvalidValue;

/// The longest text of a decimal, in bytes.
const LONGEST: usize = 40;

/// Reads a plain decimal text of at most `scale` fraction digits and at most `limit` in size.
/// Exponents, blanks, signs other than a leading minus, and separators are refused.
pub(crate) fn parse(
    what: &'static str,
    text: &str,
    scale: u32,
    limit: i64,
) -> Result<Decimal, InvalidValue> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && digits.bytes().next().is_some_and(|b| b.is_ascii_digit())
        && digits
            .bytes()
            .next_back()
            .is_some_and(|b| b.is_ascii_digit());
    if !plain || text.len() > LONGEST {
        return Err(InvalidValue::new(what, "it is not a plain decimal number"));
    }
    let value = Decimal::from_str_exact(text)
        .map_err(|_| InvalidValue::new(what, "it has too many digits"))?;
    bounded(what, value, scale, limit)
}

/// The same rules for a decimal that was computed or read already.
pub(crate) fn bounded(
    what: &'static str,
    value: Decimal,
    scale: u32,
    limit: i64,
) -> Result<Decimal, InvalidValue> {
    if value.normalize().scale() > scale {
        return Err(InvalidValue::new(
            what,
            format!("more than {scale} fraction digits"),
        ));
    }
    if value.abs() > Decimal::from(limit) {
        return Err(InvalidValue::new(what, format!("it is beyond {limit}")));
    }
    Ok(if value.is_zero() {
        Decimal::new(0, value.scale())
    } else {
        value
    })
}

/// The text of a JSON string or the exact text of a JSON number.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::String(text) => Ok(text),
        serde_json::Value::Number(number) => Ok(number.to_string()),
        _ => Err(serde::de::Error::custom("expected a decimal as a string")),
    }
}

/// The schema of a decimal: what we write is a string; what we read may be a number too.
pub(crate) fn schema(contract: &Contract, scale: u32, least: i64, limit: i64) -> Schema {
    let sign = if least < 0 { "-?" } else { "" };
    let digits = limit.to_string().len();
    let pattern = format!("^{sign}0*[0-9]{{1,{digits}}}(\\.[0-9]{{1,{scale}}}0*)?$");
    if contract.is_serialize() {
        return json_schema!({
            "description": "An exact decimal.",
            "type": "string",
            "pattern": pattern,
        });
    }
    json_schema!({
        "description": "An exact decimal: a string, or a JSON number, which is read by its exact text.",
        "anyOf": [
            { "type": "string", "maxLength": LONGEST, "pattern": pattern },
            { "type": "number", "minimum": least, "maximum": limit },
        ],
    })
}

/// Gives a newtype over [`Decimal`] with a `fn new(Decimal) -> Result` its parsing, showing, serde
/// and schema.
macro_rules! decimal_value {
    ($name:ident, $what:literal, $scale:expr, $least:expr, $limit:expr) => {
        impl $name {
            /// Takes a decimal that was computed or read elsewhere.
            ///
            /// # Errors
            /// When it has too many fraction digits or is too large.
            pub fn new(value: rust_decimal::Decimal) -> Result<Self, crate::InvalidValue> {
                Self::check(crate::decimal::bounded($what, value, $scale, $limit)?)
            }

            /// The decimal itself.
            #[must_use]
            pub fn decimal(self) -> rust_decimal::Decimal {
                self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::InvalidValue;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::check(crate::decimal::parse($what, text, $scale, $limit)?)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(&self.0, f)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                crate::decimal::text(d)?
                    .parse()
                    .map_err(serde::de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                crate::decimal::schema(generator.contract(), $scale, $least, $limit)
            }
        }
    };
}

pub(crate) use decimal_value;
