//! How many jobs of one connection are in work: one store must not take all places.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use storelink_model::ConnectionId;

/// Jobs of one connection at the same time: a walk of each entity and some single orders.
const PER_CONNECTION: usize = 4;

/// Jobs in work by connection. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct InWork(Arc<Mutex<HashMap<ConnectionId, usize>>>);

/// A place; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Place {
    in_work: InWork,
    connection: ConnectionId,
}

impl InWork {
    /// A place for one more job of a connection, when there is one.
    pub(crate) fn enter(&self, connection: &ConnectionId) -> Option<Place> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(connection.clone()).or_default();
        if *count >= PER_CONNECTION {
            return None;
        }
        *count += 1;
        Some(Place {
            in_work: self.clone(),
            connection: connection.clone(),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self
            .in_work
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.connection) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&self.connection);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_connection_takes_no_more_than_its_places_and_leaves_no_trace() {
        let in_work = InWork::default();
        let (one, other) = (ConnectionId::generate(), ConnectionId::generate());
        let places: Vec<_> = (0..PER_CONNECTION)
            .filter_map(|_| in_work.enter(&one))
            .collect();
        assert_eq!(places.len(), PER_CONNECTION);
        assert!(in_work.enter(&one).is_none());
        assert!(in_work.enter(&other).is_some());
        drop(places);
        assert!(in_work.enter(&one).is_some());
        assert!(in_work.0.lock().unwrap().is_empty());
    }
}
