//! A last-value stream as it is read.

use async_trait::async_trait;
use storelink_bus::{LastValueEvent, LastValueReader};

/// Reads a whole last-value stream and then what changes, for ever. Of each subject the newest value is
/// always given, those before it perhaps.
#[async_trait]
pub trait ValueFeed: Send {
    /// The next event. Dropping the future loses nothing.
    async fn next(&mut self) -> LastValueEvent;
}

#[async_trait]
impl ValueFeed for LastValueReader {
    async fn next(&mut self) -> LastValueEvent {
        Self::next(self).await
    }
}
