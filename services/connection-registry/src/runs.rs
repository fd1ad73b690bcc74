//! Runs: poll jobs and reconciliations from the wish to the report.

use storelink_events::internal::RunReport;
use storelink_model::{ConnectionId, Platform, TenantId, Timestamp};
use storelink_persistence::{Database, DbError, Result, Row, Transaction, args};
use time::Duration;

use crate::connections::Connection;
use crate::{clock, ids};

/// How long runs are kept.
const KEPT: Duration = Duration::days(30);

/// One run.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) id: String,
    pub(crate) tenant: TenantId,
    pub(crate) connection: ConnectionId,
    pub(crate) platform: Platform,
    pub(crate) entity: String,
    /// `schedule` or `manual`.
    pub(crate) cause: String,
    pub(crate) full: bool,
    /// `pending`, `queued`, `succeeded`, `failed`, `lost`.
    pub(crate) state: String,
    pub(crate) created: Timestamp,
    pub(crate) queued: Option<Timestamp>,
    pub(crate) started: Option<Timestamp>,
    pub(crate) finished: Option<Timestamp>,
    pub(crate) read: Option<i64>,
    pub(crate) changed: Option<i64>,
    pub(crate) failed: Option<i64>,
    pub(crate) watermark: Option<Timestamp>,
    pub(crate) error_code: Option<String>,
    pub(crate) error_text: Option<String>,
    pub(crate) needs_attention: bool,
}

impl Run {
    /// A run that was decided and not handed to the broker yet.
    pub(crate) fn pending(connection: &Connection, entity: &str, cause: &str, full: bool) -> Self {
        Self {
            id: ids::generate("run"),
            tenant: connection.tenant.clone(),
            connection: connection.id.clone(),
            platform: connection.platform.clone(),
            entity: entity.to_owned(),
            cause: cause.to_owned(),
            full,
            state: "pending".to_owned(),
            created: Timestamp::now(),
            queued: None,
            started: None,
            finished: None,
            read: None,
            changed: None,
            failed: None,
            watermark: None,
            error_code: None,
            error_text: None,
            needs_attention: false,
        }
    }

    fn from_row(row: &Row) -> Result<Self> {
        let broken = |column: &str| DbError::Column {
            column: column.to_owned(),
            problem: "holds no valid value".to_owned(),
        };
        Ok(Self {
            id: row.text("id")?,
            tenant: row.text("tenant")?.parse().map_err(|_| broken("tenant"))?,
            connection: row
                .text("connection")?
                .parse()
                .map_err(|_| broken("connection"))?,
            platform: row
                .text("platform")?
                .parse()
                .map_err(|_| broken("platform"))?,
            entity: row.text("entity")?,
            cause: row.text("cause")?,
            full: row.bool("full_read")?,
            state: row.text("state")?,
            created: clock::time(row, "created")?,
            queued: clock::opt_time(row, "queued")?,
            started: clock::opt_time(row, "started")?,
            finished: clock::opt_time(row, "finished")?,
            read: row.opt_int("objects_read")?,
            changed: row.opt_int("objects_changed")?,
            failed: row.opt_int("objects_failed")?,
            watermark: clock::opt_time(row, "watermark")?,
            error_code: row.opt_text("error_code")?,
            error_text: row.opt_text("error_text")?,
            needs_attention: row.bool("needs_attention")?,
        })
    }
}

/// Notes a run before its job is handed to the broker.
pub(crate) async fn insert(transaction: &mut Transaction, run: &Run) -> Result<()> {
    transaction
        .execute(
            "INSERT INTO runs (id, tenant, connection, platform, entity, cause, full_read, state,
                created, needs_attention)
             VALUES ($1, $2, $3, $4, $5, $6, $7, 'pending', $8, FALSE)",
            args![
                &run.id,
                run.tenant.as_str(),
                run.connection.as_str(),
                run.platform.as_str(),
                &run.entity,
                &run.cause,
                run.full,
                run.created.micros(),
            ],
        )
        .await
        .map(drop)
}

/// Notes that the broker took the job. Earlier jobs of the same entity that never reported are gone
/// from the queue, since it holds one at a time: they count as lost until a report says otherwise.
pub(crate) async fn mark_queued(database: &Database, run: &Run) -> Result<()> {
    let now = Timestamp::now().micros();
    let mut transaction = database.begin().await?;
    transaction
        .execute(
            "UPDATE runs SET state = 'queued', queued = $2 WHERE id = $1 AND state = 'pending'",
            args![&run.id, now],
        )
        .await?;
    transaction
        .execute(
            "UPDATE runs SET state = 'lost'
             WHERE connection = $1 AND entity = $2 AND state = 'queued' AND id < $3",
            args![run.connection.as_str(), &run.entity, &run.id],
        )
        .await?;
    transaction.commit().await
}

