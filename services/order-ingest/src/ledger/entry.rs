//! One order in memory while a transaction has its row.

use storelink_events::connection::RoundingChoice;
use storelink_events::hub::{ItemParked, OrderEvent};
use storelink_events::{Envelope, subject};
use storelink_model::{ConnectionId, OrderId, Platform, TenantId, Timestamp};
use storelink_order::{Order, SumCheck};
use storelink_planted_faults::planted;

use super::Arrival;
use super::codes::KnownCodes;
use super::rows::{NewEvent, NewRevision, Writes};
use crate::announcement::{Announced, Verb, state_name};
use crate::assessment::{Assessment, assess};
use crate::revision::{Decision, Known, after, decide};
use crate::{IngestError, SERVICE};

/// Code of an order that could not be understood when the adapter gave no reason.
const UNREADABLE: &str = "order.unreadable";

/// One order.
#[derive(Debug, Clone)]
pub struct Entry {
    pub(crate) id: OrderId,
    pub(crate) tenant: TenantId,
    pub(crate) connection: ConnectionId,
    pub(crate) platform: Platform,
    pub(crate) external_id: String,
    pub(crate) known: Option<Known>,
    pub(crate) read_at: i64,
    pub(crate) number: Option<String>,
    pub(crate) state: Option<String>,
    pub(crate) total: Option<String>,
    pub(crate) announced: Option<Announced>,
    pub(crate) changed: i64,
    pub(crate) parked: Option<Park>,
    /// As it is in its row.
    pub(crate) parked_before: Option<Park>,
    /// What its lines were called, for lines that the store no longer names.
    pub(crate) codes: KnownCodes,
    /// Whether the row differs from this.
    pub(crate) dirty: bool,
}

/// Why an order waits for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Park {
    pub(crate) revision: i64,
    pub(crate) code: String,
    pub(crate) text: String,
    pub(crate) since: i64,
}

impl Entry {
    /// Takes one reading.
    pub(super) fn take(
        &mut self,
        arrival: &Arrival,
        rounding: RoundingChoice,
        now: Timestamp,
        writes: &mut Writes,
    ) -> Result<Decision, IngestError> {
        let read = &arrival.read;
        let content = arrival.content.as_str();
        let decision = decide(self.known.as_ref(), read.read_number, content);
        self.known = after(self.known.take(), decision, read.read_number, content);
        if matches!(decision, Decision::Revise { .. } | Decision::Confirm) {
            self.read_at = read.read_at.micros();
            self.dirty = true;
        }
        if let Decision::Revise { revision } = decision {
            self.changed = now.micros();
            let order = read.order.as_deref().map(|order| self.codes.keep(order));
            let sum = order.as_deref().map(Order::check_sum);
            writes.revisions.push(NewRevision::of(
                &self.id,
                revision,
                arrival,
                order.as_deref(),
                sum.as_ref(),
                now,
            )?);
            match (order.as_deref(), sum) {
                (Some(order), Some(sum)) => {
                    self.show(order);
                    self.go_on(order, sum, rounding, now, arrival.trace(), writes)?;
                }
                _ => {
                    let (code, text) = match &read.unreadable {
                        Some(reason) => (reason.code.as_str(), reason.text.as_str()),
                        None => (UNREADABLE, "the order could not be understood"),
                    };
                    self.park(code, text, now, arrival.trace(), writes)?;
                }
            }
        }
        Ok(decision)
    }

    /// Writes the event of the newest revision, or parks the order because of its amounts.
    pub(super) fn go_on(
        &mut self,
        order: &Order,
        sum: SumCheck,
        rounding: RoundingChoice,
        now: Timestamp,
        trace: Option<&str>,
        writes: &mut Writes,
    ) -> Result<(), IngestError> {
        match assess(order, sum, rounding) {
            Assessment::Deliver { order, sum } => {
                self.parked = None;
                self.announce(*order, sum, now, trace, writes)
            }
            Assessment::Hold { code, text } => self.park(code, &text, now, trace, writes),
        }
    }

