//! What all text-like values share: parse, show, serialize, describe.

use crate::InvalidValue;

/// Refuses what no code of a store or an ERP may hold: nothing at all, more than `max` bytes,
/// control characters.
pub(crate) fn plain(what: &'static str, text: &str, max: usize) -> Result<(), InvalidValue> {
    if text.is_empty() {
        return Err(InvalidValue::new(what, "it is empty"));
    }
    if text.len() > max {
        return Err(InvalidValue::new(
            what,
            format!("it is longer than {max} bytes"),
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(InvalidValue::new(what, "it holds a control character"));
    }
    Ok(())
}

/// What [`plain`] allows, as a pattern of JSON Schema; its length in bytes no pattern can say.
pub(crate) const PLAIN: &str = r"^[^\u0000-\u001F\u007F-\u009F]+$";

/// Gives a newtype over `Box<str>` with a `fn check(&str) -> Result<(), InvalidValue>` its parsing,
/// showing, serde and schema.
macro_rules! text_value {
    ($name:ident, $max:expr, $pattern:expr) => {
        impl $name {
            /// The text as it was given.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::InvalidValue;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::check(text)?;
                Ok(Self(text.into()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = crate::InvalidValue;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::check(&text)?;
                Ok(Self(text.into()))
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0.into()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "description": concat!("At most ", stringify!($max), " bytes in UTF-8."),
                    "type": "string",
                    "minLength": 1,
                    "maxLength": $max,
                    "pattern": $pattern,
                })
            }
        }
    };
}

pub(crate) use text_value;
