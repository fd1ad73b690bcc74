//! Customers buy, and what follows from it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use storelink_lanes::lane::PackedIds;
use storelink_model::ConnectionId;

use super::World;
use super::erp::TENANT;

impl World {
    /// A customer buys something in a store.
    pub(super) fn sell(self: &Arc<Self>) {
        let Some((connection, sku)) = self.some_article() else {
            return;
        };
        let ids = {
            let registry = self.registry();
            let listed = registry.listed.get(&connection);
            let listed = listed.and_then(|of| of.get(&sku));
            listed.map(|listed| PackedIds::pack(&listed.ids).as_str().to_owned())
        };
        let Some(id) = ids else { return };
        let left = self.shop(&connection, |shop| {
            let shown = shop.shown.get_mut(&id).filter(|shown| **shown > 0)?;
            *shown -= 1;
            Some(*shown)
        });
        let Some(left) = left else { return };
        self.sim
            .tell(|| format!("{connection} sells {sku}, {left} left"));
        let told = self.sim.chance(|random| {
            let most = if random.per_mille(300) { 500 } else { 10_000 };
            let most = Duration::from_millis(most);
            let mut told = vec![random.duration(Duration::from_millis(50), most)];
            if random.per_mille(200) {
                told.push(random.duration(Duration::from_secs(1), Duration::from_secs(20)));
            }
            told
        });
        for after in told {
            let (world, payload) = (self.clone(), order_of(&connection, &sku));
            self.sim.after(after, move |sim| {
                sim.tell(|| "the order is told".to_owned());
                let subject = format!("hub.{TENANT}.order.received.o.1");
                world.orders.put(&subject, payload);
            });
        }
        let answered = self.sim.chance(|random| {
            let after = random.duration(Duration::from_secs(1), Duration::from_secs(25));
            random.per_mille(600).then_some(after)
        });
        if let Some(after) = answered {
            self.say_after_sale(sku, after);
        }
    }
}

/// The event of an order that names an article.
fn order_of(connection: &ConnectionId, sku: &str) -> Bytes {
    const SAMPLE: &str =
        include_str!("../../../../proto-schemas/samples/storelink.order.received.v1.json");
    static PARSED: OnceLock<serde_json::Value> = OnceLock::new();
    let mut event = PARSED
        .get_or_init(|| serde_json::from_str(SAMPLE).unwrap_or_default())
        .clone();
    event["data"]["connection"] = connection.as_str().into();
    if let Some(lines) = event["data"]["order"]["lines"].as_array_mut() {
        lines.truncate(1);
        for line in lines {
            line["sku"] = sku.into();
        }
    }
    Bytes::from(event.to_string())
}
