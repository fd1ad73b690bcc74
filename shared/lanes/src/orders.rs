//! Orders of stores open doubts: a sale changes the stock that the store shows, without a word to the
//! lane that wrote it.

use std::collections::BTreeSet;

use storelink_bus::{Outcome, WorkItem, WorkLoop, WorkLoopError};
use storelink_events::Envelope;
use storelink_events::hub::OrderEvent;
use storelink_model::{Sku, Timestamp};
use storelink_persistence::{Arg, Database, DbError, args};
use storelink_service::ServiceContext;
use time::Duration;

use crate::kind::LaneKind;
use crate::lane::DoubtKind;
use crate::runner::Lanes;

/// Orders taken at once.
const BATCH: usize = 200;

/// Reads the hub's order events and opens the doubts.
pub(crate) struct Orders<K: LaneKind> {
    lanes: Lanes<K>,
    db: Database,
    recheck_after: Duration,
}

impl<K: LaneKind> Orders<K> {
    pub(crate) fn new(lanes: Lanes<K>, db: Database, recheck_after: Duration) -> Self {
        Self {
            lanes,
            db,
            recheck_after,
        }
    }

    /// Works until the context's shutdown; ends at once for a kind that orders do not change.
    pub(crate) async fn run(self, context: &ServiceContext) -> Result<(), WorkLoopError> {
        let Some(consumer) = K::names().orders else {
            return Ok(());
        };
        let orders = std::sync::Arc::new(self);
        WorkLoop::new(&context.bus, consumer)
            .batch(BATCH)
            .run_batches(
                move |items| {
                    let orders = orders.clone();
                    async move { orders.take(&items).await }
                },
                context.shutdown.clone(),
            )
            .await
    }

    /// The lanes first, then SQL, then the acknowledgement: a doubt that was settled in between is
    /// written once more after a restart, which harms nobody; one that was lost would.
    async fn take(&self, items: &[WorkItem]) -> Vec<Outcome> {
        let due = Timestamp::now().saturating_add(self.recheck_after);
        let mut doubts = BTreeSet::new();
        for item in items {
            match serde_json::from_slice::<Envelope<OrderEvent>>(item.payload()) {
                Ok(event) => doubts.extend(named(&event.data)),
                // What else is told of orders (their delivery) names no article.
                Err(error) => tracing::debug!(subject = item.subject(), %error, "not an order"),
            }
        }
        for (connection, sku) in &doubts {
            let handle = connection.parse().ok().and_then(|id| self.lanes.get(&id));
            if let Some(handle) = handle {
                let sku = handle.levels.sku_id(sku);
                handle.state().lane.ordered(sku, due);
                // It may rest without a time to wake at.
                handle.wake.notify_one();
            }
        }
        match self.keep(&doubts, due).await {
            Ok(()) => vec![Outcome::Done; items.len()],
            Err(error) => vec![Outcome::retry(&error); items.len()],
        }
    }

    async fn keep(&self, doubts: &BTreeSet<(String, Sku)>, due: Timestamp) -> Result<(), DbError> {
        let rows: Vec<Vec<Arg>> = doubts
            .iter()
            .map(|(connection, sku)| {
                let kind = DoubtKind::Order.as_str();
                args![connection.as_str(), sku.as_str(), kind, due.micros()]
            })
            .collect();
        self.db
            .execute_values(
                "INSERT INTO doubts (connection, sku, kind, due) VALUES",
                "ON CONFLICT (connection, sku, kind) DO UPDATE SET due = excluded.due",
                rows,
            )
            .await?;
        Ok(())
    }
}

/// The articles that an order names.
fn named(event: &OrderEvent) -> impl Iterator<Item = (String, Sku)> {
    let connection = event.connection.as_str();
    let skus = event
        .order
        .lines
        .iter()
        .filter_map(|line| line.sku.as_ref());
    skus.map(move |sku| (connection.to_owned(), sku.clone()))
}
