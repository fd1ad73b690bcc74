//! A clock that never jumps.

use std::ops::{Add, AddAssign, Sub};
use std::sync::LazyLock;
use std::time::Duration;

/// Added to the time since the first question, so that what lies somewhat before it can be told.
const BEFORE: Duration = Duration::from_secs(1_000_000);

static FIRST: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);

/// A moment by a clock that never jumps; of use within one process alone. It goes on while the process
/// is frozen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(Duration);

impl Instant {
    /// This moment.
    #[must_use]
    pub fn now() -> Self {
        #[cfg(feature = "simulated")]
        if let Some(machine) = crate::simulated::current() {
            return Self(machine.now());
        }
        Self(BEFORE + FIRST.elapsed())
    }

    /// Time since then.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        Self::now().saturating_duration_since(self)
    }

    /// Time from `earlier` to this; zero when it is later.
    #[must_use]
    pub fn saturating_duration_since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// So much earlier; none before the clock began.
    #[must_use]
    pub fn checked_sub(self, duration: Duration) -> Option<Self> {
        self.0.checked_sub(duration).map(Self)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration))
    }
}
