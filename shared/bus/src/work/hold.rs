//! Whether a delivered message is still this process's own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use storelink_runtime::Instant;

/// How long a message stays this process's own: for the ack wait after it was asked for or the last
/// sign of progress was sent. A process that stood still for longer has lost it for good, since the
/// broker has delivered it to another one meanwhile; that includes a message that was delivered while
/// the process stood still and is read only afterwards. By the monotonic clock. Clones share it.
#[derive(Clone, Debug)]
pub struct Hold {
    begun: Instant,
    /// Milliseconds from `begun` to the moment at which it is lost.
    until: Arc<AtomicU64>,
    ack_wait: Duration,
}

impl Hold {
    /// Holds since this moment, which is not after the delivery.
    #[must_use]
    pub fn since(begun: Instant, ack_wait: Duration) -> Self {
        Self {
            begun,
            until: Arc::new(AtomicU64::new(millis(ack_wait))),
            ack_wait,
        }
    }

    /// Whether it is still held. Cheap enough to be asked before every request.
    #[must_use]
    pub fn is_held(&self) -> bool {
        millis(self.begun.elapsed()) < self.until.load(Ordering::Acquire)
    }

    /// Holds for another ack wait unless it was lost already; to be called before the sign of
    /// progress is sent.
    pub(super) fn prolong(&self) {
        if self.is_held() {
            let until = millis(self.begun.elapsed() + self.ack_wait);
            self.until.store(until, Ordering::Release);
        }
    }

    /// Whether so much of the ack wait is over that the broker should be told at once that the work
    /// goes on.
    pub(super) fn is_older_than(&self, age: Duration) -> bool {
        self.begun.elapsed() > age
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_secs(60);

    #[test]
    fn it_holds_for_an_ack_wait_after_the_last_sign() {
        let almost_over = Instant::now().checked_sub(WAIT - Duration::from_secs(5));
        let hold = Hold::since(almost_over.unwrap(), WAIT);
        assert!(hold.is_held());
        hold.clone().prolong();
        let until = hold.until.load(Ordering::Acquire);
        assert!(
            until >= millis(WAIT + WAIT - Duration::from_secs(5)),
            "{until}"
        );
    }

    #[test]
    fn what_was_lost_once_is_never_held_again() {
        let over = Instant::now().checked_sub(WAIT).unwrap();
        let hold = Hold::since(over, WAIT);
        assert!(!hold.is_held());
        hold.prolong();
        assert!(!hold.is_held());
    }
}
