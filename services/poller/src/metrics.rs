use std::time::Duration;

use storelink_model::Platform;
use storelink_telemetry::metrics::{Counter, DurationHistogram, metrics};

use crate::cursor::Counts;

/// What the poller counts.
#[derive(Clone, Debug)]
pub(crate) struct PollerMetrics {
    runs: Counter,
    run_time: DurationHistogram,
    orders: Counter,
    products: Counter,
    hints: Counter,
}

impl PollerMetrics {
    pub(crate) fn new() -> Self {
        let metrics = metrics();
        Self {
            runs: metrics.counter("poll_runs", "Poll jobs that ended, by result."),
            run_time: metrics.duration("poll_run", "How long one go at a poll job took."),
            orders: metrics.counter(
                "poll_orders",
                "Orders read from stores, by what became of them.",
            ),
            products: metrics.counter("poll_products", "Products read from stores."),
            hints: metrics.counter("poll_hints", "Calls of stores, by what became of them."),
        }
    }

    pub(crate) fn run(&self, platform: &Platform, entity: &str, result: &str, took: Duration) {
        let platform = ("platform", platform.as_str());
        // An entity comes from a message; only known ones may become a label.
        let entity = match entity {
            "orders" | "products" => entity,
            _ => "other",
        };
        self.runs
            .add(1, &[platform, ("entity", entity), ("result", result)]);
        self.run_time.record(took, &[platform, ("entity", entity)]);
    }

    pub(crate) fn orders(&self, platform: &Platform, counts: Counts) {
        let known = counts
            .read
            .saturating_sub(counts.changed)
            .saturating_sub(counts.ignored);
        for (outcome, more) in [
            ("published", counts.changed),
            ("known", known),
            ("before_start", counts.ignored),
            ("unreadable", counts.failed),
        ] {
            if more > 0 {
                self.orders.add(
                    more,
                    &[("platform", platform.as_str()), ("outcome", outcome)],
                );
            }
        }
    }

    pub(crate) fn hints(&self, platform: &Platform, outcome: &'static str, more: usize) {
        let labels = [("platform", platform.as_str()), ("outcome", outcome)];
        self.hints
            .add(u64::try_from(more).unwrap_or(u64::MAX), &labels);
    }

    pub(crate) fn products(&self, platform: &Platform, count: u64) {
        self.products.add(count, &[("platform", platform.as_str())]);
    }
}
