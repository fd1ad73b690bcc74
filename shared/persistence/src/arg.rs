//! Values bound to `$1`, `$2`, … of a statement.

use sqlx::encode::Encode;
use sqlx::{Arguments, Type};
use time::OffsetDateTime;

use crate::DbError;

/// A value bound to a placeholder.
///
/// Nulls carry their type, since PostgreSQL plans a statement by the types of its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arg {
    /// Text.
    Text(String),
    /// A 64-bit integer; times are microseconds since 1970 in UTC.
    Int(i64),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A truth value.
    Bool(bool),
    /// No value, of a column of this type.
    Null(ArgType),
}

/// Type of a bound value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArgType {
    /// `TEXT`
    Text,
    /// `BIGINT`
    Int,
    /// `BYTEA`
    Bytes,
    /// `BOOLEAN`
    Bool,
}

/// Builds the arguments of a statement from values of different types.
///
/// ```
/// use storelink_persistence::{Arg, args};
///
/// let paused: Option<bool> = None;
/// let bound = args!["con_1", 42, paused];
/// assert_eq!(bound[1], Arg::Int(42));
/// ```
#[macro_export]
macro_rules! args {
    () => { ::std::vec::Vec::<$crate::Arg>::new() };
    ($($value:expr),+ $(,)?) => { ::std::vec![$($crate::Arg::from($value)),+] };
}

/// A Rust type that is stored as one SQL type; lets `None` become a typed null.
pub trait SqlType {
    /// The SQL type.
    const TYPE: ArgType;
}

macro_rules! bind_as {
    ($variant:ident: $($type:ty => $convert:expr),+ $(,)?) => { $(
        impl SqlType for $type {
            const TYPE: ArgType = ArgType::$variant;
        }
        impl From<$type> for Arg {
            fn from(value: $type) -> Self {
                let convert: fn($type) -> _ = $convert;
                Self::$variant(convert(value))
            }
        }
    )+ };
}

bind_as!(Text: String => |text| text, &String => |text| text.clone(), &str => |text| text.to_owned());
bind_as!(Int: i64 => |number| number, i32 => i64::from, i16 => i64::from, u32 => i64::from,
    u16 => i64::from, u8 => i64::from, OffsetDateTime => micros);
bind_as!(Bytes: Vec<u8> => |bytes| bytes, &[u8] => |bytes| bytes.to_vec());
bind_as!(Bool: bool => |truth| truth);

impl<T: SqlType + Into<Arg>> From<Option<T>> for Arg {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null(T::TYPE), Into::into)
    }
}

/// Microseconds since 1970; fits for every year that `time` knows (±9999).
fn micros(time: OffsetDateTime) -> i64 {
    time.unix_timestamp() * 1_000_000 + i64::from(time.microsecond())
}

/// Binds every value in order.
pub(crate) fn bind<A>(args: Vec<Arg>) -> Result<A, DbError>
where
    A: Arguments + Default,
    String: Encode<'static, A::Database> + Type<A::Database>,
    i64: Encode<'static, A::Database> + Type<A::Database>,
    Vec<u8>: Encode<'static, A::Database> + Type<A::Database>,
    bool: Encode<'static, A::Database> + Type<A::Database>,
    Option<String>: Encode<'static, A::Database> + Type<A::Database>,
    Option<i64>: Encode<'static, A::Database> + Type<A::Database>,
    Option<Vec<u8>>: Encode<'static, A::Database> + Type<A::Database>,
    Option<bool>: Encode<'static, A::Database> + Type<A::Database>,
{
    let mut bound = A::default();
    bound.reserve(args.len(), 0);
    for arg in args {
        match arg {
            // SQLite would keep it, and the same data would then not move to PostgreSQL.
            Arg::Text(text) if text.contains('\0') => {
                return Err(DbError::RuleViolation(
                    "a text holds the character NUL".to_owned(),
                ));
            }
            Arg::Text(text) => bound.add(text),
            Arg::Int(number) => bound.add(number),
            Arg::Bytes(bytes) => bound.add(bytes),
            Arg::Bool(truth) => bound.add(truth),
            Arg::Null(ArgType::Text) => bound.add(None::<String>),
            Arg::Null(ArgType::Int) => bound.add(None::<i64>),
            Arg::Null(ArgType::Bytes) => bound.add(None::<Vec<u8>>),
            Arg::Null(ArgType::Bool) => bound.add(None::<bool>),
        }
        .map_err(|error| DbError::statement(None, error.to_string()))?;
    }
    Ok(bound)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn times_are_microseconds_in_utc() {
        assert_eq!(
            Arg::from(datetime!(1970-01-01 01:00:00.000002 +1)),
            Arg::Int(2)
        );
        assert_eq!(
            Arg::from(datetime!(1969-12-31 23:59:59.999999 UTC)),
            Arg::Int(-1)
        );
        assert_eq!(
            Arg::from(datetime!(9999-12-31 23:59:59.999999 UTC)),
            Arg::Int(253_402_300_799_999_999)
        );
    }

    #[test]
    fn none_keeps_its_type() {
        assert_eq!(
            args![
                None::<&str>,
                None::<i64>,
                None::<Vec<u8>>,
                None::<bool>,
                Some("x")
            ],
            [
                Arg::Null(ArgType::Text),
                Arg::Null(ArgType::Int),
                Arg::Null(ArgType::Bytes),
                Arg::Null(ArgType::Bool),
                Arg::Text("x".to_owned()),
            ]
        );
    }
}
