//! One event of an ERP: what of it is taken and what is refused.

use storelink_events::erp::{self, Refused};
use storelink_events::{Violation, subject};
use storelink_model::{Sku, TenantId, Timestamp, Version, VersionOrder};

use crate::kind::LaneKind;
use crate::ordering::{Stamp, too_far_ahead};

/// One value of an event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Arrival<V> {
    pub(crate) sku: Sku,
    pub(crate) stamp: Stamp,
    pub(crate) value: V,
    /// Where it stands in its event, from 0.
    pub(crate) place: usize,
}

/// What was taken of an event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Taken<S, V> {
    pub(crate) tenant: TenantId,
    pub(crate) source: S,
    pub(crate) time: Timestamp,
    pub(crate) arrivals: Vec<Arrival<V>>,
}

/// An event after reading. With violations it goes to the dead letters and is answered, whether or
/// not something of it was taken.
#[derive(Debug, Clone)]
pub(crate) struct IntakeEvent<S, V> {
    pub(crate) id: Option<String>,
    pub(crate) traceparent: Option<String>,
    pub(crate) taken: Option<Taken<S, V>>,
    /// How many of its values are not refused.
    pub(crate) accepted: usize,
    pub(crate) violations: Vec<Violation>,
    /// Its tenant may be one that was made a moment ago: it comes again.
    pub(crate) waits: bool,
}

impl<S, V> IntakeEvent<S, V> {
    /// Takes nothing of it this time.
    pub(crate) fn wait_for_tenant(&mut self) {
        self.taken = None;
        self.waits = true;
    }

    /// Refuses all of it: nobody here has this tenant.
    pub(crate) fn refuse_tenant(&mut self) {
        let detail = "this installation has no such tenant";
        self.taken = None;
        self.accepted = 0;
        self.violations = vec![Violation::new("/tenant", "event.tenant_unknown", detail)];
    }

    fn refused(refused: Refused) -> Self {
        Self {
            id: refused.event_id,
            traceparent: None,
            taken: None,
            accepted: 0,
            violations: refused.violations,
            waits: false,
        }
    }

    /// Refuses the values that are not ordered as the others of their source.
    pub(crate) fn keep_ordered_by(&mut self, order: VersionOrder) {
        let Some(taken) = &mut self.taken else { return };
        let violations = &mut self.violations;
        taken.arrivals.retain(|arrival| {
            let fits = arrival.stamp.version.order() == order;
            if !fits {
                violations.push(wrong_order(arrival.place, &arrival.sku, order));
            }
            fits
        });
        self.accepted = taken.arrivals.len();
    }

    /// Notes that another value has the same revision.
    pub(crate) fn conflict(&mut self, place: usize, sku: &Sku) {
        let detail = format!("{sku}: another value was published with the same revision");
        self.violations.push(Violation::new(
            format!("/data/items/{place}/revision"),
            "event.revision_conflict",
            detail,
        ));
        self.accepted = self.accepted.saturating_sub(1);
    }

    /// By what the values of this event are ordered; by revision when they differ, since that is
    /// the stronger promise.
    pub(crate) fn order(&self) -> Option<VersionOrder> {
        let orders = self.taken.iter().flat_map(|taken| &taken.arrivals);
        let mut orders = orders.map(|arrival| arrival.stamp.version.order());
        let first = orders.next()?;
        Some(if orders.any(|order| order != first) {
            VersionOrder::Revision
        } else {
            first
        })
    }
}

fn wrong_order(place: usize, sku: &Sku, order: VersionOrder) -> Violation {
    let detail = match order {
        VersionOrder::Revision => {
            format!("{sku}: values of this source are ordered by revision, and it has none")
        }
        VersionOrder::Time => {
            format!("{sku}: values of this source are ordered by time, and it has a revision")
        }
    };
    let pointer = format!("/data/items/{place}/revision");
    Violation::new(pointer, "event.version_order", detail)
}

