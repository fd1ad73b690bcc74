//! Orders of stores open doubts: a sale changes the stock that the store shows, without a word to the
//! lane that wrote it.

use std::collections::BTreeSet;
use std::sync::Arc;

use storelink_bus::{Outcome, WorkItem, WorkLoop, WorkLoopError};
use storelink_events::Envelope;
use storelink_events::hub::OrderEvent;
use storelink_model::{Sku, Timestamp};
use storelink_service::ServiceContext;
use time::Duration;

use crate::kind::LaneKind;
use crate::lane::DoubtKind;
use crate::records::LaneRecords;
use crate::runner::Lanes;

/// Orders taken at once.
const BATCH: usize = 200;

/// Reads the hub's order events and opens the doubts.
pub(crate) struct Orders<K: LaneKind> {
    lanes: Lanes<K>,
    records: Arc<dyn LaneRecords>,
    recheck_after: Duration,
}

impl<K: LaneKind> Orders<K> {
    pub(crate) fn new(
        lanes: Lanes<K>,
        records: Arc<dyn LaneRecords>,
        recheck_after: Duration,
    ) -> Self {
        Self {
            lanes,
            records,
            recheck_after,
        }
    }

    /// Works until the context's shutdown; ends at once for a kind that orders do not change.
    pub(crate) async fn run(self, context: &ServiceContext) -> Result<(), WorkLoopError> {
        let Some(consumer) = K::names().orders else {
            return Ok(());
        };
        let orders = Arc::new(self);
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

    /// SQL first, then the lanes that run here, then the acknowledgement; the replicas that run the
    /// others find the doubts in SQL.
    pub(crate) async fn take(&self, items: &[WorkItem]) -> Vec<Outcome> {
        let due = Timestamp::now().saturating_add(self.recheck_after);
        let mut doubts = BTreeSet::new();
        for item in items {
            match serde_json::from_slice::<Envelope<OrderEvent>>(item.payload()) {
                Ok(event) => doubts.extend(named(&event.data)),
                // What else is told of orders (their delivery) names no article.
                Err(error) => tracing::debug!(subject = item.subject(), %error, "not an order"),
            }
        }
        let opened = self.records.open_doubts(DoubtKind::Order, &doubts, due);
        match opened.await {
            Ok(()) => {
                self.lanes.doubted().notify_one();
                vec![Outcome::Done; items.len()]
            }
            Err(error) => vec![Outcome::retry(&error); items.len()],
        }
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
