//! What goes wrong, and when it is over.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::store::{Store, Trouble};
use super::streams::Name;
use super::{Role, World};
use crate::kernel::{Sim, Wire};

const SECOND: i64 = 1_000_000;

/// How the network is while the world is troubled.
pub(super) fn troubled(quickest: u64, slowest: u64, lost: u32) -> Wire {
    Wire {
        lost_there: lost,
        lost_back: lost,
        ..quiet(quickest, slowest)
    }
}

/// How it is when everything is well.
pub(super) fn quiet(quickest: u64, slowest: u64) -> Wire {
    Wire::reliable(
        Duration::from_micros(quickest),
        Duration::from_millis(slowest),
    )
}

impl World {
    /// Something goes wrong.
    pub(super) fn go_wrong(&self) {
        let now = self.sim.now().micros();
        let (what, process, store, short, long) = self.sim.chance(|random| {
            (
                random.below(25),
                random.one_of(&self.processes).copied(),
                random.one_of(&self.stores).cloned(),
                random.between(SECOND, 60 * SECOND),
                random.between(SECOND, 240 * SECOND),
            )
        });
        let (Some((process, role)), Some(store)) = (process, store) else {
            return;
        };
        self.sim
            .tell(|| format!("trouble {what}: {role:?} {process:?}, {}", store.connection));
        let later = |micros: i64, then: Box<dyn FnOnce(&Sim) + Send>| {
            let healed = self.healed.clone();
            let then = move |sim: &Sim| {
                if !healed.load(Ordering::Relaxed) {
                    then(sim);
                }
            };
            self.sim
                .after(Duration::from_micros(micros.unsigned_abs()), then);
        };
        match what {
            0..=6 => {
                self.sim.kill(process);
                let own = self.clone();
                let down = if what == 0 { long } else { short / 8 };
                later(down, Box::new(move |_| own.start(process, role)));
            }
            7..=10 => {
                self.sim.freeze(process, true);
                let frozen = if what == 7 { long } else { short };
                later(frozen, Box::new(move |sim| sim.freeze(process, false)));
            }
            11..=14 => {
                let troubles = [Trouble::Fails, Trouble::Limits, Trouble::Crawls];
                let trouble = self.sim.chance(|random| random.one_of(&troubles).cloned());
                store.trouble(trouble.unwrap_or(Trouble::Fails), now + short);
            }
            15 => self.around.streams.full_until(Name::Orders, now + long),
            16 => self.around.streams.full_until(Name::Hub, now + short),
            17 => self.around.streams.full_until(Name::Orders, now + short),
            18 => {
                let sql = match role {
                    Role::Poller => self.poller_sql.clone(),
                    Role::Ingest => self.ledger_sql.clone(),
                };
                sql.set_wire(troubled(200, 5, 300));
                later(
                    short / 3,
                    Box::new(move |_| sql.set_wire(troubled(200, 5, 2))),
                );
            }
            19 => self.around.streams.make_anew(Name::Orders),
            20 => self.around.streams.make_anew(Name::Hub),
            21 => {
                self.around.streams.make_anew(Name::Jobs);
                self.around.streams.make_anew(Name::Hooks);
            }
            22 | 23 => self.hold_reader(&store, now + 4 * 60 * SECOND),
            _ => {
                if store.has_one_clock() && store.tells_time() && self.knows_clock(&store) {
                    let minutes = self.sim.chance(|random| random.between(-12, 12));
                    store.set_clock(minutes * 60 * SECOND);
                }
            }
        }
    }

    /// Whether pollers know the clock that a store's orders are dated by, and see all of them: nobody
    /// can follow a clock that is set twice before a walk measures it.
    fn knows_clock(&self, store: &Store) -> bool {
        let measured = self.around.poller_tables.clock_offset(&store.connection);
        let error = measured.map(|offset| (offset - store.clock_error()).abs());
        !store.clock_was_set()
            || error.is_some_and(|error| error < 30 * SECOND) && store.shows_all()
    }

    /// Whoever is down or frozen goes on.
    pub(super) fn heal(&self) {
        for (process, role) in self.processes.iter() {
            self.sim.freeze(*process, false);
            if !self.sim.is_alive(*process) {
                self.start(*process, *role);
            }
        }
        for store in self.stores.iter() {
            store.set_wire(quiet(20_000, 200));
            store.trouble(Trouble::Fails, 0);
        }
        for name in Name::ALL {
            self.around.streams.full_until(name, 0);
        }
        self.around.streams.set_wire(quiet(1_000, 20));
        self.around.streams.heal();
        self.poller_sql.set_wire(quiet(200, 5));
        self.ledger_sql.set_wire(quiet(200, 5));
    }
}
