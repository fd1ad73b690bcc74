//! The gate of a lane: a place at the store is taken *before* the values are read, so that what
//! waits for its turn is never old, and ownership is proven immediately before each request.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use storelink_adapter_api::{Denied, Permit, Purpose, RequestGate};
use tokio_util::sync::CancellationToken;

use crate::ownership::Lease;

pub(crate) struct LaneGate {
    connection: Arc<dyn RequestGate>,
    lease: Lease,
    /// Cancelled when the lane is to end here: no further request leaves.
    stop: CancellationToken,
    reserved: Mutex<Option<Permit>>,
}

impl LaneGate {
    pub(crate) fn new(
        connection: Arc<dyn RequestGate>,
        lease: Lease,
        stop: CancellationToken,
    ) -> Self {
        Self {
            connection,
            lease,
            stop,
            reserved: Mutex::new(None),
        }
    }

    /// Waits for a place and keeps it for the next request.
    pub(crate) async fn reserve(&self) -> Result<(), Denied> {
        let permit = self.connection.admit(Purpose::Write).await?;
        *self.reserved.lock().unwrap_or_else(PoisonError::into_inner) = Some(permit);
        Ok(())
    }

    /// Gives a place back that was not needed.
    pub(crate) fn release(&self) {
        self.take();
    }

    fn take(&self) -> Option<Permit> {
        self.reserved
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    fn check(&self) -> Result<(), Denied> {
        let owned = self.lease.is_fresh() && !self.stop.is_cancelled();
        if owned { Ok(()) } else { Err(Denied::NotOwner) }
    }
}

#[async_trait]
impl RequestGate for LaneGate {
    async fn admit(&self, purpose: Purpose) -> Result<Permit, Denied> {
        let permit = match self.take() {
            Some(permit) => permit,
            None => self.connection.admit(purpose).await?,
        };
        self.check()?;
        Ok(permit)
    }

    fn observe(&self, status: Option<u16>, elapsed: Duration) {
        self.connection.observe(status, elapsed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Instant;

    use super::*;

    #[derive(Default)]
    struct Counting(AtomicUsize);

    #[async_trait]
    impl RequestGate for Counting {
        async fn admit(&self, _: Purpose) -> Result<Permit, Denied> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(Permit::free())
        }

        fn observe(&self, _: Option<u16>, _: Duration) {}
    }

    #[tokio::test]
    async fn a_reserved_place_serves_the_next_request_alone() {
        let connection = Arc::new(Counting::default());
        let lease = Lease::new(Duration::from_secs(60));
        let stop = CancellationToken::new();
        let gate = LaneGate::new(connection.clone(), lease.clone(), stop.clone());
        gate.reserve().await.unwrap();
        assert_eq!(
            gate.admit(Purpose::Write).await.unwrap_err(),
            Denied::NotOwner
        );
        lease.renewed(Instant::now());
        gate.reserve().await.unwrap();
        gate.admit(Purpose::Write).await.unwrap();
        assert_eq!(connection.0.load(Ordering::Relaxed), 2);
        gate.admit(Purpose::Write).await.unwrap();
        assert_eq!(connection.0.load(Ordering::Relaxed), 3);
        stop.cancel();
        assert_eq!(
            gate.admit(Purpose::Write).await.unwrap_err(),
            Denied::NotOwner
        );
    }
}
