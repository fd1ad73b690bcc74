//! The way of a process to the tables: it is slow, loses calls and answers, and is refused.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use storelink_lanes::lane::DoubtKind;
use storelink_lanes::ports::{
    Attempt, LaneName, LaneRecords, LaneRows, Note, OutsideDoubt, OwnerRow, OwnerRows,
};
use storelink_model::{ConnectionId, Sku, Timestamp};
use storelink_persistence::DbError;

use super::World;
use super::tables::Tables;
use crate::kernel::{Lost, ProcessId};

/// The database as one process reaches it.
#[derive(Clone)]
pub(crate) struct Database {
    pub(super) world: Arc<World>,
    pub(super) process: ProcessId,
}

impl Database {
    /// One transaction: it is made as soon as the call arrives, and its answer may be lost.
    pub(super) async fn transact<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tables) -> T + Send + 'static,
    ) -> Result<T, DbError> {
        let world = self.world.clone();
        let (wire, refused) = self.world.weather().database(&self.world.sim);
        let call = self.world.sim.call(wire, move |_| {
            if refused {
                return Err(DbError::Contention("somebody was in the way".to_owned()));
            }
            let mut tables = world.tables.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(work(&mut tables))
        });
        call.await
            .unwrap_or_else(|Lost| Err(DbError::Timeout("no answer".to_owned())))
    }
}

#[async_trait]
impl LaneRecords for Database {
    async fn commit(
        &self,
        begun: &[&Attempt],
        notes: &[(Arc<LaneName>, Note)],
    ) -> Result<HashSet<(String, i64)>, DbError> {
        let begun = begun
            .iter()
            .map(|attempt| (attempt.lane.clone(), attempt.number, attempt.items.clone()));
        let (begun, notes): (Vec<_>, _) = (begun.collect(), notes.to_vec());
        let (world, process) = (self.world.clone(), self.process);
        self.transact(move |tables| {
            let sim = &world.sim;
            for (lane, note) in &notes {
                sim.tell(|| format!("noted of {} in {}: {note:?}", lane.connection, lane.epoch));
            }
            let taken = tables.commit(&begun, &notes);
            if !taken.is_empty() {
                world.committed(process);
            }
            taken
        })
        .await
    }

    async fn read(&self, connection: &ConnectionId) -> Result<LaneRows, DbError> {
        let of = connection.as_str().to_owned();
        let snapshot = self.transact(move |tables| tables.snapshots.get(&of).cloned());
        let snapshot = snapshot.await?;
        let place = snapshot
            .as_ref()
            .map_or((-1, -1), |(epoch, number, _)| (*epoch, *number));
        let of = connection.as_str().to_owned();
        let attempts = self.transact(move |tables| tables.attempts_after(&of, place));
        let attempts = attempts.await?;
        let of = connection.as_str().to_owned();
        let doubts = self.transact(move |tables| {
            let all = tables.doubts.iter();
            let open = all
                .filter(|((connection, _, _), _)| *connection == of)
                .map(|((_, sku, kind), doubt)| (sku.clone(), *kind, doubt.due))
                .collect();
            (open, tables.retries(&of))
        });
        let (doubts, retries) = doubts.await?;
        let of = connection.as_str().to_owned();
        let parked = self.transact(move |tables| {
            let all = tables.parked.iter();
            all.filter(|((connection, _), _)| *connection == of)
                .map(|((_, sku), (_, _, input))| (sku.clone(), input.clone()))
                .collect()
        });
        let parked = parked.await?;
        let of = connection.as_str().to_owned();
        let approvals = self.transact(move |tables| tables.approvals.get(&of).cloned());
        Ok(LaneRows {
            snapshot,
            attempts,
            doubts,
            retries,
            parked,
            approvals: approvals.await?.unwrap_or_default(),
        })
    }

    /// Receipts are never old enough in a world that lasts minutes.
    async fn drop_old_attempts(&self, _: &ConnectionId) {}

    async fn forget(&self, connection: &ConnectionId) -> Result<(), DbError> {
        let of = connection.as_str().to_owned();
        self.transact(move |tables| tables.forget(&of)).await
    }

