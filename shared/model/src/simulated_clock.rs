//! The clock of a simulation: time is what the simulated world says it is.

use std::cell::Cell;

thread_local! {
    static NOW: Cell<Option<i64>> = const { Cell::new(None) };
}

/// Sets what [`Timestamp::now`](crate::Timestamp::now) gives in this thread, in microseconds since
/// 1970; the machine's clock again when none.
pub fn set(now_micros: Option<i64>) {
    NOW.set(now_micros);
}

/// The simulated time of this thread.
#[must_use]
pub fn now_micros() -> Option<i64> {
    NOW.get()
}
