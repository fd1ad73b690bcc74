//! What the engine counts.

use std::time::Duration;

use storelink_adapter_api::ItemOutcome;
use storelink_model::Timestamp;
use storelink_telemetry::metrics;
use storelink_telemetry::metrics::{Counter, DurationHistogram, Histogram};

use crate::kind::LaneKind;
use crate::runner::{LaneHandle, Lanes};

/// The instruments of one kind of lane. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct LaneMetrics {
    entity: &'static str,
    lag: DurationHistogram,
    batch: Histogram,
    request: DurationHistogram,
    writes: Counter,
    failures: Counter,
    superseded: Counter,
    arrived: Counter,
    stored: Counter,
    rejected: Counter,
    reconciliations: Counter,
    corrections: Counter,
}

impl LaneMetrics {
    /// `entity` is `stock` or `price`.
    pub(crate) fn new(entity: &'static str) -> Self {
        let metrics = metrics();
        Self {
            entity,
            lag: metrics.duration(
                &format!("{entity}_lag"),
                "From the ERP's event to the store's confirmation.",
            ),
            batch: metrics.histogram("lane_batch_items", "Items of a write request."),
            request: metrics.duration("lane_request", "From sending a write to its answer."),
            writes: metrics.counter("lane_writes", "Values written, by what became of them."),
            failures: metrics.counter("lane_request_failures", "Write requests that failed."),
            superseded: metrics.counter(
                "items_superseded",
                "Changes overtaken by a later one before sending.",
            ),
            arrived: metrics.counter("intake_values", "Values of ERP events that were read."),
            stored: metrics.counter("intake_stored", "Values that replaced an older one."),
            rejected: metrics.counter("intake_rejected", "Parts of ERP events that were refused."),
            reconciliations: metrics.counter(
                "reconcile_runs",
                "Comparisons of whole stores, by how they ended.",
            ),
            corrections: metrics.counter(
                "reconcile_corrections",
                "Values that a store showed otherwise than it confirmed, and that are written again.",
            ),
        }
    }

    /// Shows the age of the oldest change per connection, and how many articles wait or are parked.
    pub(crate) fn observe_lanes<K: LaneKind>(&self, lanes: &Lanes<K>) {
        let (entity, switch) = (self.entity, K::names().switch);
        let name = format!("{entity}_oldest_dirty_seconds");
        let observed = lanes.weak();
        let help = "Age of the oldest change that a store does not show, by connection.";
        metrics().observed_gauge(&name, help, move |observe| {
            let now = Timestamp::now();
            for handle in observed.all() {
                let oldest = {
                    let state = handle.state();
                    // Where it is switched off, nothing is owed to the store.
                    if state.owned.is_none() || !state.linked.record.is_active(switch) {
                        continue;
                    }
                    state.lane.oldest_dirty()
                };
                let age = oldest.map_or(0, |since| now.since(since).whole_seconds());
                observe(age, &[("connection", handle.connection.as_str())]);
            }
        });
        let name = format!("{entity}_items_parked");
        let observed = lanes.weak();
        metrics().observed_gauge(&name, "Articles that wait for a person.", move |observe| {
            let parked = |handle: &std::sync::Arc<_>| {
                let state = LaneHandle::<K>::state(handle);
                state.owned.as_ref().map_or(0, |_| state.lane.parked())
            };
            let parked: usize = observed.all().iter().map(parked).sum();
            observe(i64::try_from(parked).unwrap_or(i64::MAX), &[]);
        });
    }

    pub(crate) fn taken_in(&self, arrived: usize, stored: usize) {
        self.arrived.add(count(arrived), &[("entity", self.entity)]);
        self.stored.add(count(stored), &[("entity", self.entity)]);
    }

    pub(crate) fn rejected(&self, violations: usize) {
        self.rejected
            .add(count(violations), &[("entity", self.entity)]);
    }

    pub(crate) fn superseded(&self, changes: u64) {
        if changes > 0 {
            self.superseded.add(changes, &[("entity", self.entity)]);
        }
    }

    pub(crate) fn reconciled(&self, outcome: &'static str) {
        let labels = [("entity", self.entity), ("outcome", outcome)];
        self.reconciliations.add(1, &labels);
    }

    pub(crate) fn corrected(&self, values: u64) {
        if values > 0 {
            self.corrections.add(values, &[("entity", self.entity)]);
        }
    }

    pub(crate) fn lag(&self, lag: Duration) {
        self.lag.record(lag, &[]);
    }

    pub(crate) fn answered(&self, outcomes: &[ItemOutcome], took: Duration) {
        self.request.record(took, &[("entity", self.entity)]);
        self.batch
            .record(count(outcomes.len()), &[("entity", self.entity)]);
        let of = |wanted: fn(&ItemOutcome) -> bool| {
            count(outcomes.iter().filter(|outcome| wanted(outcome)).count())
        };
        let confirmed = of(|outcome| matches!(outcome, ItemOutcome::Confirmed));
        let rejected = of(|outcome| matches!(outcome, ItemOutcome::Rejected { .. }));
        let unknown = of(|outcome| matches!(outcome, ItemOutcome::Unknown));
        for (outcome, items) in [
            ("confirmed", confirmed),
            ("rejected", rejected),
            ("unknown", unknown),
        ] {
            if items > 0 {
                self.writes
                    .add(items, &[("entity", self.entity), ("outcome", outcome)]);
            }
        }
    }

    pub(crate) fn failed(&self, class: &'static str, items: usize, took: Duration) {
        self.request.record(took, &[("entity", self.entity)]);
        self.failures
            .add(1, &[("entity", self.entity), ("class", class)]);
        self.writes.add(
            count(items),
            &[("entity", self.entity), ("outcome", "failed")],
        );
    }
}

fn count(items: usize) -> u64 {
    u64::try_from(items).unwrap_or(u64::MAX)
}
