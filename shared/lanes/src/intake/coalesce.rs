//! Many arrivals of one key become one: the last.

use std::sync::Arc;

use storelink_model::Timestamp;

use super::event::IntakeEvent;
use crate::kind::{LaneKind, Level, LevelKey};
use crate::ordering::{Stamp, Verdict, compare};

/// The last value of a key within a batch of events.
#[derive(Debug)]
pub struct Winner<K: LaneKind> {
    /// Of which key.
    pub key: LevelKey<K::Source>,
    /// Its place among the values of its key.
    pub stamp: Stamp,
    /// The value.
    pub value: K::Value,
    /// When its event happened.
    pub time: Timestamp,
    /// The trace of its event.
    pub trace: Option<Arc<str>>,
    /// The event that brought it, by its place in the batch.
    pub event: usize,
    /// Where it stands in that event, from 0.
    pub item: usize,
}

impl<K: LaneKind> Winner<K> {
    pub(crate) fn level(&self) -> Level<K::Value> {
        Level {
            value: self.value.clone(),
            version: self.stamp.version,
            time: self.time,
        }
    }
}

/// Takes the arrivals out of the events and gives the last of each key, in the order of the keys, so
/// that replicas which store the same keys lock them in the same order. Of two with one revision and
/// different values the later event is noted as being in conflict.
pub(crate) fn coalesce<K: LaneKind>(
    events: &mut [IntakeEvent<K::Source, K::Value>],
) -> Vec<Winner<K>> {
    let mut arrived = take_arrivals::<K>(events);
    // Stable: of one key they stay in the order of the events.
    arrived.sort_by(|one, other| place(&one.key).cmp(&place(&other.key)));
    let mut winners: Vec<Winner<K>> = Vec::with_capacity(arrived.len());
    for winner in arrived {
        let known = match winners.last_mut() {
            Some(known) if known.key == winner.key => known,
            _ => {
                winners.push(winner);
                continue;
            }
        };
        match compare(known.stamp, winner.stamp, known.value == winner.value) {
            Ok(Verdict::Newer) => *known = winner,
            Ok(Verdict::Conflict) => {
                if let Some(event) = events.get_mut(winner.event) {
                    event.conflict(winner.item, &winner.key.sku);
                }
            }
            // Values of another order were refused before.
            Ok(Verdict::Same | Verdict::Older) | Err(_) => {}
        }
    }
    winners
}

fn take_arrivals<K: LaneKind>(events: &mut [IntakeEvent<K::Source, K::Value>]) -> Vec<Winner<K>> {
    let mut arrived = Vec::new();
    for (index, event) in events.iter_mut().enumerate() {
        let trace: Option<Arc<str>> = event.traceparent.as_deref().map(Into::into);
        let Some(taken) = &mut event.taken else {
            continue;
        };
        for arrival in std::mem::take(&mut taken.arrivals) {
            let key = LevelKey {
                tenant: taken.tenant.clone(),
                source: taken.source.clone(),
                sku: arrival.sku,
            };
            arrived.push(Winner {
                key,
                stamp: arrival.stamp,
                value: arrival.value,
                time: taken.time,
                trace: trace.clone(),
                event: index,
                item: arrival.place,
            });
        }
    }
    arrived
}

fn place<S: AsRef<str>>(key: &LevelKey<S>) -> (&str, &str, &str) {
    (key.tenant.as_str(), key.source.as_ref(), key.sku.as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use storelink_model::Quantity;

    use super::*;
    use crate::intake::event::read;
    use crate::kind::Stock;

    type Event = IntakeEvent<storelink_model::WarehouseCode, Quantity>;

    fn event(sequence: u64, sku: &str, quantity: &str, revision: u64) -> Event {
        let time = "2026-11-22T06:30:00Z";
        let event = json!({
            "specversion": "1.0", "id": format!("e-{sequence}"), "source": "/erp",
            "tenant": "acme", "time": time, "type": "storelink.stock.changed.v1",
            "data": {
                "warehouse": "main",
                "items": [{ "sku": sku, "quantity": quantity, "revision": revision }],
            },
        });
        let payload = event.to_string();
        read::<Stock>(
            "erp.acme.stock.changed",
            payload.as_bytes(),
            sequence,
            time.parse().unwrap(),
        )
    }

    fn values(winners: &[Winner<Stock>]) -> Vec<(String, String, usize)> {
        let text = |winner: &Winner<Stock>| {
            (
                winner.key.sku.to_string(),
                winner.value.to_string(),
                winner.event,
            )
        };
        winners.iter().map(text).collect()
    }

    #[test]
    fn the_newest_version_wins_whatever_the_order_of_arrival() {
        let mut events = [
            event(1, "A", "5", 3),
            event(2, "A", "4", 2),
            event(3, "B", "1", 1),
            event(4, "A", "6", 4),
        ];
        let winners = coalesce::<Stock>(&mut events);
        assert_eq!(
            values(&winners),
            [("A".into(), "6".into(), 3), ("B".into(), "1".into(), 2)]
        );
        assert!(events.iter().all(|event| event.violations.is_empty()));
    }

    #[test]
    fn one_revision_for_two_values_refuses_the_later() {
        let mut events = [
            event(1, "A", "5", 3),
            event(2, "A", "5", 3),
            event(3, "A", "6", 3),
        ];
        let winners = coalesce::<Stock>(&mut events);
        assert_eq!(values(&winners), [("A".into(), "5".into(), 0)]);
        assert!(events[1].violations.is_empty());
        assert_eq!(events[2].violations[0].code, "event.revision_conflict");
    }
}
