//! How much of everything a run has.

/// The sizes of all scenarios.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// How long each limit of the machine is measured, milliseconds.
    pub(crate) load_ms: u64,
    /// Articles of each of the ten stores.
    pub(crate) ten_articles: usize,
    /// The hundred stores, and the articles of each.
    pub(crate) hundred: (usize, usize),
    /// Events of `latency`.
    pub(crate) latency_events: u32,
    /// Seconds of `sustained`.
    pub(crate) sustained_seconds: u32,
    /// The thousand stores of `many`, and the articles of each.
    pub(crate) thousand: (usize, usize),
    /// The twenty large stores beside them.
    pub(crate) twenty: (usize, usize),
    /// Changes and articles of `outage`.
    pub(crate) outage: (u32, usize),
}

impl Sizes {
    /// What is measured.
    pub(crate) const FULL: Self = Self {
        load_ms: 1_000,
        ten_articles: 10_000,
        hundred: (100, 2_000),
        latency_events: 60,
        sustained_seconds: 60,
        thousand: (1_000, 1_000),
        twenty: (20, 10_000),
        outage: (1_000_000, 10_000),
    };

    /// Enough to see that everything is counted; its figures mean nothing.
    pub(crate) const SMALL: Self = Self {
        load_ms: 100,
        ten_articles: 400,
        hundred: (12, 200),
        latency_events: 20,
        sustained_seconds: 2,
        thousand: (24, 100),
        twenty: (3, 400),
        outage: (8_000, 400),
    };
}
