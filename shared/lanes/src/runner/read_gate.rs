//! The gate of a reconciliation: its requests wait for their turn at the store like all others, and
//! leave only while this process owns the lane.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use storelink_adapter_api::{Denied, Permit, Purpose, RequestGate};
use tokio::sync::Semaphore;

use super::handle::LaneHandle;
use crate::kind::LaneKind;
use crate::ownership::Lease;
use crate::records::LaneName;

/// How long an ownership that was not renewed in time is waited for.
const LONGEST_WAIT: Duration = Duration::from_secs(120);
const UNTIL_RENEWED: Duration = Duration::from_millis(200);

pub(super) struct ReadGate<K: LaneKind> {
    pub(super) connection: Arc<dyn RequestGate>,
    pub(super) lease: Lease,
    pub(super) handle: Arc<LaneHandle<K>>,
    pub(super) name: Arc<LaneName>,
    /// Pages that are read at once, over all stores.
    pub(super) pages: Arc<Semaphore>,
}

#[async_trait]
impl<K: LaneKind> RequestGate for ReadGate<K> {
    async fn admit(&self, purpose: Purpose) -> Result<Permit, Denied> {
        let since = Instant::now();
        loop {
            let permit = self.connection.admit(purpose).await?;
            if !self.handle.is_owned_as(&self.name) {
                return Err(Denied::NotOwner);
            }
            if self.lease.is_fresh() {
                // Last: who waits for a turn at its store must not take the place of another store.
                let page = self.pages.clone().acquire_owned().await;
                let page = page.map_err(|_| Denied::Stopped)?;
                let (lease, handle, name) =
                    (self.lease.clone(), self.handle.clone(), self.name.clone());
                return Ok(Permit::holding((permit, page))
                    .good_while(move || lease.is_fresh() && handle.is_owned_as(&name)));
            }
            drop(permit);
            if since.elapsed() > LONGEST_WAIT {
                return Err(Denied::Busy);
            }
            tokio::time::sleep(UNTIL_RENEWED).await;
        }
    }

    fn observe(&self, status: Option<u16>, elapsed: Duration) {
        self.connection.observe(status, elapsed);
    }
}
