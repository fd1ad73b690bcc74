//! The typed form of every setting; meanings and defaults are told in `defaults.toml`.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::loader::Loader;
use crate::secret_url::SecretUrl;
use crate::{SettingsError, effective, values};

pub(crate) const PASSWORD_FILE: &str = "database.password_file";

/// The whole configuration of one process.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Settings {
    /// Folder for everything that Storelink writes itself.
    pub data_dir: PathBuf,
    /// The broker.
    pub nats: NatsSettings,
    /// SQL storage.
    pub database: DatabaseSettings,
    /// The listener of API and console.
    pub http: HttpSettings,
    /// The listener of health and metrics.
    pub ops: OpsSettings,
    /// Keys that seal credentials.
    pub vault: VaultSettings,
    /// Requests to stores and ERPs.
    pub outbound: OutboundSettings,
    /// Logs, traces and metrics.
    pub telemetry: TelemetrySettings,
    /// The engine that writes stock and prices.
    pub lanes: LaneSettings,
    /// Reading and keeping orders.
    pub orders: OrderSettings,
}

impl Settings {
    /// Loads defaults, the given file (else `storelink.toml` if present) and this process's
    /// environment.
    ///
    /// # Errors
    /// A file that cannot be read, an unknown key, or a value that does not fit; each names
    /// where it came from.
    pub fn load(config_file: Option<&Path>) -> Result<Self, SettingsError> {
        Loader::from_process(config_file).load()
    }

    /// The effective configuration as a commented TOML file, secrets masked.
    #[must_use]
    pub fn effective_toml(&self) -> String {
        effective::render(self)
    }

    /// Fills in what an empty text stands for, once all sources are merged.
    pub(crate) fn resolve_empty(mut self) -> Self {
        if self.database.url.is_empty() {
            self.database.url = SecretUrl::from(format!("sqlite:{}", self.data_dir.display()));
        }
        if self.vault.keys_dir.as_os_str().is_empty() {
            self.vault.keys_dir = self.data_dir.join("keys");
        }
        self
    }
}

/// How to reach the broker.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct NatsSettings {
    /// One address or several separated by commas.
    #[serde(deserialize_with = "values::url_list_of_nats")]
    pub url: SecretUrl,
    /// User name; empty when not used.
    pub user: String,
    /// Password of `user`; empty when not used.
    #[serde(serialize_with = "values::masked")]
    pub password: SecretString,
    /// File with the seed of an nkey, or with a JWT and seed.
    #[serde(with = "values::optional_path")]
    pub credentials_file: Option<PathBuf>,
    /// Certificate authority of the broker, PEM.
    #[serde(with = "values::optional_path")]
    pub ca_file: Option<PathBuf>,
    /// Copies of each stream, 1 to 5.
    #[serde(deserialize_with = "values::replicas")]
    pub replicas: usize,
    /// The byte limits of the stream table are multiplied by this; at least 1.
    #[serde(deserialize_with = "values::at_least_one_u32")]
    pub bytes_factor: u32,
    /// Whether roles create streams and consumers that are missing.
    pub manage_streams: bool,
    /// First part of the subjects on which answers arrive; that of the role when none.
    #[serde(with = "values::optional_inbox_prefix")]
    pub inbox_prefix: Option<String>,
    /// Limit for connecting.
    #[serde(rename = "connect_timeout_seconds", with = "values::seconds")]
    pub connect_timeout: Duration,
    /// Limit for one request to the broker.
    #[serde(rename = "request_timeout_seconds", with = "values::seconds")]
    pub request_timeout: Duration,
}

/// Where rows are kept.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct DatabaseSettings {
    /// `sqlite:<folder>` or `postgres://…`.
    #[serde(deserialize_with = "values::database_url")]
    pub url: SecretUrl,
    /// File with the password, for an address without one.
    #[serde(with = "values::optional_path")]
    pub password_file: Option<PathBuf>,
    /// Connections of one service, at least 1.
    #[serde(deserialize_with = "values::at_least_one_u32")]
    pub max_connections: u32,
    /// When SQLite waits for the disk.
    pub sqlite_synchronous: SqliteSynchronous,
    /// Whether a role brings its schema up to date when it starts.
    pub migrate_at_start: MigrateAtStart,
    /// Limit for waiting for a free connection.
    #[serde(rename = "acquire_timeout_seconds", with = "values::seconds")]
    pub acquire_timeout: Duration,
    /// Limit for one statement.
    #[serde(rename = "statement_timeout_seconds", with = "values::seconds")]
    pub statement_timeout: Duration,
}

impl DatabaseSettings {
    /// The password in `password_file`, without a line break at its end; none where no file is set.
    ///
    /// # Errors
    /// The file cannot be read or holds nothing.
    pub fn password(&self) -> Result<Option<SecretString>, SettingsError> {
        let Some(path) = &self.password_file else {
            return Ok(None);
        };
        let unusable = |reason: String| SettingsError::SecretFile {
            key: PASSWORD_FILE,
            path: path.clone(),
            reason,
        };
        let text = std::fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
        match text.trim_end_matches(['\r', '\n']) {
            "" => Err(unusable("it is empty".to_owned())),
            password => Ok(Some(password.into())),
        }
    }

