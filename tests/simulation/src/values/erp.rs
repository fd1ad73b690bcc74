//! The ERP: what it says of each article, and what must be believed of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use storelink_model::Timestamp;

use super::World;
use crate::kernel::Random;

/// The tenant of the world.
pub(super) const TENANT: &str = "acme";
const SUBJECT: &str = "erp.acme.stock.changed";
/// Warehouses, and whether their values are ordered by revision; the others by time.
pub(super) const WAREHOUSES: [(&str, bool); 3] = [("main", true), ("shop", false), ("depot", true)];

/// Warehouse and article.
pub(super) type Key = (String, String);

/// What must be believed of a key.
#[derive(Debug, Clone)]
pub(super) struct Truth {
    /// Version, then the sequence of the event.
    place: (i64, u64),
    /// The values that may be right: more than one only when the ERP gave one revision to several.
    pub(super) values: BTreeSet<i64>,
}

/// The ERP's words so far.
#[derive(Debug, Default)]
pub(crate) struct Erp {
    pub(super) truth: BTreeMap<Key, Truth>,
    revision: i64,
    events: u64,
    /// Values that came with a revision that another value had.
    pub(super) conflicts: BTreeSet<Key>,
}

/// One event before it is sent.
#[derive(Debug, Clone)]
pub(super) struct Change {
    warehouse: usize,
    time: Timestamp,
    /// Article, revision, quantity.
    items: Vec<(String, i64, i64)>,
}

impl Erp {
    /// Draws a change of some articles.
    pub(super) fn change(
        &mut self,
        warehouse: usize,
        skus: &[String],
        now: Timestamp,
        sold_out: u32,
        random: &mut Random,
    ) -> Change {
        // An ERP writes whole seconds: many of its times are equal.
        let time = Timestamp::from_micros(now.micros() / 1_000_000 * 1_000_000);
        let mut items = Vec::new();
        for sku in skus {
            let key = (WAREHOUSES[warehouse].0.to_owned(), sku.clone());
            let conflict = random.per_mille(15) && self.revision > 0;
            if !conflict {
                self.revision += 1;
            }
            let repeats = random.per_mille(100);
            let known = self.truth.get(&key).filter(|_| repeats);
            let known = known.and_then(|truth| truth.values.first().copied());
            let quantity = known.unwrap_or_else(|| match random.per_mille(sold_out) {
                true => 0,
                false => random.between(0, 150),
            });
            items.push((sku.clone(), self.revision, quantity));
        }
        Change {
            warehouse,
            time,
            items,
        }
    }

    /// What follows from an event that the broker stored at `sequence`.
    fn believe(&mut self, change: &Change, sequence: u64) {
        let (warehouse, by_revision) = WAREHOUSES[change.warehouse];
        for (sku, revision, quantity) in &change.items {
            let key = (warehouse.to_owned(), sku.clone());
            let place = match by_revision {
                true => (*revision, 0),
                false => (change.time.micros(), sequence),
            };
            match self.truth.get_mut(&key) {
                Some(known) if known.place > place => {}
                Some(known) if known.place == place => {
                    if known.values.insert(*quantity) {
                        self.conflicts.insert(key);
                    }
                }
                _ => {
                    let values = BTreeSet::from([*quantity]);
                    self.truth.insert(key, Truth { place, values });
                }
            }
        }
    }

    fn event(&mut self, change: &Change) -> Value {
        self.events += 1;
        let (warehouse, by_revision) = WAREHOUSES[change.warehouse];
        let items = change.items.iter().map(|(sku, revision, quantity)| {
            let mut item = json!({ "sku": sku, "quantity": quantity.to_string() });
            if by_revision {
                item["revision"] = json!(revision);
            }
            item
        });
        json!({
            "specversion": "1.0", "id": format!("e-{}", self.events), "source": "/erp",
            "tenant": TENANT, "time": change.time, "type": "storelink.stock.changed.v1",
            "datacontenttype": "application/json",
            "data": { "warehouse": warehouse, "items": items.collect::<Vec<_>>() },
        })
    }
}

impl World {
    /// Sends an event after a while, and perhaps once more later.
    pub(super) fn send(self: &Arc<Self>, change: Change, after: Duration) {
        let world = self.clone();
        self.sim.after(after, move |_| {
            let event = world.erp().event(&change);
            let payload = Bytes::from(event.to_string());
            let sequence = world.events.put(SUBJECT, payload);
            world.erp().believe(&change, sequence);
            world
                .sim
                .tell(|| format!("erp says #{sequence} {change:?}"));
            world.sim.witness(sequence);
        });
    }

    /// Everything that the ERP will say.
    pub(super) fn plan_words(self: &Arc<Self>) {
        let skus = self.skus();
        for warehouse in 0..WAREHOUSES.len() {
            for some in skus.chunks(25) {
                let now = self.sim.now();
                let change = self.sim.chance(|random| {
                    self.erp()
                        .change(warehouse, some, now, self.plan.sold_out, random)
                });
                self.send(change, Duration::ZERO);
            }
        }
        for _ in 0..self.plan.events {
            let world = self.clone();
            let when = self
                .sim
                .chance(|random| random.duration(Duration::ZERO, self.plan.chaos));
            self.sim.after(when, move |_| world.say_something());
        }
    }

    fn say_something(self: &Arc<Self>) {
        let skus = self.skus();
        let now = self.sim.now();
        let (change, delay, again) = self.sim.chance(|random| {
            let warehouse = random.below(WAREHOUSES.len());
            // Few articles change often.
            let most = if random.per_mille(700) { 8 } else { skus.len() };
            let mut some = BTreeSet::new();
            for _ in 0..random.between(1, 6) {
                some.extend(skus.get(random.below(most)).cloned());
            }
            let some: Vec<String> = some.into_iter().collect();
            let change = self
                .erp()
                .change(warehouse, &some, now, self.plan.sold_out, random);
            let delay = random.duration(Duration::ZERO, Duration::from_secs(4));
            let again = random.per_mille(150);
            let again =
                again.then(|| random.duration(Duration::from_secs(1), Duration::from_secs(20)));
            (change, delay, again)
        });
        self.send(change.clone(), delay);
        if let Some(again) = again {
            self.send(change, again);
        }
    }

    /// After a sale the ERP often says what is left.
    pub(super) fn say_after_sale(self: &Arc<Self>, sku: String, after: Duration) {
        let world = self.clone();
        self.sim.after(after, move |sim| {
            let now = sim.now();
            let change = sim.chance(|random| {
                let warehouse = random.below(WAREHOUSES.len());
                world
                    .erp()
                    .change(warehouse, &[sku], now, world.plan.sold_out, random)
            });
            world.send(change, Duration::ZERO);
        });
    }
}
