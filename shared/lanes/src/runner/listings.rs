//! Follows the listings of all connections into their lanes.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use storelink_bus::streams::names;
use storelink_bus::{Bus, LastValueEvent, LastValueReader};
use storelink_events::internal::ListingShard;
use storelink_model::ConnectionId;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Lanes;
use crate::kind::LaneKind;

/// Shards of connections whose record has not arrived yet.
#[derive(Default)]
pub(crate) struct EarlyShards(Mutex<HashMap<ConnectionId, HashMap<u16, Bytes>>>);

impl EarlyShards {
    /// The shards that came before the connection; they are not kept any longer.
    pub(super) fn take(&self, connection: &ConnectionId) -> Vec<ListingShard> {
        let shards = self.shards().remove(connection).unwrap_or_default();
        shards
            .into_values()
            .filter_map(|bytes| read(&bytes))
            .collect()
    }

    fn keep(&self, shard: &ListingShard, bytes: Bytes) {
        self.shards()
            .entry(shard.connection.clone())
            .or_default()
            .insert(shard.shard, bytes);
    }

    fn shards(&self) -> MutexGuard<'_, HashMap<ConnectionId, HashMap<u16, Bytes>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the listings with one consumer until cancelled. `caught_up` becomes true when everything
/// that was there at the start is in the lanes.
pub(crate) async fn follow_listings<K: LaneKind>(
    bus: Bus,
    lanes: Lanes<K>,
    caught_up: watch::Sender<bool>,
    shutdown: CancellationToken,
) {
    let mut reader = LastValueReader::new(&bus, names::LISTINGS, &[]);
    loop {
        let event = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            event = reader.next() => event,
        };
        match event {
            LastValueEvent::Value(message) => {
                let Some(shard) = read(&message.payload) else {
                    continue;
                };
                match lanes.get(&shard.connection) {
                    Some(handle) => lanes.list(&handle, &shard).await,
                    None => lanes.early().keep(&shard, message.payload),
                }
                lanes.list_early(&shard.connection).await;
            }
            LastValueEvent::CaughtUp => {
                caught_up.send_replace(true);
            }
            // The catalogue publishes all listings again; until then those in hand stay right.
            LastValueEvent::Recreated => {}
        }
    }
}

fn read(payload: &[u8]) -> Option<ListingShard> {
    match serde_json::from_slice(payload) {
        Ok(shard) => Some(shard),
        Err(error) => {
            tracing::error!(%error, "a shard of listings cannot be read");
            None
        }
    }
}
