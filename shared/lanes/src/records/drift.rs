//! Reconciliations in SQL: what was asked for, and what was found.

use storelink_events::internal::RunReport;
use storelink_events::rpc::{Drift, DriftQuestion, DriftReport, DriftReports, Reconcile};
use storelink_model::{ConnectionId, Timestamp};
use storelink_persistence::{Arg, Database, DbError, Row, Transaction, args};

use super::questions::Questions;

/// Reports kept of each store.
const KEPT: u32 = 10;
/// Rows of one look.
const TOGETHER: i64 = 500;

/// A reconciliation that waits or is in work.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) run: String,
    pub(crate) connection: ConnectionId,
}

impl Questions {
    /// Notes that a store shall be reconciled. False when another reconciliation of it is open.
    pub(crate) async fn ask_reconciliation(
        &self,
        asked: &Reconcile,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        let (run, connection) = (asked.run.as_str(), asked.connection.as_str());
        let mut transaction = self.db.begin().await?;
        // The run that is there already was asked for twice; another one that is open is in the way.
        transaction
            .execute(
                "INSERT INTO reconciliations (id, tenant, connection, asked, epoch, begun, reported) \
                 VALUES ($1, $2, $3, $4, -1, 0, FALSE) ON CONFLICT DO NOTHING",
                args![run, asked.tenant.as_str(), connection, now.micros()],
            )
            .await?;
        let known = transaction
            .fetch_optional(
                "SELECT id FROM reconciliations WHERE id = $1 AND connection = $2",
                args![run, connection],
            )
            .await?;
        transaction
            .execute(
                "DELETE FROM reconciliations WHERE connection = $1 AND reported \
                 AND id < (SELECT id FROM reconciliations WHERE connection = $1 \
                 ORDER BY id DESC LIMIT 1 OFFSET $2)",
                args![connection, KEPT - 1],
            )
            .await?;
        transaction.commit().await?;
        Ok(known.is_some())
    }

    /// The last reconciliations of a store, newest first.
    pub(crate) async fn drift_reports(
        &self,
        question: &DriftQuestion,
    ) -> Result<DriftReports, DbError> {
        let (tenant, connection) = (question.tenant.as_str(), question.connection.as_str());
        let rows = self
            .db
            .fetch_all(
                "SELECT id, asked, started, finished, drift FROM reconciliations \
                 WHERE tenant = $1 AND connection = $2 ORDER BY id DESC LIMIT $3",
                args![tenant, connection, question.limit.clamp(1, KEPT)],
            )
            .await?;
        let items = rows.iter().map(report).collect::<Result<_, _>>()?;
        Ok(DriftReports { items })
    }
}

fn report(row: &Row) -> Result<DriftReport, DbError> {
    let time = |column: &str| -> Result<Option<Timestamp>, DbError> {
        Ok(row.opt_int(column)?.map(Timestamp::from_micros))
    };
    Ok(DriftReport {
        run: row.text("id")?,
        asked: Timestamp::from_micros(row.int("asked")?),
        started: time("started")?,
        finished: time("finished")?,
        drift: drift(row)?,
    })
}

fn drift(row: &Row) -> Result<Drift, DbError> {
    let Some(text) = row.opt_text("drift")? else {
        return Ok(Drift::default());
    };
    Ok(serde_json::from_str(&text).unwrap_or_else(|error| {
        tracing::error!(%error, "a report of drift cannot be read");
        Drift::default()
    }))
}

/// Everything that is asked for and not over, of all stores.
pub(crate) async fn open(db: &Database) -> Result<Vec<Open>, DbError> {
    let rows = db
        .fetch_all(
            "SELECT id, connection FROM reconciliations WHERE finished IS NULL ORDER BY id",
            Vec::new(),
        )
        .await?;
    let mut open = Vec::with_capacity(rows.len());
    for row in rows {
        let run = row.text("id")?;
        if let Ok(connection) = row.text("connection")?.parse() {
            open.push(Open { run, connection });
        }
    }
    Ok(open)
}

/// Notes that an owner begins a reconciliation, and tells how often it was begun; none when a later owner has it or it is over.
pub(crate) async fn begin(
    db: &Database,
    run: &str,
    epoch: i64,
    now: Timestamp,
) -> Result<Option<i64>, DbError> {
    let row = db
        .fetch_optional(
            "UPDATE reconciliations SET epoch = $2, begun = begun + 1, \
             started = COALESCE(started, $3) \
             WHERE id = $1 AND finished IS NULL AND epoch <= $2 RETURNING begun",
            args![run, epoch, now.micros()],
        )
        .await?;
    row.map(|row| row.int("begun")).transpose()
}

/// Ends reconciliations: run, time, what was found, and the epoch of the owner that says so.
pub(super) async fn finish(
    transaction: &mut Transaction,
    rows: Vec<Vec<Arg>>,
) -> Result<(), DbError> {
    transaction
        .execute_values(
            "WITH ended (id, finished, drift, epoch) AS (VALUES",
            ") UPDATE reconciliations SET finished = e.finished, drift = e.drift FROM ended e \
             WHERE reconciliations.id = e.id AND reconciliations.epoch = e.epoch \
             AND reconciliations.finished IS NULL",
            rows,
        )
        .await
        .map(drop)
}

/// Ends of which the registry does not know yet.
pub(crate) async fn unreported(db: &Database, entity: &str) -> Result<Vec<RunReport>, DbError> {
    let rows = db
        .fetch_all(
            "SELECT id, connection, asked, started, finished, drift FROM reconciliations \
             WHERE NOT reported AND finished IS NOT NULL ORDER BY id LIMIT $1",
            args![TOGETHER],
        )
        .await?;
    let mut reports = Vec::with_capacity(rows.len());
    for row in &rows {
        let Ok(connection) = row.text("connection")?.parse() else {
            continue;
        };
        let found = drift(row)?;
        let time = |column: &str| row.opt_int(column);
        let asked = row.int("asked")?;
        reports.push(RunReport {
            run: row.text("id")?,
            connection,
            entity: entity.to_owned(),
            started: Timestamp::from_micros(time("started")?.unwrap_or(asked)),
            finished: Timestamp::from_micros(time("finished")?.unwrap_or(asked)),
            read: found.compared,
            changed: found.corrected,
            failed: found.unreadable,
            watermark: None,
            error_code: found.error_code,
            error_text: found.error_text,
            needs_attention: found.needs_attention,
        });
    }
    Ok(reports)
}

/// Notes that the registry knows of an end.
pub(crate) async fn reported(db: &Database, run: &str) -> Result<(), DbError> {
    db.execute(
        "UPDATE reconciliations SET reported = TRUE WHERE id = $1",
        args![run],
    )
    .await
    .map(drop)
}
