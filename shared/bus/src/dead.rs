//! Messages that need a person: parked in DEAD with the reason, readable, and to be tried again.

use async_nats::jetstream::stream::{DirectGetErrorKind, Stream};
use bytes::Bytes;
use time::OffsetDateTime;

use crate::headers::names as header;
use crate::streams::names;
use crate::work::WorkItem;
use crate::{Bus, Headers, Publication, PublishError, Published};

/// Longest text of a reason, in characters.
const TEXT_LIMIT: usize = 2_000;

/// Headers of the original that must not go with a copy: they steer how a stream stores it.
const STEERING: &str = "Nats-";

/// Why a message is parked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Stable code.
    pub code: String,
    /// For a person; holds no secret.
    pub text: String,
}

/// A parked message.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// Its sequence in DEAD: the handle for retry and discard.
    pub sequence: u64,
    /// When it was parked.
    pub parked: OffsetDateTime,
    /// Why.
    pub reason: Reason,
    /// The stream in which it was.
    pub stream: String,
    /// The durable consumer that gave it up.
    pub consumer: String,
    /// The subject that it had.
    pub subject: String,
    /// How often it was delivered.
    pub delivered: i64,
    /// Its own headers.
    pub headers: Headers,
    /// Its payload, unchanged.
    pub payload: Bytes,
}

/// A parked message cannot be read or moved.
#[derive(Debug, thiserror::Error)]
pub enum DeadLetterError {
    /// There is no parked message with this sequence.
    #[error("no parked message has the sequence {0}")]
    NotFound(u64),
    /// It could not be published again; it stays parked.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The broker did not answer or refused.
    #[error("the parked messages cannot be read or changed: {0}")]
    Broker(String),
}

/// Copies a message to DEAD. Repeating it stores nothing twice within the window.
pub(crate) async fn park(bus: &Bus, item: &WorkItem, reason: &Reason) -> Result<(), PublishError> {
    let mut headers = copy_without_steering(item.headers());
    headers.insert_text(header::DEAD_CODE, &reason.code, 200);
    headers.insert_text(header::DEAD_TEXT, &reason.text, TEXT_LIMIT);
    headers.insert_plain(header::DEAD_STREAM, item.stream());
    headers.insert_plain(header::DEAD_CONSUMER, item.consumer());
    headers.insert_plain(header::DEAD_SUBJECT, item.subject());
    headers.insert_plain(header::DEAD_SEQUENCE, item.sequence());
    headers.insert_plain(header::DEAD_DELIVERED, item.delivered());
    if let Some(id) = item.headers().get(header::MESSAGE_ID) {
        headers.insert_plain(header::DEAD_MESSAGE_ID, id);
    }
    // Sequences begin again when a stream is made anew; the time tells the two apart.
    let id = format!(
        "dead-{}-{}-{}",
        item.stream(),
        item.sequence(),
        item.published().unix_timestamp_nanos()
    );
    let subject = format!("dead.{}.{}", item.stream(), item.subject());
    let letter = Publication::new(subject, item.payload().clone())
        .headers(headers)
        .message_id(id);
    bus.publish(letter).await.map(drop)
}

/// Reads, retries and discards parked messages.
#[derive(Clone, Debug)]
pub struct DeadLetters {
    bus: Bus,
}

impl DeadLetters {
    /// The parked messages of this broker.
    pub fn new(bus: &Bus) -> Self {
        Self { bus: bus.clone() }
    }

    /// Up to `limit` parked messages with sequences after `after`, oldest first. `filter` is a
    /// subject such as `dead.ORDERS.>`.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn list(
        &self,
        filter: &str,
        after: u64,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, DeadLetterError> {
        let stream = self.stream().await?;
        let mut letters = Vec::new();
        let mut next = after + 1;
        while letters.len() < limit {
            match stream.direct_get_next_for_subject(filter, Some(next)).await {
                Ok(message) => {
                    next = message.sequence + 1;
                    letters.push(read(message));
                }
                Err(error) if error.kind() == DirectGetErrorKind::NotFound => break,
                Err(error) => return Err(DeadLetterError::Broker(error.to_string())),
            }
        }
        Ok(letters)
    }

    /// One parked message.
    ///
    /// # Errors
    /// When there is none with this sequence, or the broker does not answer.
    pub async fn get(&self, sequence: u64) -> Result<DeadLetter, DeadLetterError> {
        match self.stream().await?.direct_get(sequence).await {
            Ok(message) => Ok(read(message)),
            Err(error) if error.kind() == DirectGetErrorKind::NotFound => {
                Err(DeadLetterError::NotFound(sequence))
            }
            Err(error) => Err(DeadLetterError::Broker(error.to_string())),
        }
    }

    /// Publishes a parked message on its old subject again and removes it from DEAD.
    ///
    /// # Errors
    /// When it cannot be read or published; it then stays parked.
    pub async fn retry(&self, sequence: u64) -> Result<Published, DeadLetterError> {
        let letter = self.get(sequence).await?;
        let mut headers = Headers::new();
        for (name, value) in letter.headers.iter() {
            headers.insert(name, value).ok();
        }
        let id = format!("retry-{sequence}-{}", letter.parked.unix_timestamp_nanos());
        let again = Publication::new(letter.subject, letter.payload)
            .headers(headers)
            .message_id(id);
        let published = self.bus.publish(again).await?;
        self.discard(sequence).await?;
        Ok(published)
    }

    /// Removes a parked message.
    ///
    /// # Errors
    /// When the broker does not answer or refuses.
    pub async fn discard(&self, sequence: u64) -> Result<(), DeadLetterError> {
        let deleted = self.stream().await?.delete_message(sequence).await;
        deleted
            .map(drop)
            .map_err(|error| DeadLetterError::Broker(error.to_string()))
    }

    async fn stream(&self) -> Result<Stream<()>, DeadLetterError> {
        let stream = self.bus.jetstream().get_stream_no_info(names::DEAD).await;
        stream.map_err(|error| DeadLetterError::Broker(error.to_string()))
    }
}

fn read(message: async_nats::jetstream::message::StreamMessage) -> DeadLetter {
    let all = Headers::from(message.headers);
    let text = |name: &str| all.get(name).unwrap_or_default().to_owned();
    DeadLetter {
        sequence: message.sequence,
        parked: message.time,
        reason: Reason {
            code: text(header::DEAD_CODE),
            text: text(header::DEAD_TEXT),
        },
        stream: text(header::DEAD_STREAM),
        consumer: text(header::DEAD_CONSUMER),
        subject: text(header::DEAD_SUBJECT),
        delivered: text(header::DEAD_DELIVERED).parse().unwrap_or(0),
        headers: copy_without_steering(&all),
        payload: message.payload,
    }
}

/// The headers that belong to the message itself.
fn copy_without_steering(headers: &Headers) -> Headers {
    let mut copy = Headers::new();
    for (name, value) in headers.iter() {
        if !name.starts_with(STEERING) && !name.starts_with("Storelink-Dead-") {
            copy.insert(name, value).ok();
        }
    }
    copy
}
