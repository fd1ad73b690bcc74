use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use storelink_adapter_api::{Denied, Permit, Purpose, RequestGate};
use storelink_planted_faults::planted;
use storelink_runtime::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::pace::Pace;
use crate::places::Places;
use crate::pressure::Pressure;

/// Who gets no place within this time is told so, and comes back later.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// The gate of one connection, shared by all services of this process: what one of them learns about
/// the store, all of them heed.
pub(crate) struct ConnectionGate {
    places: Places,
    pressure: Mutex<Pressure>,
    pace: Mutex<Option<Pace>>,
    stopped: CancellationToken,
}

impl ConnectionGate {
    pub(crate) fn new(concurrency: usize, pace: Option<Pace>) -> Self {
        Self {
            places: Places::new(concurrency),
            pressure: Mutex::new(Pressure::new(concurrency)),
            pace: Mutex::new(pace),
            stopped: CancellationToken::new(),
        }
    }

    /// Takes over changed limits; requests under way are not touched.
    pub(crate) fn adjust(&self, concurrency: usize, pace: Option<Pace>) {
        let limit = {
            let mut pressure = self.pressure();
            pressure.set_ceiling(concurrency);
            pressure.limit()
        };
        self.places.set_limit(limit);
        *self.pace.lock().unwrap_or_else(PoisonError::into_inner) = pace;
    }

    /// Refuses every request from now on: the connection was deleted.
    pub(crate) fn stop(&self) {
        self.stopped.cancel();
    }

    async fn place(&self, purpose: Purpose) -> Result<Permit, Denied> {
        let place = timeout(LONGEST_WAIT, self.places.take(purpose)).await;
        let place = place.map_err(|_| Denied::Busy)?;
        let pace = self
            .pace
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let since = Instant::now();
        loop {
            self.until_unpaused(since).await?;
            if let Some(pace) = &pace {
                pace.turn().await.map_err(|_| Denied::Busy)?;
            }
            // A turn that came while the store wanted to be left alone is given up: used after the
            // pause, together with those of others, it would make a burst.
            if !self.is_paused() || planted!(TurnKeptOverPause) {
                return Ok(Permit::holding(place));
            }
        }
    }

    fn is_paused(&self) -> bool {
        let until = self.pressure().paused_until();
        until.is_some_and(|until| until > Instant::now())
    }

    /// Waits while the store wants to be left alone. The pause may grow meanwhile.
    async fn until_unpaused(&self, since: Instant) -> Result<(), Denied> {
        loop {
            let until = self.pressure().paused_until();
            let Some(until) = until.filter(|until| *until > Instant::now()) else {
                return Ok(());
            };
            if since.elapsed() > LONGEST_WAIT {
                return Err(Denied::Busy);
            }
            sleep_until(until).await;
        }
    }

    fn pressure(&self) -> MutexGuard<'_, Pressure> {
        self.pressure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl RequestGate for ConnectionGate {
    async fn admit(&self, purpose: Purpose) -> Result<Permit, Denied> {
        tokio::select! {
            biased;
            () = self.stopped.cancelled() => Err(Denied::Stopped),
            permit = self.place(purpose) => permit,
        }
    }

    fn observe(&self, status: Option<u16>, elapsed: Duration) {
        let limit = {
            let mut pressure = self.pressure();
            pressure.observe(status, elapsed, Instant::now());
            pressure.limit()
        };
        self.places.set_limit(limit);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_refused_request_holds_back_every_service_of_the_process() {
        let gate = ConnectionGate::new(4, None);
        let sent = gate.admit(Purpose::Write).await.unwrap();
        gate.observe(Some(429), Duration::from_millis(30));
        drop(sent);
        let refused = Instant::now();
        let read = gate.admit(Purpose::Orders).await.unwrap();
        let waited = refused.elapsed();
        assert!(waited >= Duration::from_millis(950), "{waited:?}");
        let _second = gate.admit(Purpose::Orders).await.unwrap();
        assert!(gate.admit(Purpose::Orders).now_or_never().is_none());
        drop(read);
    }

    #[tokio::test]
    async fn a_deleted_connection_ends_the_wait() {
        let gate = ConnectionGate::new(1, None);
        let _held = gate.admit(Purpose::Write).await.unwrap();
        let mut waiting = gate.admit(Purpose::Write);
        assert!(waiting.as_mut().now_or_never().is_none());
        gate.stop();
        assert_eq!(waiting.await.unwrap_err(), Denied::Stopped);
    }
}
