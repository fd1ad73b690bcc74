//! The clock of a simulation: time is what the simulated world says it is.

use std::cell::Cell;

thread_local! {
    static NOW: Cell<Option<i64>> = const { Cell::new(None) };
    static COUNTED: Cell<u64> = const { Cell::new(0) };
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

/// Begins a new world in this thread: its ids are counted from the first again.
pub fn begin() {
    COUNTED.set(0);
}

/// The next id of a simulated world: the same for the same steps.
pub(crate) fn unique_id() -> Option<uuid::Uuid> {
    let now = u128::from(now_micros()?.unsigned_abs());
    let count = COUNTED.get() + 1;
    COUNTED.set(count);
    Some(uuid::Uuid::from_u128((now << 64) | u128::from(count)))
}
