//! The event that tells others about a revision.

use rust_decimal::Decimal;
use storelink_events::hub::{
    OrderCancelled, OrderEvent, OrderReceived, OrderRefunded, OrderUpdated,
};
use storelink_events::{Envelope, EventData};
use storelink_model::TenantId;
use storelink_order::{Order, OrderState};

/// What the last event of an order said, as far as the next one depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Announced {
    pub(crate) revision: i64,
    /// As in [`state_name`].
    pub(crate) state: String,
    pub(crate) refunded: Decimal,
}

impl Announced {
    /// What an event about this order says.
    pub(crate) fn of(order: &Order, revision: i64) -> Self {
        Self {
            revision,
            state: state_name(order.state).to_owned(),
            refunded: refunded(order),
        }
    }
}

/// What happened to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Received,
    Updated,
    Cancelled,
    Refunded,
}

impl Verb {
    /// What happened since the last event.
    pub(crate) fn since(announced: Option<&Announced>, order: &Order) -> Self {
        let Some(before) = announced else {
            return Self::Received;
        };
        let turned = |state| order.state == state && before.state != state_name(state);
        if turned(OrderState::Cancelled) {
            Self::Cancelled
        } else if turned(OrderState::Refunded) || refunded(order) > before.refunded {
            Self::Refunded
        } else {
            Self::Updated
        }
    }

    /// The token of the subject.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Updated => "updated",
            Self::Cancelled => "cancelled",
            Self::Refunded => "refunded",
        }
    }

    /// Id and JSON of the event.
    pub(crate) fn event(
        self,
        tenant: &TenantId,
        event: OrderEvent,
        trace: Option<&str>,
    ) -> (String, Vec<u8>) {
        let source = format!("/connections/{}", event.connection);
        let about = About {
            tenant,
            source,
            order: event.order_id.to_string(),
            trace,
        };
        match self {
            Self::Received => about.envelope(OrderReceived(event)),
            Self::Updated => about.envelope(OrderUpdated(event)),
            Self::Cancelled => about.envelope(OrderCancelled(event)),
            Self::Refunded => about.envelope(OrderRefunded(event)),
        }
    }
}

struct About<'a> {
    tenant: &'a TenantId,
    source: String,
    order: String,
    trace: Option<&'a str>,
}

impl About<'_> {
    fn envelope<T: EventData>(self, data: T) -> (String, Vec<u8>) {
        let envelope = Envelope::new(self.tenant.clone(), self.source, data)
            .about(self.order)
            .traced(self.trace.map(str::to_owned));
        (envelope.id.clone(), envelope.to_json())
    }
}

/// The name of a state in rows and answers, as in the order's JSON.
pub(crate) fn state_name(state: OrderState) -> &'static str {
    match state {
        OrderState::Pending => "pending",
        OrderState::Open => "open",
        OrderState::Completed => "completed",
        OrderState::Cancelled => "cancelled",
        OrderState::Refunded => "refunded",
        OrderState::Other => "other",
    }
}

fn refunded(order: &Order) -> Decimal {
    order
        .refunds
        .iter()
        .map(|refund| refund.amount.decimal())
        .sum()
}
