//! The database of the publishers: what is committed, and what a transaction makes of it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use storelink_lanes::kind::{Level, LevelKey, Stock};
use storelink_lanes::lane::DoubtKind;
use storelink_lanes::ordering::{Stamp, Verdict, compare};
use storelink_lanes::ports::{
    ApprovalRow, AttemptRow, Committed, LaneName, MirrorPlace, MirrorRow, Note, OutsideDoubt,
    OwnerRow, SourceKey, Winner,
};
use storelink_model::{Sku, Timestamp, VersionOrder, WarehouseCode};

/// A parked article: code, words, what was tried.
pub(super) type Parked = (String, String, String);

/// What is committed.
#[derive(Default)]
pub(crate) struct Tables {
    pub(super) sources: BTreeMap<SourceKey, VersionOrder>,
    pub(super) levels: BTreeMap<MirrorPlace, MirrorRow<Stock>>,
    pub(super) owners: BTreeMap<String, OwnerRow>,
    /// Connections that were deleted.
    pub(super) gone: BTreeSet<String>,
    pub(super) replicas: BTreeMap<String, i64>,
    pub(super) attempts: BTreeMap<(String, i64, i64), AttemptRow>,
    pub(super) snapshots: BTreeMap<String, (i64, i64, String)>,
    pub(super) doubts: BTreeMap<(String, Sku, DoubtKind), Doubt>,
    pub(super) doubt_number: i64,
    pub(super) parked: BTreeMap<(String, Sku), Parked>,
    /// What was parked when a person asked for another try.
    retried: BTreeMap<(String, Sku), String>,
    pub(super) approvals: BTreeMap<String, Vec<ApprovalRow>>,
}

/// An open doubt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Doubt {
    pub(super) due: Timestamp,
    /// 0 when the lane itself opened it.
    number: i64,
}

impl Tables {
    pub(super) fn commit(
        &mut self,
        begun: &[(Arc<LaneName>, i64, String)],
        notes: &[(Arc<LaneName>, Note)],
    ) -> HashSet<(String, i64)> {
        let mut taken = HashSet::new();
        for (lane, number, items) in begun {
            if self.is_current(lane) {
                let connection = lane.connection.as_str().to_owned();
                let row = AttemptRow {
                    epoch: lane.epoch,
                    number: *number,
                    items: items.clone(),
                    answer: None,
                };
                self.attempts
                    .insert((connection.clone(), lane.epoch, *number), row);
                taken.insert((connection, *number));
            }
        }
        for (lane, note) in notes {
            self.note(lane, note);
        }
        for (lane, note) in notes {
            if matches!(note, Note::GiveBack) && self.is_current(lane) {
                let row = self.owners.get_mut(lane.connection.as_str());
                row.map(|row| row.owner.clear()).unwrap_or_default();
            }
        }
        taken
    }

    fn is_current(&self, lane: &LaneName) -> bool {
        let row = self.owners.get(lane.connection.as_str());
        row.is_some_and(|row| row.epoch == lane.epoch)
    }

    fn note(&mut self, lane: &LaneName, note: &Note) {
        let connection = lane.connection.as_str().to_owned();
        if let Note::Finished {
            epoch,
            number,
            completed,
            outcomes,
            ..
        } = note
        {
            let clear = *epoch == lane.epoch && !outcomes.contains('u');
            let current = self.is_current(lane);
            if let Some(row) = self.attempts.get_mut(&(connection, *epoch, *number))
                && (clear || current)
            {
                row.answer = Some((outcomes.clone(), *completed));
            }
            return;
        }
        if !self.is_current(lane) {
            return;
        }
        match note {
            Note::Snapshot { number, body, .. } => {
                self.snapshots
                    .insert(connection, (lane.epoch, *number, body.clone()));
            }
            Note::Park {
                sku,
                code,
                reason,
                input,
                ..
            } => {
                let parked = (code.clone(), reason.clone(), input.clone());
                self.parked.insert((connection, sku.clone()), parked);
            }
            Note::Unpark { sku } => drop(self.parked.remove(&(connection, sku.clone()))),
            Note::OpenDoubt { sku, kind, due } => {
                let doubt = self.doubts.entry((connection, sku.clone(), *kind));
                let doubt = doubt.or_insert(Doubt {
                    due: *due,
                    number: 0,
                });
                doubt.due = *due;
            }
            Note::CloseDoubt { sku, kind, due } => {
                let key = (connection, sku.clone(), *kind);
                if self.doubts.get(&key).is_some_and(|doubt| doubt.due <= *due) {
                    self.doubts.remove(&key);
                }
            }
            Note::Finished { .. } | Note::GiveBack | Note::Reconciled { .. } => {}
        }
    }

