//! Publishing with an acknowledgement: a message counts as sent only when a stream stored it.

mod answer;
mod error;
mod window;

use std::time::Duration;

use async_nats::RequestErrorKind;
use bytes::Bytes;
use tokio::time::{Instant, sleep};

use crate::headers::names;
use crate::streams::{ensure_stream, stream_for};
use crate::{Bus, Headers, TraceContext};

use answer::Answer;
pub use error::PublishError;
pub use window::PublishWindow;

/// Longest wait for one acknowledgement before the message is sent again with the same id.
const ACK_LIMIT: Duration = Duration::from_secs(3);

/// A message to be stored by a stream.
#[derive(Clone, Debug)]
pub struct Publication {
    subject: String,
    payload: Bytes,
    headers: Headers,
    message_id: Option<String>,
    expected_last_subject_sequence: Option<u64>,
}

impl Publication {
    /// A message without headers; it gets a random message id unless one is set.
    pub fn new(subject: impl Into<String>, payload: impl Into<Bytes>) -> Self {
        Self {
            subject: subject.into(),
            payload: payload.into(),
            headers: Headers::new(),
            message_id: None,
            expected_last_subject_sequence: None,
        }
    }

    /// Sets the headers. Message id and expected sequence have methods of their own, which win.
    #[must_use]
    pub fn headers(mut self, headers: Headers) -> Self {
        self.headers = headers;
        self
    }

    /// Sets the trace context.
    #[must_use]
    pub fn trace(mut self, trace: &TraceContext) -> Self {
        trace.inject(&mut self.headers);
        self
    }

    /// Sets the id by which the stream recognises a repetition. Ids count per stream, not per
    /// subject, and are forgotten after the stream's window: a help, not a guarantee.
    #[must_use]
    pub fn message_id(mut self, id: impl Into<String>) -> Self {
        self.message_id = Some(id.into());
        self
    }

    /// Stores only if the last message of the subject has this stream sequence; 0 means that
    /// there must be none.
    #[must_use]
    pub fn expect_last_subject_sequence(mut self, sequence: u64) -> Self {
        self.expected_last_subject_sequence = Some(sequence);
        self
    }

    /// The subject.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The payload.
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// The id by which the stream recognises a repetition, if one was set.
    pub fn id(&self) -> Option<&str> {
        self.message_id.as_deref()
    }

    /// The sequence that the last message of the subject must have, if one was set.
    pub fn expected_last(&self) -> Option<u64> {
        self.expected_last_subject_sequence
    }
}

/// The stream stored a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Name of the stream.
    pub stream: String,
    /// Sequence in the stream; for a duplicate that of the first.
    pub sequence: u64,
    /// True when the stream knew the message id already and stored nothing.
    pub duplicate: bool,
}

