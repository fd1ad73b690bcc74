//! Everything that goes wrong, and how it ends.

use std::sync::Arc;
use std::time::Duration;

use storelink_lanes::lane::{DoubtKind, PackedIds};

use super::World;
use super::plan::LEASE;
use super::stream::Backup;
use crate::kernel::ProcessId;

/// Bad and other things that happen.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Kill,
    Stop,
    Freeze,
    /// At the worst moment: an attempt is committed, and so may be a renewal.
    FreezeAtCommit,
    DatabaseOut,
    DatabaseSlow,
    ValuesLost,
    ValuesSetBack,
    ListingsLost,
    ListingChanges,
    SettingsChange,
    StoreOut,
    ArticleRefused,
    KeysRefused,
    PersonRetries,
}

/// Each as often as it stands here.
const FAULTS: [Fault; 30] = [
    Fault::Kill,
    Fault::Kill,
    Fault::Kill,
    Fault::Kill,
    Fault::Stop,
    Fault::Freeze,
    Fault::Freeze,
    Fault::Freeze,
    Fault::FreezeAtCommit,
    Fault::DatabaseOut,
    Fault::DatabaseOut,
    Fault::DatabaseSlow,
    Fault::DatabaseSlow,
    Fault::ValuesLost,
    Fault::ValuesSetBack,
    Fault::ListingsLost,
    Fault::ListingChanges,
    Fault::ListingChanges,
    Fault::ListingChanges,
    Fault::ListingChanges,
    Fault::ListingChanges,
    Fault::SettingsChange,
    Fault::SettingsChange,
    Fault::SettingsChange,
    Fault::StoreOut,
    Fault::ArticleRefused,
    Fault::ArticleRefused,
    Fault::KeysRefused,
    Fault::PersonRetries,
    Fault::PersonRetries,
];

impl World {
    /// Everything that will go wrong.
    pub(super) fn plan_faults(self: &Arc<Self>) {
        for _ in 0..self.plan.faults {
            let world = self.clone();
            let (when, fault) = self.sim.chance(|random| {
                let when = random.duration(Duration::from_secs(1), self.plan.chaos);
                (when, random.one_of(&FAULTS).copied())
            });
            let Some(fault) = fault else { continue };
            self.sim.after(when, move |_| world.happen(fault));
        }
        for _ in 0..self.plan.sales {
            let world = self.clone();
            let when = self
                .sim
                .chance(|random| random.duration(Duration::from_secs(5), self.plan.chaos));
            self.sim.after(when, move |_| world.sell());
        }
    }

    fn happen(self: &Arc<Self>, fault: Fault) {
        let halts = matches!(
            fault,
            Fault::Freeze | Fault::FreezeAtCommit | Fault::DatabaseOut | Fault::DatabaseSlow
        );
        if self.weather().calm || (halts && self.plan.paced) {
            return;
        }
        self.sim.tell(|| format!("fault: {fault:?}"));
        match fault {
            Fault::Kill => {
                let again = self.draw(0, 10_000);
                if let Some(process) = self.some_replica(false) {
                    self.kill_replica(process, again);
                }
            }
            Fault::Stop => {
                let replica = self.some_replica(false).and_then(|process| {
                    let replicas = self.replicas();
                    replicas.iter().find(|one| one.process == process).cloned()
                });
                if let Some(replica) = replica {
                    self.stop_replica(&replica);
                }
            }
            Fault::Freeze => self.freeze_some(),
            Fault::FreezeAtCommit => {
                self.change_weather(|weather| {
                    weather.freezes_at_commit = true;
                    weather.database_slow = true;
                });
                self.later(self.draw(5_000, 15_000), |world| {
                    world.change_weather(|weather| {
                        weather.freezes_at_commit = false;
                        weather.database_slow = false;
                    });
                });
            }
            Fault::DatabaseOut => {
                self.change_weather(|weather| weather.database_out = true);
                self.later(self.draw(500, 8_000), |world| {
                    world.change_weather(|weather| weather.database_out = false);
                });
            }
            Fault::DatabaseSlow => {
                self.change_weather(|weather| weather.database_slow = true);
                self.later(self.draw(5_000, 25_000), |world| {
                    world.change_weather(|weather| weather.database_slow = false);
                });
            }
            Fault::ValuesLost => self.values.lose(),
            Fault::ValuesSetBack => {
                let backup: Backup = self.values.backup();
                self.later(self.draw(1_000, 30_000), move |world| {
                    if !world.weather().calm {
                        world.values.restore(&backup);
                    }
                });
            }
            Fault::ListingsLost => {
                self.listings.lose();
                self.later(self.draw(100, 5_000), |world| world.publish_lost_shards());
            }
            Fault::ListingChanges => self.change_listing(),
            Fault::SettingsChange => self.change_settings(),
            Fault::StoreOut => {
                let (connections, takes) = (self.connections(), self.draw(1_000, 20_000));
                let connection = self
                    .sim
                    .chance(|random| random.one_of(&connections).cloned());
                let takes = time::Duration::try_from(takes).unwrap_or_default();
                let until = self.sim.now().saturating_add(takes);
                if let Some(connection) = connection {
                    self.shop(&connection, |shop| shop.out_until = Some(until));
                }
            }
            Fault::ArticleRefused => self.refuse_some(),
            Fault::KeysRefused => self.refuse_keys(),
            Fault::PersonRetries => {
                self.retry_parked();
                self.approve_everything();
            }
        }
    }