/// Takes back a run whose job the broker refused; its schedule names the run before it again.
pub(crate) async fn remove_pending(database: &Database, run: &Run) -> Result<()> {
    let mut transaction = database.begin().await?;
    transaction
        .execute(
            "DELETE FROM runs WHERE id = $1 AND state = 'pending'",
            args![&run.id],
        )
        .await?;
    transaction
        .execute(
            "UPDATE schedules SET last_run = (SELECT MAX(id) FROM runs
                WHERE runs.connection = schedules.connection AND runs.entity = schedules.entity)
             WHERE connection = $1 AND entity = $2 AND last_run = $3",
            args![run.connection.as_str(), &run.entity, &run.id],
        )
        .await?;
    transaction.commit().await
}

/// Poll jobs that were decided before an instant and that may not have reached the broker.
pub(crate) async fn pending_since(
    database: &Database,
    before: Timestamp,
    limit: i64,
) -> Result<Vec<Run>> {
    database
        .fetch_all(
            "SELECT * FROM runs WHERE state = 'pending' AND created < $1
                AND entity NOT IN ('stock', 'prices')
             ORDER BY created LIMIT $2",
            args![before.micros(), limit],
        )
        .await?
        .iter()
        .map(Run::from_row)
        .collect()
}

/// Runs of one entity that were not handed over yet.
pub(crate) async fn pending_of(database: &Database, entity: &str, limit: i64) -> Result<Vec<Run>> {
    database
        .fetch_all(
            "SELECT * FROM runs WHERE state = 'pending' AND entity = $1 ORDER BY created LIMIT $2",
            args![entity, limit],
        )
        .await?
        .iter()
        .map(Run::from_row)
        .collect()
}

/// Notes how a run ended; false when there is no such run of this connection.
pub(crate) async fn finish(database: &Database, report: &RunReport) -> Result<bool> {
    let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let state = if report.error_code.is_some() {
        "failed"
    } else {
        "succeeded"
    };
    let finished = database
        .execute(
            "UPDATE runs SET state = $3, started = $4, finished = $5, objects_read = $6,
                objects_changed = $7, objects_failed = $8, watermark = $9, error_code = $10,
                error_text = $11, needs_attention = $12
             WHERE id = $1 AND connection = $2",
            args![
                &report.run,
                report.connection.as_str(),
                state,
                report.started.micros(),
                report.finished.micros(),
                count(report.read),
                count(report.changed),
                count(report.failed),
                report.watermark.map(Timestamp::micros),
                report.error_code.as_deref(),
                report.error_text.as_deref(),
                report.needs_attention,
            ],
        )
        .await?;
    Ok(finished == 1)
}

/// One page of the runs of a connection, newest first.
pub(crate) async fn list(
    database: &Database,
    connection: &ConnectionId,
    entity: Option<&str>,
    before: &str,
    limit: i64,
) -> Result<Vec<Run>> {
    database
        .fetch_all(
            "SELECT * FROM runs WHERE connection = $1 AND ($2 = '' OR entity = $2)
                AND ($3 = '' OR id < $3)
             ORDER BY id DESC LIMIT $4",
            args![
                connection.as_str(),
                entity.unwrap_or_default(),
                before,
                limit
            ],
        )
        .await?
        .iter()
        .map(Run::from_row)
        .collect()
}

/// The last finished run of each entity of a connection.
pub(crate) async fn last_finished(
    database: &Database,
    connection: &ConnectionId,
) -> Result<Vec<Run>> {
    database
        .fetch_all(
            "SELECT r.* FROM runs r WHERE r.connection = $1 AND r.finished IS NOT NULL
                AND NOT EXISTS (SELECT 1 FROM runs later WHERE later.connection = r.connection
                    AND later.entity = r.entity AND later.finished IS NOT NULL AND later.id > r.id)
             ORDER BY r.entity",
            args![connection.as_str()],
        )
        .await?
        .iter()
        .map(Run::from_row)
        .collect()
}

/// Forgets old runs.
pub(crate) async fn forget_old(database: &Database) -> Result<u64> {
    let before = Timestamp::now().saturating_sub(KEPT).micros();
    database
        .execute("DELETE FROM runs WHERE created < $1", args![before])
        .await
}
