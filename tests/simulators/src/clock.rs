//! The clock of one store: true time moved by an offset, or standing still for a replay.

use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// How a store's clock runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockSetting {
    /// True time plus so many seconds (negative: the store is slow).
    Offset(i64),
    /// Stands still at this Unix second.
    Frozen(i64),
}

/// A settable store clock, whole seconds as WordPress keeps them.
#[derive(Debug)]
pub struct Clock(Mutex<ClockSetting>);

impl Clock {
    /// A clock with this setting.
    #[must_use]
    pub fn new(setting: ClockSetting) -> Self {
        Self(Mutex::new(setting))
    }

    /// Changes how the clock runs from now on.
    pub fn set(&self, setting: ClockSetting) {
        *lock(&self.0) = setting;
    }

    /// The store's idea of the present, in Unix seconds.
    #[must_use]
    pub fn now(&self) -> i64 {
        match *lock(&self.0) {
            ClockSetting::Offset(seconds) => OffsetDateTime::now_utc().unix_timestamp() + seconds,
            ClockSetting::Frozen(second) => second,
        }
    }
}

/// True UTC time in microseconds.
pub(crate) fn utc_micros() -> i64 {
    let nanos = OffsetDateTime::now_utc().unix_timestamp_nanos();
    i64::try_from(nanos / 1_000).unwrap_or(i64::MAX)
}

/// Takes a lock also when another thread panicked while it held it: a simulator keeps answering.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
