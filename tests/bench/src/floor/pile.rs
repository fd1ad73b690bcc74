//! What has piled up for one store of the floor.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_nats::jetstream::Message;
use tokio::sync::Notify;

/// Rows of a request at most.
const BATCH: usize = 100;

/// An event that is acknowledged when every store has its values.
pub(super) struct Event {
    message: Message,
    missing: AtomicUsize,
}

/// One value for one store.
#[derive(Clone)]
pub(super) struct Change {
    pub(super) id: u64,
    pub(super) value: u64,
    pub(super) event: Option<Arc<Event>>,
}

/// The changes of a store in the order in which they came.
#[derive(Default)]
pub(super) struct Pile {
    changes: Mutex<VecDeque<Change>>,
    grown: Notify,
}

/// What goes out in one request.
#[derive(Default)]
pub(super) struct Batch {
    /// Id and latest value.
    pub(super) rows: Vec<(u64, u64)>,
    pub(super) events: Vec<Arc<Event>>,
}

impl Event {
    /// `deliveries`: values times stores.
    pub(super) fn new(message: Message, deliveries: usize) -> Arc<Self> {
        Arc::new(Self {
            message,
            missing: AtomicUsize::new(deliveries),
        })
    }

    /// One value has reached one store.
    pub(super) async fn delivered(&self) -> anyhow::Result<()> {
        if self.missing.fetch_sub(1, Ordering::AcqRel) == 1 {
            let acknowledged = self.message.ack().await;
            acknowledged.map_err(|error| anyhow::anyhow!("not acknowledged: {error}"))?;
        }
        Ok(())
    }
}

impl Pile {
    pub(super) fn add(&self, changes: &[Change]) {
        self.changes().extend(changes.iter().cloned());
        self.grown.notify_one();
    }

    /// Waits until there is something and takes it: at most a batch of articles, each with its latest value.
    pub(super) async fn take(&self) -> Batch {
        loop {
            let batch = self.take_now();
            if !batch.rows.is_empty() {
                return batch;
            }
            self.grown.notified().await;
        }
    }

    fn take_now(&self) -> Batch {
        let mut changes = self.changes();
        let mut batch = Batch::default();
        let mut places = HashMap::with_capacity(BATCH);
        while let Some(change) = changes.front() {
            match places.get(&change.id) {
                Some(place) => {
                    if let Some(row) = batch.rows.get_mut(*place) {
                        *row = (change.id, change.value);
                    }
                }
                None if batch.rows.len() == BATCH => break,
                None => {
                    places.insert(change.id, batch.rows.len());
                    batch.rows.push((change.id, change.value));
                }
            }
            batch
                .events
                .extend(changes.pop_front().and_then(|change| change.event));
        }
        batch
    }

    fn changes(&self) -> MutexGuard<'_, VecDeque<Change>> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(id: u64, value: u64) -> Change {
        Change {
            id,
            value,
            event: None,
        }
    }

    #[tokio::test]
    async fn the_latest_value_of_an_article_goes_out_and_a_batch_is_never_larger_than_the_store_takes()
     {
        let pile = Pile::default();
        pile.add(&[change(1, 10), change(2, 20), change(1, 11)]);
        assert_eq!(pile.take().await.rows, [(1, 11), (2, 20)]);
        let many: Vec<Change> = (0..150).map(|id| change(id, 1)).collect();
        pile.add(&many);
        assert_eq!(pile.take().await.rows.len(), 100);
        assert_eq!(pile.take().await.rows.len(), 50);
    }
}
