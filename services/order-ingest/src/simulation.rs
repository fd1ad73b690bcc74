//! What a simulated world sees: the ports that it implements, and the work between them.

use std::sync::Arc;

use storelink_bus::{Outcome, WorkItem};
use storelink_events::connection::RoundingChoice;
use tokio_util::sync::CancellationToken;

pub use crate::broker::Broker;
pub use crate::hub_store::Store;
use crate::intake::Intake;
pub use crate::ledger::entry::Entry;
pub use crate::ledger::records::{LedgerRecords, LedgerTransaction};
pub use crate::ledger::rows::{NewEvent, NewRevision, Writes};
pub use crate::ledger::{Arrival, Entries};
pub use crate::outbox::{Claimed, Outbox, Waiting};
use crate::relay::Relay;
use crate::{Ledger, metrics};

/// The service at work.
pub struct SimulatedIngest {
    intake: Intake,
    relay: Relay,
}

impl SimulatedIngest {
    /// The service as it was just started.
    pub fn new(
        records: Arc<dyn LedgerRecords>,
        outbox: Arc<dyn Outbox>,
        broker: Arc<dyn Broker>,
    ) -> Self {
        let relay = Relay::within(outbox, broker.clone());
        let intake = Intake {
            ledger: Ledger::within(records, |_| RoundingChoice::Deliver),
            relay: relay.clone(),
            broker,
            metrics: metrics::IngestMetrics::new(),
        };
        Self { intake, relay }
    }

    /// Takes a batch of messages.
    pub async fn take(&self, items: &[WorkItem]) -> Vec<Outcome> {
        self.intake.take(items).await
    }

    /// Publishes until the process ends.
    pub async fn relay(&self) {
        self.relay.run(CancellationToken::new()).await;
    }
}
