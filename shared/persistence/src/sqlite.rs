//! A SQLite file: one writer, some readers, one process.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous as Synchronous,
};
use sqlx::{ConnectOptions as _, Sqlite};
use storelink_settings::{DatabaseSettings, SqliteSynchronous};

use crate::connection::Connection;
use crate::database::Access;
use crate::{DbError, Result};

const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) struct SqlitePools {
    /// One connection: SQLite has one writer at a time, and waiting in our queue is fair.
    writer: SqlitePool,
    readers: SqlitePool,
    statement_limit: Duration,
    /// Held as long as the pools live; the system releases it when the process ends in any way.
    _lock: File,
}

impl SqlitePools {
    pub(crate) async fn open(
        folder: &Path,
        service: &str,
        settings: &DatabaseSettings,
    ) -> Result<Self> {
        create_private_folder(folder)?;
        let path = folder.join(format!("{service}.db"));
        let lock = lock_for_this_process(&path)?;
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(match settings.sqlite_synchronous {
                SqliteSynchronous::Normal => Synchronous::Normal,
                SqliteSynchronous::Full => Synchronous::Full,
            })
            .busy_timeout(BUSY_TIMEOUT)
            .foreign_keys(true)
            .disable_statement_logging();
        let writer = pool(settings, 1).connect_with(options.clone()).await?;
        let reading = options.pragma("query_only", "ON");
        let readers = settings.max_connections.saturating_sub(1).max(1);
        let readers = pool(settings, readers).connect_with(reading).await?;
        Ok(Self {
            writer,
            readers,
            statement_limit: settings.statement_timeout,
            _lock: lock,
        })
    }

    pub(crate) async fn connection(&self, access: Access) -> Result<Connection> {
        let pool = match access {
            Access::Read => &self.readers,
            Access::Write => &self.writer,
        };
        Ok(Connection::sqlite(
            pool.acquire().await?,
            self.statement_limit,
        ))
    }

    pub(crate) fn writer(&self) -> &SqlitePool {
        &self.writer
    }

    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

fn pool(settings: &DatabaseSettings, connections: u32) -> SqlitePoolOptions {
    sqlx::pool::PoolOptions::<Sqlite>::new()
        .max_connections(connections)
        .acquire_timeout(settings.acquire_timeout)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
}

/// Databases hold customers' data: nobody else on the machine may read a folder that we create.
pub(crate) fn create_private_folder(folder: &Path) -> Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(folder)
        .map_err(|error| unusable(folder, &error))
}

fn lock_for_this_process(path: &Path) -> Result<File> {
    let beside = path.with_extension("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&beside)
        .map_err(|error| unusable(&beside, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(DbError::FileInUse {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(unusable(&beside, &error)),
    }
}

fn unusable(path: &Path, error: &std::io::Error) -> DbError {
    DbError::Settings(format!("{} cannot be used: {error}", path.display()))
}
