//! Reads products from the broker into the articles.

use std::collections::BTreeMap;
use std::sync::Arc;

use storelink_bus::{Outcome, WorkItem};
use storelink_events::internal::ProductRead;
use storelink_persistence::{Database, DbError};
use storelink_telemetry::metrics::Counter;
use tokio::sync::Notify;

use crate::readings;

/// Takes batches of products.
pub(crate) struct Intake {
    pub(crate) database: Database,
    pub(crate) publisher: Arc<Notify>,
    pub(crate) products: Counter,
}

/// The latest reading of each product, with the place of its message in the batch.
type Latest = BTreeMap<(String, String), (usize, ProductRead)>;

impl Intake {
    /// One batch in one transaction; one outcome per message.
    pub(crate) async fn take(&self, items: Vec<WorkItem>) -> Vec<Outcome> {
        let mut outcomes = vec![Outcome::Done; items.len()];
        let mut latest = Latest::new();
        for (place, (item, outcome)) in items.iter().zip(&mut outcomes).enumerate() {
            match serde_json::from_slice::<ProductRead>(item.payload()) {
                Ok(reading) => keep_latest(&mut latest, place, reading),
                Err(error) => *outcome = Outcome::park("catalog.not_a_product", error.to_string()),
            }
        }
        let (places, readings): (Vec<usize>, Vec<ProductRead>) = latest.into_values().unzip();
        match self.store(&readings).await {
            Err(error) if error.is_transient() => retry_all(&mut outcomes, &error),
            // Something in the batch cannot be stored: it must not stop the others.
            Err(_) => {
                for (place, reading) in places.into_iter().zip(&readings) {
                    let stored = self.store(std::slice::from_ref(reading)).await;
                    if let (Err(error), Some(outcome)) = (stored, outcomes.get_mut(place)) {
                        *outcome = refused(&error);
                    }
                }
            }
            Ok(()) => {}
        }
        outcomes
    }

    async fn store(&self, readings: &[ProductRead]) -> Result<(), DbError> {
        if readings::take(&self.database, readings).await? > 0 {
            self.publisher.notify_one();
        }
        self.products
            .add(u64::try_from(readings.len()).unwrap_or_default(), &[]);
        Ok(())
    }
}

fn retry_all(outcomes: &mut [Outcome], error: &DbError) {
    for outcome in outcomes {
        if *outcome == Outcome::Done {
            *outcome = Outcome::retry(error);
        }
    }
}

fn refused(error: &DbError) -> Outcome {
    if error.is_transient() {
        Outcome::retry(error)
    } else {
        Outcome::park("catalog.row_refused", error.to_string())
    }
}

/// Of two readings of one product the one that was read later counts.
fn keep_latest(latest: &mut Latest, place: usize, reading: ProductRead) {
    let key = (
        reading.connection.as_str().to_owned(),
        reading.external_id.clone(),
    );
    let earlier = latest
        .get(&key)
        .is_some_and(|(_, known)| known.read_number >= reading.read_number);
    if !earlier {
        latest.insert(key, (place, reading));
    }
}
