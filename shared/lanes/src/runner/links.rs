//! The connections of the installation, as the lanes follow them.

use std::sync::Arc;

use storelink_model::TenantId;
use storelink_service::{Connections, LinkedConnection};
use tokio::sync::watch;

/// All connections, kept current by somebody else.
pub trait Links: Send + Sync {
    /// All of them.
    fn all(&self) -> Vec<Arc<LinkedConnection>>;

    /// Whether no write may leave for any store of this tenant.
    fn writes_paused(&self, tenant: &TenantId) -> bool;

    /// A number that grows with every change.
    fn subscribe(&self) -> watch::Receiver<u64>;
}

impl Links for Connections {
    fn all(&self) -> Vec<Arc<LinkedConnection>> {
        Self::all(self)
    }

    fn writes_paused(&self, tenant: &TenantId) -> bool {
        Self::writes_paused(self, tenant)
    }

    fn subscribe(&self) -> watch::Receiver<u64> {
        Self::subscribe(self)
    }
}
