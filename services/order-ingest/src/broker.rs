//! The broker as the ledger uses it.

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::GetStreamErrorKind;
use async_trait::async_trait;
use storelink_bus::streams::names;
use storelink_bus::{Bus, Publication, PublishError, Published};
use storelink_model::Timestamp;

use crate::IngestError;
use crate::hub_store::Store;

/// The broker.
#[async_trait]
pub trait Broker: Send + Sync {
    /// Whether there is any use in asking it.
    fn is_connected(&self) -> bool;

    /// Publishes and waits until a stream stored the message. It may be stored although the outcome is
    /// an error.
    async fn publish(&self, publication: Publication) -> Result<Published, PublishError>;

    /// Which stream takes the events now.
    async fn find_store(&self) -> Result<Store, IngestError>;
}

#[async_trait]
impl Broker for Bus {
    fn is_connected(&self) -> bool {
        Self::is_connected(self)
    }

    async fn publish(&self, publication: Publication) -> Result<Published, PublishError> {
        Self::publish(self, publication).await
    }

    async fn find_store(&self) -> Result<Store, IngestError> {
        match self.jetstream().get_stream(names::HUB).await {
            Ok(stream) => {
                let info = stream.cached_info();
                Ok(Store::Stream {
                    created_micros: Timestamp::from(info.created).micros(),
                    last_sequence: info.state.last_sequence,
                })
            }
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(answer)
                    if answer.error_code() == ErrorCode::STREAM_NOT_FOUND =>
                {
                    Ok(Store::Missing)
                }
                _ => Err(IngestError::Stream(error.to_string())),
            },
        }
    }
}
