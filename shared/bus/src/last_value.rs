//! Reads a whole last-value stream with one consumer, and then what changes.

use std::collections::VecDeque;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::{self, stream::Info};
use bytes::Bytes;
use futures::StreamExt;
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::monitor::Link;
use crate::streams::ensure_stream;
use crate::{Bus, Headers, TraceContext};

/// Messages asked for at a time, and their size: enough to keep the line busy, little enough for
/// the process's memory.
const BATCH: usize = 500;
const BATCH_BYTES: usize = 32 * 1024 * 1024;

/// The server says at this interval that it is there when nothing changes.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// A consumer whose process is gone is removed by the server after this time.
const CONSUMER_LIFE: Duration = Duration::from_secs(60);

/// While the replay runs, silence of this length makes the reader ask whether anything is left.
const QUIET: Duration = Duration::from_secs(2);

/// How many of the last messages are read again over a new connection, to see whether they are
/// still the same.
const PROOF: usize = 32;

/// What a [`LastValueReader`] yields.
#[derive(Clone, Debug)]
pub enum LastValueEvent {
    /// The last value of a subject.
    Value(ValueMessage),
    /// Everything that was in the stream at the start has been yielded. Said once, and once more
    /// after each [`Recreated`](Self::Recreated).
    CaughtUp,
    /// The stream is another one than before (deleted, wiped, restored from an older state, or its
    /// server lost what it had not flushed to the disk). What was read so far is void; the replay
    /// begins again.
    Recreated,
}

/// A value with its place in the stream.
#[derive(Clone, Debug)]
pub struct ValueMessage {
    /// The subject.
    pub subject: String,
    /// The headers.
    pub headers: Headers,
    /// The payload.
    pub payload: Bytes,
    /// The sequence in the stream: for two values of one subject, the higher is newer.
    pub sequence: u64,
    /// When the stream stored the value, by the server's clock.
    pub published: OffsetDateTime,
}

impl ValueMessage {
    /// The trace context that the publisher sent.
    pub fn trace(&self) -> Option<TraceContext> {
        TraceContext::extract(&self.headers)
    }
}

/// Reads a last-value stream from its beginning and then follows it, for ever.
///
/// It survives restarts of the server, the loss of its consumer and a new stream. Values replaced
/// before they were read are not yielded; of each subject the newest always is.
pub struct LastValueReader {
    bus: Bus,
    stream: String,
    filters: Vec<String>,
    ready: VecDeque<LastValueEvent>,
    messages: Option<pull::Stream>,
    link: watch::Receiver<Link>,
    /// The connection over which `messages` came; a new one may have lost some.
    generation: u64,
    /// When the stream was created that `last_seen` speaks of.
    created: Option<OffsetDateTime>,
    last_seen: u64,
    /// Sequence and time of the last messages seen, in their order.
    proof: VecDeque<(u64, OffsetDateTime)>,
    /// Whether they were still the same over the connection of `generation`.
    proven: bool,
    consumer_sequence: u64,
    /// Last sequence of the stream when the replay began.
    end: u64,
    caught_up: bool,
    trouble: u32,
}

impl LastValueReader {
    /// A reader of the subjects that match one of `filters`; all when there is none. Filters must
    /// not overlap.
    pub fn new(bus: &Bus, stream: impl Into<String>, filters: &[&str]) -> Self {
        Self {
            bus: bus.clone(),
            stream: stream.into(),
            filters: filters.iter().map(|&filter| filter.to_owned()).collect(),
            ready: VecDeque::new(),
            messages: None,
            link: bus.link(),
            generation: 0,
            created: None,
            last_seen: 0,
            proof: VecDeque::new(),
            proven: false,
            consumer_sequence: 0,
            end: 0,
            caught_up: false,
            trouble: 0,
        }
    }

