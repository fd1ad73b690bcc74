use storelink_events::internal::OrderRead;
use storelink_telemetry::metrics::{Counter, Gauge, metrics};

use crate::revision::Decision;

/// What the ledger counts.
#[derive(Clone, Debug)]
pub(crate) struct IngestMetrics {
    readings: Counter,
    revisions: Counter,
    outbox_rows: Gauge,
    outbox_age: Gauge,
    parked: Gauge,
}

/// What the ledger looks like now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Levels {
    pub(crate) outbox_rows: i64,
    pub(crate) oldest_seconds: i64,
    pub(crate) parked: i64,
}

impl IngestMetrics {
    pub(crate) fn new() -> Self {
        let metrics = metrics();
        Self {
            readings: metrics.counter(
                "order_readings",
                "Orders received from pollers, by what they meant.",
            ),
            revisions: metrics.counter("order_revisions", "Contents of orders that were new."),
            outbox_rows: metrics.gauge("order_outbox_rows", "Events that wait to be published."),
            outbox_age: metrics.gauge(
                "order_outbox_oldest_seconds",
                "Age of the oldest event that waits.",
            ),
            parked: metrics.gauge("orders_parked", "Orders that wait for a person."),
        }
    }

    pub(crate) fn taken(&self, read: &OrderRead, decision: Decision) {
        let meaning = match decision {
            Decision::Revise { revision: 1 } => "first",
            Decision::Revise { .. } => "changed",
            Decision::Confirm | Decision::Repeat => "unchanged",
            Decision::Outdated => "outdated",
        };
        let platform = ("platform", read.platform.as_str());
        self.readings.add(1, &[platform, ("meaning", meaning)]);
        if matches!(decision, Decision::Revise { .. }) {
            self.revisions.add(1, &[platform]);
        }
    }

    pub(crate) fn levels(&self, levels: Levels) {
        self.outbox_rows.set(levels.outbox_rows, &[]);
        self.outbox_age.set(levels.oldest_seconds, &[]);
        self.parked.set(levels.parked, &[]);
    }
}
