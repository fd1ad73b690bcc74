use std::time::Duration;

use storelink_model::Timestamp;

/// What the `Date` of an answer leaves open where a store does not send one.
const WITHOUT_STORE_TIME: time::Duration = time::Duration::seconds(2);

/// What one request says about a store's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockReading {
    /// A time that the store's clock had not passed when the request was sent.
    pub before: Timestamp,
    /// The store's clock minus ours, in microseconds.
    pub offset_micros: i64,
}

impl ClockReading {
    /// Of a request that left at `sent` by our clock and took this long. A store writes its time at
    /// some moment before its answer arrives, so that time minus the whole duration is a lower bound,
    /// whatever the two clocks show. `known_offset` stands in for a store that tells no time.
    #[must_use]
    pub fn of_request(
        sent: Timestamp,
        took: Duration,
        store_time: Option<Timestamp>,
        known_offset: i64,
    ) -> Self {
        let took = time::Duration::try_from(took).unwrap_or(time::Duration::DAY);
        match store_time {
            Some(shown) => Self {
                before: shown.saturating_sub(took),
                offset_micros: shown
                    .micros()
                    .saturating_sub(sent.saturating_add(took / 2).micros()),
            },
            None => Self {
                before: sent
                    .saturating_add(time::Duration::microseconds(known_offset))
                    .saturating_sub(WITHOUT_STORE_TIME),
                offset_micros: known_offset,
            },
        }
    }
}
