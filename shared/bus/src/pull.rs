//! Pulls messages of a durable consumer over an inbox.
//!
//! Nobody can see of a message which request it answers, and so when it was delivered at the earliest.
//! After a request that stayed without an answer the inbox is left for another one: what still comes to
//! the old one is nobody's, and comes again. Only as many messages are asked for as can be started at
//! once: nothing waits in the process while its ack-wait runs.

use std::time::Duration;

use async_nats::jetstream;
use futures::{FutureExt, StreamExt};
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::monitor::Link;
use crate::{Bus, Forbidden};

/// Longest wait for an answer that the server gives at once.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// How a request to the consumer ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PullEnd {
    /// The messages asked for came, or there are no more at present.
    Complete,
    /// The consumer or its stream does not exist.
    ConsumerMissing,
    /// The broker user may not read the consumer.
    Forbidden(Forbidden),
    /// Something else came in between; try again.
    Interrupted(String),
}

pub(crate) struct Puller {
    bus: Bus,
    inbox: String,
    subscriber: async_nats::Subscriber,
    next_subject: String,
    link: watch::Receiver<Link>,
    arrived: Vec<jetstream::Message>,
    max_bytes: Option<usize>,
}

#[derive(Serialize)]
struct PullRequest {
    batch: usize,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    no_wait: bool,
    /// Nanoseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_bytes: Option<usize>,
}

impl Puller {
    pub(crate) async fn open(
        bus: &Bus,
        stream: &str,
        consumer: &str,
    ) -> Result<Self, async_nats::SubscribeError> {
        let inbox = bus.client().new_inbox();
        Ok(Self {
            subscriber: bus.client().subscribe(inbox.clone()).await?,
            bus: bus.clone(),
            inbox,
            next_subject: format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"),
            link: bus.link(),
            arrived: Vec::new(),
            max_bytes: None,
        })
    }

    /// What several messages may have together at most; a single one comes whatever its size.
    pub(crate) fn max_bytes(mut self, bytes: Option<usize>) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Gets up to `max` messages; waits up to `idle` for the first. Messages are then in
    /// [`take`](Self::take), also when this future is dropped before its end.
    pub(crate) async fn pull(&mut self, max: usize, idle: Duration) -> PullEnd {
        self.link.mark_unchanged();
        let there = self.request(max, None).await;
        if there != PullEnd::Complete || !self.arrived.is_empty() {
            return there;
        }
        let first = self.request(1, Some(idle)).await;
        // With a byte limit the next pull gets what there is more: the first one may have used it up.
        let enough = max == 1 || self.max_bytes.is_some();
        if first != PullEnd::Complete || self.arrived.is_empty() || enough {
            return first;
        }
        self.request(max - 1, None).await
    }

    /// The messages that arrived.
    pub(crate) fn take(&mut self) -> Vec<jetstream::Message> {
        std::mem::take(&mut self.arrived)
    }

    /// The messages that arrived, those included that nobody looked at yet.
    pub(crate) fn take_rest(&mut self) -> Vec<jetstream::Message> {
        self.keep_what_came();
        self.take()
    }

    fn keep_what_came(&mut self) {
        while let Some(Some(message)) = self.subscriber.next().now_or_never() {
            if message.status.is_none() {
                self.keep(message);
            }
        }
    }

    /// Sees to it that no later request is taken for the one that brought a message.
    async fn leave_inbox(&mut self) {
        self.keep_what_came();
        let inbox = self.bus.client().new_inbox();
        // It fails only when the connection is closed for good, and then the next request does, too.
        if let Ok(subscriber) = self.bus.client().subscribe(inbox.clone()).await {
            (self.inbox, self.subscriber) = (inbox, subscriber);
        }
    }

    /// Asks for `batch` messages: those that are there, or with `wait` those that come meanwhile.
    async fn request(&mut self, batch: usize, wait: Option<Duration>) -> PullEnd {
        let request = PullRequest {
            batch,
            no_wait: wait.is_none(),
            expires: wait.and_then(|wait| u64::try_from(wait.as_nanos()).ok()),
            max_bytes: self.max_bytes.filter(|_| wait.is_none() && batch > 1),
        };
        let body = match serde_json::to_vec(&request) {
            Ok(body) => body,
            Err(error) => return PullEnd::Interrupted(error.to_string()),
        };
        let since = self.bus.monitor().violation_count();
        let sent = self.bus.client().publish_with_reply(
            self.next_subject.clone(),
            self.inbox.clone(),
            body.into(),
        );
        if let Err(error) = sent.await {
            return PullEnd::Interrupted(error.to_string());
        }
        let deadline = Instant::now() + wait.unwrap_or_default() + ANSWER_LIMIT;
        let bus = self.bus.clone();
        let subject = self.next_subject.clone();
        let refused = bus.monitor().publish_refused(&subject, since);
        tokio::select! {
            biased;
            end = self.collect(batch, deadline) => end,
            violation = refused => PullEnd::Forbidden(bus.forbidden(violation)),
        }
    }

