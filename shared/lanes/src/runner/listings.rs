//! Follows the listings of all connections into their lanes.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use storelink_bus::LastValueEvent;
use storelink_events::internal::ListingShard;
use storelink_model::ConnectionId;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Lanes;
use crate::feed::ValueFeed;
use crate::kind::LaneKind;

/// Where a shard stands: how often the stream was made anew before, and its sequence in it.
///
/// This decides which of two is the later, not [`ListingShard::revision`]: the catalogue writes a
/// shard only upon the sequence that it knows, so the stream's order is the order of its decisions,
/// whereas its revisions begin again when its database was made anew. Within one stream an older
/// shard never replaces a newer one; another stream begins with what the catalogue says now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ShardPlace {
    stream: u64,
    sequence: u64,
}

/// A shard with its place.
pub(crate) struct PlacedShard {
    pub(super) place: ShardPlace,
    pub(super) shard: ListingShard,
}

type KeptShards = BTreeMap<u16, (ShardPlace, Bytes)>;

/// Shards of connections whose record has not arrived yet.
#[derive(Default)]
pub(crate) struct EarlyShards(Mutex<HashMap<ConnectionId, KeptShards>>);

impl EarlyShards {
    /// The shards that came before the connection; they are not kept any longer.
    pub(super) fn take(&self, connection: &ConnectionId) -> Vec<PlacedShard> {
        let shards = self.shards().remove(connection).unwrap_or_default();
        let shards = shards.into_values();
        shards
            .filter_map(|(place, bytes)| {
                Some(PlacedShard {
                    place,
                    shard: read(&bytes)?,
                })
            })
            .collect()
    }

    fn keep(&self, placed: &PlacedShard, bytes: Bytes) {
        let mut early = self.shards();
        let shards = early.entry(placed.shard.connection.clone()).or_default();
        let later = shards
            .get(&placed.shard.shard)
            .is_none_or(|(known, _)| *known < placed.place);
        if later {
            shards.insert(placed.shard.shard, (placed.place, bytes));
        }
    }

    fn shards(&self) -> MutexGuard<'_, HashMap<ConnectionId, KeptShards>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the listings with one consumer until cancelled. `caught_up` becomes true when everything
/// that was there at the start is in the lanes.
pub(crate) async fn follow_listings<K: LaneKind>(
    mut feed: Box<dyn ValueFeed>,
    lanes: Lanes<K>,
    caught_up: watch::Sender<bool>,
    shutdown: CancellationToken,
) {
    let mut stream = 0;
    loop {
        let event = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            event = feed.next() => event,
        };
        match event {
            LastValueEvent::Value(message) => {
                let Some(shard) = read(&message.payload) else {
                    continue;
                };
                let sequence = message.sequence;
                let place = ShardPlace { stream, sequence };
                let placed = PlacedShard { place, shard };
                match lanes.get(&placed.shard.connection) {
                    Some(handle) => lanes.list(&handle, &placed).await,
                    None => lanes.early().keep(&placed, message.payload),
                }
                lanes.list_early(&placed.shard.connection).await;
            }
            LastValueEvent::CaughtUp => {
                caught_up.send_replace(true);
            }
            // The catalogue publishes all listings again; until then those in hand stay right.
            LastValueEvent::Recreated => stream += 1,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(connection: &ConnectionId, stream: u64, sequence: u64, revision: u64) -> PlacedShard {
        PlacedShard {
            place: ShardPlace { stream, sequence },
            shard: ListingShard {
                connection: connection.clone(),
                shard: 0,
                shards: 1,
                revision,
                listings: Vec::new(),
            },
        }
    }

    #[test]
    fn of_early_shards_the_later_in_the_stream_is_kept_whatever_its_revision() {
        let (early, connection) = (EarlyShards::default(), ConnectionId::generate());
        let revision = |early: &EarlyShards| {
            let kept = early.take(&connection);
            kept.first().map(|kept| kept.shard.revision)
        };
        for (stream, sequence, revision) in [(0, 7, 50), (0, 6, 49), (0, 9, 2)] {
            let shard = placed(&connection, stream, sequence, revision);
            let bytes = serde_json::to_vec(&shard.shard).unwrap();
            early.keep(&shard, bytes.into());
        }
        assert_eq!(revision(&early), Some(2), "a catalogue that counts anew");
        assert_eq!(revision(&early), None, "it was taken");
        for (stream, sequence, revision) in [(0, 9, 2), (1, 1, 3)] {
            let shard = placed(&connection, stream, sequence, revision);
            let bytes = serde_json::to_vec(&shard.shard).unwrap();
            early.keep(&shard, bytes.into());
        }
        assert_eq!(revision(&early), Some(3), "another stream");
    }
}
