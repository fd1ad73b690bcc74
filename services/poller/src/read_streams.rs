//! The streams that take what was read.

use async_trait::async_trait;
use storelink_bus::{Bus, Publication, PublishError, PublishWindow, Published};
use storelink_model::Timestamp;

use crate::PollerError;
use crate::cursor_store::StreamIdentity;

/// Streams that take what was read.
#[async_trait]
pub trait ReadStreams: Send + Sync {
    /// Which stream it is now.
    async fn identity(&self, stream: &str) -> Result<StreamIdentity, PollerError>;

    /// A window of at most `limit` messages in flight.
    fn window(&self, limit: usize) -> Box<dyn Window>;

    /// What one message may have at most, in bytes.
    fn max_payload(&self) -> usize;
}

/// Messages on their way to a stream. What was pushed may be stored although its result is an error.
#[async_trait]
pub trait Window: Send {
    /// Sends a message; waits first for room in the window.
    async fn push(&mut self, publication: Publication);

    /// Waits for all acknowledgements, and gives one result per message in the order of the pushes.
    async fn settle(&mut self) -> Vec<Result<Published, PublishError>>;
}

#[async_trait]
impl ReadStreams for Bus {
    async fn identity(&self, stream: &str) -> Result<StreamIdentity, PollerError> {
        let found = self.jetstream().get_stream(stream).await;
        let found = found.map_err(|error| PollerError::Stream(error.to_string()))?;
        let info = found.cached_info();
        Ok(StreamIdentity {
            created_micros: Timestamp::from(info.created).micros(),
            last_sequence: info.state.last_sequence,
        })
    }

    fn window(&self, limit: usize) -> Box<dyn Window> {
        Box::new(Self::window(self, limit))
    }

    fn max_payload(&self) -> usize {
        Self::max_payload(self)
    }
}

#[async_trait]
impl Window for PublishWindow {
    async fn push(&mut self, publication: Publication) {
        Self::push(self, publication).await;
    }

    async fn settle(&mut self) -> Vec<Result<Published, PublishError>> {
        Self::settle(self).await
    }
}
