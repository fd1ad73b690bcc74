//! Places for requests under way at one store: a semaphore that serves the more urgent first.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use storelink_adapter_api::Purpose;
use tokio::sync::oneshot;

/// A limited number of places. Whoever waits is served by urgency, then by arrival.
#[derive(Debug, Clone)]
pub(crate) struct Places(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    limit: usize,
    taken: usize,
    arrivals: u64,
    waiting: BTreeMap<(Purpose, u64), oneshot::Sender<Place>>,
}

/// One place; dropping it hands it to the next who waits.
#[derive(Debug)]
pub(crate) struct Place(Places);

impl Places {
    pub(crate) fn new(limit: usize) -> Self {
        let waiting = BTreeMap::new();
        Self(Arc::new(Mutex::new(State {
            limit: limit.max(1),
            taken: 0,
            arrivals: 0,
            waiting,
        })))
    }

    /// Changes how many places there are; places in use stay in use.
    pub(crate) fn set_limit(&self, limit: usize) {
        self.state().limit = limit.max(1);
        self.serve();
    }

    /// Waits for a place.
    pub(crate) async fn take(&self, purpose: Purpose) -> Place {
        let turn = {
            let mut state = self.state();
            let (sender, receiver) = oneshot::channel();
            let arrival = state.arrivals;
            state.arrivals += 1;
            state.waiting.insert((purpose, arrival), sender);
            receiver
        };
        self.serve();
        match turn.await {
            Ok(place) => place,
            // A sender leaves the map only by sending, so this is never reached; a place too many
            // would be the smaller harm.
            Err(_) => {
                self.state().taken += 1;
                Place(self.clone())
            }
        }
    }

    /// Gives free places to those who wait. A receiver that went away drops its place, which comes
    /// back here.
    fn serve(&self) {
        loop {
            let next = {
                let mut state = self.state();
                if state.taken >= state.limit {
                    return;
                }
                let Some((_, sender)) = state.waiting.pop_first() else {
                    return;
                };
                state.taken += 1;
                sender
            };
            // Sent outside the lock: a refused place is dropped here and takes the lock again.
            drop(next.send(Place(self.clone())));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        {
            let mut state = self.0.state();
            state.taken = state.taken.saturating_sub(1);
        }
        self.0.serve();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn the_more_urgent_goes_first() {
        let places = Places::new(1);
        let first = places.take(Purpose::Catalogue).await;
        let mut catalogue = Box::pin(places.take(Purpose::Catalogue));
        let mut orders = Box::pin(places.take(Purpose::Orders));
        assert!(catalogue.as_mut().now_or_never().is_none());
        assert!(orders.as_mut().now_or_never().is_none());
        drop(first);
        assert!(catalogue.as_mut().now_or_never().is_none());
        let second = orders.as_mut().now_or_never();
        assert!(second.is_some());
        drop(second);
        assert!(catalogue.as_mut().now_or_never().is_some());
    }

    #[tokio::test]
    async fn who_stops_waiting_holds_nobody_up() {
        let places = Places::new(1);
        let first = places.take(Purpose::Write).await;
        let mut gone = Box::pin(places.take(Purpose::Orders));
        assert!(gone.as_mut().now_or_never().is_none());
        let mut stays = Box::pin(places.take(Purpose::Write));
        assert!(stays.as_mut().now_or_never().is_none());
        drop(gone);
        drop(first);
        assert!(stays.as_mut().now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_raised_limit_serves_at_once() {
        let places = Places::new(1);
        let _first = places.take(Purpose::Write).await;
        let mut second = Box::pin(places.take(Purpose::Write));
        assert!(second.as_mut().now_or_never().is_none());
        places.set_limit(2);
        assert!(second.as_mut().now_or_never().is_some());
    }
}
