//! What is written in one transaction.
//!
//! An epoch that is over has no say any more: what is noted of it changes nothing, so that a process
//! that was slow or frozen never undoes what its successor did. The exception is the answer to a
//! request that it made itself, when that is clear.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use storelink_persistence::{Arg, Database, DbError, Transaction, args};
use uuid::Uuid;

use super::memory::letter;
use super::{Attempt, LaneName, Note};

type Rows = Vec<Vec<Arg>>;
/// Connection, article and kind of a doubt.
type DoubtKey = (String, String, &'static str);

/// Records in the form of rows. Of several words about one key the last one counts: a statement
/// takes each key once.
#[derive(Default)]
pub(super) struct Group {
    begun: Rows,
    finished: Rows,
    snapshots: BTreeMap<String, Vec<Arg>>,
    parked: BTreeMap<(String, String), Change>,
    doubts: BTreeMap<DoubtKey, Change>,
    given_back: Rows,
    reconciled: Rows,
}

/// What becomes of the row of a key.
enum Change {
    Put(Vec<Arg>),
    Remove(Vec<Arg>),
}

impl Group {
    pub(super) fn new<'a>(
        begun: impl Iterator<Item = &'a Attempt>,
        notes: &[(Arc<LaneName>, Note)],
    ) -> Self {
        let mut group = Self::default();
        for attempt in begun {
            group.begun.push(args![
                attempt.lane.connection.as_str(),
                attempt.lane.epoch,
                attempt.number,
                attempt.lane.tenant.as_str(),
                attempt.started.micros(),
                attempt.items.as_str(),
            ]);
        }
        for (lane, note) in notes {
            group.add(lane, note);
        }
        group
    }

    fn add(&mut self, lane: &LaneName, note: &Note) {
        let connection = lane.connection.as_str().to_owned();
        match note {
            Note::Finished {
                epoch,
                number,
                completed,
                outcomes,
                error_code,
            } => {
                // An unclear one leaves a doubt, which an epoch that is over cannot open: unfinished,
                // it makes the next owner doubt.
                let clear = *epoch == lane.epoch && !outcomes.contains(letter::UNKNOWN);
                self.finished.push(args![
                    connection,
                    *epoch,
                    *number,
                    completed.micros(),
                    outcomes.as_str(),
                    error_code.as_deref(),
                    lane.epoch,
                    clear,
                ]);
            }
            Note::Snapshot {
                number,
                taken,
                body,
            } => {
                let row = args![
                    connection.as_str(),
                    lane.epoch,
                    *number,
                    taken.micros(),
                    body.as_str()
                ];
                self.snapshots.insert(connection, row);
            }
            Note::Park {
                sku,
                code,
                reason,
                input,
                since,
            } => {
                let row = args![
                    connection.as_str(),
                    lane.epoch,
                    sku.as_str(),
                    format!("prk_{}", Uuid::now_v7().simple()),
                    lane.tenant.as_str(),
                    code.as_str(),
                    reason.as_str(),
                    input.as_str(),
                    since.micros(),
                    false,
                ];
                self.parked
                    .insert((connection, sku.as_str().to_owned()), Change::Put(row));
            }
            Note::Unpark { sku } => {
                let row = args![connection.as_str(), lane.epoch, sku.as_str()];
                self.parked
                    .insert((connection, sku.as_str().to_owned()), Change::Remove(row));
            }
            Note::OpenDoubt { sku, kind, due } => {
                let (key, row) = doubt(lane, connection, sku.as_str(), kind.as_str(), due.micros());
                self.doubts.insert(key, Change::Put(row));
            }
            Note::CloseDoubt { sku, kind, due } => {
                let (key, row) = doubt(lane, connection, sku.as_str(), kind.as_str(), due.micros());
                self.doubts.insert(key, Change::Remove(row));
            }
            Note::GiveBack => self.given_back.push(args![connection, lane.epoch]),
            Note::Reconciled {
                run,
                finished,
                drift,
            } => {
                let (finished, epoch) = (finished.micros(), lane.epoch);
                self.reconciled
                    .push(args![run.as_str(), finished, drift.as_str(), epoch]);
            }
        }
    }

    /// Writes everything. Gives connection and number of the attempts that were taken: those whose
    /// epoch is the current one.
    pub(super) async fn commit(self, db: &Database) -> Result<HashSet<(String, i64)>, DbError> {
        let mut transaction = db.begin().await?;
        let taken = transaction
            .fetch_values(
                "WITH begun (connection, epoch, number, tenant, started, items) AS (VALUES",
                ") INSERT INTO attempts (connection, epoch, number, tenant, started, items) \
                 SELECT b.connection, b.epoch, b.number, b.tenant, b.started, b.items \
                 FROM begun b JOIN lane_owner o \
                 ON o.connection = b.connection AND o.epoch = b.epoch \
                 RETURNING connection, number",
                self.begun,
            )
            .await?;
        let taken = taken
            .iter()
            .map(|row| Ok((row.text("connection")?, row.int("number")?)))
            .collect::<Result<HashSet<_>, DbError>>()?;
        transaction
            .execute_values(
                "WITH finished (connection, epoch, number, completed, outcomes, error_code, \
                 current, clear) AS (VALUES",
                ") UPDATE attempts SET completed = f.completed, outcomes = f.outcomes, \
                 error_code = f.error_code FROM finished f \
                 WHERE attempts.connection = f.connection AND attempts.epoch = f.epoch \
                 AND attempts.number = f.number AND (f.clear OR EXISTS (SELECT 1 \
                 FROM lane_owner o WHERE o.connection = f.connection AND o.epoch = f.current))",
                self.finished,
            )
            .await?;
        write_snapshots(&mut transaction, self.snapshots).await?;
        write_parked(&mut transaction, self.parked).await?;
        write_doubts(&mut transaction, self.doubts).await?;
        super::drift::finish(&mut transaction, self.reconciled).await?;
        give_back(&mut transaction, self.given_back).await?;
        transaction.commit().await?;
        Ok(taken)
    }
}

