use storelink_bus::rpc::RpcError;
use storelink_bus::{PublishError, WorkLoopError};
use storelink_persistence::DbError;
use storelink_service::StartError;

/// The ledger cannot go on with something, or cannot start.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The service cannot start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The work loop ended.
    #[error(transparent)]
    Loop(#[from] WorkLoopError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbError),
    /// A message was not stored by the broker.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// Questions of other services cannot be received.
    #[error(transparent)]
    Questions(#[from] RpcError),
    /// Something cannot be written as JSON.
    #[error("{what} cannot be written as JSON: {reason}")]
    Encode {
        /// What it is.
        what: &'static str,
        /// The encoder's words.
        reason: String,
    },
    /// A row holds something that this program does not understand.
    #[error("{what} of the ledger cannot be read: {reason}")]
    Stored {
        /// What it is.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The stream of events cannot be asked about itself.
    #[error("the stream of events cannot be asked about itself: {0}")]
    Stream(String),
}

impl IngestError {
    /// Stable code for operators.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Start(StartError::Database(error)) | Self::Database(error) => error.code(),
            Self::Loop(_) => "order_ingest.loop",
            Self::Publish(error) => error.code(),
            Self::Questions(_) => "order_ingest.questions",
            Self::Encode { .. } => "order_ingest.encode",
            Self::Stored { .. } => "order_ingest.row_unreadable",
            Self::Stream(_) => "order_ingest.stream",
        }
    }

    /// Whether the same work may succeed later without a change.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Database(error) => error.is_transient(),
            Self::Publish(error) => error.is_transient(),
            Self::Stream(_) => true,
            _ => false,
        }
    }

    pub(crate) fn encode(what: &'static str) -> impl FnOnce(serde_json::Error) -> Self {
        move |error| Self::Encode {
            what,
            reason: error.to_string(),
        }
    }

    pub(crate) fn stored<E: std::fmt::Display>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self::Stored {
            what,
            reason: error.to_string(),
        }
    }
}