impl Bus {
    /// Publishes and waits until a stream stored the message.
    ///
    /// Missing answers are repeated with the same message id for
    /// [`publish_patience`](crate::BusOptions::publish_patience), so that a restart of the broker
    /// is not noticed. A refused permission ends the wait at once and is named.
    ///
    /// # Errors
    /// See [`PublishError`]; [`PublishError::is_transient`] tells what may be tried again later.
    pub async fn publish(&self, publication: Publication) -> Result<Published, PublishError> {
        let Publication {
            subject,
            payload,
            mut headers,
            message_id,
            ..
        } = publication;
        // After an unanswered attempt, or with an id that the caller may have used before, a
        // conflict may be our own message.
        let mut may_be_stored = message_id.is_some();
        let id = message_id.unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
        headers.insert_plain(names::MESSAGE_ID, &id);
        if let Some(sequence) = publication.expected_last_subject_sequence {
            headers.insert_plain(names::EXPECTED_LAST_SUBJECT_SEQUENCE, sequence);
        }

        let started = Instant::now();
        let patience = self.options().publish_patience;
        let mut pause = Duration::from_millis(50);
        loop {
            let left = patience.saturating_sub(started.elapsed());
            let limit = ACK_LIMIT.min(left.max(Duration::from_millis(100)));
            let (reason, stream_missing) = match self
                .publish_once(&subject, &headers, payload.clone(), limit)
                .await
            {
                Attempt::Stored(published) => return Ok(published),
                Attempt::Failed(error) => return Err(error),
                Attempt::Conflict {
                    stream,
                    sequence,
                    error,
                } => {
                    let ours = may_be_stored && self.has_id(&stream, sequence, &id).await;
                    return match ours {
                        true => Ok(Published {
                            stream,
                            sequence,
                            duplicate: true,
                        }),
                        false => Err(error),
                    };
                }
                Attempt::Unanswered {
                    reason,
                    stream_missing,
                } => (reason, stream_missing),
            };
            may_be_stored = true;
            let waited = started.elapsed();
            if waited + pause >= patience {
                return Err(match stream_missing {
                    true => PublishError::NoStream { subject },
                    false => PublishError::Unavailable {
                        subject,
                        waited,
                        reason,
                    },
                });
            }
            tracing::debug!(subject, reason, "publish is repeated");
            if stream_missing {
                self.make_stream_for(&subject).await;
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    async fn publish_once(
        &self,
        subject: &str,
        headers: &Headers,
        payload: Bytes,
        limit: Duration,
    ) -> Attempt {
        let size = payload.len();
        let request = async_nats::Request::new()
            .payload(payload)
            .headers(headers.clone().into_map())
            .timeout(Some(limit));
        let request = self.client().send_request(subject.to_owned(), request);
        let answer = match self.permitted(subject, request).await {
            Ok(answer) => answer,
            Err(forbidden) => return Attempt::Failed(forbidden.into()),
        };
        match answer {
            Ok(message) => Answer::read(&message.payload).into_attempt(subject, size),
            Err(error) => self.explain(subject, size, &error),
        }
    }

    /// After the loss of the whole store the first who needs a stream makes it again.
    async fn make_stream_for(&self, subject: &str) {
        let Some(spec) = stream_for(subject) else {
            return;
        };
        if let Err(error) = ensure_stream(self, spec.name).await {
            tracing::warn!(stream = spec.name, %error, "a missing stream could not be made");
        }
    }

    /// Whether a stored message has this id. The server looks at the expected sequence before it
    /// looks for a repetition, so that a repeated message meets itself as a conflict.
    async fn has_id(&self, stream: &str, sequence: u64, id: &str) -> bool {
        let Ok(stream) = self.jetstream().get_stream_no_info(stream).await else {
            return false;
        };
        match stream.direct_get(sequence).await {
            Ok(message) => Headers::from(message.headers).get(names::MESSAGE_ID) == Some(id),
            Err(error) => {
                tracing::warn!(sequence, %error, "a conflicting message cannot be looked at");
                false
            }
        }
    }

    /// What a missing answer means.
    fn explain(&self, subject: &str, size: usize, error: &async_nats::RequestError) -> Attempt {
        let subject = subject.to_owned();
        match error.kind() {
            RequestErrorKind::MaxPayloadExceeded => {
                Attempt::Failed(PublishError::TooLarge { subject, size })
            }
            RequestErrorKind::InvalidSubject => {
                Attempt::Failed(PublishError::InvalidSubject { subject })
            }
            RequestErrorKind::NoResponders => Attempt::Unanswered {
                reason: "no stream takes this subject".to_owned(),
                stream_missing: true,
            },
            RequestErrorKind::TimedOut | RequestErrorKind::Other => {
                if let Some(violation) = self.monitor().find_inbox(self.inbox_prefix()) {
                    return Attempt::Failed(self.forbidden(violation).into());
                }
                Attempt::Unanswered {
                    reason: error.to_string(),
                    stream_missing: false,
                }
            }
        }
    }
}

/// What one attempt came to.
enum Attempt {
    Stored(Published),
    Failed(PublishError),
    Conflict {
        stream: String,
        sequence: u64,
        error: PublishError,
    },
    Unanswered {
        reason: String,
        stream_missing: bool,
    },
}