    fn announce(
        &mut self,
        order: Order,
        sum: SumCheck,
        now: Timestamp,
        trace: Option<&str>,
        writes: &mut Writes,
    ) -> Result<(), IngestError> {
        let revision = self.revision();
        let verb = Verb::since(self.announced.as_ref(), &order);
        self.announced = Some(Announced::of(&order, revision));
        self.dirty = true;
        let event = OrderEvent {
            order_id: self.id.clone(),
            revision: revision.unsigned_abs(),
            connection: self.connection.clone(),
            platform: self.platform.clone(),
            external_id: self.external_id.clone(),
            sum,
            order,
        };
        let (id, body) = verb.event(&self.tenant, event, trace);
        writes.events.push(NewEvent {
            id,
            kind: "order",
            tenant: self.tenant.clone(),
            connection: self.connection.clone(),
            chain: self.id.to_string(),
            position: if planted!(EventsWithoutChain) {
                0
            } else {
                revision
            },
            subject: subject::hub_order(
                &self.tenant,
                verb.as_str(),
                &self.id,
                revision.unsigned_abs(),
            ),
            payload: text(body)?,
            trace: trace.map(str::to_owned),
            created: now.micros(),
        });
        Ok(())
    }

    fn park(
        &mut self,
        code: &str,
        reason: &str,
        now: Timestamp,
        trace: Option<&str>,
        writes: &mut Writes,
    ) -> Result<(), IngestError> {
        let code = storable(code);
        let news = self
            .parked
            .as_ref()
            .is_none_or(|parked| parked.code != code);
        let since = self
            .parked
            .as_ref()
            .map_or(now.micros(), |parked| parked.since);
        let park = Park {
            revision: self.revision(),
            code,
            text: storable(reason),
            since,
        };
        if news {
            writes.events.push(self.parked_event(&park, now, trace)?);
        }
        self.parked = Some(park);
        Ok(())
    }

    fn parked_event(
        &self,
        park: &Park,
        now: Timestamp,
        trace: Option<&str>,
    ) -> Result<NewEvent, IngestError> {
        let parked = ItemParked {
            item_id: self.id.to_string(),
            service: SERVICE.to_owned(),
            connection: Some(self.connection.clone()),
            entity: "order".to_owned(),
            sku: None,
            external_id: Some(self.external_id.clone()),
            code: park.code.clone(),
            text: park.text.clone(),
        };
        let source = format!("/connections/{}", self.connection);
        let event = Envelope::new(self.tenant.clone(), source, parked)
            .about(self.id.to_string())
            .traced(trace.map(str::to_owned));
        Ok(NewEvent {
            kind: "parked",
            tenant: self.tenant.clone(),
            connection: self.connection.clone(),
            chain: event.id.clone(),
            position: 0,
            subject: subject::hub_item_parked(&self.tenant),
            payload: text(event.to_json())?,
            trace: trace.map(str::to_owned),
            created: now.micros(),
            id: event.id,
        })
    }

    /// What people see of the order.
    fn show(&mut self, order: &Order) {
        self.number = Some(storable(&order.number));
        self.state = Some(state_name(order.state).to_owned());
        self.total = Some(format!("{} {}", order.total, order.currency));
    }

    pub(super) fn revision(&self) -> i64 {
        self.known.as_ref().map_or(0, |known| known.revision)
    }
}

/// How rows that are kept in no database come about.
#[cfg(feature = "simulation")]
#[allow(missing_docs)]
impl Entry {
    pub fn new_row(arrival: &Arrival) -> Self {
        let read = arrival.read();
        Self {
            id: OrderId::generate(),
            tenant: read.tenant.clone(),
            connection: read.connection.clone(),
            platform: read.platform.clone(),
            external_id: read.external_id.clone(),
            known: None,
            read_at: 0,
            number: None,
            state: None,
            total: None,
            announced: None,
            changed: 0,
            parked: None,
            parked_before: None,
            codes: KnownCodes::default(),
            dirty: false,
        }
    }

    pub fn as_found(&self) -> Self {
        Self {
            parked_before: self.parked.clone(),
            codes: KnownCodes::default(),
            dirty: false,
            ..self.clone()
        }
    }

    pub fn learn(&mut self, normalised: &str) -> Result<(), IngestError> {
        let order = serde_json::from_str(normalised).map_err(IngestError::stored("an order"))?;
        self.codes.learn(&order);
        Ok(())
    }

    pub fn id(&self) -> &OrderId {
        &self.id
    }

    pub fn key(&self) -> (String, String) {
        (self.connection.to_string(), self.external_id.clone())
    }
}

fn text(json: Vec<u8>) -> Result<String, IngestError> {
    String::from_utf8(json).map_err(|error| IngestError::Encode {
        what: "an event",
        reason: error.to_string(),
    })
}

/// PostgreSQL keeps no NUL in a text; JSON escapes it, plain columns cannot.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}
