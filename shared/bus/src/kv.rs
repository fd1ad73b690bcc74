//! Key-value buckets: read, write, compare-and-set, and a watch that begins with a snapshot.

use async_nats::jetstream::stream::DirectGetErrorKind;
use bytes::Bytes;
use time::OffsetDateTime;

use crate::last_value::{LastValueEvent, LastValueReader, ValueMessage};
use crate::streams::bucket_stream;
use crate::{Bus, Forbidden, Headers, Publication, PublishError};

/// Marks a key that was deleted.
const OPERATION: &str = "KV-Operation";

/// A bucket cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum KvError {
    /// Somebody else changed the key in between: read it again.
    #[error("{key} was changed by somebody else")]
    Conflict {
        /// The key.
        key: String,
    },
    /// Keys consist of letters, digits and `-/_=.`; they neither begin nor end with a dot.
    #[error("{key:?} is no valid key")]
    InvalidKey {
        /// The key as given.
        key: String,
    },
    /// It could not be written.
    #[error(transparent)]
    Publish(PublishError),
    /// The broker user may not read it.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// It could not be read.
    #[error("bucket {bucket} cannot be read: {text}")]
    Unavailable {
        /// The bucket.
        bucket: String,
        /// What happened.
        text: String,
    },
}

impl KvError {
    /// True when the same call may succeed later without a change on our side.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable { .. } => true,
            Self::Publish(error) => error.is_transient(),
            Self::Conflict { .. } | Self::InvalidKey { .. } | Self::Forbidden(_) => false,
        }
    }
}

/// A value with its revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The value.
    pub value: Bytes,
    /// The revision, for [`Bucket::update`].
    pub revision: u64,
    /// When it was written, by the server's clock.
    pub written: OffsetDateTime,
}

/// What a [`Watch`] yields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KvEvent {
    /// A key has this value.
    Put(Entry),
    /// A key was deleted.
    Deleted {
        /// The key.
        key: String,
        /// The revision of the deletion.
        revision: u64,
    },
    /// Everything that was in the bucket at the start has been yielded.
    SnapshotComplete,
    /// The bucket is another one than before: forget what was read, a new snapshot follows.
    Recreated,
}

/// One bucket of the table.
#[derive(Clone, Debug)]
pub struct Bucket {
    bus: Bus,
    name: String,
}

impl Bucket {
    /// The bucket of this name, see [`names`](crate::streams::names).
    pub fn new(bus: &Bus, name: impl Into<String>) -> Self {
        Self {
            bus: bus.clone(),
            name: name.into(),
        }
    }

    /// The value of a key; `None` when there is none or it was deleted.
    ///
    /// In a cluster a replica may answer that is a moment behind: write with
    /// [`update`](Self::update) where that counts.
    ///
    /// # Errors
    /// When the key is invalid or the broker does not answer.
    pub async fn get(&self, key: &str) -> Result<Option<Entry>, KvError> {
        Ok(self.last(key).await?.and_then(|last| match last {
            Last::Value(entry) => Some(entry),
            Last::Deleted { .. } => None,
        }))
    }

    /// Writes a key, whatever it held. Returns the revision.
    ///
    /// # Errors
    /// When the key is invalid or the broker does not store it.
    pub async fn put(&self, key: &str, value: impl Into<Bytes>) -> Result<u64, KvError> {
        let publication = Publication::new(self.subject(key)?, value);
        self.write(key, publication).await
    }

    /// Writes a key that has no value. Returns the revision.
    ///
    /// # Errors
    /// [`KvError::Conflict`] when it has one.
    pub async fn create(&self, key: &str, value: impl Into<Bytes>) -> Result<u64, KvError> {
        let value = value.into();
        match self.update(key, value.clone(), 0).await {
            Err(KvError::Conflict { key }) => match self.last(&key).await? {
                Some(Last::Deleted { revision }) => self.update(&key, value, revision).await,
                _ => Err(KvError::Conflict { key }),
            },
            result => result,
        }
    }

    /// Writes a key that still has `revision`; 0 means that it was never written.
    ///
    /// # Errors
    /// [`KvError::Conflict`] when somebody else was first.
    pub async fn update(
        &self,
        key: &str,
        value: impl Into<Bytes>,
        revision: u64,
    ) -> Result<u64, KvError> {
        let publication =
            Publication::new(self.subject(key)?, value).expect_last_subject_sequence(revision);
        self.write(key, publication).await
    }

    /// Deletes a key, whatever it held.
    ///
    /// # Errors
    /// When the key is invalid or the broker does not store the deletion.
    pub async fn delete(&self, key: &str) -> Result<(), KvError> {
        let deletion = self.deletion(key)?;
        self.write(key, deletion).await.map(drop)
    }

