//! The database of one service.

use std::sync::Arc;

use storelink_settings::DatabaseSettings;

use crate::arg::Arg;
use crate::connection::Connection;
use crate::postgres::PostgresPool;
use crate::sqlite::SqlitePools;
use crate::statement::{self, Statement};
use crate::{DbError, Result, Row, Transaction};

/// The database of one service: a SQLite file or a PostgreSQL schema. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    inner: Arc<Inner>,
}

struct Inner {
    service: String,
    pools: Pools,
}

pub(crate) enum Pools {
    Sqlite(SqlitePools),
    Postgres(PostgresPool),
}

/// Which kind of database serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// An embedded file, one process per service.
    Sqlite,
    /// A server, for replicas.
    Postgres,
}

/// What a statement needs of its connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

impl Access {
    fn of(parts: &[&str]) -> Self {
        if statement::only_reads(parts) {
            Self::Read
        } else {
            Self::Write
        }
    }
}

impl Database {
    /// Opens the database of `service` and proves that it answers. The name becomes the file name
    /// or the schema: lower-case letters, digits and hyphens.
    ///
    /// # Errors
    /// Unusable settings, a SQLite file that another process holds, or a server that does not
    /// answer within the acquire timeout.
    pub async fn open(settings: &DatabaseSettings, service: &str) -> Result<Self> {
        check_name(service)?;
        let pools = match settings.url.expose().split_once(':') {
            Some(("sqlite", folder)) => {
                Pools::Sqlite(SqlitePools::open(folder.as_ref(), service, settings).await?)
            }
            Some(("postgres" | "postgresql", _)) => {
                Pools::Postgres(PostgresPool::open(service, settings).await?)
            }
            _ => {
                return Err(DbError::Settings(
                    "database.url must begin with sqlite: or postgres://".to_owned(),
                ));
            }
        };
        let inner = Inner {
            service: service.to_owned(),
            pools,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Which kind of database serves.
    #[must_use]
    pub fn backend(&self) -> Backend {
        match self.inner.pools {
            Pools::Sqlite(_) => Backend::Sqlite,
            Pools::Postgres(_) => Backend::Postgres,
        }
    }

    /// Name of the service whose data this is.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.inner.service
    }

    /// Proves that the database answers; for readiness checks.
    ///
    /// # Errors
    /// A transient error when it does not.
    pub async fn ping(&self) -> Result<()> {
        self.fetch_one("SELECT 1 AS alive", Vec::new())
            .await
            .map(|_| ())
    }

    /// Runs a statement and tells how many rows it changed.
    ///
    /// # Errors
    /// See [`DbError`].
    pub async fn execute(&self, sql: &'static str, args: Vec<Arg>) -> Result<u64> {
        self.connection(Access::of(&[sql]))
            .await?
            .execute(Statement::new(sql, args))
            .await
    }

    /// All rows of a statement; bound the number by `LIMIT` where it can grow.
    ///
    /// # Errors
    /// See [`DbError`].
    pub async fn fetch_all(&self, sql: &'static str, args: Vec<Arg>) -> Result<Vec<Row>> {
        self.connection(Access::of(&[sql]))
            .await?
            .fetch_all(Statement::new(sql, args))
            .await
    }

    /// The first row of a statement, if any.
    ///
    /// # Errors
    /// See [`DbError`].
    pub async fn fetch_optional(&self, sql: &'static str, args: Vec<Arg>) -> Result<Option<Row>> {
        self.connection(Access::of(&[sql]))
            .await?
            .fetch_optional(Statement::new(sql, args))
            .await
    }

    /// The first row of a statement that must have one.
    ///
    /// # Errors
    /// [`DbError::RowNotFound`] when there is none.
    pub async fn fetch_one(&self, sql: &'static str, args: Vec<Arg>) -> Result<Row> {
        self.fetch_optional(sql, args)
            .await?
            .ok_or(DbError::RowNotFound)
    }

    /// Runs `prefix (…), (…), … suffix` for any number of rows, all or nothing, and tells how many
    /// rows were changed: `INSERT INTO t (a, b) VALUES` with `ON CONFLICT (a) DO UPDATE SET …`, or
    /// `WITH v(a, b) AS (VALUES` with `) UPDATE t SET b = v.b FROM v WHERE t.a = v.a`.
    ///
    /// Keys must be distinct over all rows: PostgreSQL refuses to update one row twice in a
    /// statement. Neither part may hold placeholders of its own.
    ///
    /// # Errors
    /// See [`DbError`]; rows of different widths are refused.
    pub async fn execute_values(
        &self,
        prefix: &'static str,
        suffix: &'static str,
        rows: Vec<Vec<Arg>>,
    ) -> Result<u64> {
        if rows.is_empty() {
            return Ok(0);
        }
        let mut transaction = self.begin().await?;
        let changed = transaction.execute_values(prefix, suffix, rows).await?;
        transaction.commit().await?;
        Ok(changed)
    }

    /// Rows of `prefix (…), (…), … suffix`, for questions about many keys at once:
    /// `WITH wanted(sku) AS (VALUES` with `) SELECT t.* FROM t JOIN wanted ON wanted.sku = t.sku`.
    /// Long lists are asked in parts, so an `ORDER BY` or aggregate holds within a part only.
    ///
    /// # Errors
    /// See [`DbError`]; rows of different widths are refused.
    pub async fn fetch_values(
        &self,
        prefix: &'static str,
        suffix: &'static str,
        rows: Vec<Vec<Arg>>,
    ) -> Result<Vec<Row>> {
        if Access::of(&[prefix, suffix]) == Access::Write {
            let mut transaction = self.begin().await?;
            let found = transaction.fetch_values(prefix, suffix, rows).await?;
            transaction.commit().await?;
            return Ok(found);
        }
        let mut connection = self.connection(Access::Read).await?;
        let mut found = Vec::new();
        for statement in statement::multi_row(prefix, suffix, rows)? {
            found.extend(connection.fetch_all(statement).await?);
        }
        Ok(found)
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// A transient error when no connection becomes free in time.
    pub async fn begin(&self) -> Result<Transaction> {
        Transaction::begin(self.connection(Access::Write).await?).await
    }

    /// Closes every connection after the statements that run on them. A later call fails.
    pub async fn close(&self) {
        match &self.inner.pools {
            Pools::Sqlite(pools) => pools.close().await,
            Pools::Postgres(pool) => pool.close().await,
        }
    }

    pub(crate) fn pools(&self) -> &Pools {
        &self.inner.pools
    }

    async fn connection(&self, access: Access) -> Result<Connection> {
        match &self.inner.pools {
            Pools::Sqlite(pools) => pools.connection(access).await,
            Pools::Postgres(pool) => pool.connection().await,
        }
    }
}

/// The name is put into a file path and, unescaped, into SQL.
fn check_name(service: &str) -> Result<()> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let begins = service
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_lowercase());
    if begins && service.len() <= 60 && service.bytes().all(fits) {
        Ok(())
    } else {
        Err(DbError::Settings(format!(
            "service name `{service}` may only hold lower-case letters, digits and hyphens"
        )))
    }
}
