//! One handler at work: the server is told that it goes on, and it ends in time.

use std::future::Future;
use std::time::Duration;

use async_nats::jetstream::{self, AckKind};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, interval_at, sleep};

use super::Outcome;
use super::hold::Hold;
use super::item::{Content, WorkItem};
use super::settle::settle;
use crate::Bus;

#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) ack_wait: Duration,
    pub(super) time_limit: Duration,
}

/// A message and what is needed to acknowledge it.
pub(super) struct Delivery {
    pub(super) item: WorkItem,
    pub(super) acker: jetstream::message::Acker,
}

impl Delivery {
    /// `None` for a message that no consumer delivered; it cannot be acknowledged.
    pub(super) fn read(message: jetstream::Message, hold: Hold) -> Option<Self> {
        let info = match message.info() {
            Ok(info) => info,
            Err(error) => {
                tracing::error!(subject = %message.subject, %error, "a message without delivery data");
                return None;
            }
        };
        let mut content = Content {
            subject: message.subject.to_string(),
            headers: message.headers.clone().unwrap_or_default().into(),
            payload: message.payload.clone(),
            stream: info.stream.to_owned(),
            consumer: info.consumer.to_owned(),
            sequence: info.stream_sequence,
            delivered: info.delivered,
            pending: info.pending,
            published: info.published,
            hold,
        };
        let (raw, acker) = message.split();
        content.payload = raw.payload;
        Some(Self {
            item: WorkItem::new(content),
            acker,
        })
    }
}

/// Runs a handler in a task of its own, so that a panic ends only this work, and carries out
/// what it says.
pub(super) async fn work<F>(bus: Bus, limits: Limits, deliveries: Vec<Delivery>, handler: F)
where
    F: Future<Output = Vec<Outcome>> + Send + 'static,
{
    let mut guard = GiveBack {
        deliveries,
        settled: false,
    };
    let mut task = EndOnDrop(tokio::spawn(handler));
    let third = limits.ack_wait / 3;
    // A message that came late in a long wait for one may have been on its way for as long.
    let late = |delivery: &Delivery| delivery.item.hold().is_older_than(third);
    let first = match guard.deliveries.iter().any(late) {
        true => Duration::ZERO,
        false => third,
    };
    let mut ticks = interval_at(Instant::now() + first, third.max(Duration::from_millis(1)));
    let too_long = sleep(limits.time_limit);
    tokio::pin!(too_long);

    let outcomes = loop {
        tokio::select! {
            result = &mut task.0 => break outcomes_of(result, guard.deliveries.len()),
            _ = ticks.tick() => in_progress(&guard.deliveries).await,
            () = &mut too_long => {
                task.0.abort();
                let text = format!("the handler did not end within {:?}", limits.time_limit);
                break vec![Outcome::retry(text); guard.deliveries.len()];
            }
        }
    };
    let settling = guard
        .deliveries
        .iter()
        .zip(outcomes)
        .map(|(delivery, outcome)| settle(&bus, delivery, outcome));
    futures::future::join_all(settling).await;
    guard.settled = true;
}

fn outcomes_of(result: Result<Vec<Outcome>, JoinError>, expected: usize) -> Vec<Outcome> {
    let mut outcomes = match result {
        Ok(outcomes) => outcomes,
        Err(error) => {
            let text = if error.is_panic() {
                "the handler panicked"
            } else {
                "the handler ended"
            };
            tracing::error!(%error, "{text}");
            return vec![Outcome::retry(text); expected];
        }
    };
    if outcomes.len() != expected {
        tracing::error!(
            expected,
            found = outcomes.len(),
            "a handler gave a wrong number of outcomes"
        );
        outcomes.resize(
            expected,
            Outcome::retry("the handler said nothing about this message"),
        );
    }
    outcomes
}

async fn in_progress(deliveries: &[Delivery]) {
    for delivery in deliveries {
        delivery.item.hold().prolong();
        if let Err(error) = delivery.acker.ack_with(AckKind::Progress).await {
            tracing::warn!(subject = delivery.item.subject(), %error, "in-progress not sent");
        }
    }
}

/// Ends the handler when its loop is dropped.
struct EndOnDrop(JoinHandle<Vec<Outcome>>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Gives messages back at once when the work is ended before it was settled.
struct GiveBack {
    deliveries: Vec<Delivery>,
    settled: bool,
}

impl Drop for GiveBack {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        let deliveries = std::mem::take(&mut self.deliveries);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { super::release(&deliveries).await });
        }
    }
}
