//! Statements and the multi-row form of them.

use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr};

use crate::arg::{Arg, ArgType};
use crate::{DbError, Result};

/// Bound values of one multi-row statement; SQLite takes 32,766, PostgreSQL 65,535.
const MOST_ARGS: usize = 30_000;
/// Rows of one multi-row statement; more gain nothing and make long statement texts.
const MOST_ROWS: usize = 500;

/// A statement ready to run.
pub(crate) struct Statement {
    pub(crate) sql: SqlStr,
    pub(crate) args: Vec<Arg>,
    /// Whether its plan is worth keeping on the connection.
    pub(crate) persistent: bool,
}

impl Statement {
    pub(crate) fn new(sql: &'static str, args: Vec<Arg>) -> Self {
        Self {
            sql: sql.into_sql_str(),
            args,
            persistent: true,
        }
    }
}

/// Whether a statement only reads, so that a reader connection may run it. A statement that is
/// not recognised goes to the writer: slower, never wrong.
pub(crate) fn only_reads(parts: &[&str]) -> bool {
    let mut words = parts
        .iter()
        .flat_map(|part| {
            part.split(|character: char| !character.is_ascii_alphanumeric() && character != '_')
        })
        .filter(|word| !word.is_empty());
    let is = |word: &str, names: &[&str]| names.iter().any(|name| word.eq_ignore_ascii_case(name));
    match words.next() {
        Some(first) if is(first, &["select"]) => true,
        Some(first) if is(first, &["with"]) => {
            !words.any(|word| is(word, &["insert", "update", "delete", "replace"]))
        }
        _ => false,
    }
}

/// Splits rows into statements `prefix (…), (…) suffix` below the limits of both back ends.
pub(crate) fn multi_row(
    prefix: &'static str,
    suffix: &'static str,
    rows: Vec<Vec<Arg>>,
) -> Result<Vec<Statement>> {
    let width = rows.first().map_or(0, Vec::len);
    if rows.iter().any(|row| row.len() != width) || width > MOST_ARGS {
        return Err(DbError::statement(
            None,
            "rows of a statement differ in width".to_owned(),
        ));
    }
    if width == 0 {
        return Ok(Vec::new());
    }
    let rows_per_statement = (MOST_ARGS / width).clamp(1, MOST_ROWS);
    let mut statements = Vec::with_capacity(rows.len().div_ceil(rows_per_statement));
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let mut chunk: Vec<Vec<Arg>> = rows.by_ref().take(rows_per_statement).collect();
        align_nulls(&mut chunk);
        statements.push(Statement {
            sql: AssertSqlSafe(text(prefix, suffix, chunk.len(), width)).into_sql_str(),
            // Chunks of odd sizes would push useful plans out of the connection's cache.
            persistent: chunk.len() == rows_per_statement,
            args: chunk.into_iter().flatten().collect(),
        });
    }
    Ok(statements)
}

/// Gives nulls the type of the values in the same column: PostgreSQL wants one type per column.
fn align_nulls(rows: &mut [Vec<Arg>]) {
    let width = rows.first().map_or(0, Vec::len);
    for column in 0..width {
        let known = rows
            .iter()
            .filter_map(|row| row.get(column))
            .find_map(Arg::type_of_value);
        let Some(known) = known else { continue };
        for row in rows.iter_mut() {
            if let Some(null @ Arg::Null(_)) = row.get_mut(column) {
                *null = Arg::Null(known);
            }
        }
    }
}

impl Arg {
    fn type_of_value(&self) -> Option<ArgType> {
        match self {
            Self::Text(_) => Some(ArgType::Text),
            Self::Int(_) => Some(ArgType::Int),
            Self::Bytes(_) => Some(ArgType::Bytes),
            Self::Bool(_) => Some(ArgType::Bool),
            Self::Null(_) => None,
        }
    }
}

fn text(prefix: &str, suffix: &str, rows: usize, width: usize) -> String {
    let mut sql = String::with_capacity(prefix.len() + suffix.len() + rows * width * 8);
    sql.push_str(prefix);
    let mut number = 0;
    for row in 0..rows {
        sql.push_str(if row == 0 { " (" } else { ", (" });
        for column in 0..width {
            number += 1;
            if column > 0 {
                sql.push(',');
            }
            sql.push('$');
            sql.push_str(&number.to_string());
        }
        sql.push(')');
    }
    sql.push(' ');
    sql.push_str(suffix);
    sql
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args;

    #[test]
    fn statements_that_may_write_are_not_taken_for_reads() {
        for sql in [
            "SELECT 1",
            "\n  select x FROM t",
            "WITH a AS (SELECT 1) SELECT * FROM a",
        ] {
            assert!(only_reads(&[sql]), "{sql}");
        }
        for sql in [
            "INSERT INTO t VALUES ($1) RETURNING a",
            "WITH a AS (SELECT 1) UPDATE t SET x = 1",
            "WITH a AS (VALUES ($1)) DELETE FROM t",
            "UPDATE t SET a = 1",
            "",
        ] {
            assert!(!only_reads(&[sql]), "{sql}");
        }
        assert!(!only_reads(&[
            "WITH v(a) AS (VALUES",
            ") UPDATE t SET x = v.a FROM v"
        ]));
        assert!(only_reads(&[
            "WITH v(a) AS (VALUES",
            ") SELECT updated_at FROM t JOIN v"
        ]));
    }

    #[test]
    fn rows_become_numbered_tuples() {
        let statements = multi_row(
            "INSERT INTO t (a, b) VALUES",
            "ON CONFLICT DO NOTHING",
            vec![args!["x", 1], args!["y", None::<String>]],
        )
        .unwrap();
        assert_eq!(statements.len(), 1);
        assert_eq!(
            statements[0].sql.as_str(),
            "INSERT INTO t (a, b) VALUES ($1,$2), ($3,$4) ON CONFLICT DO NOTHING"
        );
        assert_eq!(statements[0].args, args!["x", 1, "y", None::<i64>]);
    }

    #[test]
    fn wide_rows_stay_below_the_limit_of_bound_values() {
        let rows = vec![vec![Arg::Int(1); 100]; 1_000];
        let statements = multi_row("INSERT INTO t VALUES", "", rows).unwrap();
        let sizes: Vec<usize> = statements.iter().map(|one| one.args.len()).collect();
        assert_eq!(sizes, [30_000, 30_000, 30_000, 10_000]);
    }

    #[test]
    fn no_rows_make_no_statement_and_ragged_rows_are_refused() {
        assert!(
            multi_row("INSERT INTO t VALUES", "", Vec::new())
                .unwrap()
                .is_empty()
        );
        assert!(multi_row("INSERT INTO t VALUES", "", vec![args![1], args![1, 2]]).is_err());
    }
}
