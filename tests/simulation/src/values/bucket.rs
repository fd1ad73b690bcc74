//! The bucket in which processes agree on the pace.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use storelink_bus::PublishError;
use storelink_bus::kv::{Entry, KvError};
use storelink_service::PaceBucket;

use super::World;
use crate::kernel::Lost;

/// The bucket as a process reaches it.
#[derive(Clone)]
pub(super) struct Bucket {
    pub(super) world: Arc<World>,
}

#[async_trait]
impl PaceBucket for Bucket {
    async fn get(&self, key: &str) -> Result<Option<Entry>, KvError> {
        let (world, key) = (self.world.clone(), key.to_owned());
        let wire = self.world.calm_broker();
        let got = self.world.sim.call(wire, move |_| {
            let bucket = world.bucket.lock().unwrap_or_else(PoisonError::into_inner);
            bucket.get(&key).cloned()
        });
        got.await.map_err(|Lost| unavailable())
    }

    async fn update(&self, key: &str, value: Vec<u8>, revision: u64) -> Result<u64, KvError> {
        let (world, key) = (self.world.clone(), key.to_owned());
        let wire = self.world.calm_broker();
        let updated = self.world.sim.call(wire, move |sim| {
            let mut bucket = world.bucket.lock().unwrap_or_else(PoisonError::into_inner);
            let found = bucket.get(&key).map_or(0, |entry| entry.revision);
            if found != revision {
                return Err(KvError::Conflict { key });
            }
            let now = i128::from(sim.now().micros()) * 1_000;
            let entry = Entry {
                key: key.clone(),
                value: Bytes::from(value),
                revision: found + 1,
                written: time::OffsetDateTime::from_unix_timestamp_nanos(now)
                    .unwrap_or(time::OffsetDateTime::UNIX_EPOCH),
            };
            bucket.insert(key, entry);
            Ok(found + 1)
        });
        updated.await.unwrap_or_else(|Lost| Err(unavailable()))
    }
}

fn unavailable() -> KvError {
    KvError::Publish(PublishError::Unavailable {
        subject: "pace".to_owned(),
        waited: Duration::ZERO,
        reason: "no answer".to_owned(),
    })
}
