use storelink_bus::{PublishError, WorkLoopError};
use storelink_persistence::DbError;
use storelink_service::StartError;

/// The poller cannot go on with a job, or cannot start.
#[derive(Debug, thiserror::Error)]
pub enum PollerError {
    /// The service cannot start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The work loop ended.
    #[error(transparent)]
    Loop(#[from] WorkLoopError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbError),
    /// What was read could not be handed on.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The stream that takes what is read cannot be asked.
    #[error("the stream cannot be asked about itself: {0}")]
    Stream(String),
    /// Another process moved the cursor meanwhile.
    #[error("another process went on with this walk")]
    Overtaken,
    /// A newer read of an order, by another job, has not reached the stream.
    #[error("another job reads an order of this page and has not handed it on")]
    OpenRead,
    /// The cursor cannot be written as JSON.
    #[error("the cursor cannot be written: {0}")]
    Cursor(String),
    /// A message cannot be written as JSON.
    #[error("what was read cannot be written as JSON: {0}")]
    Encode(String),
}

impl PollerError {
    /// Stable code for operators.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Start(StartError::Database(error)) | Self::Database(error) => error.code(),
            Self::Loop(_) => "poller.loop",
            Self::Publish(error) => error.code(),
            Self::Stream(_) => "poller.stream",
            Self::Overtaken => "poller.overtaken",
            Self::OpenRead => "poller.open_read",
            Self::Cursor(_) => "poller.cursor",
            Self::Encode(_) => "poller.encode",
        }
    }
}
