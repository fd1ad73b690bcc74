//! One row of an answer, read by column name.

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Row as _, TypeInfo as _, ValueRef as _};
use time::OffsetDateTime;

use crate::{DbError, Result};

/// One row of an answer. Columns are read by name; the SQL type must fit, nothing is converted.
pub struct Row(Inner);

enum Inner {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl From<SqliteRow> for Row {
    fn from(row: SqliteRow) -> Self {
        Self(Inner::Sqlite(row))
    }
}

impl From<PgRow> for Row {
    fn from(row: PgRow) -> Self {
        Self(Inner::Postgres(row))
    }
}

/// Decodes a column after comparing its SQL type with the types that fit.
macro_rules! read {
    ($row:expr, $column:expr, $type:ty, sqlite: [$($sqlite:literal),+], postgres: [$($postgres:literal),+]) => {
        match &$row.0 {
            Inner::Sqlite(row) => {
                let value = row.try_get_raw($column).map_err(|_| absent($column))?;
                match value.type_info().name() {
                    _ if value.is_null() => Ok(None),
                    $($sqlite)|+ => decoded($column, <$type as Decode<sqlx::Sqlite>>::decode(value)),
                    other => Err(mismatch($column, other)),
                }
            }
            Inner::Postgres(row) => {
                let value = row.try_get_raw($column).map_err(|_| absent($column))?;
                match value.type_info().name() {
                    _ if value.is_null() => Ok(None),
                    $($postgres)|+ => decoded($column, <$type as Decode<sqlx::Postgres>>::decode(value)),
                    other => Err(mismatch($column, other)),
                }
            }
        }
    };
}

impl Row {
    /// A text that is not null.
    ///
    /// # Errors
    /// The column is missing, null or no text.
    pub fn text(&self, column: &str) -> Result<String> {
        present(column, self.opt_text(column)?)
    }

    /// A text or null.
    ///
    /// # Errors
    /// The column is missing or no text.
    pub fn opt_text(&self, column: &str) -> Result<Option<String>> {
        read!(self, column, String, sqlite: ["TEXT"], postgres: ["TEXT", "VARCHAR", "CHAR", "NAME"])
    }

    /// A whole number that is not null.
    ///
    /// # Errors
    /// The column is missing, null or no whole number. PostgreSQL's `SUM(bigint)` is none: write
    /// `CAST(SUM(x) AS BIGINT)`.
    pub fn int(&self, column: &str) -> Result<i64> {
        present(column, self.opt_int(column)?)
    }

    /// A whole number or null.
    ///
    /// # Errors
    /// The column is missing or no whole number.
    pub fn opt_int(&self, column: &str) -> Result<Option<i64>> {
        if let Inner::Postgres(row) = &self.0 {
            let value = row.try_get_raw(column).map_err(|_| absent(column))?;
            match value.type_info().name() {
                "INT4" if !value.is_null() => {
                    return decoded(column, <i32 as Decode<sqlx::Postgres>>::decode(value))
                        .map(|number| number.map(i64::from));
                }
                "INT2" if !value.is_null() => {
                    return decoded(column, <i16 as Decode<sqlx::Postgres>>::decode(value))
                        .map(|number| number.map(i64::from));
                }
                _ => {}
            }
        }
        read!(self, column, i64, sqlite: ["INTEGER"], postgres: ["INT8"])
    }

    /// Bytes that are not null.
    ///
    /// # Errors
    /// The column is missing, null or holds no bytes.
    pub fn bytes(&self, column: &str) -> Result<Vec<u8>> {
        present(column, self.opt_bytes(column)?)
    }

    /// Bytes or null.
    ///
    /// # Errors
    /// The column is missing or holds no bytes.
    pub fn opt_bytes(&self, column: &str) -> Result<Option<Vec<u8>>> {
        read!(self, column, Vec<u8>, sqlite: ["BLOB"], postgres: ["BYTEA"])
    }

    /// A truth value that is not null; works for `BOOLEAN` columns and for `EXISTS (…)`.
    ///
    /// # Errors
    /// The column is missing, null or no truth value.
    pub fn bool(&self, column: &str) -> Result<bool> {
        present(column, self.opt_bool(column)?)
    }

    /// A truth value or null.
    ///
    /// # Errors
    /// The column is missing or no truth value.
    pub fn opt_bool(&self, column: &str) -> Result<Option<bool>> {
        read!(self, column, bool, sqlite: ["INTEGER", "BOOLEAN"], postgres: ["BOOL"])
    }

    /// A time that is not null, kept as microseconds since 1970 in UTC.
    ///
    /// # Errors
    /// The column is missing, null, no whole number or outside the years ±9999.
    pub fn time(&self, column: &str) -> Result<OffsetDateTime> {
        present(column, self.opt_time(column)?)
    }

    /// A time or null, kept as microseconds since 1970 in UTC.
    ///
    /// # Errors
    /// The column is missing, no whole number or outside the years ±9999.
    pub fn opt_time(&self, column: &str) -> Result<Option<OffsetDateTime>> {
        self.opt_int(column)?
            .map(|micros| {
                OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000)
                    .map_err(|_| DbError::column(column, "is no time in microseconds"))
            })
            .transpose()
    }
}

fn absent(column: &str) -> DbError {
    DbError::column(column, "is not part of the answer")
}

fn mismatch(column: &str, found: &str) -> DbError {
    DbError::column(column, format!("has another type than expected: {found}"))
}

fn decoded<T, E>(column: &str, value: std::result::Result<T, E>) -> Result<Option<T>> {
    value
        .map(Some)
        .map_err(|_| DbError::column(column, "cannot be decoded"))
}

fn present<T>(column: &str, value: Option<T>) -> Result<T> {
    value.ok_or_else(|| DbError::column(column, "is null"))
}