    /// Deletes a key that still has `revision`.
    ///
    /// # Errors
    /// [`KvError::Conflict`] when somebody else was first.
    pub async fn delete_revision(&self, key: &str, revision: u64) -> Result<(), KvError> {
        let deletion = self.deletion(key)?.expect_last_subject_sequence(revision);
        self.write(key, deletion).await.map(drop)
    }

    /// Yields all entries and then all changes.
    pub fn watch(&self) -> Watch {
        self.watch_keys(&[])
    }

    /// Yields all entries whose keys match one of `patterns` and then their changes. Patterns
    /// have the form of subjects, such as `tenant-1.>`; they must not overlap.
    pub fn watch_keys(&self, patterns: &[&str]) -> Watch {
        let prefix = format!("$KV.{}.", self.name);
        let filters: Vec<String> = patterns
            .iter()
            .map(|pattern| format!("{prefix}{pattern}"))
            .collect();
        let filters: Vec<&str> = filters.iter().map(String::as_str).collect();
        Watch {
            reader: LastValueReader::new(&self.bus, bucket_stream(&self.name), &filters),
            prefix,
        }
    }

    async fn last(&self, key: &str) -> Result<Option<Last>, KvError> {
        let subject = self.subject(key)?;
        let unavailable = |text: String| KvError::Unavailable {
            bucket: self.name.clone(),
            text,
        };
        let name = bucket_stream(&self.name);
        let asked = format!("$JS.API.DIRECT.GET.{name}.{subject}");
        let stream = self.bus.jetstream().get_stream_no_info(name).await;
        let stream = stream.map_err(|error| unavailable(error.to_string()))?;
        let answer = stream.direct_get_last_for_subject(subject);
        let message = match self.bus.permitted(&asked, answer).await? {
            Ok(message) => message,
            Err(error) if error.kind() == DirectGetErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unavailable(error.to_string())),
        };
        let (revision, headers) = (message.sequence, Headers::from(message.headers));
        Ok(Some(match is_deletion(&headers) {
            true => Last::Deleted { revision },
            false => Last::Value(Entry {
                key: key.to_owned(),
                value: message.payload,
                revision,
                written: message.time,
            }),
        }))
    }

    fn deletion(&self, key: &str) -> Result<Publication, KvError> {
        let mut headers = Headers::new();
        headers.insert_plain(OPERATION, "DEL");
        Ok(Publication::new(self.subject(key)?, Bytes::new()).headers(headers))
    }

    async fn write(&self, key: &str, publication: Publication) -> Result<u64, KvError> {
        match self.bus.publish(publication).await {
            Ok(published) => Ok(published.sequence),
            Err(PublishError::WrongLastSequence { .. }) => Err(KvError::Conflict {
                key: key.to_owned(),
            }),
            Err(error) => Err(KvError::Publish(error)),
        }
    }

    fn subject(&self, key: &str) -> Result<String, KvError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-/_=.".contains(&b);
        let valid = !key.is_empty()
            && key.bytes().all(allowed)
            && key.split('.').all(|token| !token.is_empty());
        if !valid {
            return Err(KvError::InvalidKey {
                key: key.to_owned(),
            });
        }
        Ok(format!("$KV.{}.{key}", self.name))
    }
}

enum Last {
    Value(Entry),
    Deleted { revision: u64 },
}

fn is_deletion(headers: &Headers) -> bool {
    matches!(headers.get(OPERATION), Some("DEL" | "PURGE"))
        || headers.get("Nats-Marker-Reason").is_some()
}

/// A snapshot of a bucket and then its changes, for ever; survives restarts of the server.
pub struct Watch {
    reader: LastValueReader,
    prefix: String,
}

impl Watch {
    /// The next event. Dropping the future loses nothing.
    pub async fn next(&mut self) -> KvEvent {
        match self.reader.next().await {
            LastValueEvent::Value(message) => self.read(message),
            LastValueEvent::CaughtUp => KvEvent::SnapshotComplete,
            LastValueEvent::Recreated => KvEvent::Recreated,
        }
    }

    fn read(&self, message: ValueMessage) -> KvEvent {
        let key = message
            .subject
            .strip_prefix(&self.prefix)
            .unwrap_or(&message.subject)
            .to_owned();
        if is_deletion(&message.headers) {
            return KvEvent::Deleted {
                key,
                revision: message.sequence,
            };
        }
        KvEvent::Put(Entry {
            key,
            value: message.payload,
            revision: message.sequence,
            written: message.published,
        })
    }
}