    /// Whether a role brings its schema up to date when it starts; otherwise it refuses one that
    /// differs from what it needs.
    #[must_use]
    pub fn migrates_at_start(&self) -> bool {
        match self.migrate_at_start {
            MigrateAtStart::Auto => self.url.expose().starts_with("sqlite:"),
            MigrateAtStart::Yes => true,
            MigrateAtStart::No => false,
        }
    }

    /// Settings for `url` with the defaults of everything else.
    #[must_use]
    pub fn for_url(url: &str) -> Self {
        Self {
            url: SecretUrl::from(url.to_owned()),
            password_file: None,
            max_connections: 8,
            sqlite_synchronous: SqliteSynchronous::Full,
            migrate_at_start: MigrateAtStart::Auto,
            acquire_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(30),
        }
    }
}

/// When SQLite waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SqliteSynchronous {
    /// At checkpoints: a crash of the process loses nothing, a power cut may lose the last commits.
    Normal,
    /// At every commit.
    Full,
}

/// Whether a role brings its schema up to date when it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MigrateAtStart {
    /// On SQLite, which one process uses. On PostgreSQL an administrator does it: in a rolling
    /// update the first new process would change the schema under the old ones.
    Auto,
    /// Always.
    Yes,
    /// Never.
    No,
}

/// The listener of API and console.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct HttpSettings {
    /// Address and port.
    pub listen: SocketAddr,
    /// Address under which stores reach this installation, without a slash at its end.
    #[serde(with = "values::optional_http_url")]
    pub public_url: Option<String>,
    /// Requests of one token in each second, on average; at least 1.
    #[serde(deserialize_with = "values::at_least_one_u32")]
    pub requests_per_second: u32,
    /// Requests of one token at once, at least 1.
    #[serde(deserialize_with = "values::at_least_one_u32")]
    pub request_burst: u32,
}

/// The listener of health and metrics.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct OpsSettings {
    /// Address and port.
    pub listen: SocketAddr,
}

/// Keys that seal credentials.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct VaultSettings {
    /// Folder with one file per key.
    pub keys_dir: PathBuf,
}

/// Requests to stores and ERPs.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct OutboundSettings {
    /// Private networks that may be called, each `address/prefix length`.
    #[serde(deserialize_with = "values::subnets")]
    pub allow_subnets: Vec<String>,
    /// Ports that may be called outside of these networks.
    pub ports: OutboundPorts,
    /// Limit for connecting.
    #[serde(rename = "connect_timeout_seconds", with = "values::seconds")]
    pub connect_timeout: Duration,
    /// Limit for one request, answer included.
    #[serde(rename = "request_timeout_seconds", with = "values::seconds")]
    pub request_timeout: Duration,
    /// Largest answer, in bytes.
    #[serde(deserialize_with = "values::at_least_one_usize")]
    pub max_response_bytes: usize,
    /// Name of this process in the User-Agent; empty for none.
    #[serde(deserialize_with = "values::instance_name")]
    pub instance: String,
}

/// Ports that may be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutboundPorts {
    /// Every port.
    Any,
    /// These; at least one.
    Only(BTreeSet<u16>),
}

/// Logs, traces and metrics.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TelemetrySettings {
    /// Log filter: a level or a list of `target=level`.
    pub log: String,
    /// Base address of an OTLP/HTTP collector; none switches the export off.
    #[serde(with = "values::optional_http_url")]
    pub otlp_endpoint: Option<String>,
    /// Put before the service's name in traces.
    pub service_prefix: String,
    /// Share of new traces that are recorded, 0 to 100.
    #[serde(deserialize_with = "values::percent")]
    pub trace_sample_percent: u8,
}

impl Default for TelemetrySettings {
    fn default() -> Self {
        Self {
            log: "info".to_owned(),
            otlp_endpoint: None,
            service_prefix: "storelink".to_owned(),
            trace_sample_percent: 100,
        }
    }
}

/// The engine that writes stock and prices.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LaneSettings {
    /// After an unknown outcome: the longest time a store may still apply the write.
    #[serde(rename = "recheck_after_seconds", with = "values::seconds")]
    pub recheck_after: Duration,
    /// After an order: when its articles are checked without a newer ERP level.
    #[serde(rename = "order_recheck_after_seconds", with = "values::seconds")]
    pub order_recheck_after: Duration,
    /// How long a connection is owned without renewal.
    #[serde(rename = "lease_seconds", with = "values::seconds")]
    pub lease: Duration,
    /// Write requests in flight at once in one process; those of stores that take long to answer do not
    /// count.
    #[serde(deserialize_with = "values::at_least_one_usize")]
    pub writes_in_flight: usize,
}

/// Reading and keeping orders.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct OrderSettings {
    /// How far each read reaches back before the last one. Stores note an order's time before others can
    /// see it: less than 10 minutes (the default) is for tests alone.
    #[serde(rename = "overlap_seconds", with = "values::seconds")]
    pub overlap: Duration,
    /// After this time a walk saves its position and yields.
    #[serde(rename = "walk_yield_seconds", with = "values::seconds")]
    pub walk_yield: Duration,
    /// How long raw payloads are kept, in days.
    #[serde(deserialize_with = "values::at_least_one_u32")]
    pub payload_retention_days: u32,
}
