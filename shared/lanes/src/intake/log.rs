//! The stream that keeps the last value of each key, as it is written.

use async_nats::jetstream::stream::DirectGetErrorKind;
use async_trait::async_trait;
use bytes::Bytes;
use storelink_bus::{Bus, Publication, PublishError, PublishWindow, Published};

/// Messages that wait for their acknowledgement at once.
const WINDOW: usize = 256;

/// A last-value stream. It stores a message only if the last of its subject has the expected sequence,
/// and a message id that it knows it does not store again. What fails may have been stored, or still
/// be.
#[async_trait]
pub trait ValueLog: Send + Sync {
    /// Publishes and waits until it is stored.
    async fn publish(&self, publication: Publication) -> Result<Published, PublishError>;

    /// Many publishes under way at once.
    fn window(&self) -> Box<dyn ValueWindow>;

    /// The last message of a subject with its sequence.
    ///
    /// # Errors
    /// What happened, in words.
    async fn last(&self, subject: &str) -> Result<Option<(Bytes, u64)>, String>;
}

/// A bounded number of publishes under way.
#[async_trait]
pub trait ValueWindow: Send {
    /// Sends a message; waits first for room.
    async fn push(&mut self, publication: Publication);

    /// Waits for all acknowledgements: one result per message, in the order of the pushes.
    async fn settle(&mut self) -> Vec<Result<Published, PublishError>>;
}

/// A stream of the broker.
pub(crate) struct BrokerLog {
    pub(crate) bus: Bus,
    pub(crate) stream: &'static str,
}

#[async_trait]
impl ValueLog for BrokerLog {
    async fn publish(&self, publication: Publication) -> Result<Published, PublishError> {
        self.bus.publish(publication).await
    }

    fn window(&self) -> Box<dyn ValueWindow> {
        Box::new(self.bus.window(WINDOW))
    }

    async fn last(&self, subject: &str) -> Result<Option<(Bytes, u64)>, String> {
        let stream = self.bus.jetstream().get_stream_no_info(self.stream).await;
        let stream = stream.map_err(|error| error.to_string())?;
        match stream.direct_get_last_for_subject(subject).await {
            Ok(message) => Ok(Some((message.payload, message.sequence))),
            Err(error) if error.kind() == DirectGetErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }
}

#[async_trait]
impl ValueWindow for PublishWindow {
    async fn push(&mut self, publication: Publication) {
        Self::push(self, publication).await;
    }

    async fn settle(&mut self) -> Vec<Result<Published, PublishError>> {
        Self::settle(self).await
    }
}
