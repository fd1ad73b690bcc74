//! The gate of a lane: a place at the store is taken *before* the values are read, so that what
//! waits for its turn is never old, and ownership is proven immediately before each request: when it
//! is admitted, after all waits, and once more when its first byte is about to leave.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use storelink_adapter_api::{Denied, Permit, Purpose, RequestGate};
use storelink_planted_faults::planted;
use storelink_runtime::Instant;
use tokio_util::sync::CancellationToken;

use crate::ownership::Lease;

/// A place that was taken is good for so long: a turn that is used later, because the attempt could not be
/// noted at once, would bring another request into the store's minute.
const TURN_KEEPS: Duration = Duration::from_millis(500);

pub(crate) struct LaneGate {
    connection: Arc<dyn RequestGate>,
    lease: Lease,
    /// Cancelled when the lane is to end here: no further request leaves.
    stop: CancellationToken,
    reserved: Mutex<Option<(Permit, Instant)>>,
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
        let reserved = Some((permit, Instant::now()));
        *self.reserved.lock().unwrap_or_else(PoisonError::into_inner) = reserved;
        Ok(())
    }

    /// Gives a place back that was not needed.
    pub(crate) fn release(&self) {
        self.take();
    }

    fn take(&self) -> Option<(Permit, Instant)> {
        self.reserved
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

#[async_trait]
impl RequestGate for LaneGate {
    async fn admit(&self, purpose: Purpose) -> Result<Permit, Denied> {
        let keeps = |since: Instant| since.elapsed() <= TURN_KEEPS || planted!(LateTurnUsed);
        let permit = match self.take() {
            Some((permit, since)) if keeps(since) => permit,
            late => {
                // Its place goes back first: there may be no other.
                drop(late);
                self.connection.admit(purpose).await?
            }
        };
        let (lease, stop) = (self.lease.clone(), self.stop.clone());
        let permit = permit.good_while(move || lease.is_fresh() && !stop.is_cancelled());
        if permit.is_good() {
            Ok(permit)
        } else {
            Err(Denied::NotOwner)
        }
    }

    fn observe(&self, status: Option<u16>, elapsed: Duration) {
        self.connection.observe(status, elapsed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

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
        let admitted = gate.admit(Purpose::Write).await.unwrap();
        assert!(admitted.is_good());
        stop.cancel();
        assert!(!admitted.is_good(), "it has not left yet");
        assert_eq!(
            gate.admit(Purpose::Write).await.unwrap_err(),
            Denied::NotOwner
        );
    }

    #[tokio::test]
    async fn a_turn_that_is_used_late_is_given_up_for_another() {
        let connection = Arc::new(Counting::default());
        let lease = Lease::new(Duration::from_secs(60));
        let gate = LaneGate::new(connection.clone(), lease.clone(), CancellationToken::new());
        lease.renewed(Instant::now());
        gate.reserve().await.unwrap();
        let reserved = Instant::now();
        while reserved.elapsed() <= TURN_KEEPS {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        gate.admit(Purpose::Write).await.unwrap();
        assert_eq!(connection.0.load(Ordering::Relaxed), 2);
    }

    /// A process that is stopped after a request was admitted and goes on when its lease is over.
    #[tokio::test]
    async fn what_was_admitted_does_not_leave_after_the_lease() {
        let connection = Arc::new(Counting::default());
        let lease = Lease::new(Duration::from_millis(1_500));
        let gate = LaneGate::new(connection, lease.clone(), CancellationToken::new());
        lease.renewed(Instant::now());
        let admitted = gate.admit(Purpose::Write).await.unwrap();
        while lease.is_fresh() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(!admitted.is_good(), "a third of the lease is over");
        assert_eq!(
            gate.admit(Purpose::Write).await.unwrap_err(),
            Denied::NotOwner
        );
        lease.renewed(Instant::now());
        assert!(admitted.is_good(), "still the owner: it was only slow");
    }
}
