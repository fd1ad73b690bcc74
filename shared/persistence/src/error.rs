//! What can go wrong with a database, sorted by what the caller can do about it.

use std::path::PathBuf;

use sqlx::error::ErrorKind;
use sqlx::migrate::MigrateError;

/// A failed database call.
///
/// The text never holds bound values: PostgreSQL's *detail* line, which quotes rows, is dropped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DbError {
    /// The settings do not describe a database.
    #[error("database settings are not usable: {0}")]
    Settings(String),
    /// Another process works on the same SQLite file.
    #[error(
        "database file {} is in use by another process; SQLite serves one process per service: end that one first",
        path.display()
    )]
    FileInUse {
        /// The database file.
        path: PathBuf,
    },
    /// No connection could be had, or it broke.
    #[error("database is not reachable: {0}")]
    Unreachable(String),
    /// A statement or a wait for a connection took longer than allowed.
    #[error("database did not answer in time: {0}")]
    Timeout(String),
    /// Another transaction was in the way: serialization failure, deadlock, or busy file.
    #[error("database refused because of a concurrent transaction: {0}")]
    Contention(String),
    /// A row with the same unique key exists.
    #[error("unique key exists already: {0}")]
    UniqueViolation(String),
    /// A foreign key, check or not-null rule was broken.
    #[error("row breaks a rule of its table: {0}")]
    RuleViolation(String),
    /// Exactly one row was expected and none came.
    #[error("no row found")]
    RowNotFound,
    /// A column is missing, empty, or of another type than the caller expects.
    #[error("column `{column}` {problem}")]
    Column {
        /// Name of the column.
        column: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A statement of this transaction failed before, so it can only be rolled back.
    #[error("transaction cannot be committed: one of its statements failed")]
    TransactionFailed,
    /// Migrations are missing.
    #[error(
        "database schema of {service} is at version {found}, this program needs {needed}: run `storelink migrate`"
    )]
    SchemaTooOld {
        /// Name of the service.
        service: String,
        /// Newest applied migration, 0 for none.
        found: i64,
        /// Newest migration of this program.
        needed: i64,
    },
    /// A newer program migrated this database.
    #[error("database schema of {service} is at version {found}, this program knows {known}")]
    SchemaTooNew {
        /// Name of the service.
        service: String,
        /// Newest applied migration.
        found: i64,
        /// Newest migration of this program.
        known: i64,
    },
    /// An applied migration differs from the one in this program.
    #[error("migration {version} of {service} was applied with another text")]
    SchemaChanged {
        /// Name of the service.
        service: String,
        /// Version of the migration.
        version: i64,
    },
    /// A migration failed.
    #[error("migration of {service} failed: {reason}")]
    Migration {
        /// Name of the service.
        service: String,
        /// The database's words.
        reason: String,
    },
    /// Something is kept where a copy was to be put.
    #[error("{place} is not empty")]
    NotEmpty {
        /// File or schema.
        place: String,
    },
    /// A copy of a database could not be made or used.
    #[error("the copy {place} cannot be made or used: {reason}")]
    Copy {
        /// File or service.
        place: String,
        /// What happened.
        reason: String,
    },
    /// The database refused a statement for any other reason.
    #[error("database refused a statement{}: {message}", code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default())]
    Statement {
        /// SQLSTATE of PostgreSQL, or result code of SQLite.
        code: Option<String>,
        /// The database's words.
        message: String,
    },
}