    async fn collect(&mut self, batch: usize, deadline: Instant) -> PullEnd {
        let mut missing = batch;
        while missing > 0 {
            let message = tokio::select! {
                biased;
                message = timeout_at(deadline, self.subscriber.next()) => message,
                // A request dies with its connection; the next one asks again.
                _ = self.link.changed() => {
                    return PullEnd::Interrupted("the connection was lost".to_owned());
                }
            };
            match message {
                Err(_) => {
                    self.leave_inbox().await;
                    return PullEnd::Interrupted("the broker did not answer".to_owned());
                }
                Ok(None) => return PullEnd::Interrupted("the subscription ended".to_owned()),
                Ok(Some(message)) => match message.status {
                    None => {
                        self.keep(message);
                        missing -= 1;
                    }
                    Some(status) => {
                        let text = message.description.as_deref().unwrap_or_default();
                        match read_status(status.as_u16(), text) {
                            Some(end) => return end,
                            None => continue,
                        }
                    }
                },
            }
        }
        PullEnd::Complete
    }

    fn keep(&mut self, message: async_nats::Message) {
        let context = self.bus.jetstream().clone();
        self.arrived.push(jetstream::Message { message, context });
    }
}

/// What a status message says about the request; `None` when it goes on.
fn read_status(code: u16, text: &str) -> Option<PullEnd> {
    match code {
        // Heartbeat or flow control.
        100 => None,
        // No messages; request expired or all that was there is delivered.
        404 | 408 => Some(PullEnd::Complete),
        503 => Some(PullEnd::ConsumerMissing),
        409 if text.eq_ignore_ascii_case("consumer deleted") => Some(PullEnd::ConsumerMissing),
        // The next message would exceed the bytes asked for.
        409 if text.to_ascii_lowercase().contains("maxbytes") => Some(PullEnd::Complete),
        // As many messages as allowed are in work; the waiting request comes when one is done.
        409 if text.to_ascii_lowercase().contains("maxackpending") => Some(PullEnd::Complete),
        _ => Some(PullEnd::Interrupted(format!("{code} {text}"))),
    }
}

#[cfg(test)]
mod tests {
    use storelink_test_support::broker::TestBroker;

    use super::*;
    use crate::streams::{self, ORDER_INGEST};
    use crate::{BusOptions, Publication};

    const IDLE: Duration = Duration::from_millis(100);

    /// As after a process stood still while it waited: what was delivered meanwhile is read only
    /// after the request was given up, when it belongs to another process for long.
    #[tokio::test]
    async fn what_comes_for_a_request_that_was_given_up_answers_no_later_one() {
        let broker = TestBroker::start().await.unwrap();
        let bus = Bus::connect(&BusOptions::new(broker.url(), "test"))
            .await
            .unwrap();
        streams::apply(&bus, bus.options().sizing).await.unwrap();
        let mut puller = Puller::open(&bus, ORDER_INGEST.stream, &ORDER_INGEST.name)
            .await
            .unwrap();
        let asked_at = puller.inbox.clone();
        broker.freeze().unwrap();
        let unanswered = puller.pull(1, IDLE).await;
        assert!(
            matches!(unanswered, PullEnd::Interrupted(_)),
            "{unanswered:?}"
        );
        broker.thaw().unwrap();

        let late = bus.client().publish(asked_at, "late".into());
        late.await.unwrap();
        bus.publish(Publication::new("order.woocommerce.c1.1", "new"))
            .await
            .unwrap();
        while puller.pull(1, IDLE).await != PullEnd::Complete || puller.arrived.is_empty() {}
        let arrived = puller.take();
        let payloads: Vec<_> = arrived.iter().map(|one| &*one.payload).collect();
        assert_eq!(payloads, [b"new"]);
    }
}