    async fn open_doubts(
        &self,
        kind: DoubtKind,
        articles: &BTreeSet<(String, Sku)>,
        due: Timestamp,
    ) -> Result<(), DbError> {
        let articles = articles.clone();
        self.transact(move |tables| tables.open_doubts(kind, &articles, due))
            .await
    }

    async fn last_doubt(&self) -> Result<i64, DbError> {
        self.transact(|tables| tables.doubt_number).await
    }

    async fn doubts_since(&self, number: i64) -> Result<Vec<OutsideDoubt>, DbError> {
        self.transact(move |tables| tables.doubts_since(number))
            .await
    }
}

#[async_trait]
impl OwnerRows for Database {
    fn is_alone(&self) -> bool {
        self.world.plan.alone
    }

    async fn renew(&self, owner: &str) -> Result<BTreeMap<ConnectionId, i64>, DbError> {
        let owner = owner.to_owned();
        self.transact(move |tables| {
            let own = tables.owners.values_mut().filter(|row| row.owner == owner);
            let renewed = own.filter_map(|row| {
                row.renewal += 1;
                Some((row.connection.parse().ok()?, row.epoch))
            });
            renewed.collect()
        })
        .await
    }

    async fn of_others(&self, owner: &str) -> Result<Vec<OwnerRow>, DbError> {
        let owner = owner.to_owned();
        self.transact(move |tables| {
            let others = tables.owners.values().filter(|row| row.owner != owner);
            others.cloned().collect()
        })
        .await
    }

    async fn add(&self, connections: &[&str]) -> Result<(), DbError> {
        let connections: Vec<String> = connections.iter().map(|&one| one.to_owned()).collect();
        self.transact(move |tables| {
            for connection in connections {
                let row = OwnerRow::new(&connection);
                tables.owners.entry(connection).or_insert(row);
            }
        })
        .await
    }

    async fn take(
        &self,
        owner: &str,
        rows: &[OwnerRow],
    ) -> Result<BTreeMap<ConnectionId, i64>, DbError> {
        let (owner, rows) = (owner.to_owned(), rows.to_vec());
        self.world.judge().owner_is(self.process, &owner);
        self.transact(move |tables| {
            let mut taken = BTreeMap::new();
            for read in rows {
                let Some(row) = tables.owners.get_mut(&read.connection) else {
                    continue;
                };
                let same = (row.epoch, row.renewal) == (read.epoch, read.renewal);
                if !same || row.owner == owner {
                    continue;
                }
                row.owner.clone_from(&owner);
                row.epoch += 1;
                row.renewal = 0;
                tables.gone.remove(&read.connection);
                if let Ok(connection) = read.connection.parse() {
                    taken.insert(connection, row.epoch);
                }
            }
            taken
        })
        .await
    }

    async fn give_back(&self, rows: &[(ConnectionId, i64)]) -> Result<(), DbError> {
        let rows = rows.to_vec();
        self.transact(move |tables| {
            for (connection, epoch) in rows {
                let row = tables.owners.get_mut(connection.as_str());
                if let Some(row) = row.filter(|row| row.epoch == epoch) {
                    row.owner.clear();
                }
            }
        })
        .await
    }

    async fn beat(&self, process: &str) -> Result<Vec<(String, i64)>, DbError> {
        let process = process.to_owned();
        self.transact(move |tables| *tables.replicas.entry(process).or_default() += 1)
            .await?;
        self.transact(|tables| tables.replicas.clone().into_iter().collect())
            .await
    }

    async fn bury(&self, process: &str, beat: i64) -> Result<(), DbError> {
        let process = process.to_owned();
        self.transact(move |tables| {
            if tables.replicas.get(&process) == Some(&beat) {
                tables.replicas.remove(&process);
            }
        })
        .await
    }

    async fn leave(&self, process: &str) -> Result<(), DbError> {
        let process = process.to_owned();
        self.transact(move |tables| {
            tables.replicas.remove(&process);
        })
        .await
    }

    async fn release(&self, owner: &str) -> Result<(), DbError> {
        let owner = owner.to_owned();
        self.transact(move |tables| {
            for row in tables.owners.values_mut() {
                if row.owner == owner {
                    row.owner.clear();
                }
            }
        })
        .await
    }
}
