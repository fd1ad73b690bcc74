//! Putting copies into empty places: beside the place first, and into it all at once at the end.

use std::path::{Path, PathBuf};

use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, Connection as _};
use storelink_settings::DatabaseSettings;

use super::{DatabaseCopy, backend, failed, known_migrations, postgres, sqlite, sqlite_file};
use crate::database::Pools;
use crate::postgres::schema_of;
use crate::{Backend, Database, DbError, Result};

/// The folder beside SQLite files, and the prefix of schemas, in which copies are prepared.
const BESIDE: &str = "restoring";

/// Copies on their way into an empty place. What is prepared is seen by no service until
/// [`Restoration::finish`]; one that broke off leaves the place empty, and the next one begins anew.
pub struct Restoration {
    settings: DatabaseSettings,
    services: Vec<String>,
    backend: Backend,
}

impl Restoration {
    /// Proves that the places of these services are empty, and clears away what an earlier restoration
    /// left beside them.
    ///
    /// # Errors
    /// [`DbError::NotEmpty`] when there is a database, else when the place cannot be used.
    pub async fn begin(settings: &DatabaseSettings, services: &[String]) -> Result<Self> {
        let restoration = Self {
            settings: settings.clone(),
            services: services.to_vec(),
            backend: backend(settings)?,
        };
        match restoration.backend {
            Backend::Sqlite => restoration.clear_folder()?,
            Backend::Postgres => restoration.clear_schemas().await?,
        }
        Ok(restoration)
    }

    /// Prepares a copy from this folder and brings its schema to the version of this program. The
    /// database may be changed; it must be closed before [`Restoration::finish`].
    ///
    /// # Errors
    /// When the copy is of a newer program, or cannot be read or put in.
    pub async fn put(
        &self,
        copy: &DatabaseCopy,
        folder: &Path,
        migrator: &Migrator,
    ) -> Result<Database> {
        let known = known_migrations(copy, migrator)?;
        let database = match self.backend {
            Backend::Sqlite => self.put_file(copy, folder).await?,
            Backend::Postgres => self.put_schema(copy, folder, &known).await?,
        };
        database.migrate(migrator).await?;
        database.check_schema(migrator).await?;
        Ok(database)
    }

    /// Moves what was prepared into its place.
    ///
    /// # Errors
    /// When it cannot be moved. On PostgreSQL nothing is moved then.
    pub async fn finish(self) -> Result<()> {
        match self.backend {
            Backend::Sqlite => self.move_files(),
            Backend::Postgres => self.rename_schemas().await,
        }
    }

    fn clear_folder(&self) -> Result<()> {
        let folder = self.folder();
        for service in &self.services {
            let file = folder.join(sqlite_file(service));
            if file.exists() {
                return Err(DbError::NotEmpty {
                    place: file.display().to_string(),
                });
            }
        }
        let beside = self.beside();
        match std::fs::remove_dir_all(&beside) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(failed(&beside, &error))
            }
            _ => Ok(()),
        }
    }

    async fn clear_schemas(&self) -> Result<()> {
        let mut connection = postgres::connect(&self.settings).await?;
        for service in &self.services {
            let schema = schema_of(service);
            if !postgres::tables(&mut connection, &schema).await?.is_empty() {
                return Err(DbError::NotEmpty {
                    place: format!("schema {schema} of {}", self.settings.url),
                });
            }
        }
        for service in &self.services {
            let beside = schema_of(&prepared(service));
            let drop = AssertSqlSafe(format!("DROP SCHEMA IF EXISTS {beside} CASCADE"));
            sqlx::query(drop).execute(&mut connection).await?;
        }
        connection.close().await?;
        Ok(())
    }

    async fn put_file(&self, copy: &DatabaseCopy, folder: &Path) -> Result<Database> {
        let mut settings = self.settings.clone();
        settings.url = format!("sqlite:{}", self.beside().display()).into();
        let to = self.beside().join(sqlite_file(&copy.service));
        crate::sqlite::create_private_folder(&self.folder())?;
        crate::sqlite::create_private_folder(&self.beside())?;
        let from = folder.join(sqlite_file(&copy.service));
        tokio::fs::copy(&from, &to)
            .await
            .map_err(|error| failed(&from, &error))?;
        Database::open(&settings, &copy.service).await
    }

    async fn put_schema(
        &self,
        copy: &DatabaseCopy,
        folder: &Path,
        known: &Migrator,
    ) -> Result<Database> {
        let name = prepared(&copy.service);
        let database = Database::open(&self.settings, &name).await?;
        // The rows are those of this older schema; what came after it changes them, too.
        database.migrate(known).await?;
        if let Pools::Postgres(pool) = database.pools() {
            postgres::copy_in(pool.pool(), &schema_of(&name), copy, folder).await?;
        }
        Ok(database)
    }

    fn move_files(&self) -> Result<()> {
        let (folder, beside) = (self.folder(), self.beside());
        for service in &self.services {
            let from = beside.join(sqlite_file(service));
            if !from.exists() {
                continue;
            }
            let log = beside.join(format!("{}-wal", sqlite_file(service)));
            if log.exists() {
                return Err(failed(&log, &"the prepared database is still open"));
            }
            let moved = std::fs::File::open(&from)
                .and_then(|file| file.sync_all())
                .and_then(|()| std::fs::rename(&from, folder.join(sqlite_file(service))));
            moved.map_err(|error| failed(&from, &error))?;
        }
        std::fs::remove_dir_all(&beside)
            .and_then(|()| std::fs::File::open(&folder)?.sync_all())
            .map_err(|error| failed(&folder, &error))
    }

    async fn rename_schemas(&self) -> Result<()> {
        let mut connection = postgres::connect(&self.settings).await?;
        let mut transaction = connection.begin().await?;
        for service in &self.services {
            let (beside, schema) = (schema_of(&prepared(service)), schema_of(service));
            if postgres::tables(&mut transaction, &beside)
                .await?
                .is_empty()
            {
                continue;
            }
            // Without CASCADE: a schema that was filled meanwhile stays, and nothing is moved.
            for statement in [
                format!("DROP SCHEMA IF EXISTS {schema}"),
                format!("ALTER SCHEMA {beside} RENAME TO {schema}"),
            ] {
                sqlx::query(AssertSqlSafe(statement))
                    .execute(&mut *transaction)
                    .await?;
            }
        }
        transaction.commit().await?;
        connection.close().await?;
        Ok(())
    }

    fn folder(&self) -> PathBuf {
        PathBuf::from(sqlite::source_folder(&self.settings))
    }

    fn beside(&self) -> PathBuf {
        self.folder().join(BESIDE)
    }
}

fn prepared(service: &str) -> String {
    format!("{BESIDE}-{service}")
}
