//! Carries out what a handler said about a message.

use std::time::Duration;

use async_nats::jetstream::AckKind;

use super::Outcome;
use super::backoff::pause_before_delivery;
use super::task::Delivery;
use crate::Bus;
use crate::dead;

pub(super) async fn settle(bus: &Bus, delivery: &Delivery, outcome: Outcome) {
    let item = &delivery.item;
    let unfinished = matches!(outcome, Outcome::Again | Outcome::Retry { .. });
    if unfinished && !item.hold().is_held() {
        // Another process works on it meanwhile: to ask for it again would disturb that one.
        tracing::info!(
            subject = item.subject(),
            "message was lost to another process"
        );
        return;
    }
    match outcome {
        Outcome::Done => confirm(delivery, AckKind::Ack).await,
        Outcome::Again => tell(delivery, AckKind::Nak(None)).await,
        Outcome::Retry { after, reason } => {
            let pause = after.unwrap_or_else(|| pause_before_delivery(item.delivered()));
            tracing::warn!(
                subject = item.subject(),
                delivered = item.delivered(),
                ?pause,
                reason,
                "message is tried again"
            );
            tell(delivery, nak_after(pause)).await;
        }
        Outcome::Park(reason) => match dead::park(bus, item, &reason).await {
            Ok(()) => {
                tracing::warn!(
                    subject = item.subject(),
                    code = reason.code,
                    text = reason.text,
                    "message is parked"
                );
                confirm(delivery, AckKind::Term).await;
            }
            Err(error) => {
                tracing::error!(subject = item.subject(), %error, "message could not be parked");
                tell(delivery, nak_after(pause_before_delivery(item.delivered()))).await;
            }
        },
    }
}

/// Gives messages back that nobody started.
pub(super) async fn release(deliveries: &[Delivery]) {
    for delivery in deliveries {
        tell(delivery, AckKind::Nak(None)).await;
    }
}

/// A delay of zero nanoseconds would mean "at once" to the server, which is what is asked for.
fn nak_after(pause: Duration) -> AckKind {
    AckKind::Nak(Some(pause))
}

/// Acknowledges and waits for the server's word. When it does not come the message comes again,
/// and the worker finds its effect done.
async fn confirm(delivery: &Delivery, kind: AckKind) {
    if let Err(error) = delivery.acker.double_ack_with(kind).await {
        tracing::warn!(
            subject = delivery.item.subject(),
            sequence = delivery.item.sequence(),
            %error,
            "acknowledgement not confirmed, the message may come again"
        );
    }
}

async fn tell(delivery: &Delivery, kind: AckKind) {
    if let Err(error) = delivery.acker.ack_with(kind).await {
        tracing::warn!(subject = delivery.item.subject(), %error, "answer to a delivery not sent");
    }
}