    fn freeze_some(self: &Arc<Self>) {
        let Some(process) = self.some_replica(true) else {
            return;
        };
        let most = LEASE + LEASE / 2;
        let takes = self.sim.chance(|random| match random.per_mille(500) {
            true => random.duration(LEASE, most),
            false => random.duration(Duration::from_millis(500), LEASE),
        });
        self.freeze(process, takes);
    }

    fn freeze(self: &Arc<Self>, process: ProcessId, takes: Duration) {
        self.sim
            .tell(|| format!("{process:?} is frozen for {takes:?}"));
        self.set_frozen(process, true);
        self.later(takes, move |world| world.set_frozen(process, false));
    }

    /// An attempt of a process was committed.
    pub(super) fn committed(self: &Arc<Self>, process: ProcessId) {
        let weather = self.weather();
        if weather.freezes_at_commit && !weather.calm {
            self.change_weather(|weather| {
                weather.freezes_at_commit = false;
                weather.database_slow = false;
            });
            let takes = LEASE + self.draw(1_000, 12_000);
            self.freeze(process, takes);
        }
    }

    fn set_frozen(&self, process: ProcessId, frozen: bool) {
        for replica in self.replicas().iter_mut() {
            if replica.process == process {
                replica.frozen = frozen;
                self.sim.freeze(process, frozen);
                self.sim.tell(|| format!("{process:?} frozen: {frozen}"));
            }
        }
    }

    /// A store refuses the keys until a person enters others.
    fn refuse_keys(self: &Arc<Self>) {
        let connections = self.connections();
        let connection = self
            .sim
            .chance(|random| random.one_of(&connections).cloned());
        let Some(connection) = connection else { return };
        let keys = {
            let registry = self.registry();
            let record = registry.records.get(&connection);
            record.map_or(0, |record| record.credentials_revision)
        };
        self.shop(&connection, |shop| shop.keys_from = keys + 1);
        let soon = self.sim.chance(|random| random.per_mille(400));
        let after = if soon {
            self.draw(50, 2_000)
        } else {
            self.draw(2_000, 30_000)
        };
        self.later(after, move |world| world.change_credentials(&connection));
    }

    /// A store refuses an article for a while.
    fn refuse_some(self: &Arc<Self>) {
        let Some((connection, sku)) = self.some_article() else {
            return;
        };
        let listed = {
            let registry = self.registry();
            let listed = registry.listed.get(&connection);
            listed.and_then(|of| of.get(&sku)).cloned()
        };
        let Some(listed) = listed else { return };
        let id = PackedIds::pack(&listed.ids).as_str().to_owned();
        self.shop(&connection, |shop| shop.refuses.insert(id.clone()));
        self.later(self.draw(2_000, 40_000), move |world| {
            world.shop(&connection, |shop| shop.refuses.remove(&id));
        });
    }

    /// A person presses the button of everything that is parked.
    pub(super) fn retry_parked(self: &Arc<Self>) {
        let mut tables = self.tables();
        let parked = tables.parked.keys().cloned().collect();
        tables.open_doubts(DoubtKind::Retry, &parked, self.sim.now());
    }

    /// A person approves what lanes keep back because it looks dangerous.
    pub(super) fn approve_everything(&self) {
        for connection in self.connections() {
            for publisher in self.publishers().values() {
                let Some(approval) = publisher.to_approve(&connection) else {
                    continue;
                };
                let number = approval.changes.len();
                self.sim
                    .tell(|| format!("{number} changes of {connection} are approved"));
                let row = approval.to_row();
                let of = connection.as_str().to_owned();
                self.tables().approvals.entry(of).or_default().push(row);
                publisher.approve(&connection, approval);
            }
        }
    }

    /// Nothing fails from now on, and what was switched off is on again.
    pub(super) fn calm_down(self: &Arc<Self>) {
        self.sim.tell(|| "calm".to_owned());
        self.change_weather(|weather| {
            weather.calm = true;
            weather.database_out = false;
            weather.database_slow = false;
            weather.freezes_at_commit = false;
        });
        let frozen: Vec<ProcessId> = self.replicas().iter().map(|one| one.process).collect();
        for process in frozen {
            self.set_frozen(process, false);
        }
        for connection in self.connections() {
            self.shop(&connection, |shop| {
                shop.refuses.clear();
                shop.out_until = None;
            });
        }
        self.switch_everything_on();
    }

    fn some_replica(&self, with_frozen: bool) -> Option<ProcessId> {
        let replicas = self.replicas();
        let able: Vec<ProcessId> = replicas
            .iter()
            .filter(|one| with_frozen || !one.frozen)
            .filter(|one| !one.shutdown.is_cancelled())
            .map(|one| one.process)
            .collect();
        drop(replicas);
        self.sim.chance(|random| random.one_of(&able).copied())
    }

    fn draw(&self, least: u64, most: u64) -> Duration {
        let (least, most) = (Duration::from_millis(least), Duration::from_millis(most));
        self.sim.chance(|random| random.duration(least, most))
    }

    fn later(self: &Arc<Self>, after: Duration, effect: impl FnOnce(&Arc<Self>) + Send + 'static) {
        let world = self.clone();
        self.sim.after(after, move |_| effect(&world));
    }
}