    /// The next event. Failures are logged and tried again. Dropping the future loses nothing.
    pub async fn next(&mut self) -> LastValueEvent {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return event;
            }
            let result = match self.messages.is_some() {
                true => self.receive().await,
                false => self.open().await,
            };
            if let Err(reason) = result {
                self.start_again(&reason).await;
            }
        }
    }

    async fn start_again(&mut self, reason: &str) {
        self.messages = None;
        self.trouble = (self.trouble + 1).min(7);
        if self.trouble > 2 {
            tracing::warn!(
                stream = self.stream,
                reason,
                "last values cannot be read, trying again"
            );
        }
        sleep(Duration::from_millis((25 << self.trouble).min(2_000))).await;
    }

    /// Makes a consumer that begins after the last value seen.
    async fn open(&mut self) -> Result<(), String> {
        let generation = self.link.borrow().generation;
        let info = self.stream_info().await?;
        let recreated = self.created.is_some_and(|created| created != info.created)
            || info.state.last_sequence < self.last_seen;
        let seen = if recreated { 0 } else { self.last_seen };
        // The server may have been started again without its tail, and have given the sequences of
        // the tail to other messages since.
        let proven = self.proven && generation == self.generation;
        let after = match self.proof.front() {
            Some((first, _)) if !recreated && !proven => first.saturating_sub(1),
            _ => seen,
        };

        let asked = format!("$JS.API.CONSUMER.CREATE.{}", self.stream);
        let context = self.bus.jetstream();
        let making = context.create_consumer_on_stream(self.consumer_config(after), &self.stream);
        let consumer = self.bus.permitted(&asked, making).await;
        let consumer = consumer
            .map_err(|forbidden| forbidden.to_string())?
            .map_err(|error| error.to_string())?;
        let pending = consumer.cached_info().num_pending;
        let messages = consumer
            .stream()
            .max_messages_per_batch(BATCH)
            .max_bytes_per_batch(BATCH_BYTES)
            .heartbeat(HEARTBEAT)
            .messages()
            .await
            .map_err(|error| error.to_string())?;

        // From here on nothing waits, so that a dropped future leaves a consistent state.
        if recreated {
            self.begin_anew();
        }
        self.generation = generation;
        self.proven = proven || pending == 0;
        self.created = Some(info.created);
        self.end = info.state.last_sequence;
        self.consumer_sequence = 0;
        self.messages = Some(messages);
        if pending == 0 {
            self.reach_end();
        }
        Ok(())
    }

    fn begin_anew(&mut self) {
        tracing::warn!(
            stream = self.stream,
            "the stream is another one than before; reading it from its start"
        );
        self.ready.push_back(LastValueEvent::Recreated);
        self.caught_up = false;
        self.last_seen = 0;
        self.proof.clear();
    }

    async fn stream_info(&self) -> Result<Info, String> {
        let asked = format!("$JS.API.STREAM.INFO.{}", self.stream);
        let asking = self.bus.jetstream().get_stream(&self.stream);
        let answer = self.bus.permitted(&asked, asking).await;
        match answer.map_err(|forbidden| forbidden.to_string())? {
            Ok(stream) => Ok(stream.cached_info().clone()),
            Err(error) => {
                let missing = ensure_stream(&self.bus, &self.stream).await;
                Err(missing
                    .err()
                    .map_or_else(|| error.to_string(), |error| error.to_string()))
            }
        }
    }

    fn consumer_config(&self, after: u64) -> pull::Config {
        pull::Config {
            description: Some(format!("last values for {}", self.bus.options().name)),
            deliver_policy: match after {
                0 => DeliverPolicy::All,
                _ => DeliverPolicy::ByStartSequence {
                    start_sequence: after + 1,
                },
            },
            ack_policy: AckPolicy::None,
            filter_subjects: self.filters.clone(),
            inactive_threshold: CONSUMER_LIFE,
            num_replicas: 1,
            memory_storage: true,
            ..pull::Config::default()
        }
    }

    async fn receive(&mut self) -> Result<(), String> {
        let Some(messages) = self.messages.as_mut() else {
            return Ok(());
        };
        let quiet = if self.caught_up { Duration::MAX } else { QUIET };
        let next = tokio::select! {
            biased;
            next = timeout(quiet, messages.next()) => next,
            _ = self.link.wait_for(|link| link.generation != self.generation) => {
                return Err("the connection was made anew".to_owned());
            }
        };
        match next {
            Ok(Some(Ok(message))) => self.accept(message),
            Ok(Some(Err(error))) => Err(error.to_string()),
            Ok(None) => Err("the consumer ended".to_owned()),
            // The last messages may have been deleted while the replay ran.
            Err(_) => Err("nothing comes although the replay has not reached its end".to_owned()),
        }
    }

    fn accept(&mut self, message: jetstream::Message) -> Result<(), String> {
        let info = message.info().map_err(|error| error.to_string())?;
        let (sequence, published, pending) = (info.stream_sequence, info.published, info.pending);
        if info.consumer_sequence != self.consumer_sequence + 1 {
            return Err("messages were lost on the way".to_owned());
        }
        self.trouble = 0;
        self.consumer_sequence += 1;
        self.proven |= sequence >= self.last_seen;
        if sequence <= self.last_seen {
            if self.proof.contains(&(sequence, published)) {
                self.end_if(pending == 0 || sequence >= self.end);
            } else {
                self.messages = None;
                self.begin_anew();
            }
            return Ok(());
        }
        self.last_seen = sequence;
        if self.proof.len() == PROOF {
            self.proof.pop_front();
        }
        self.proof.push_back((sequence, published));
        let message = message.message;
        self.ready.push_back(LastValueEvent::Value(ValueMessage {
            subject: message.subject.to_string(),
            headers: message.headers.unwrap_or_default().into(),
            payload: message.payload,
            sequence,
            published,
        }));
        self.end_if(pending == 0 || sequence >= self.end);
        Ok(())
    }

    fn end_if(&mut self, reached: bool) {
        if reached {
            self.reach_end();
        }
    }

    fn reach_end(&mut self) {
        if !self.caught_up {
            self.caught_up = true;
            self.ready.push_back(LastValueEvent::CaughtUp);
        }
    }
}
