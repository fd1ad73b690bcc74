//! The loop of a worker: pull, work, acknowledge; with pacing, parking and an orderly stop.

mod backoff;
mod hold;
mod in_hand;
mod item;
mod outcome;
mod settle;
mod task;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use storelink_runtime::Instant;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::Bus;
use crate::pull::{PullEnd, Puller};
use crate::streams::{ConsumerSpec, ensure_consumer};

use backoff::pause_after_trouble;
pub use hold::Hold;
pub(crate) use in_hand::InHand;
pub use item::WorkItem;
pub use outcome::Outcome;
use settle::release;
use task::Delivery;

/// The loop cannot go on.
#[derive(Debug, thiserror::Error)]
#[error("the work loop of {consumer} cannot subscribe: {text}")]
pub struct WorkLoopError {
    /// The durable consumer.
    pub consumer: String,
    /// What happened.
    pub text: String,
}

/// Works through a durable consumer until it is cancelled.
///
/// - A message is acknowledged only after its handler said [`Outcome::Done`]; the server confirms
///   the acknowledgement.
/// - While a handler works, the server is told so each third of the ack-wait.
/// - A handler that panics or exceeds its time limit counts as [`Outcome::Retry`].
/// - Repeated deliveries are paced: 1 s, doubled up to 5 min, with a random part.
/// - A consumer or stream that is missing is created again where the role may; otherwise the loop
///   waits for it.
/// - On cancel no message is pulled any more; running handlers get the drain limit, then their
///   messages are given back.
#[derive(Clone, Debug)]
pub struct WorkLoop {
    bus: Bus,
    consumer: ConsumerSpec,
    batch: usize,
    batch_bytes: Option<usize>,
    idle: Duration,
    time_limit: Duration,
    drain_limit: Duration,
}

impl WorkLoop {
    /// A loop with a batch of 1, a time limit of 10 min per handler and a drain limit of 20 s.
    pub fn new(bus: &Bus, consumer: ConsumerSpec) -> Self {
        Self {
            bus: bus.clone(),
            consumer,
            batch: 1,
            batch_bytes: None,
            idle: Duration::from_secs(20),
            time_limit: Duration::from_secs(600),
            drain_limit: Duration::from_secs(20),
        }
    }

    /// Per message: how many handlers run at the same time. Per batch: the largest batch.
    #[must_use]
    pub fn batch(mut self, size: usize) -> Self {
        self.batch = size.max(1);
        self
    }

    /// What the messages of one pull may have together at most, in bytes, headers included; a batch ends
    /// there. Messages larger than that come one by one. No limit by default.
    #[must_use]
    pub fn batch_bytes(mut self, bytes: usize) -> Self {
        self.batch_bytes = Some(bytes);
        self
    }

    /// How long one handler may work before it is ended and its messages are delivered again.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// How long running handlers get after the cancel.
    #[must_use]
    pub fn drain_limit(mut self, limit: Duration) -> Self {
        self.drain_limit = limit;
        self
    }

    /// Calls `handler` for each message, up to the batch size at the same time: a slow message
    /// delays no other.
    ///
    /// # Errors
    /// When the connection is closed for good.
    pub async fn run<H, F>(self, handler: H, cancel: CancellationToken) -> Result<(), WorkLoopError>
    where
        H: Fn(WorkItem) -> F + Send + Sync + 'static,
        F: Future<Output = Outcome> + Send + 'static,
    {
        let one = move |items: Vec<WorkItem>| {
            let work: Vec<F> = items.into_iter().map(&handler).collect();
            futures::future::join_all(work)
        };
        self.drive(self.batch, 1, one, cancel).await
    }

    /// Calls `handler` with batches of what is there, one batch at a time. It returns one
    /// outcome per message, in their order.
    ///
    /// # Errors
    /// When the connection is closed for good.
    pub async fn run_batches<H, F>(
        self,
        handler: H,
        cancel: CancellationToken,
    ) -> Result<(), WorkLoopError>
    where
        H: Fn(Vec<WorkItem>) -> F + Send + Sync + 'static,
        F: Future<Output = Vec<Outcome>> + Send + 'static,
    {
        self.drive(1, self.batch, handler, cancel).await
    }

