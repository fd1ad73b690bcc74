//! The connections that may be read.

use std::sync::Arc;

use storelink_model::ConnectionId;
use storelink_service::{Connections, LinkedConnection};

/// Connections by their id.
pub trait Links: Send + Sync {
    /// The connection as it is now; none when it is not known here.
    fn get(&self, id: &ConnectionId) -> Option<Arc<LinkedConnection>>;
}

impl Links for Connections {
    fn get(&self, id: &ConnectionId) -> Option<Arc<LinkedConnection>> {
        Self::get(self, id)
    }
}
