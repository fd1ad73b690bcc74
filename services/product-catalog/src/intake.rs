//! Reads products from the broker into the articles.

use std::collections::BTreeMap;
use std::sync::Arc;

use storelink_bus::{Outcome, WorkItem};
use storelink_events::internal::ProductRead;
use storelink_persistence::Database;
use storelink_telemetry::metrics::Counter;
use tokio::sync::Notify;

use crate::store;

/// Takes batches of products.
pub(crate) struct Intake {
    pub(crate) database: Database,
    pub(crate) publisher: Arc<Notify>,
    pub(crate) products: Counter,
}

impl Intake {
    /// One batch in one transaction; one outcome per message.
    pub(crate) async fn take(&self, items: Vec<WorkItem>) -> Vec<Outcome> {
        let mut outcomes = vec![Outcome::Done; items.len()];
        let mut latest: BTreeMap<(String, String), ProductRead> = BTreeMap::new();
        for (item, outcome) in items.iter().zip(&mut outcomes) {
            match serde_json::from_slice::<ProductRead>(item.payload()) {
                Ok(reading) => keep_latest(&mut latest, reading),
                Err(error) => *outcome = Outcome::park("catalog.not_a_product", error.to_string()),
            }
        }
        let readings: Vec<ProductRead> = latest.into_values().collect();
        match store::take(&self.database, &readings).await {
            Ok(changed) => {
                self.products
                    .add(u64::try_from(readings.len()).unwrap_or_default(), &[]);
                if changed > 0 {
                    self.publisher.notify_one();
                }
            }
            Err(error) => {
                for outcome in outcomes
                    .iter_mut()
                    .filter(|outcome| **outcome == Outcome::Done)
                {
                    *outcome = Outcome::retry(&error);
                }
            }
        }
        outcomes
    }
}

/// Of two readings of one product the one that was read later counts.
fn keep_latest(latest: &mut BTreeMap<(String, String), ProductRead>, reading: ProductRead) {
    let key = (
        reading.connection.as_str().to_owned(),
        reading.external_id.clone(),
    );
    let earlier = latest
        .get(&key)
        .is_some_and(|known| known.read_number >= reading.read_number);
    if !earlier {
        latest.insert(key, reading);
    }
}
