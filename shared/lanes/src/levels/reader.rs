//! Follows the last-value stream into the level table.

use std::sync::Arc;

use storelink_bus::{LastValueEvent, ValueMessage};
use storelink_model::Timestamp;
use storelink_planted_faults::planted;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::Levels;
use crate::feed::ValueFeed;
use crate::kind::LaneKind;

/// Reads the stream with one consumer until cancelled. `caught_up` becomes true when everything
/// that was there at the start is in the table; `recreated` is told when the stream is a new one.
pub(crate) async fn follow_values<K: LaneKind>(
    mut feed: Box<dyn ValueFeed>,
    levels: Levels<K>,
    caught_up: watch::Sender<bool>,
    recreated: mpsc::Sender<()>,
    shutdown: CancellationToken,
) {
    loop {
        let event = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            event = feed.next() => event,
        };
        match event {
            LastValueEvent::Value(message) => take(&levels, &message, *caught_up.borrow()),
            LastValueEvent::CaughtUp => {
                tracing::info!(
                    stream = K::names().values,
                    values = levels.len(),
                    "all last values are read"
                );
                caught_up.send_replace(true);
            }
            LastValueEvent::Recreated => {
                if !planted!(SequencesNotForgotten) {
                    levels.forget_sequences();
                }
                if !planted!(LossUnnoticed) {
                    // One that is told already covers this one.
                    recreated.try_send(()).ok();
                }
            }
        }
    }
}

fn take<K: LaneKind>(levels: &Levels<K>, message: &ValueMessage, live: bool) {
    let (key, level) = match K::decode(&message.payload) {
        Ok(decoded) => decoded,
        Err(error) => {
            tracing::error!(subject = message.subject, %error, "a last value cannot be read");
            return;
        }
    };
    // What was there at the start belongs to traces that ended; they would only take memory.
    let trace = message.trace().filter(|_| live);
    let trace: Option<Arc<str>> = trace.map(|trace| trace.traceparent().into());
    levels.apply(&key, level, message.sequence, trace, Timestamp::now());
}
