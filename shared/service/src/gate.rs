use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use storelink_adapter_api::{Denied, Permit, Purpose, RequestGate};
use tokio_util::sync::CancellationToken;

use crate::pace::Pace;
use crate::places::Places;

/// The gate of one connection, shared by all services of this process.
pub(crate) struct ConnectionGate {
    places: Places,
    pace: Mutex<Option<Pace>>,
    stopped: CancellationToken,
}

impl ConnectionGate {
    pub(crate) fn new(concurrency: usize, pace: Option<Pace>) -> Self {
        Self {
            places: Places::new(concurrency),
            pace: Mutex::new(pace),
            stopped: CancellationToken::new(),
        }
    }

    /// Takes over changed limits; requests under way are not touched.
    pub(crate) fn adjust(&self, concurrency: usize, pace: Option<Pace>) {
        self.places.set_limit(concurrency);
        *self.pace.lock().unwrap_or_else(PoisonError::into_inner) = pace;
    }

    /// Refuses every request from now on: the connection was deleted.
    pub(crate) fn stop(&self) {
        self.stopped.cancel();
    }
}

#[async_trait]
impl RequestGate for ConnectionGate {
    async fn admit(&self, purpose: Purpose) -> Result<Permit, Denied> {
        let admitted = async {
            let place = self.places.take(purpose).await;
            let pace = self
                .pace
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            if let Some(pace) = pace {
                pace.turn().await;
            }
            Permit::holding(place)
        };
        tokio::select! {
            biased;
            () = self.stopped.cancelled() => Err(Denied::Stopped),
            permit = admitted => Ok(permit),
        }
    }

    fn observe(&self, _: Option<u16>, _: Duration) {}
}
