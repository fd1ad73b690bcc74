use std::ops::Deref;
use std::sync::Arc;

use sqlx::migrate::Migrator;
use storelink_adapter_api::Adapters;
use storelink_bus::Bus;
use storelink_outbound_http::HttpClient;
use storelink_persistence::{Database, DbError};
use storelink_settings::Settings;
use storelink_telemetry::Readiness;
use storelink_vault::Vault;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use crate::Connections;
use crate::connections::Parts;

/// What every service is started with. Cheap to clone: clones share the connections and their gates,
/// so that all services of a process keep the limits of a store together.
#[derive(Clone)]
pub struct ServiceContext {
    parts: Arc<ServiceParts>,
    connections: Arc<OnceCell<Connections>>,
}

/// What a [`ServiceContext`] is made of.
pub struct ServiceParts {
    /// The configuration of this process.
    pub settings: Arc<Settings>,
    /// The broker.
    pub bus: Bus,
    /// Opens and seals credentials.
    pub vault: Arc<Vault>,
    /// The one outgoing HTTP client.
    pub http: HttpClient,
    /// All platforms of this installation.
    pub adapters: Adapters,
    /// Whether this process can do its work.
    pub readiness: Readiness,
    /// Cancelled when the process is asked to end: finish what is in hand and return.
    pub shutdown: CancellationToken,
}

/// A service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database cannot be opened or its schema does not fit.
    #[error(transparent)]
    Database(#[from] DbError),
}

impl Deref for ServiceContext {
    type Target = ServiceParts;

    fn deref(&self) -> &ServiceParts {
        &self.parts
    }
}

impl ServiceContext {
    /// A context without any connection yet.
    #[must_use]
    pub fn new(parts: ServiceParts) -> Self {
        Self {
            parts: Arc::new(parts),
            connections: Arc::default(),
        }
    }

    /// Opens the database of a service. Its schema is brought up to date where
    /// `database.migrate_at_start` says so, otherwise it has to be that of this program.
    ///
    /// # Errors
    /// When it cannot be opened, its schema does not fit, or was written by a later release.
    pub async fn database(
        &self,
        service: &str,
        migrator: &Migrator,
    ) -> Result<Database, StartError> {
        let database = Database::open(&self.settings.database, service).await?;
        if self.settings.database.migrates_at_start() {
            database.migrate(migrator).await?;
        } else {
            database.check_schema(migrator).await?;
        }
        Ok(database)
    }

    /// All connections, with everything that was published before the first call. Waits for the
    /// broker.
    ///
    /// # Errors
    /// None today; a start that cannot be served is one of [`StartError`].
    pub async fn connections(&self) -> Result<Connections, StartError> {
        let start = async {
            let parts = Parts {
                bus: self.bus.clone(),
                vault: self.vault.clone(),
                http: self.http.clone(),
                adapters: self.adapters.clone(),
            };
            Connections::start(parts, self.shutdown.clone()).await
        };
        Ok(self.connections.get_or_init(|| start).await.clone())
    }
}

impl std::fmt::Debug for ServiceContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServiceContext")
            .field("adapters", &self.adapters)
            .finish_non_exhaustive()
    }
}
