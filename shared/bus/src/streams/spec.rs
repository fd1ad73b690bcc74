//! What is said about one stream, and how it becomes the server's configuration.

use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};

/// Byte limits and replicas, which depend on the installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizing {
    /// Copies of each stream: 1 for a single server, 3 in a cluster.
    pub replicas: usize,
    /// The byte limits of the table are multiplied by this.
    pub bytes_factor: u32,
}

impl Default for Sizing {
    fn default() -> Self {
        Self {
            replicas: 1,
            bytes_factor: 1,
        }
    }
}

/// How long a stream keeps a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Until one worker acknowledged it.
    UntilDone,
    /// Until one worker acknowledged it; a second message of the same subject is refused.
    UntilDoneOnePerSubject,
    /// The last message of each subject, for ever.
    LastPerSubject,
    /// For a time.
    For(Duration),
}

/// One stream of the table. Every stream refuses new messages when it is full: forgetting old
/// ones would lose them silently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamSpec {
    /// Name on the server.
    pub name: &'static str,
    /// What it is for, in one line.
    pub purpose: &'static str,
    /// Subjects it takes.
    pub subjects: &'static [&'static str],
    /// How long it keeps a message.
    pub keep: Keep,
    /// Byte limit before [`Sizing::bytes_factor`].
    pub max_bytes: i64,
    /// Largest message in bytes, headers included.
    pub max_message: i32,
    /// How long message ids are remembered.
    pub duplicate_window: Duration,
    /// Consumers it may have. Never -1: servers from 2.15 on then allow 1,000 only.
    pub max_consumers: i32,
    /// True for a key-value bucket.
    pub bucket: bool,
}

impl StreamSpec {
    /// The configuration that the server is asked for.
    pub fn config(&self, sizing: Sizing) -> Config {
        let last_only = matches!(
            self.keep,
            Keep::LastPerSubject | Keep::UntilDoneOnePerSubject
        );
        Config {
            name: self.name.to_owned(),
            description: Some(self.purpose.to_owned()),
            subjects: self.subjects.iter().map(|&s| s.to_owned()).collect(),
            retention: match self.keep {
                Keep::UntilDone | Keep::UntilDoneOnePerSubject => RetentionPolicy::WorkQueue,
                Keep::LastPerSubject | Keep::For(_) => RetentionPolicy::Limits,
            },
            max_messages: -1,
            max_messages_per_subject: if last_only { 1 } else { -1 },
            max_bytes: self
                .max_bytes
                .saturating_mul(i64::from(sizing.bytes_factor)),
            max_message_size: self.max_message,
            max_age: match self.keep {
                Keep::For(age) => age,
                _ => Duration::ZERO,
            },
            max_consumers: self.max_consumers,
            discard: DiscardPolicy::New,
            // Without this flag a new value replaces the old one of its subject; with it the new
            // one is refused, which makes the queue itself the mutual exclusion.
            discard_new_per_subject: self.keep == Keep::UntilDoneOnePerSubject,
            storage: StorageType::File,
            num_replicas: sizing.replicas,
            duplicate_window: self.duplicate_window,
            allow_direct: true,
            allow_rollup: self.bucket,
            deny_delete: self.bucket,
            ..Config::default()
        }
    }

    /// The bucket's name, when this is a bucket.
    pub fn bucket_name(&self) -> Option<&'static str> {
        if self.bucket {
            self.name.strip_prefix("KV_")
        } else {
            None
        }
    }
}
