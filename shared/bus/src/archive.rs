//! What a backup takes along of the broker: messages that are nowhere else.

use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::{DirectGetErrorKind, Stream};
use bytes::Bytes;

use crate::streams::{ApplyError, names, streams};
use crate::{Bus, Headers, Publication, PublishError};

/// Headers that steer how a stream stores a message; those of the copy are its own.
const STEERING: &str = "Nats-";

/// The streams whose messages are in no database, in the order in which they are to be read: a message
/// that is given up while this goes on lies in DEAD before it leaves its queue.
///
/// Everything else of the broker is made anew from SQL (last values, listings, order events, settings,
/// holds), by reading the stores again (products, customers), or is over after a restart (poll jobs,
/// hints, paces, notes of the server).
pub const ARCHIVED: &[&str] = &[
    names::ERP_STOCK,
    names::ERP_PRICE,
    names::ERP_PRODUCT,
    names::ORDERS,
    names::ERP_OUT,
    names::DEAD,
];

/// A message of a stream as it is kept in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchivedMessage {
    /// Its sequence in the stream.
    pub sequence: u64,
    /// Its subject.
    pub subject: String,
    /// Its own headers, without those that steer how it is stored.
    pub headers: Vec<(String, String)>,
    /// Its payload.
    pub payload: Bytes,
}

/// A stream cannot be archived or filled again.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The broker did not answer, or the broker user may not do this.
    #[error("stream {stream} cannot be read or changed on the broker: {text}")]
    Broker {
        /// The stream.
        stream: String,
        /// What happened.
        text: String,
    },
    /// The stream was used before.
    #[error("stream {stream} of the broker was used before: its last sequence is {last_sequence}")]
    Used {
        /// The stream.
        stream: String,
        /// The last sequence that it gave.
        last_sequence: u64,
    },
    /// A message was not taken.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// Streams cannot be made.
    #[error(transparent)]
    Apply(#[from] ApplyError),
}

/// Reads the messages of one stream, oldest first, up to the one that is the last when this begins.
/// Nothing is acknowledged or removed; what leaves the stream meanwhile may be passed over.
pub struct ArchiveReader {
    stream: Stream<()>,
    name: &'static str,
    next: u64,
    last: u64,
}

impl ArchiveReader {
    /// Begins with a stream of [`ARCHIVED`].
    ///
    /// # Errors
    /// When there is no such stream, or the broker does not answer.
    pub async fn begin(bus: &Bus, name: &'static str) -> Result<Self, ArchiveError> {
        let found = bus.jetstream().get_stream(name).await;
        let found = found.map_err(|error| broker(name, &error))?;
        let last = found.cached_info().state.last_sequence;
        let stream = bus.jetstream().get_stream_no_info(name).await;
        Ok(Self {
            stream: stream.map_err(|error| broker(name, &error))?,
            name,
            next: 1,
            last,
        })
    }

    /// The next message; none behind the last.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn next(&mut self) -> Result<Option<ArchivedMessage>, ArchiveError> {
        let found = self
            .stream
            .direct_get_next_for_subject(">", Some(self.next))
            .await;
        let message = match found {
            Ok(message) => message,
            Err(error) if error.kind() == DirectGetErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(broker(self.name, &error)),
        };
        if message.sequence > self.last {
            return Ok(None);
        }
        self.next = message.sequence + 1;
        let headers = Headers::from(message.headers);
        let own = headers
            .iter()
            .filter(|(name, _)| !name.starts_with(STEERING));
        Ok(Some(ArchivedMessage {
            sequence: message.sequence,
            subject: message.subject.to_string(),
            headers: own
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            payload: message.payload,
        }))
    }
}

/// Proves that no stream or bucket of the table ever took a message. One that was emptied is not
/// enough: what the databases remember of their streams must not seem to go on in it.
///
/// # Errors
/// [`ArchiveError::Used`], or when the broker does not answer.
pub async fn ensure_unused(bus: &Bus) -> Result<(), ArchiveError> {
    for spec in streams() {
        let found = match bus.jetstream().get_stream(spec.name).await {
            Ok(found) => found,
            Err(error) if is_missing(&error.kind()) => continue,
            Err(error) => return Err(broker(spec.name, &error)),
        };
        let last_sequence = found.cached_info().state.last_sequence;
        if last_sequence > 0 {
            return Err(ArchiveError::Used {
                stream: spec.name.to_owned(),
                last_sequence,
            });
        }
    }
    Ok(())
}

/// Publishes an archived message. Its message id is `origin` and its sequence: repeating it within
/// the window stores nothing twice, and ids that publishers used more than once stay apart.
///
/// # Errors
/// When the broker does not take it.
pub async fn publish_again(
    bus: &Bus,
    origin: &str,
    message: ArchivedMessage,
) -> Result<(), ArchiveError> {
    let mut headers = Headers::new();
    for (name, value) in &message.headers {
        headers.insert(name, value).ok();
    }
    let publication = Publication::new(message.subject, message.payload)
        .headers(headers)
        .message_id(format!("{origin}-{}", message.sequence));
    bus.publish(publication).await?;
    Ok(())
}

/// Removes the streams of [`ARCHIVED`], with which a restoration that failed had begun.
///
/// # Errors
/// When the broker does not answer, or the broker user may not do this.
pub async fn remove_archived(bus: &Bus) -> Result<(), ArchiveError> {
    for &name in ARCHIVED {
        match bus.jetstream().delete_stream(name).await {
            Ok(_) => {}
            Err(error) if is_missing(&error.kind()) => {}
            Err(error) => return Err(broker(name, &error)),
        }
    }
    Ok(())
}

fn is_missing(kind: &GetStreamErrorKind) -> bool {
    use async_nats::jetstream::ErrorCode;
    matches!(kind, GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND)
}

fn broker(stream: &str, error: &dyn std::fmt::Display) -> ArchiveError {
    ArchiveError::Broker {
        stream: stream.to_owned(),
        text: error.to_string(),
    }
}
