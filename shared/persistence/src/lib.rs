#![doc = include_str!("../README.md")]

mod arg;
mod connection;
mod copies;
mod database;
mod error;
mod migrations;
mod postgres;
mod row;
mod sqlite;
mod statement;
mod transaction;

pub use arg::{Arg, ArgType, SqlType};
pub use copies::{
    CopiedMigration, CopiedTable, DatabaseCopy, Restoration, backend, copy_databases,
};
pub use database::{Backend, Database};
pub use error::DbError;
pub use row::Row;
/// Embeds a folder of migrations: `static MIGRATOR: Migrator = sqlx::migrate!();`.
pub use sqlx::migrate::Migrator;
pub use storelink_settings::{DatabaseSettings, MigrateAtStart, SqliteSynchronous};
pub use transaction::Transaction;

/// What the calls of this crate return.
pub type Result<T, E = DbError> = std::result::Result<T, E>;
