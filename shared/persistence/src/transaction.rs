//! Statements that take effect together or not at all.

use crate::arg::Arg;
use crate::connection::Connection;
use crate::statement::{self, Statement};
use crate::{DbError, Result, Row};

/// An open transaction; dropping it rolls back.
///
/// On SQLite it holds the only writer from its beginning (`BEGIN IMMEDIATE`), so keep it short and
/// never wait for another call of the same [`Database`](crate::Database) inside it. On PostgreSQL
/// it runs at READ COMMITTED: guard what was read by a condition in the writing statement.
///
/// After a failed statement only a rollback is possible, on both back ends alike.
#[must_use = "dropping a transaction rolls it back"]
pub struct Transaction {
    /// Taken when the transaction ends.
    connection: Option<Connection>,
    failed: bool,
}

impl Transaction {
    pub(crate) async fn begin(connection: Connection) -> Result<Self> {
        // Built first: when beginning fails or is cancelled, dropping it still rolls back.
        let mut transaction = Self {
            connection: Some(connection),
            failed: false,
        };
        transaction.connection()?.begin().await?;
        Ok(transaction)
    }

    /// Runs a statement and tells how many rows it changed.
    ///
    /// # Errors
    /// See [`DbError`].
    pub async fn execute(&mut self, sql: &'static str, args: Vec<Arg>) -> Result<u64> {
        let outcome = self.connection()?.execute(Statement::new(sql, args)).await;
        self.note(outcome)
    }

    /// All rows of a statement.
    ///
    /// # Errors
    /// See [`DbError`].
    pub async fn fetch_all(&mut self, sql: &'static str, args: Vec<Arg>) -> Result<Vec<Row>> {
        let outcome = self
            .connection()?
            .fetch_all(Statement::new(sql, args))
            .await;
        self.note(outcome)
    }

    /// The first row of a statement, if any.
    ///
    /// # Errors
    /// See [`DbError`].
    pub async fn fetch_optional(
        &mut self,
        sql: &'static str,
        args: Vec<Arg>,
    ) -> Result<Option<Row>> {
        let outcome = self
            .connection()?
            .fetch_optional(Statement::new(sql, args))
            .await;
        self.note(outcome)
    }

    /// The first row of a statement that must have one.
    ///
    /// # Errors
    /// [`DbError::RowNotFound`] when there is none; it does not fail the transaction.
    pub async fn fetch_one(&mut self, sql: &'static str, args: Vec<Arg>) -> Result<Row> {
        self.fetch_optional(sql, args)
            .await?
            .ok_or(DbError::RowNotFound)
    }

    /// See [`Database::execute_values`](crate::Database::execute_values).
    ///
    /// # Errors
    /// See [`DbError`].
    pub async fn execute_values(
        &mut self,
        prefix: &'static str,
        suffix: &'static str,
        rows: Vec<Vec<Arg>>,
    ) -> Result<u64> {
        let mut changed = 0;
        for statement in statement::multi_row(prefix, suffix, rows)? {
            let outcome = self.connection()?.execute(statement).await;
            changed += self.note(outcome)?;
        }
        Ok(changed)
    }

    /// See [`Database::fetch_values`](crate::Database::fetch_values).
    ///
    /// # Errors
    /// See [`DbError`].
    pub async fn fetch_values(
        &mut self,
        prefix: &'static str,
        suffix: &'static str,
        rows: Vec<Vec<Arg>>,
    ) -> Result<Vec<Row>> {
        let mut found = Vec::new();
        for statement in statement::multi_row(prefix, suffix, rows)? {
            let outcome = self.connection()?.fetch_all(statement).await;
            found.extend(self.note(outcome)?);
        }
        Ok(found)
    }

    /// Makes everything lasting.
    ///
    /// # Errors
    /// [`DbError::TransactionFailed`] after a failed statement. A transient error here leaves it
    /// *unknown* whether the commit happened: repeat the work in a way that bears both.
    pub async fn commit(mut self) -> Result<()> {
        if self.failed {
            return Err(DbError::TransactionFailed);
        }
        self.connection()?.commit().await?;
        self.connection = None;
        Ok(())
    }

    fn connection(&mut self) -> Result<&mut Connection> {
        self.connection.as_mut().ok_or(DbError::TransactionFailed)
    }

    fn note<T>(&mut self, outcome: Result<T>) -> Result<T> {
        self.failed |= outcome.is_err();
        outcome
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        // Without a runtime the process is ending, and the database rolls back by itself.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(connection.roll_back());
        }
    }
}
