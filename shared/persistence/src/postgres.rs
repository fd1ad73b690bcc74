//! A schema on a PostgreSQL server.

use std::str::FromStr as _;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use storelink_settings::DatabaseSettings;

use crate::connection::Connection;
use crate::{DbError, Result};

/// A connection that idled longer is asked for a sign of life before it is used. A busy one is
/// not: the question would double the round trips.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);
/// How much longer than the server's own limit we wait for an answer.
const NETWORK_ALLOWANCE: Duration = Duration::from_secs(5);

pub(crate) struct PostgresPool {
    pool: PgPool,
    statement_limit: Duration,
}

impl PostgresPool {
    pub(crate) async fn open(service: &str, settings: &DatabaseSettings) -> Result<Self> {
        let schema = schema_of(service);
        let milliseconds = settings.statement_timeout.as_millis().to_string();
        let options = connect_options(settings, service)?.options([
            ("search_path", schema.as_str()),
            ("statement_timeout", &milliseconds),
            // Locks of a process that froze inside a transaction are released.
            ("idle_in_transaction_session_timeout", "60s"),
        ]);
        let pool = PgPoolOptions::new()
            .max_connections(settings.max_connections)
            .acquire_timeout(settings.acquire_timeout)
            .test_before_acquire(false)
            .before_acquire(|connection, metadata| {
                Box::pin(async move {
                    if metadata.idle_for > TRUSTED_IDLE {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_with(options)
            .await
            .map_err(|error| explain(error, settings))?;
        create_schema(&pool, &schema).await?;
        Ok(Self {
            pool,
            statement_limit: settings.statement_timeout + NETWORK_ALLOWANCE,
        })
    }

    pub(crate) async fn connection(&self) -> Result<Connection> {
        Ok(Connection::postgres(
            self.pool.acquire().await?,
            self.statement_limit,
        ))
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

/// The schema of a service.
pub(crate) fn schema_of(service: &str) -> String {
    service.replace('-', "_")
}

/// How the server is reached and signed in to.
pub(crate) fn connect_options(
    settings: &DatabaseSettings,
    application: &str,
) -> Result<PgConnectOptions> {
    let password = settings
        .password()
        .map_err(|error| DbError::Settings(error.to_string()))?;
    let options = PgConnectOptions::from_str(settings.url.expose())
        // The parser's own words could quote the address, which holds the password.
        .map_err(|_| DbError::Settings("database.url is no PostgreSQL address".to_owned()))?
        .application_name(&format!("storelink-{application}"))
        .disable_statement_logging();
    Ok(match password {
        Some(password) => options.password(password.expose_secret()),
        None => options,
    })
}

fn explain(error: sqlx::Error, settings: &DatabaseSettings) -> DbError {
    match error {
        // While opening, the pool is empty: the wait was for the server.
        sqlx::Error::PoolTimedOut => DbError::Unreachable(format!(
            "no connection to {} within {:?}",
            settings.url, settings.acquire_timeout
        )),
        other => DbError::from(other),
    }
}

async fn create_schema(pool: &PgPool, schema: &str) -> Result<()> {
    // Looked up first: a role without the right to create is fine once the schema exists.
    if schema_exists(pool, schema).await? {
        return Ok(());
    }
    // The name holds lower-case letters, digits and underscores only.
    let create = AssertSqlSafe(format!("CREATE SCHEMA IF NOT EXISTS {schema}"));
    match sqlx::query(create).execute(pool).await {
        Ok(_) => Ok(()),
        // Two replicas that start together may both pass PostgreSQL's own check.
        Err(_) if schema_exists(pool, schema).await? => Ok(()),
        Err(error) => Err(error.into()),
    }
}

async fn schema_exists(pool: &PgPool, schema: &str) -> Result<bool> {
    let exists = "SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)";
    Ok(sqlx::query_scalar(exists)
        .bind(schema)
        .fetch_one(pool)
        .await?)
}
