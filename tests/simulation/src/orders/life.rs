//! What happens in the stores, and when they are read.

use std::time::Duration;

use storelink_bus::Publication;
use storelink_events::internal::{PollJob, StoreHint};
use storelink_events::subject;
use storelink_order::OrderState;

use super::World;
use super::content::Content;
use super::processes::{PLATFORM, TENANT};
use super::store::{Store, Trouble};
use crate::kernel::Sim;

impl World {
    /// Orders that are there when the connection is made.
    pub(super) fn place_earlier_orders(&self, store: &Store, count: usize) {
        for id in 0..count {
            let id = u32::try_from(id).unwrap_or_default();
            let ago = self
                .sim
                .chance(|random| random.between(1_000_000, 3_600_000_000));
            let content = self.fresh_content();
            store.change(id, content, ago);
        }
    }

    /// Something happens in a store.
    pub(super) fn happen(&self, store: &Store) {
        let ids = store.ids();
        let (what, id) = self
            .sim
            .chance(|random| (random.below(20), random.one_of(&ids).copied()));
        let fresh = u32::try_from(ids.len()).unwrap_or_default();
        let Some((id, before)) = id.and_then(|id| Some((id, store.last(id)?))) else {
            return self.change(store, fresh, self.fresh_content());
        };
        match what {
            0..=5 => self.change(store, fresh, self.fresh_content()),
            6..=9 => self.change(store, id, self.edited(&before)),
            // There and back within a minute.
            10..=14 => {
                self.change(store, id, self.edited(&before));
                let pause = self.sim.chance(|random| random.between(1, 25_000_000));
                let (own, store) = (self.clone(), store.clone());
                let back = move |_: &Sim| own.change(&store, id, before);
                self.sim
                    .after(Duration::from_micros(pause.unsigned_abs()), back);
            }
            // Twice in one second.
            15 | 16 => {
                self.change(store, id, self.edited(&before));
                self.change(store, id, self.edited(&before));
            }
            17 => {
                let state = OrderState::Cancelled;
                self.change(store, id, Content { state, ..before });
            }
            18 => {
                let refunded = before.refunded + 100;
                self.change(store, id, Content { refunded, ..before });
            }
            _ => {
                let unreadable = Content {
                    unreadable: true,
                    ..self.edited(&before)
                };
                self.change(store, id, unreadable);
                let pause = self.sim.chance(|random| random.between(1, 50_000_000));
                let (own, store) = (self.clone(), store.clone());
                let mend = move |_: &Sim| {
                    if let Some(last) = store.last(id).filter(|last| last.unreadable) {
                        let unreadable = false;
                        own.change(&store, id, Content { unreadable, ..last });
                    }
                };
                self.sim
                    .after(Duration::from_micros(pause.unsigned_abs()), mend);
            }
        }
    }

    /// An order is edited, and turns back while whoever sees the edit on a page stands still with it.
    pub(super) fn hold_reader(&self, store: &Store, until: i64) {
        let ids = store.ids();
        let id = self.sim.chance(|random| random.one_of(&ids).copied());
        if let Some((id, before)) = id.and_then(|id| Some((id, store.last(id)?))) {
            store.change(id, self.edited(&before), 0);
            store.trouble(Trouble::HoldsReader(id, before), until);
        }
    }

    /// An order changes; sometimes the store tells of it at once.
    pub(super) fn change(&self, store: &Store, id: u32, content: Content) {
        let key = content.key();
        self.sim
            .tell(|| format!("{} order {id}: {key}", store.connection));
        store.change(id, content, 0);
        if self.sim.chance(|random| random.per_mille(500)) {
            let (own, store) = (self.clone(), store.clone());
            let pause = self.sim.chance(|random| random.between(0, 20_000_000));
            let hint = move |_: &Sim| own.call(&store, id);
            self.sim
                .after(Duration::from_micros(pause.unsigned_abs()), hint);
        }
    }

    fn fresh_content(&self) -> Content {
        Content {
            total: self.sim.chance(|random| random.between(1, 1_000_000)),
            state: OrderState::Open,
            refunded: 0,
            unreadable: false,
        }
    }

    fn edited(&self, before: &Content) -> Content {
        Content {
            total: before.total + self.sim.chance(|random| random.between(1, 999)),
            unreadable: false,
            ..before.clone()
        }
    }

    /// A store is read every so often, until the world is to come to rest.
    pub(super) fn read_again(&self, store: &Store, every: Duration, until: i64) {
        if self.sim.now().micros() > until {
            return;
        }
        self.ask_for(store);
        let (own, store) = (self.clone(), store.clone());
        let again = move |_: &Sim| own.read_again(&store, every, until);
        self.sim.after(every, again);
    }

    /// A store calls about an order, with or without saying which.
    fn call(&self, store: &Store, order: u32) {
        let Ok(platform) = PLATFORM.parse() else {
            return;
        };
        let named = self.sim.chance(|random| random.per_mille(900));
        let subject = subject::hook(&platform, &store.connection);
        let hint = StoreHint {
            connection: store.connection.clone(),
            platform,
            entity: "orders".to_owned(),
            topic: None,
            external_id: named.then(|| order.to_string()),
            received_at: self.sim.now(),
        };
        let body = serde_json::to_vec(&hint).unwrap_or_default();
        self.around.streams.put(&Publication::new(subject, body));
    }

    /// A job to walk. The queue refuses a second one.
    fn ask_for(&self, store: &Store) {
        let (Ok(platform), Ok(tenant)) = (PLATFORM.parse(), TENANT.parse()) else {
            return;
        };
        let run = format!(
            "run_{:016x}",
            self.sim.chance(crate::kernel::Random::number)
        );
        let connection = &store.connection;
        let subject = subject::poll(&platform, connection, "orders");
        let job = PollJob {
            tenant,
            connection: connection.clone(),
            entity: "orders".to_owned(),
            external_id: None,
            full: false,
            run,
        };
        let body = serde_json::to_vec(&job).unwrap_or_default();
        self.around.streams.put(&Publication::new(subject, body));
    }
}
