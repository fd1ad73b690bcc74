#![doc = include_str!("../README.md")]

mod answers;
mod choices;
mod deletion;
mod erp;
mod error;
mod intake;
mod listings;
mod publication;
mod readings;
mod restored;
mod room;
mod sequences;
mod service;
mod shard;
mod store;

pub use error::CatalogError;
pub use restored::settle_restored;
pub use service::run;

/// The schema of this service.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!();

/// The name of this service in subjects, databases and logs.
pub const SERVICE: &str = "product-catalog";
