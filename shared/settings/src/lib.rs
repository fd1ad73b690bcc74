#![doc = include_str!("../README.md")]

mod choices;
mod effective;
mod environment;
mod error;
mod known_keys;
mod loader;
mod secret_url;
mod sections;
mod values;

pub use error::SettingsError;
pub use loader::{DEFAULTS, Loader};
pub use secret_url::SecretUrl;
pub use sections::{
    DatabaseSettings, HttpSettings, LaneSettings, MigrateAtStart, NatsSettings, OpsSettings,
    OrderSettings, OutboundPorts, OutboundSettings, Settings, SqliteSynchronous, TelemetrySettings,
    VaultSettings,
};
