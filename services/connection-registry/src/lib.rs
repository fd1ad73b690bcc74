#![doc = include_str!("../README.md")]

mod access;
mod api;
mod audit;
mod bootstrap;
mod clock;
mod commands;
mod connections;
mod cursors;
#[cfg(test)]
mod fuzz;
mod holds;
mod housekeeping;
mod ids;
mod installation;
mod outbox;
mod places;
pub mod problem;
mod publication;
mod questions;
mod rate;
mod reconciliations;
mod registry;
mod reports;
mod restored;
mod runs;
mod schedules;
mod server;
mod service;
mod state;
mod state_watch;
mod tenants;
mod tickets;
mod ticks;
mod tokens;
mod trace;
mod verification;

/// The service's name: of its database, its questions and its readiness check.
pub const SERVICE: &str = "connection-registry";

pub use access::{Role, UnknownRole};
pub use api::openapi::openapi;
pub use bootstrap::{BootstrapError, admin_token_path};
pub use commands::{CommandError, add_tenant, add_token, list_tenants};
pub use installation::KeyError;
pub use restored::{RestoredError, settle_restored};
pub use service::{MIGRATOR, RegistryError, run, serve};
pub use tokens::{NewToken, TokenError, TokenPurpose};