impl DbError {
    /// Whether the same work may succeed when it is tried again as a whole.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable(_) | Self::Timeout(_) | Self::Contention(_)
        )
    }

    /// Whether a row with the same unique key exists.
    #[must_use]
    pub fn is_unique_violation(&self) -> bool {
        matches!(self, Self::UniqueViolation(_))
    }

    /// Stable code of this kind of error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Settings(_) => "database.settings",
            Self::FileInUse { .. } => "database.file_in_use",
            Self::Unreachable(_) => "database.unreachable",
            Self::Timeout(_) => "database.timeout",
            Self::Contention(_) => "database.contention",
            Self::UniqueViolation(_) => "database.unique_violation",
            Self::RuleViolation(_) => "database.rule_violation",
            Self::RowNotFound => "database.row_not_found",
            Self::Column { .. } => "database.column",
            Self::TransactionFailed => "database.transaction_failed",
            Self::SchemaTooOld { .. } => "database.schema_too_old",
            Self::SchemaTooNew { .. } => "database.schema_too_new",
            Self::SchemaChanged { .. } => "database.schema_changed",
            Self::Migration { .. } => "database.migration_failed",
            Self::NotEmpty { .. } => "database.not_empty",
            Self::Copy { .. } => "database.copy_failed",
            Self::Statement { .. } => "database.statement",
        }
    }

    /// What an operator can do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Settings(_) => "correct the settings in [database]",
            Self::FileInUse { .. } => {
                "stop the other process, or use PostgreSQL to run several replicas"
            }
            Self::Unreachable(_) => {
                "check that the database runs and that database.url is right; work goes on by itself"
            }
            Self::Timeout(_) | Self::Contention(_) => {
                "nothing if it is rare, since the work is repeated; else look at the database's load"
            }
            Self::SchemaTooOld { .. } => "run `storelink migrate`",
            Self::SchemaTooNew { .. } => "start the program version that migrated this database",
            Self::SchemaChanged { .. } => {
                "start the released program version; applied migrations never change"
            }
            Self::Migration { .. } => {
                "nothing of the migration was kept; remove the cause and run it again"
            }
            Self::NotEmpty { .. } => {
                "restore into an empty database: stop every role, and move what is there away"
            }
            Self::Copy { .. } => "remove the cause and run it again from its beginning",
            Self::UniqueViolation(_)
            | Self::RuleViolation(_)
            | Self::RowNotFound
            | Self::Column { .. }
            | Self::TransactionFailed
            | Self::Statement { .. } => "report it with the surrounding log lines",
        }
    }

    pub(crate) fn statement(code: Option<String>, message: String) -> Self {
        Self::Statement { code, message }
    }

    pub(crate) fn column(column: &str, problem: impl Into<String>) -> Self {
        Self::Column {
            column: column.to_owned(),
            problem: problem.into(),
        }
    }

    pub(crate) fn from_migrate(error: MigrateError, service: &str, known: i64) -> Self {
        let service = service.to_owned();
        let reason = match error {
            MigrateError::VersionMissing(found) => {
                return Self::SchemaTooNew {
                    service,
                    found,
                    known,
                };
            }
            MigrateError::VersionMismatch(version) => {
                return Self::SchemaChanged { service, version };
            }
            MigrateError::Execute(error) => match Self::from(error) {
                transient if transient.is_transient() => return transient,
                refused => refused.to_string(),
            },
            MigrateError::ExecuteMigration(error, version) => match Self::from(error) {
                transient if transient.is_transient() => return transient,
                refused => format!("version {version}: {refused}"),
            },
            other => other.to_string(),
        };
        Self::Migration { service, reason }
    }
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(error) => refused(error.as_ref()),
            sqlx::Error::RowNotFound => Self::RowNotFound,
            sqlx::Error::PoolTimedOut => {
                Self::Timeout("no connection became free or could be opened".to_owned())
            }
            sqlx::Error::Io(error) => Self::Unreachable(error.to_string()),
            sqlx::Error::Tls(error) => Self::Unreachable(error.to_string()),
            sqlx::Error::PoolClosed => Self::Unreachable("closed by this program".to_owned()),
            sqlx::Error::WorkerCrashed | sqlx::Error::BeginFailed | sqlx::Error::Protocol(_) => {
                Self::Unreachable("connection is in an unexpected state".to_owned())
            }
            sqlx::Error::Configuration(error) => Self::Settings(error.to_string()),
            other => Self::statement(None, other.to_string()),
        }
    }
}

fn refused(error: &dyn sqlx::error::DatabaseError) -> DbError {
    let message = error.message().to_owned();
    match error.kind() {
        ErrorKind::UniqueViolation => return DbError::UniqueViolation(message),
        ErrorKind::ForeignKeyViolation
        | ErrorKind::NotNullViolation
        | ErrorKind::CheckViolation
        | ErrorKind::ExclusionViolation => return DbError::RuleViolation(message),
        _ => {}
    }
    let Some(code) = error.code() else {
        return DbError::statement(None, message);
    };
    let class = if error
        .try_downcast_ref::<sqlx::sqlite::SqliteError>()
        .is_some()
    {
        class_of_sqlite(&code)
    } else {
        class_of_postgres(&code)
    };
    match class {
        Class::Contention => DbError::Contention(message),
        Class::Timeout => DbError::Timeout(message),
        Class::Unreachable => DbError::Unreachable(message),
        Class::Refused => DbError::statement(Some(code.into_owned()), message),
    }
}

enum Class {
    Contention,
    Timeout,
    Unreachable,
    Refused,
}

/// By PostgreSQL's appendix A, "error codes".
fn class_of_postgres(code: &str) -> Class {
    match code {
        // serialization_failure, deadlock_detected, lock_not_available
        "40001" | "40P01" | "55P03" => Class::Contention,
        // query_canceled, which a statement timeout raises
        "57014" => Class::Timeout,
        // shutdown, crash, starting up; idle transaction ended; a standby after a fail-over
        "57P01" | "57P02" | "57P03" | "25P03" | "25006" => Class::Unreachable,
        // connection exceptions; out of disk, memory or connections
        code if code.starts_with("08") || code.starts_with("53") => Class::Unreachable,
        _ => Class::Refused,
    }
}

/// By SQLite's result codes; an extended code keeps the primary one in its low byte.
fn class_of_sqlite(code: &str) -> Class {
    match code.parse::<i32>().map(|code| code & 0xff) {
        // BUSY, LOCKED
        Ok(5 | 6) => Class::Contention,
        // INTERRUPT
        Ok(9) => Class::Timeout,
        // IOERR, FULL, CANTOPEN
        Ok(10 | 13 | 14) => Class::Unreachable,
        _ => Class::Refused,
    }
}