    /// Opens doubts for somebody else than the lane.
    pub(super) fn open_doubts(
        &mut self,
        kind: DoubtKind,
        articles: &BTreeSet<(String, Sku)>,
        due: Timestamp,
    ) {
        self.doubt_number += 1;
        let number = self.doubt_number;
        for (connection, sku) in articles {
            if !self.owners.contains_key(connection) || self.gone.contains(connection) {
                continue;
            }
            let place = (connection.clone(), sku.clone());
            if let Some((_, _, input)) = self.parked.get(&place)
                && kind == DoubtKind::Retry
            {
                self.retried.insert(place, input.clone());
            }
            let key = (connection.clone(), sku.clone(), kind);
            let due = match self.doubts.get(&key) {
                Some(known) if known.due >= due => Timestamp::from_micros(known.due.micros() + 1),
                _ => due,
            };
            self.doubts.insert(key, Doubt { due, number });
        }
    }

    pub(super) fn doubts_since(&self, number: i64) -> Vec<OutsideDoubt> {
        let all = self.doubts.iter();
        let later = all.filter(|(_, doubt)| doubt.number > number);
        let mut doubts: Vec<OutsideDoubt> = later
            .filter_map(|((connection, sku, kind), doubt)| {
                Some(OutsideDoubt {
                    connection: connection.parse().ok()?,
                    sku: sku.clone(),
                    kind: *kind,
                    due: doubt.due,
                    input: self.retry_of(connection, sku, *kind),
                    number: doubt.number,
                })
            })
            .collect();
        doubts.sort_by_key(|doubt| doubt.number);
        doubts
    }

    fn retry_of(&self, connection: &str, sku: &Sku, kind: DoubtKind) -> Option<String> {
        let place = (connection.to_owned(), sku.clone());
        let input = self.retried.get(&place);
        input.filter(|_| kind == DoubtKind::Retry).cloned()
    }

    /// What was parked when a person asked for another try, where that was not answered yet.
    pub(super) fn retries(&self, of: &str) -> BTreeMap<Sku, String> {
        let open = self.doubts.keys().filter(|key| key.0 == of);
        open.filter_map(|(_, sku, kind)| Some((sku.clone(), self.retry_of(of, sku, *kind)?)))
            .collect()
    }

    pub(super) fn forget(&mut self, of: &str) {
        if let Some(row) = self.owners.get_mut(of) {
            row.owner.clear();
            row.epoch += 1;
            self.gone.insert(of.to_owned());
        }
        self.parked.retain(|(connection, _), _| connection != of);
        self.doubts.retain(|(connection, _, _), _| connection != of);
        self.snapshots.remove(of);
        self.approvals.remove(of);
    }

    pub(super) fn attempts_after(&self, connection: &str, place: (i64, i64)) -> Vec<AttemptRow> {
        let all = self.attempts.range((connection.to_owned(), i64::MIN, 0)..);
        all.take_while(|((of, _, _), _)| of == connection)
            .filter(|((_, epoch, number), _)| (*epoch, *number) > place)
            .map(|(_, row)| row.clone())
            .collect()
    }

    pub(super) fn upsert(&mut self, winners: &[Winner<Stock>]) -> (Vec<Committed<Stock>>, usize) {
        let mut changed = 0;
        let committed = winners.iter().map(|winner| {
            let place = place_of(&winner.key);
            let known = self.levels.get(&place);
            let newer = known.is_none_or(|row| {
                let stamp = Stamp {
                    version: row.level.version,
                    sequence: row.sequence,
                };
                let same = row.level.value == winner.value;
                compare(stamp, winner.stamp, same) == Ok(Verdict::Newer)
            });
            if !newer {
                return Committed::Kept(known.cloned());
            }
            changed += 1;
            let row = MirrorRow {
                key: winner.key.clone(),
                level: Level {
                    value: winner.value,
                    version: winner.stamp.version,
                    time: winner.time,
                },
                sequence: winner.stamp.sequence,
            };
            self.levels.insert(place, row);
            Committed::Own
        });
        (committed.collect(), changed)
    }

    pub(super) fn page(
        &self,
        after: &MirrorPlace,
        limit: usize,
    ) -> (Vec<MirrorRow<Stock>>, Option<MirrorPlace>) {
        let behind = (
            std::ops::Bound::Excluded(after.clone()),
            std::ops::Bound::Unbounded,
        );
        let page: Vec<_> = self.levels.range(behind).take(limit).collect();
        let next = page.last().map(|(place, _)| (*place).clone());
        (page.into_iter().map(|(_, row)| row.clone()).collect(), next)
    }
}

pub(super) fn place_of(key: &LevelKey<WarehouseCode>) -> MirrorPlace {
    (
        key.tenant.as_str().to_owned(),
        key.source.as_str().to_owned(),
        key.sku.as_str().to_owned(),
    )
}
