//! Copies of SQLite files that another process may be working on.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};
use storelink_settings::DatabaseSettings;

use super::{CopiedMigration, DatabaseCopy, failed, hexadecimal, sqlite_file};
use crate::{DbError, Result};

/// Longer than a service's own: the copy waits for a checkpoint rather than failing.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) async fn copy(
    settings: &DatabaseSettings,
    services: &[String],
    folder: &Path,
) -> Result<Vec<DatabaseCopy>> {
    let source = source_folder(settings);
    let mut copies = Vec::new();
    for service in services {
        let (from, to) = (
            Path::new(source).join(sqlite_file(service)),
            folder.join(sqlite_file(service)),
        );
        if from.exists() {
            copies.push(copy_file(service, &from, &to).await?);
        }
    }
    Ok(copies)
}

pub(super) fn source_folder(settings: &DatabaseSettings) -> &str {
    let url = settings.url.expose();
    url.split_once(':').map_or(url, |(_, folder)| folder)
}

/// `VACUUM INTO` reads one moment of the file beside its writer, which it never makes wait.
async fn copy_file(service: &str, from: &Path, to: &Path) -> Result<DatabaseCopy> {
    let mut source = open(from).await?;
    let text = to.to_string_lossy().into_owned();
    sqlx::query("VACUUM INTO $1")
        .bind(text)
        .execute(&mut source)
        .await?;
    source.close().await?;

    let mut made = open(to).await?;
    let verdict: String = sqlx::query_scalar("PRAGMA quick_check(1)")
        .fetch_one(&mut made)
        .await?;
    if verdict != "ok" {
        return Err(failed(to, &verdict));
    }
    let migrations = migrations(&mut made).await?;
    made.close().await?;
    Ok(DatabaseCopy {
        service: service.to_owned(),
        migrations,
        tables: Vec::new(),
    })
}

async fn open(path: &Path) -> Result<SqliteConnection> {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging()
        .connect()
        .await
        .map_err(DbError::from)
}

async fn migrations(made: &mut SqliteConnection) -> Result<Vec<CopiedMigration>> {
    let rows = sqlx::query(
        "SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version",
    )
    .fetch_all(made)
    .await?;
    let read = |row: &sqlx::sqlite::SqliteRow| {
        Ok(CopiedMigration {
            version: row.try_get("version")?,
            checksum: hexadecimal(&row.try_get::<Vec<u8>, _>("checksum")?),
        })
    };
    rows.iter().map(read).collect()
}
