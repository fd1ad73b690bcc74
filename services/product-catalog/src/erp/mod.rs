//! Product master data of ERPs: the last value of each SKU is kept.

mod event;
mod rows;

use std::time::Duration;

use storelink_bus::{Bus, Outcome, WorkItem};
use storelink_events::Violation;
use storelink_model::Timestamp;
use storelink_persistence::Database;

use crate::SERVICE;
use storelink_service::{Connections, TENANT_AGAIN, TenantKnown, reject_event, tenant_known};

/// Pause before an event is tried again that the database did not take.
const AFTER_OUTAGE: Duration = Duration::from_secs(2);

/// Reads the products of ERPs.
pub(crate) struct ErpIntake {
    pub(crate) bus: Bus,
    pub(crate) database: Database,
    pub(crate) tenants: Connections,
}

impl ErpIntake {
    /// One event after the other, each in a transaction of its own.
    pub(crate) async fn take(&self, items: Vec<WorkItem>) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(items.len());
        for item in &items {
            outcomes.push(self.take_one(item).await);
        }
        outcomes
    }

    async fn take_one(&self, item: &WorkItem) -> Outcome {
        let now = Timestamp::now();
        let mut event = event::read(item.subject(), item.payload(), item.sequence(), now);
        if let Some(first) = event.products.first() {
            match tenant_known(&self.tenants, &first.tenant, item.published(), now) {
                TenantKnown::Yes => {}
                TenantKnown::NotYet => {
                    return Outcome::retry_after(TENANT_AGAIN, "its tenant is not known yet");
                }
                TenantKnown::No => event.refuse_tenant(),
            }
        }
        let mut accepted = event.products.len();
        match rows::store(&self.database, &event.products).await {
            Ok(violations) => {
                accepted = accepted.saturating_sub(violations.len());
                event.violations.extend(violations);
            }
            Err(error) if error.is_transient() => {
                return Outcome::retry_after(AFTER_OUTAGE, error);
            }
            Err(error) => {
                accepted = 0;
                let refused =
                    Violation::new("/data/items", "catalog.row_refused", error.to_string());
                event.violations.push(refused);
            }
        }
        self.answer(item, event, accepted).await
    }

    /// What becomes of the message: with violations it is told and kept for a person.
    async fn answer(&self, item: &WorkItem, event: event::ErpProducts, accepted: usize) -> Outcome {
        let Some(first) = event.violations.first() else {
            return Outcome::Done;
        };
        let told = reject_event(
            &self.bus,
            SERVICE,
            item,
            event.id,
            accepted > 0,
            &event.violations,
        )
        .await;
        if let Err(error) = told {
            return Outcome::retry(error);
        }
        let others = match event.violations.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        Outcome::park(first.code.clone(), format!("{first}{others}"))
    }
}
