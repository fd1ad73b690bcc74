//! What every part of the registry works with.

use std::sync::Arc;

use storelink_adapter_api::Adapters;
use storelink_bus::Bus;
use storelink_bus::kv::Bucket;
use storelink_bus::streams::names;
use storelink_outbound_http::HttpClient;
use storelink_persistence::Database;
use storelink_service::ServiceContext;
use storelink_vault::Vault;
use tokio::sync::Notify;

use crate::installation::{KeyError, SigningKey};
use crate::places::Places;
use crate::rate::Rates;
use crate::state_watch::Silences;

/// The registry of one process. Clones share it.
pub(crate) type Shared = Arc<Registry>;

pub(crate) struct Registry {
    pub(crate) database: Database,
    pub(crate) bus: Bus,
    pub(crate) bucket: Bucket,
    pub(crate) holds: Bucket,
    pub(crate) vault: Arc<Vault>,
    pub(crate) http: HttpClient,
    pub(crate) adapters: Adapters,
    pub(crate) key: SigningKey,
    pub(crate) public_url: Option<String>,
    pub(crate) verifications: Places,
    pub(crate) rates: Rates,
    /// Wakes the sweep: something waits to be published.
    pub(crate) unpublished: Notify,
    /// The same for holds.
    pub(crate) unpublished_holds: Notify,
    pub(crate) silences: Silences,
}

impl Registry {
    pub(crate) async fn new(
        context: &ServiceContext,
        database: Database,
    ) -> Result<Shared, KeyError> {
        let key = SigningKey::load(&database, &context.vault).await?;
        Ok(Arc::new(Self {
            database,
            bus: context.bus.clone(),
            bucket: Bucket::new(&context.bus, names::CONNECTIONS),
            holds: Bucket::new(&context.bus, names::HOLDS),
            vault: context.vault.clone(),
            http: context.http.clone(),
            adapters: context.adapters.clone(),
            key,
            public_url: context.settings.http.public_url.clone(),
            verifications: Places::default(),
            rates: Rates::new(&context.settings.http),
            unpublished: Notify::new(),
            unpublished_holds: Notify::new(),
            silences: Silences::default(),
        }))
    }
}
