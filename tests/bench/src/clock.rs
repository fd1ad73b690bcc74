//! The one clock of a run: what is said and what a store shows are in the same process.

use std::sync::OnceLock;
use std::time::Instant;

/// Microseconds since the clock was first asked; it never goes back.
pub(crate) fn now_us() -> u64 {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    let elapsed = BEGAN.get_or_init(Instant::now).elapsed();
    u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX)
}
