use std::sync::Arc;

use secrecy::ExposeSecret;
use storelink_adapter_api::{Credentials, RequestGate, StoreAccess, StoreAdapter};
use storelink_events::connection::ConnectionRecord;
use storelink_outbound_http::HttpClient;
use storelink_vault::{Sealed, Vault};
use url::Url;

/// One connection as the registry published it, ready to be used.
pub struct LinkedConnection {
    /// The record.
    pub record: ConnectionRecord,
    /// The adapter of its platform.
    pub adapter: Arc<dyn StoreAdapter>,
    pub(crate) gate: Arc<dyn RequestGate>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) http: HttpClient,
}

/// Why a connection cannot be used although it is there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// The address is not one; the registry checks it, so the record was written by something else.
    #[error("connection.address: the address of the connection is not a valid one")]
    Address,
    /// The credentials cannot be opened: the key is missing or they belong to another connection.
    #[error("connection.credentials_sealed: {0}")]
    Sealed(String),
}

impl AccessError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Address => "connection.address",
            Self::Sealed(_) => "connection.credentials_sealed",
        }
    }
}

impl LinkedConnection {
    /// The same connection as if a person had paused it.
    pub(crate) fn paused(&self) -> Self {
        let mut record = self.record.clone();
        record.paused = true;
        Self {
            record,
            adapter: self.adapter.clone(),
            gate: self.gate.clone(),
            vault: self.vault.clone(),
            http: self.http.clone(),
        }
    }

    /// Everything the adapter needs. Opens the sealed credentials: keep the result for as long as the
    /// record's revision stays.
    ///
    /// # Errors
    /// When the record's address or credentials cannot be used.
    pub fn access(&self) -> Result<StoreAccess, AccessError> {
        self.access_behind(|gate| gate)
    }

    /// The same with a further gate around the connection's own.
    ///
    /// # Errors
    /// As [`LinkedConnection::access`].
    pub fn access_behind(
        &self,
        wrap: impl FnOnce(Arc<dyn RequestGate>) -> Arc<dyn RequestGate>,
    ) -> Result<StoreAccess, AccessError> {
        let address = Url::parse(&self.record.address).map_err(|_| AccessError::Address)?;
        let sealed: Sealed = self
            .record
            .sealed_credentials
            .parse()
            .map_err(|error| AccessError::Sealed(format!("{error}")))?;
        let opened = self
            .vault
            .unseal(&sealed, self.record.id.as_str())
            .map_err(|error| AccessError::Sealed(error.to_string()))?;
        let credentials = Credentials::from_sealable(opened.expose_secret())
            .map_err(|reason| AccessError::Sealed(reason.to_owned()))?;
        Ok(StoreAccess {
            connection: self.record.id.clone(),
            address,
            credentials: Arc::new(credentials),
            profile: Arc::new(self.record.profile.clone()),
            options: Arc::new(self.record.settings.options.clone()),
            http: self.http.clone(),
            gate: wrap(self.gate.clone()),
        })
    }
}

impl std::fmt::Debug for LinkedConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinkedConnection")
            .field("id", &self.record.id)
            .field("platform", &self.record.platform)
            .field("revision", &self.record.revision)
            .finish_non_exhaustive()
    }
}
