//! Copies of databases: taken while services work on them, and put into empty places.

mod postgres;
mod restoration;
mod sqlite;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sqlx::migrate::Migrator;
use storelink_settings::DatabaseSettings;

pub use restoration::Restoration;

use crate::{Backend, DbError, Result};

/// The copy of one service's database, as of one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseCopy {
    /// Name of the service.
    pub service: String,
    /// The migrations that its schema had, in their order.
    pub migrations: Vec<CopiedMigration>,
    /// On PostgreSQL, a file for each table, in the order in which rows may be put in again. On SQLite
    /// none: the whole database is one file.
    pub tables: Vec<CopiedTable>,
}

/// A migration that the copied schema had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopiedMigration {
    /// Its number.
    pub version: i64,
    /// Checksum of its text, in hexadecimal digits.
    pub checksum: String,
}

/// The rows of one table, in PostgreSQL's text format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopiedTable {
    /// Its name.
    pub name: String,
    /// Its columns, in the order of the file.
    pub columns: Vec<String>,
}

impl DatabaseCopy {
    /// Its files, relative to the folder of the copies.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        if self.tables.is_empty() {
            return vec![PathBuf::from(sqlite_file(&self.service))];
        }
        let files = self.tables.iter().map(|table| self.file_of(table));
        files.collect()
    }

    fn file_of(&self, table: &CopiedTable) -> PathBuf {
        Path::new(&self.service).join(format!("{}.copy", table.name))
    }

    /// The newest migration that the schema had.
    #[must_use]
    pub fn schema_version(&self) -> i64 {
        self.migrations.last().map_or(0, |newest| newest.version)
    }
}

/// Copies the databases of these services into a folder, while their roles work, and leaves out those
/// that were never made. On PostgreSQL all copies are of one moment; on SQLite each is of its own, one
/// after the other in the order given.
///
/// # Errors
/// When a database cannot be read or a file cannot be written.
pub async fn copy_databases(
    settings: &DatabaseSettings,
    services: &[String],
    folder: &Path,
) -> Result<Vec<DatabaseCopy>> {
    match backend(settings)? {
        Backend::Sqlite => sqlite::copy(settings, services, folder).await,
        Backend::Postgres => postgres::copy(settings, services, folder).await,
    }
}

/// Which kind of database these settings name.
///
/// # Errors
/// When they name none.
pub fn backend(settings: &DatabaseSettings) -> Result<Backend> {
    match settings.url.expose().split_once(':') {
        Some(("sqlite", _)) => Ok(Backend::Sqlite),
        Some(("postgres" | "postgresql", _)) => Ok(Backend::Postgres),
        _ => Err(DbError::Settings(
            "database.url must begin with sqlite: or postgres://".to_owned(),
        )),
    }
}

/// The migrations of this program that the copied schema had.
fn known_migrations(copy: &DatabaseCopy, migrator: &Migrator) -> Result<Migrator> {
    let mut had = Vec::with_capacity(copy.migrations.len());
    for copied in &copy.migrations {
        let Some(known) = migrator.iter().find(|one| one.version == copied.version) else {
            return Err(DbError::SchemaTooNew {
                service: copy.service.clone(),
                found: copied.version,
                known: migrator.iter().map(|one| one.version).max().unwrap_or(0),
            });
        };
        if hexadecimal(&known.checksum) != copied.checksum {
            return Err(DbError::SchemaChanged {
                service: copy.service.clone(),
                version: copied.version,
            });
        }
        had.push(known.clone());
    }
    Ok(Migrator::with_migrations(had))
}

fn sqlite_file(service: &str) -> String {
    format!("{service}.db")
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn failed(path: &Path, error: &dyn std::fmt::Display) -> DbError {
    DbError::Copy {
        place: path.display().to_string(),
        reason: error.to_string(),
    }
}
