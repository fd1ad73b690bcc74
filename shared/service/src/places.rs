//! Places for requests under way at one store: a semaphore that serves the more urgent first, and
//! nobody too late.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use storelink_adapter_api::Purpose;
use storelink_runtime::Instant;
use tokio::sync::oneshot;

/// Who has waited for so long is served before the more urgent: a backlog of writes must not keep
/// new products away for ever.
const AGEING: Duration = Duration::from_secs(30);

const PURPOSES: [Purpose; 4] = [
    Purpose::Verify,
    Purpose::Orders,
    Purpose::Write,
    Purpose::Catalogue,
];

/// A limited number of places. Whoever waits is served by urgency, then by arrival; who has waited
/// for [`AGEING`] comes first.
#[derive(Debug, Clone)]
pub(crate) struct Places(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    limit: usize,
    taken: usize,
    arrivals: u64,
    waiting: BTreeMap<Turn, Waiter>,
}

/// Urgency, then arrival.
type Turn = (Purpose, u64);

#[derive(Debug)]
struct Waiter {
    since: Instant,
    sender: oneshot::Sender<Place>,
}

/// One place; dropping it hands it to the next who waits.
#[derive(Debug)]
pub(crate) struct Place(Places);

/// A turn in the queue; dropping it leaves the queue.
struct Queued<'a> {
    places: &'a Places,
    turn: Turn,
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.places.state().waiting.remove(&self.turn);
    }
}

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
        self.serve(Instant::now());
    }

    /// Waits for a place. Who stops waiting leaves the queue.
    pub(crate) async fn take(&self, purpose: Purpose) -> Place {
        self.take_since(purpose, Instant::now()).await
    }

    async fn take_since(&self, purpose: Purpose, since: Instant) -> Place {
        let (queued, served) = self.enqueue(purpose, since);
        self.serve(since);
        let served = served.await;
        drop(queued);
        match served {
            Ok(place) => place,
            // A sender leaves the queue only by sending, so this is never reached; a place too many
            // would be the smaller harm.
            Err(_) => {
                self.state().taken += 1;
                Place(self.clone())
            }
        }
    }

    fn enqueue(&self, purpose: Purpose, since: Instant) -> (Queued<'_>, oneshot::Receiver<Place>) {
        let mut state = self.state();
        let (sender, receiver) = oneshot::channel();
        let turn = (purpose, state.arrivals);
        state.arrivals += 1;
        state.waiting.insert(turn, Waiter { since, sender });
        let queued = Queued { places: self, turn };
        (queued, receiver)
    }

    /// Gives free places to those who wait. A receiver that went away drops its place, which comes
    /// back here.
    fn serve(&self, now: Instant) {
        loop {
            let next = {
                let mut state = self.state();
                if state.taken >= state.limit {
                    return;
                }
                let Some(waiter) = state.next(now) else {
                    return;
                };
                state.taken += 1;
                waiter.sender
            };
            // Sent outside the lock: a refused place is dropped here and takes the lock again.
            drop(next.send(Place(self.clone())));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes the one whose turn it is out of the queue.
    fn next(&mut self, now: Instant) -> Option<Waiter> {
        let first_of_each = PURPOSES.into_iter().filter_map(|purpose| {
            let mut of_purpose = self.waiting.range((purpose, 0)..=(purpose, u64::MAX));
            of_purpose.next()
        });
        let waited = |since: &Instant| now.saturating_duration_since(*since);
        let too_long = first_of_each
            .filter(|(_, waiter)| waited(&waiter.since) >= AGEING)
            .min_by_key(|((_, arrival), _)| *arrival)
            .map(|(turn, _)| *turn);
        match too_long {
            Some(turn) => self.waiting.remove(&turn),
            None => self.waiting.pop_first().map(|(_, waiter)| waiter),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        {
            let mut state = self.0.state();
            state.taken = state.taken.saturating_sub(1);
        }
        self.0.serve(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn the_more_urgent_goes_first() {
        let places = Places::new(1);
        let mut held = places.take(Purpose::Catalogue).await;
        let all = [
            Purpose::Catalogue,
            Purpose::Write,
            Purpose::Orders,
            Purpose::Verify,
        ];
        let mut waiting: Vec<_> = all.map(|one| Box::pin(places.take(one))).into();
        for one in &mut waiting {
            assert!(one.as_mut().now_or_never().is_none());
        }
        while let Some(mut most_urgent) = waiting.pop() {
            drop(held);
            for one in &mut waiting {
                assert!(one.as_mut().now_or_never().is_none());
            }
            held = most_urgent.as_mut().now_or_never().unwrap();
        }
    }

    #[tokio::test]
    async fn who_waited_too_long_goes_first() {
        let places = Places::new(1);
        let first = places.take(Purpose::Write).await;
        let now = Instant::now();
        let mut old = Box::pin(places.take_since(Purpose::Catalogue, now - AGEING));
        let mut young = Box::pin(places.take_since(Purpose::Catalogue, now));
        let mut orders = Box::pin(places.take_since(Purpose::Orders, now));
        for one in [&mut old, &mut young, &mut orders] {
            assert!(one.as_mut().now_or_never().is_none());
        }
        drop(first);
        let second = old.as_mut().now_or_never().unwrap();
        assert!(orders.as_mut().now_or_never().is_none());
        drop(second);
        assert!(young.as_mut().now_or_never().is_none());
        assert!(orders.as_mut().now_or_never().is_some());
    }

    #[tokio::test]
    async fn who_stops_waiting_leaves_the_queue() {
        let places = Places::new(1);
        let first = places.take(Purpose::Write).await;
        let mut gone = Box::pin(places.take(Purpose::Orders));
        assert!(gone.as_mut().now_or_never().is_none());
        let mut stays = Box::pin(places.take(Purpose::Write));
        assert!(stays.as_mut().now_or_never().is_none());
        assert_eq!(places.state().waiting.len(), 2);
        drop(gone);
        assert_eq!(places.state().waiting.len(), 1);
        drop(first);
        assert!(stays.as_mut().now_or_never().is_some());
        assert_eq!(places.state().waiting.len(), 0);
    }

    #[tokio::test]
    async fn a_place_given_to_one_who_just_left_comes_back() {
        let places = Places::new(1);
        let first = places.take(Purpose::Write).await;
        let mut gone = Box::pin(places.take(Purpose::Write));
        assert!(gone.as_mut().now_or_never().is_none());
        drop(first);
        drop(gone);
        assert!(places.take(Purpose::Write).now_or_never().is_some());
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
