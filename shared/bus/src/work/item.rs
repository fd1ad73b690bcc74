//! A message that is being worked on.

use std::sync::Arc;

use bytes::Bytes;
use time::OffsetDateTime;

use super::hold::Hold;
use crate::{Headers, TraceContext};

/// For how long a message that comes from no broker is held.
#[cfg(feature = "simulation")]
const SIMULATED_WAIT: std::time::Duration = std::time::Duration::from_secs(30);

/// A message that is being worked on. Clones share it.
#[derive(Clone, Debug)]
pub struct WorkItem(Arc<Content>);

#[derive(Debug)]
pub(super) struct Content {
    pub(super) subject: String,
    pub(super) headers: Headers,
    pub(super) payload: Bytes,
    pub(super) stream: String,
    pub(super) consumer: String,
    pub(super) sequence: u64,
    pub(super) delivered: i64,
    pub(super) pending: u64,
    pub(super) published: OffsetDateTime,
    pub(super) hold: Hold,
}

impl WorkItem {
    pub(super) fn new(content: Content) -> Self {
        Self(Arc::new(content))
    }

    /// A message that comes from no broker.
    #[cfg(feature = "simulation")]
    pub fn simulated(
        subject: String,
        payload: Bytes,
        sequence: u64,
        delivered: i64,
        published: OffsetDateTime,
    ) -> Self {
        Self::new(Content {
            subject,
            headers: Headers::new(),
            payload,
            stream: String::new(),
            consumer: String::new(),
            sequence,
            delivered,
            pending: 0,
            published,
            hold: Hold::since(storelink_runtime::Instant::now(), SIMULATED_WAIT),
        })
    }

    /// Holds it for another wait unless it was lost already.
    #[cfg(feature = "simulation")]
    pub fn prolong(&self) {
        self.0.hold.prolong();
    }

    /// The subject.
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// One token of the subject, counted from 0.
    pub fn token(&self, index: usize) -> Option<&str> {
        self.0.subject.split('.').nth(index)
    }

    /// The headers.
    pub fn headers(&self) -> &Headers {
        &self.0.headers
    }

    /// The trace context that the publisher sent.
    pub fn trace(&self) -> Option<TraceContext> {
        TraceContext::extract(&self.0.headers)
    }

    /// The payload.
    pub fn payload(&self) -> &Bytes {
        &self.0.payload
    }

    /// The stream.
    pub fn stream(&self) -> &str {
        &self.0.stream
    }

    /// The durable consumer.
    pub fn consumer(&self) -> &str {
        &self.0.consumer
    }

    /// The sequence in the stream.
    pub fn sequence(&self) -> u64 {
        self.0.sequence
    }

    /// Whether the message is still this process's own.
    pub fn hold(&self) -> &Hold {
        &self.0.hold
    }

    /// How often the message was delivered, this time included.
    pub fn delivered(&self) -> i64 {
        self.0.delivered
    }

    /// Messages that waited behind this one when it was delivered.
    pub fn pending(&self) -> u64 {
        self.0.pending
    }

    /// When the stream stored the message, by the server's clock.
    pub fn published(&self) -> OffsetDateTime {
        self.0.published
    }
}
