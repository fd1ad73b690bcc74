//! Bringing a schema to the version of the program, and refusing one that differs.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::PgPool;

use crate::database::Pools;
use crate::{Backend, Database, DbError, Result};

/// A migration may rewrite large tables; the limit of ordinary statements is too short for it.
const MIGRATION_LIMIT: Duration = Duration::from_secs(3600);

impl Database {
    /// Applies the migrations that are missing, each in a transaction of its own. Several processes
    /// may do so at once: one works, the others wait.
    ///
    /// # Errors
    /// A migration that fails, was changed after it was applied, or is unknown to this program.
    pub async fn migrate(&self, migrator: &Migrator) -> Result<()> {
        let work = async {
            match self.pools() {
                Pools::Sqlite(pools) => migrator.run(pools.writer()).await,
                Pools::Postgres(pool) => migrate_postgres(pool.pool(), migrator).await,
            }
        };
        match tokio::time::timeout(MIGRATION_LIMIT, work).await {
            Ok(outcome) => outcome.map_err(|error| {
                DbError::from_migrate(error, self.service(), newest_known(migrator))
            }),
            Err(_) => Err(DbError::Timeout(format!(
                "migration took over {MIGRATION_LIMIT:?}"
            ))),
        }
    }

    /// Refuses a schema that is not exactly at the version of this program; for services, which
    /// never migrate by themselves.
    ///
    /// # Errors
    /// [`DbError::SchemaTooOld`], [`DbError::SchemaTooNew`] or [`DbError::SchemaChanged`].
    pub async fn check_schema(&self, migrator: &Migrator) -> Result<()> {
        let service = self.service().to_owned();
        let mut applied = self.applied_migrations().await?;
        let found = applied.keys().next_back().copied().unwrap_or_default();
        for known in migrator
            .iter()
            .filter(|one| !one.migration_type.is_down_migration())
        {
            match applied.remove(&known.version) {
                None => {
                    let needed = newest_known(migrator);
                    return Err(DbError::SchemaTooOld {
                        service,
                        found,
                        needed,
                    });
                }
                Some(checksum) if checksum != *known.checksum => {
                    return Err(DbError::SchemaChanged {
                        service,
                        version: known.version,
                    });
                }
                Some(_) => {}
            }
        }
        match applied.keys().next_back() {
            Some(&found) => Err(DbError::SchemaTooNew {
                service,
                found,
                known: newest_known(migrator),
            }),
            None => Ok(()),
        }
    }

    /// Version and checksum of each applied migration.
    async fn applied_migrations(&self) -> Result<BTreeMap<i64, Vec<u8>>> {
        let has_table = match self.backend() {
            Backend::Sqlite => {
                "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = '_sqlx_migrations') AS yes"
            }
            Backend::Postgres => "SELECT to_regclass('_sqlx_migrations') IS NOT NULL AS yes",
        };
        if !self.fetch_one(has_table, Vec::new()).await?.bool("yes")? {
            return Ok(BTreeMap::new());
        }
        self.fetch_all(
            "SELECT version, checksum FROM _sqlx_migrations WHERE success",
            Vec::new(),
        )
        .await?
        .iter()
        .map(|row| Ok((row.int("version")?, row.bytes("checksum")?)))
        .collect()
    }
}

fn newest_known(migrator: &Migrator) -> i64 {
    migrator
        .iter()
        .map(|one| one.version)
        .max()
        .unwrap_or_default()
}

async fn migrate_postgres(
    pool: &PgPool,
    migrator: &Migrator,
) -> Result<(), sqlx::migrate::MigrateError> {
    let mut connection = pool.acquire().await?;
    // Closed afterwards: its limits are not those of the pool, and closing releases the advisory
    // lock however the migration ends.
    connection.close_on_drop();
    sqlx::query("SET statement_timeout = 0")
        .execute(&mut *connection)
        .await?;
    sqlx::query("SET idle_in_transaction_session_timeout = 0")
        .execute(&mut *connection)
        .await?;
    // Through `Acquire` the future would not be `Send`: the compiler cannot see it for any lifetime.
    migrator.run_direct(None, &mut *connection, false).await
}
