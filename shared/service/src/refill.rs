//! A bucket that was lost is filled again by the registry. What does not come back was deleted while
//! nobody could be told.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use storelink_model::ConnectionId;

/// The registry is done when nothing came for so long.
const QUIET: Duration = Duration::from_secs(60);

/// Ordinary changes must not put the end off for ever.
const LONGEST: Duration = Duration::from_secs(600);

/// What came since the bucket was made anew.
#[derive(Debug)]
pub(crate) struct Refill {
    began: Instant,
    last: Option<Instant>,
    seen: HashSet<ConnectionId>,
}

impl Refill {
    pub(crate) fn begin(now: Instant) -> Self {
        Self {
            began: now,
            last: None,
            seen: HashSet::new(),
        }
    }

    /// A record came: of a connection, or of a tenant.
    pub(crate) fn put(&mut self, connection: Option<ConnectionId>, now: Instant) {
        if self.last.is_none() {
            self.began = now;
        }
        self.last = Some(now);
        self.seen.extend(connection);
    }

    /// When everything has come; not known while nothing came at all.
    pub(crate) fn ends(&self) -> Option<Instant> {
        self.last
            .map(|last| (last + QUIET).min(self.began + LONGEST))
    }

    /// Whether this connection came back.
    pub(crate) fn has(&self, connection: &ConnectionId) -> bool {
        self.seen.contains(connection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_a_minute_after_the_last_record_and_never_before_the_first() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut refill = Refill::begin(start);
        assert_eq!(refill.ends(), None);
        let came = ConnectionId::generate();
        refill.put(None, after(500));
        assert_eq!(refill.ends(), Some(after(560)));
        refill.put(Some(came.clone()), after(530));
        assert_eq!(refill.ends(), Some(after(590)));
        assert!(refill.has(&came));
        assert!(!refill.has(&ConnectionId::generate()));
        refill.put(None, after(1_090));
        assert_eq!(refill.ends(), Some(after(1_100)));
    }
}