    /// Runs up to `parallel` handlers, each with up to `together` messages.
    async fn drive<H, F>(
        &self,
        parallel: usize,
        together: usize,
        handler: H,
        cancel: CancellationToken,
    ) -> Result<(), WorkLoopError>
    where
        H: Fn(Vec<WorkItem>) -> F + Send + Sync + 'static,
        F: Future<Output = Vec<Outcome>> + Send + 'static,
    {
        let handler = Arc::new(handler);
        let mut puller = self.open().await?;
        let mut running: JoinSet<()> = JoinSet::new();
        let mut trouble = 0;
        loop {
            while running.try_join_next().is_some() {}
            let room = parallel.saturating_sub(running.len()) * together;
            let asked = Instant::now();
            let end = tokio::select! {
                biased;
                () = cancel.cancelled() => break,
                _ = running.join_next(), if room == 0 => continue,
                end = puller.pull(room, self.idle()), if room > 0 => end,
            };
            let deliveries = self.deliveries(puller.take(), asked);
            if !deliveries.is_empty() {
                trouble = 0;
            }
            let mut deliveries = deliveries.into_iter().peekable();
            while deliveries.peek().is_some() {
                let group: Vec<Delivery> = deliveries.by_ref().take(together).collect();
                let items = group.iter().map(|delivery| delivery.item.clone()).collect();
                let handler = handler.clone();
                let taken = self.bus.in_hand().take(&self.consumer.name, group.len());
                let work = async move { handler(items).await };
                let work = task::work(self.bus.clone(), self.limits(), group, work);
                running.spawn(async move {
                    work.await;
                    drop(taken);
                });
            }
            if end == PullEnd::Complete {
                continue;
            }
            trouble += 1;
            tokio::select! {
                () = cancel.cancelled() => break,
                () = self.recover(end, trouble) => {}
            }
        }
        let unstarted = self.deliveries(puller.take_rest(), Instant::now());
        self.drain(running, unstarted).await;
        Ok(())
    }

    fn limits(&self) -> task::Limits {
        task::Limits {
            ack_wait: self.consumer.ack_wait,
            time_limit: self.time_limit,
        }
    }

    async fn open(&self) -> Result<Puller, WorkLoopError> {
        Puller::open(&self.bus, self.consumer.stream, &self.consumer.name)
            .await
            .map(|puller| puller.max_bytes(self.batch_bytes))
            .map_err(|error| WorkLoopError {
                consumer: self.consumer.name.to_string(),
                text: error.to_string(),
            })
    }

    /// A message must not be on its way for longer than it is this process's own.
    fn idle(&self) -> Duration {
        self.idle.min(self.consumer.ack_wait / 2)
    }

    /// The messages of a pull that was begun at `asked`.
    fn deliveries(
        &self,
        messages: Vec<async_nats::jetstream::Message>,
        asked: Instant,
    ) -> Vec<Delivery> {
        let hold = || Hold::since(asked, self.consumer.ack_wait);
        let read = |message| Delivery::read(message, hold());
        messages.into_iter().filter_map(read).collect()
    }

    async fn recover(&self, end: PullEnd, trouble: u32) {
        let consumer = &*self.consumer.name;
        match end {
            PullEnd::Complete => {}
            PullEnd::Forbidden(forbidden) => {
                tracing::error!(
                    consumer,
                    code = forbidden.code(),
                    error = %forbidden,
                    "the consumer cannot be read"
                );
                sleep(pause_after_trouble(trouble)).await;
            }
            PullEnd::Interrupted(reason) => {
                tracing::debug!(consumer, reason, "pull interrupted");
                if !self.bus.is_connected() {
                    let mut link = self.bus.link();
                    link.wait_for(|link| link.up).await.ok();
                    return;
                }
                sleep(pause_after_trouble(trouble)).await;
            }
            PullEnd::ConsumerMissing => {
                sleep(pause_after_trouble(trouble)).await;
                match ensure_consumer(&self.bus, &self.consumer).await {
                    Ok(()) if self.bus.options().manage_streams => {
                        tracing::warn!(consumer, "created a consumer that was missing");
                    }
                    Ok(()) => tracing::error!(
                        consumer,
                        stream = self.consumer.stream,
                        "the consumer is missing on the broker: apply the stream table"
                    ),
                    Err(error) => tracing::error!(consumer, %error, "the consumer is missing"),
                }
            }
        }
    }

    /// Lets running handlers end, then gives back what did not.
    async fn drain(&self, mut running: JoinSet<()>, unstarted: Vec<Delivery>) {
        release(&unstarted).await;
        let all = async { while running.join_next().await.is_some() {} };
        if timeout(self.drain_limit, all).await.is_err() {
            tracing::warn!(
                consumer = &*self.consumer.name,
                unfinished = running.len(),
                "handlers did not end within the drain limit; their messages come again"
            );
            running.shutdown().await;
        }
    }
}
