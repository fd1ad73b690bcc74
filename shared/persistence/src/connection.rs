//! One pooled connection of either back end, and running statements on it within a time limit.

use std::future::Future;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Postgres, Sqlite};

use crate::arg::bind;
use crate::statement::Statement;
use crate::{DbError, Result, Row};

const RETURN_LIMIT: Duration = Duration::from_secs(5);

pub(crate) struct Connection {
    kind: Kind,
    limit: Duration,
}

enum Kind {
    Sqlite(Pooled<Sqlite>),
    Postgres(Pooled<Postgres>),
}

/// Runs one expression for the connection's back end.
macro_rules! on_backend {
    ($self:ident, $arguments:ident, $connection:ident => $run:expr) => {{
        let limit = $self.limit;
        let outcome = match &mut $self.kind {
            Kind::Sqlite($connection) => {
                type $arguments = SqliteArguments;
                within(limit, async { $run }).await
            }
            Kind::Postgres($connection) => {
                type $arguments = PgArguments;
                within(limit, async { $run }).await
            }
        };
        $self.give_up_after_timeout(outcome)
    }};
}

impl Connection {
    pub(crate) fn sqlite(connection: PoolConnection<Sqlite>, limit: Duration) -> Self {
        Self {
            kind: Kind::Sqlite(Pooled::new(connection)),
            limit,
        }
    }

    pub(crate) fn postgres(connection: PoolConnection<Postgres>, limit: Duration) -> Self {
        Self {
            kind: Kind::Postgres(Pooled::new(connection)),
            limit,
        }
    }

    pub(crate) async fn execute(&mut self, statement: Statement) -> Result<u64> {
        on_backend!(self, Arguments, connection => {
            let arguments: Arguments = bind(statement.args)?;
            let done = sqlx::query_with(statement.sql, arguments)
                .persistent(statement.persistent)
                .execute(&mut *connection.inner)
                .await?;
            Ok(done.rows_affected())
        })
    }

    pub(crate) async fn fetch_all(&mut self, statement: Statement) -> Result<Vec<Row>> {
        on_backend!(self, Arguments, connection => {
            let arguments: Arguments = bind(statement.args)?;
            let rows = sqlx::query_with(statement.sql, arguments)
                .persistent(statement.persistent)
                .fetch_all(&mut *connection.inner)
                .await?;
            Ok(rows.into_iter().map(Row::from).collect())
        })
    }

    pub(crate) async fn fetch_optional(&mut self, statement: Statement) -> Result<Option<Row>> {
        on_backend!(self, Arguments, connection => {
            let arguments: Arguments = bind(statement.args)?;
            let row = sqlx::query_with(statement.sql, arguments)
                .persistent(statement.persistent)
                .fetch_optional(&mut *connection.inner)
                .await?;
            Ok(row.map(Row::from))
        })
    }

    pub(crate) async fn begin(&mut self) -> Result<()> {
        let begin = match &self.kind {
            // IMMEDIATE: a transaction that reads before it writes must not fail half-way
            // because another one wrote in between.
            Kind::Sqlite(_) => "BEGIN IMMEDIATE",
            Kind::Postgres(_) => "BEGIN",
        };
        self.execute(Statement::new(begin, Vec::new()))
            .await
            .map(|_| ())
    }

    pub(crate) async fn commit(&mut self) -> Result<()> {
        self.execute(Statement::new("COMMIT", Vec::new()))
            .await
            .map(|_| ())
    }

    /// Rolls back and returns the connection to its pool, or closes it, which has the same effect.
    pub(crate) async fn roll_back(mut self) {
        let outcome = self.execute(Statement::new("ROLLBACK", Vec::new())).await;
        if let Err(error) = outcome {
            tracing::debug!(%error, "rollback failed, connection is closed");
            self.close_on_drop();
        }
    }

    /// One that did not answer may never do so: it must not block a place in the pool.
    fn give_up_after_timeout<T>(&mut self, outcome: Result<T>) -> Result<T> {
        if matches!(outcome, Err(DbError::Timeout(_))) {
            self.close_on_drop();
        }
        outcome
    }

    fn close_on_drop(&mut self) {
        match &mut self.kind {
            Kind::Sqlite(connection) => connection.close_on_drop(),
            Kind::Postgres(connection) => connection.close_on_drop(),
        }
    }
}

async fn within<T>(limit: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
    match tokio::time::timeout(limit, work).await {
        Ok(outcome) => outcome,
        Err(_) => Err(DbError::Timeout(format!("no answer within {limit:?}"))),
    }
}

/// Returns a connection to its pool within a limit.
///
/// The pool asks a returning connection for a sign of life and would wait for it without end: a
/// connection that froze just then would take its place in the pool with it.
struct Pooled<DB: sqlx::Database> {
    inner: PoolConnection<DB>,
    closing: bool,
}

impl<DB: sqlx::Database> Pooled<DB> {
    fn new(inner: PoolConnection<DB>) -> Self {
        Self {
            inner,
            closing: false,
        }
    }

    fn close_on_drop(&mut self) {
        self.closing = true;
        self.inner.close_on_drop();
    }
}

impl<DB: sqlx::Database> Drop for Pooled<DB> {
    fn drop(&mut self) {
        if self.closing {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // Dropping the unfinished return closes the connection and frees its place.
            runtime.spawn(tokio::time::timeout(
                RETURN_LIMIT,
                self.inner.return_to_pool(),
            ));
        }
    }
}
