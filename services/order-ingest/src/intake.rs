//! From messages to the ledger: one batch, one transaction, one outcome per message.

use std::sync::Arc;
use std::time::Duration;

use storelink_bus::{Outcome, WorkItem};
use storelink_events::internal::OrderRead;
use storelink_planted_faults::planted;

use crate::IngestError;
use crate::broker::Broker;
use crate::fresh_read::{self, Asked, Wanted};
use crate::ledger::{Arrival, Ledger};
use crate::metrics::IngestMetrics;
use crate::relay::Relay;
use crate::revision::Decision;

/// The database is away or busy: the same messages again after this time.
const PAUSE: Duration = Duration::from_secs(1);

/// Takes batches of messages.
pub(crate) struct Intake {
    pub(crate) ledger: Ledger,
    pub(crate) relay: Relay,
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) metrics: IngestMetrics,
}

impl Intake {
    /// Takes a batch. A message that the ledger refuses alone is put aside alone.
    pub(crate) async fn take(&self, items: &[WorkItem]) -> Vec<Outcome> {
        let mut outcomes = vec![Outcome::Done; items.len()];
        let (mut places, mut arrivals) = (Vec::new(), Vec::new());
        for (place, item) in items.iter().enumerate() {
            match read(item) {
                Ok(arrival) => {
                    places.push(place);
                    arrivals.push(arrival);
                }
                Err(outcome) => set(&mut outcomes, place, outcome),
            }
        }
        let results = self.store(&arrivals).await;
        self.relay.wake();
        for ((place, arrival), result) in places.into_iter().zip(&arrivals).zip(results) {
            let outcome = match result {
                Ok(decision) => self.follow_up(arrival, decision).await,
                Err(outcome) => outcome,
            };
            set(&mut outcomes, place, outcome);
        }
        outcomes
    }

    async fn store(&self, arrivals: &[Arrival]) -> Vec<Result<Decision, Outcome>> {
        if arrivals.is_empty() {
            return Vec::new();
        }
        let error = match self.ledger.take(arrivals).await {
            Ok(decisions) => return decisions.into_iter().map(Ok).collect(),
            Err(error) => error,
        };
        let alone = arrivals.len() == 1;
        if alone || error.is_transient() {
            return arrivals.iter().map(|_| Err(outcome_of(&error))).collect();
        }
        let mut results = Vec::with_capacity(arrivals.len());
        for arrival in arrivals {
            let result = self.ledger.take(std::slice::from_ref(arrival)).await;
            results.push(match result {
                Ok(decisions) => decisions.first().copied().ok_or(Outcome::Again),
                Err(error) => Err(outcome_of(&error)),
            });
        }
        results
    }

    /// What is left to do after the commit and before the acknowledgement.
    async fn follow_up(&self, arrival: &Arrival, decision: Decision) -> Outcome {
        let read = arrival.read();
        self.metrics.taken(read, decision);
        if decision != Decision::Outdated {
            return Outcome::Done;
        }
        let wanted = Wanted {
            tenant: &read.tenant,
            connection: &read.connection,
            platform: &read.platform,
            external_id: &read.external_id,
            trace: arrival.trace(),
        };
        match fresh_read::ask(&*self.broker, wanted).await {
            Ok(Asked::Queued) => Outcome::Done,
            // Once it is out of the way the store is asked again, unless it told the ledger meanwhile.
            Ok(Asked::Taken) => Outcome::retry("a read of this order waits or is in work"),
            Err(error) => Outcome::retry(error),
        }
    }
}

fn read(item: &WorkItem) -> Result<Arrival, Outcome> {
    let read: OrderRead = serde_json::from_slice(item.payload())
        .map_err(|error| Outcome::park("order_ingest.message_unreadable", error.to_string()))?;
    let trace = item.trace();
    Ok(Arrival::new(
        read,
        trace.as_ref().map(|trace| trace.traceparent()),
    ))
}

fn outcome_of(error: &IngestError) -> Outcome {
    if planted!(MessageLetGoUntaken) {
        Outcome::Done
    } else if error.is_transient() {
        Outcome::retry_after(PAUSE, error)
    } else {
        Outcome::park(error.code(), error.to_string())
    }
}

fn set(outcomes: &mut [Outcome], place: usize, outcome: Outcome) {
    if let Some(slot) = outcomes.get_mut(place) {
        *slot = outcome;
    }
}
