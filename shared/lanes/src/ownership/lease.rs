//! Whether this process may still send.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use storelink_planted_faults::planted;
use storelink_runtime::Instant;

/// Whether the last renewal is young enough to send. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Lease {
    begun: Instant,
    /// Milliseconds from `begun` to the last acknowledged renewal, plus one; 0 before the first.
    renewed: Arc<AtomicU64>,
    trusted: Duration,
}

impl Lease {
    /// A lease of this length that was never renewed.
    #[must_use]
    pub fn new(length: Duration) -> Self {
        Self {
            begun: Instant::now(),
            renewed: Arc::default(),
            trusted: length / 3,
        }
    }

    /// Whether a request may leave now.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        match self.renewed.load(Ordering::Acquire) {
            0 => false,
            renewed => {
                let renewed = Duration::from_millis(renewed - 1);
                self.begun.elapsed().saturating_sub(renewed) < self.trusted
                    || planted!(NoLeaseCheck)
            }
        }
    }

    /// A renewal that was begun at `at` is acknowledged.
    pub fn renewed(&self, at: Instant) {
        let millis = at.saturating_duration_since(self.begun).as_millis();
        let millis = u64::try_from(millis).unwrap_or(u64::MAX - 1);
        self.renewed
            .fetch_max(millis.saturating_add(1), Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_trusted_for_a_third_of_its_length_after_a_renewal() {
        let lease = Lease::new(Duration::from_secs(30));
        assert!(!lease.is_fresh(), "never renewed");
        lease.renewed(Instant::now());
        assert!(lease.is_fresh());
        let old = Lease {
            begun: Instant::now().checked_sub(Duration::from_secs(60)).unwrap(),
            ..lease
        };
        old.renewed.store(1, Ordering::Release);
        assert!(!old.is_fresh());
        old.renewed(Instant::now());
        assert!(old.is_fresh());
    }
}