/// Reads an event. `sequence` is its place in the ERP's stream.
pub(crate) fn read<K: LaneKind>(
    message_subject: &str,
    payload: &[u8],
    sequence: u64,
    now: Timestamp,
) -> IntakeEvent<K::Source, K::Value> {
    let Some(tenant) = tenant_of(message_subject) else {
        return IntakeEvent::refused(whole(
            None,
            "",
            "event.subject",
            "the subject names no tenant",
        ));
    };
    let reading = match erp::read(&tenant, payload) {
        Ok(reading) => reading,
        Err(refused) => return IntakeEvent::refused(refused),
    };
    let Some(changes) = K::changes(reading.event) else {
        let detail = "an event of this type does not belong on this subject";
        return IntakeEvent::refused(whole(Some(reading.id), "/type", "event.type", detail));
    };
    let mut violations = reading.violations;
    let by_time = Version::at(reading.time);
    let late = too_far_ahead(reading.time, now);
    let mut dropped = false;
    let mut arrivals = Vec::with_capacity(changes.items.len());
    for ((sku, revision, value), place) in changes.items.into_iter().zip(reading.places) {
        let version = match revision {
            Some(revision) => Version::revision(revision),
            None if late => {
                dropped = true;
                None
            }
            None => Some(by_time),
        };
        if let Some(version) = version {
            arrivals.push(Arrival {
                sku,
                stamp: Stamp { version, sequence },
                value,
                place,
            });
        }
    }
    if dropped || (late && arrivals.is_empty()) {
        let detail = "the time is more than 60 s in the future: correct the publisher's clock";
        violations.push(Violation::new("/time", "event.time_in_future", detail));
    }
    let accepted = arrivals.len();
    let taken = Taken {
        tenant,
        source: changes.source,
        time: reading.time,
        arrivals,
    };
    IntakeEvent {
        id: Some(reading.id),
        traceparent: reading.traceparent,
        taken: Some(taken),
        accepted,
        violations,
        waits: false,
    }
}

fn whole(id: Option<String>, pointer: &str, code: &str, detail: &str) -> Refused {
    Refused {
        event_id: id,
        violations: vec![Violation::new(pointer, code, detail)],
    }
}

/// `erp.<tenant>.…`
fn tenant_of(message_subject: &str) -> Option<TenantId> {
    subject::text(message_subject.split('.').nth(1)?)?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::kind::Stock;

    const NOW: &str = "2026-11-22T06:30:00Z";

    fn event(
        time: &str,
        items: &Value,
    ) -> IntakeEvent<storelink_model::WarehouseCode, storelink_model::Quantity> {
        let event = json!({
            "specversion": "1.0", "id": "e-1", "source": "/erp", "tenant": "acme", "time": time,
            "type": "storelink.stock.changed.v1", "datacontenttype": "application/json",
            "data": { "warehouse": "main", "items": items },
        });
        let payload = event.to_string();
        read::<Stock>(
            "erp.acme.stock.changed",
            payload.as_bytes(),
            9,
            NOW.parse().unwrap(),
        )
    }

    fn codes<S, V>(event: &IntakeEvent<S, V>) -> Vec<&str> {
        event
            .violations
            .iter()
            .map(|violation| violation.code.as_str())
            .collect()
    }

    #[test]
    fn revisions_and_times_become_versions() {
        let event = event(
            NOW,
            &json!([{ "sku": "A", "quantity": "1", "revision": 7 }, { "sku": "B", "quantity": "2" }]),
        );
        let arrivals = &event.taken.as_ref().unwrap().arrivals;
        assert_eq!(
            arrivals[0].stamp,
            Stamp {
                version: Version::Revision(7),
                sequence: 9
            }
        );
        assert_eq!(arrivals[1].stamp.version, Version::at(NOW.parse().unwrap()));
        assert_eq!(event.order(), Some(VersionOrder::Revision));
    }

    #[test]
    fn values_of_the_other_order_are_refused_beside_good_ones() {
        let mut event = event(
            NOW,
            &json!([{ "sku": "A", "quantity": "1", "revision": 7 }, { "sku": "B", "quantity": "2" }]),
        );
        event.keep_ordered_by(VersionOrder::Time);
        assert_eq!(codes(&event), ["event.version_order"]);
        assert_eq!(event.taken.unwrap().arrivals[0].sku.as_str(), "B");
    }

    #[test]
    fn a_time_in_the_future_is_refused_where_it_decides() {
        let late = event(
            "2026-11-22T06:31:01Z",
            &json!([{ "sku": "A", "quantity": "1" }]),
        );
        assert_eq!(codes(&late), ["event.time_in_future"]);
        assert!(late.taken.unwrap().arrivals.is_empty());
        let soon = event(
            "2026-11-22T06:31:00Z",
            &json!([{ "sku": "A", "quantity": "1" }]),
        );
        assert_eq!(codes(&soon), Vec::<&str>::new());
        let revision = json!([{ "sku": "A", "quantity": "1", "revision": 1 }]);
        assert_eq!(
            codes(&event("2027-01-01T00:00:00Z", &revision)),
            Vec::<&str>::new()
        );
    }

    #[test]
    fn an_event_of_another_kind_is_refused() {
        let price = json!({
            "specversion": "1.0", "id": "e-2", "source": "/erp", "tenant": "acme", "time": NOW,
            "type": "storelink.price.changed.v1", "datacontenttype": "application/json",
            "data": { "price_list": "B2C", "currency": "EUR", "items": [{ "sku": "A", "gross": "1" }] },
        });
        let payload = price.to_string();
        let event = read::<Stock>(
            "erp.acme.stock.changed",
            payload.as_bytes(),
            1,
            NOW.parse().unwrap(),
        );
        assert_eq!(
            (event.id.as_deref(), codes(&event)),
            (Some("e-2"), vec!["event.type"])
        );
    }
}
