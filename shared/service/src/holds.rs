use storelink_bus::Bus;
use storelink_bus::kv::{Bucket, KvEvent, Watch};
use storelink_bus::streams::names;
use storelink_events::hold::SkuHolds;

/// What a [`HoldsWatch`] yields.
#[derive(Debug, Clone, PartialEq)]
pub enum HoldsEvent {
    /// A SKU has these holds and no others.
    Changed(SkuHolds),
    /// Everything that was there at the start has been yielded.
    SnapshotComplete,
}

/// All holds of the installation and then their changes, for ever; survives restarts of the broker.
pub struct HoldsWatch(Watch);

impl HoldsWatch {
    /// Begins with what is there.
    #[must_use]
    pub fn new(bus: &Bus) -> Self {
        Self(Bucket::new(bus, names::HOLDS).watch())
    }

    /// The next event. Dropping the future loses nothing.
    pub async fn next(&mut self) -> HoldsEvent {
        loop {
            match self.0.next().await {
                KvEvent::Put(entry) => match serde_json::from_slice::<SkuHolds>(&entry.value) {
                    Ok(holds) => return HoldsEvent::Changed(holds),
                    // To sell what is kept back is worse than to keep it back for too long.
                    Err(error) => tracing::error!(
                        key = entry.key, %error, "holds cannot be read: those in hand stay"
                    ),
                },
                KvEvent::SnapshotComplete => return HoldsEvent::SnapshotComplete,
                // The registry publishes every key again, those without a hold included; until then
                // the holds in hand stay right.
                KvEvent::Recreated | KvEvent::Deleted { .. } => {}
            }
        }
    }
}

impl std::fmt::Debug for HoldsWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HoldsWatch").finish_non_exhaustive()
    }
}