fn doubt(
    lane: &LaneName,
    connection: String,
    sku: &str,
    kind: &'static str,
    due: i64,
) -> (DoubtKey, Vec<Arg>) {
    let row = args![connection.as_str(), lane.epoch, sku, kind, due];
    ((connection, sku.to_owned(), kind), row)
}

/// The rows to put and those to remove, in the order of their keys.
fn split<K>(changes: BTreeMap<K, Change>) -> (Rows, Rows) {
    let (mut put, mut remove) = (Rows::new(), Rows::new());
    for change in changes.into_values() {
        match change {
            Change::Put(row) => put.push(row),
            Change::Remove(row) => remove.push(row),
        }
    }
    (put, remove)
}

async fn write_snapshots(
    transaction: &mut Transaction,
    snapshots: BTreeMap<String, Vec<Arg>>,
) -> Result<(), DbError> {
    transaction
        .execute_values(
            "WITH given (connection, epoch, number, taken, body) AS (VALUES",
            ") INSERT INTO snapshots (connection, epoch, number, taken, body) \
             SELECT g.connection, g.epoch, g.number, g.taken, g.body FROM given g \
             JOIN lane_owner o ON o.connection = g.connection AND o.epoch = g.epoch WHERE TRUE \
             ON CONFLICT (connection) DO UPDATE SET epoch = excluded.epoch, \
             number = excluded.number, taken = excluded.taken, body = excluded.body",
            snapshots.into_values().collect(),
        )
        .await
        .map(drop)
}

async fn write_parked(
    transaction: &mut Transaction,
    parked: BTreeMap<(String, String), Change>,
) -> Result<(), DbError> {
    let (put, remove) = split(parked);
    // An entry about the same input keeps its id and its time: it is still the same trouble. Another
    // input is another question, so that nobody answers it who has read the first.
    transaction
        .execute_values(
            "WITH given (connection, epoch, sku, id, tenant, code, reason, input, since, \
             announced) AS (VALUES",
            ") INSERT INTO parked \
             (connection, sku, id, tenant, code, reason, input, since, announced) \
             SELECT g.connection, g.sku, g.id, g.tenant, g.code, g.reason, g.input, g.since, \
             g.announced FROM given g \
             JOIN lane_owner o ON o.connection = g.connection AND o.epoch = g.epoch WHERE TRUE \
             ON CONFLICT (connection, sku) DO UPDATE SET \
             id = CASE WHEN parked.input = excluded.input THEN parked.id ELSE excluded.id END, \
             since = CASE WHEN parked.input = excluded.input THEN parked.since \
             ELSE excluded.since END, code = excluded.code, reason = excluded.reason, \
             input = excluded.input, announced = excluded.announced",
            put,
        )
        .await?;
    transaction
        .execute_values(
            "WITH gone (connection, epoch, sku) AS (VALUES",
            ") DELETE FROM parked WHERE EXISTS (SELECT 1 FROM gone g \
             JOIN lane_owner o ON o.connection = g.connection AND o.epoch = g.epoch \
             WHERE g.connection = parked.connection AND g.sku = parked.sku)",
            remove,
        )
        .await
        .map(drop)
}

async fn write_doubts(
    transaction: &mut Transaction,
    doubts: BTreeMap<DoubtKey, Change>,
) -> Result<(), DbError> {
    let (put, remove) = split(doubts);
    transaction
        .execute_values(
            "WITH given (connection, epoch, sku, kind, due) AS (VALUES",
            ") INSERT INTO doubts (connection, sku, kind, due) \
             SELECT g.connection, g.sku, g.kind, g.due FROM given g \
             JOIN lane_owner o ON o.connection = g.connection AND o.epoch = g.epoch WHERE TRUE \
             ON CONFLICT (connection, sku, kind) DO UPDATE SET due = excluded.due",
            put,
        )
        .await?;
    transaction
        .execute_values(
            "WITH closed (connection, epoch, sku, kind, due) AS (VALUES",
            ") DELETE FROM doubts WHERE EXISTS (SELECT 1 FROM closed c \
             JOIN lane_owner o ON o.connection = c.connection AND o.epoch = c.epoch \
             WHERE c.connection = doubts.connection AND c.sku = doubts.sku \
             AND c.kind = doubts.kind AND doubts.due <= c.due)",
            remove,
        )
        .await
        .map(drop)
}

/// Last of all: who takes the lane then finds everything else.
async fn give_back(transaction: &mut Transaction, rows: Rows) -> Result<(), DbError> {
    transaction
        .execute_values(
            "WITH given (connection, epoch) AS (VALUES",
            ") UPDATE lane_owner SET owner = '' FROM given g \
             WHERE lane_owner.connection = g.connection AND lane_owner.epoch = g.epoch",
            rows,
        )
        .await
        .map(drop)
}
