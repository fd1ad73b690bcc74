//! What is written in one transaction.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use storelink_persistence::{Arg, Database, DbError, Transaction, args};
use uuid::Uuid;

use super::{Attempt, LaneName, Note};

type Rows = Vec<Vec<Arg>>;

/// Records in the form of rows. Of several words about one key the last one counts: a statement
/// takes each key once.
#[derive(Default)]
pub(super) struct Group {
    begun: Rows,
    finished: Rows,
    snapshots: BTreeMap<String, Vec<Arg>>,
    parked: BTreeMap<(String, String), Option<Vec<Arg>>>,
    doubts: BTreeMap<(String, String, &'static str), Option<i64>>,
    reconciled: Rows,
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
                self.finished.push(args![
                    connection,
                    *epoch,
                    *number,
                    completed.micros(),
                    outcomes.as_str(),
                    error_code.as_deref(),
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
                    .insert((connection, sku.as_str().to_owned()), Some(row));
            }
            Note::Unpark { sku } => {
                self.parked
                    .insert((connection, sku.as_str().to_owned()), None);
            }
            Note::OpenDoubt { sku, kind, due } => {
                let key = (connection, sku.as_str().to_owned(), kind.as_str());
                self.doubts.insert(key, Some(due.micros()));
            }
            Note::CloseDoubt { sku, kind } => {
                let key = (connection, sku.as_str().to_owned(), kind.as_str());
                self.doubts.insert(key, None);
            }
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
                "WITH finished (connection, epoch, number, completed, outcomes, error_code) \
                 AS (VALUES",
                ") UPDATE attempts SET completed = f.completed, outcomes = f.outcomes, \
                 error_code = f.error_code FROM finished f \
                 WHERE attempts.connection = f.connection AND attempts.epoch = f.epoch \
                 AND attempts.number = f.number",
                self.finished,
            )
            .await?;
        write_snapshots(&mut transaction, self.snapshots).await?;
        write_parked(&mut transaction, self.parked).await?;
        write_doubts(&mut transaction, self.doubts).await?;
        super::drift::finish(&mut transaction, self.reconciled).await?;
        transaction.commit().await?;
        Ok(taken)
    }
}

async fn write_snapshots(
    transaction: &mut Transaction,
    snapshots: BTreeMap<String, Vec<Arg>>,
) -> Result<(), DbError> {
    transaction
        .execute_values(
            "INSERT INTO snapshots (connection, epoch, number, taken, body) VALUES",
            "ON CONFLICT (connection) DO UPDATE SET epoch = excluded.epoch, \
             number = excluded.number, taken = excluded.taken, body = excluded.body \
             WHERE excluded.epoch >= snapshots.epoch",
            snapshots.into_values().collect(),
        )
        .await
        .map(drop)
}

async fn write_parked(
    transaction: &mut Transaction,
    parked: BTreeMap<(String, String), Option<Vec<Arg>>>,
) -> Result<(), DbError> {
    let (mut rows, mut gone) = (Rows::new(), Rows::new());
    for ((connection, sku), row) in parked {
        match row {
            Some(row) => rows.push(row),
            None => gone.push(args![connection, sku]),
        }
    }
    // An entry that is there keeps its id and its time: it is still the same trouble.
    transaction
        .execute_values(
            "INSERT INTO parked \
             (connection, sku, id, tenant, code, reason, input, since, announced) VALUES",
            "ON CONFLICT (connection, sku) DO UPDATE SET code = excluded.code, \
             reason = excluded.reason, input = excluded.input, announced = excluded.announced",
            rows,
        )
        .await?;
    transaction
        .execute_values(
            "WITH gone (connection, sku) AS (VALUES",
            ") DELETE FROM parked WHERE EXISTS (SELECT 1 FROM gone g \
             WHERE g.connection = parked.connection AND g.sku = parked.sku)",
            gone,
        )
        .await
        .map(drop)
}

async fn write_doubts(
    transaction: &mut Transaction,
    doubts: BTreeMap<(String, String, &'static str), Option<i64>>,
) -> Result<(), DbError> {
    let (mut open, mut closed) = (Rows::new(), Rows::new());
    for ((connection, sku, kind), due) in doubts {
        match due {
            Some(due) => open.push(args![connection, sku, kind, due]),
            None => closed.push(args![connection, sku, kind]),
        }
    }
    transaction
        .execute_values(
            "INSERT INTO doubts (connection, sku, kind, due) VALUES",
            "ON CONFLICT (connection, sku, kind) DO UPDATE SET due = excluded.due",
            open,
        )
        .await?;
    transaction
        .execute_values(
            "WITH closed (connection, sku, kind) AS (VALUES",
            ") DELETE FROM doubts WHERE EXISTS (SELECT 1 FROM closed c \
             WHERE c.connection = doubts.connection AND c.sku = doubts.sku \
             AND c.kind = doubts.kind)",
            closed,
        )
        .await
        .map(drop)
}
