//! A connection that comes from no registry.

use std::sync::Arc;

use storelink_adapter_api::{RequestGate, StoreAdapter};
use storelink_events::connection::ConnectionRecord;
use storelink_outbound_http::HttpClient;
use storelink_vault::Vault;

use crate::gate::ConnectionGate;
use crate::pace::Pace;
use crate::{LinkedConnection, PaceBucket};

/// The gate of a connection in one process, with its pace over all processes where it has one.
#[must_use]
pub fn gate(
    record: &ConnectionRecord,
    concurrency: usize,
    bucket: Arc<dyn PaceBucket>,
) -> Arc<dyn RequestGate> {
    let per_minute = record.settings.requests_per_minute;
    let pace = per_minute.map(|per_minute| Pace::new(&record.id, per_minute, bucket));
    Arc::new(ConnectionGate::new(concurrency, pace))
}

/// A linked connection.
#[must_use]
pub fn linked(
    record: ConnectionRecord,
    adapter: Arc<dyn StoreAdapter>,
    gate: Arc<dyn RequestGate>,
    vault: Arc<Vault>,
    http: HttpClient,
) -> LinkedConnection {
    LinkedConnection {
        record,
        adapter,
        gate,
        vault,
        http,
    }
}
