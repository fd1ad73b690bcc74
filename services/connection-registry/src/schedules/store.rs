//! Rows of schedules.

use storelink_model::{ConnectionId, Timestamp};
use storelink_persistence::{Database, DbError, Result, Row, Transaction, args};

use super::Schedule;
use crate::clock;

/// The schedules of a connection that somebody touched, by entity.
pub(crate) async fn list(database: &Database, connection: &ConnectionId) -> Result<Vec<Schedule>> {
    database
        .fetch_all(
            "SELECT * FROM schedules WHERE connection = $1 ORDER BY entity",
            args![connection.as_str()],
        )
        .await?
        .iter()
        .map(Schedule::from_row)
        .collect()
}

/// The schedule of one entity, when somebody touched it.
pub(crate) async fn get(
    database: &Database,
    connection: &ConnectionId,
    entity: &str,
) -> Result<Option<Schedule>> {
    database
        .fetch_optional(
            "SELECT * FROM schedules WHERE connection = $1 AND entity = $2",
            args![connection.as_str(), entity],
        )
        .await?
        .as_ref()
        .map(Schedule::from_row)
        .transpose()
}

/// The entities of a connection that are switched on.
pub(crate) async fn active_entities(
    database: &Database,
    connection: &ConnectionId,
) -> Result<Vec<String>> {
    database
        .fetch_all(
            "SELECT entity FROM schedules WHERE connection = $1 AND active ORDER BY entity",
            args![connection.as_str()],
        )
        .await?
        .iter()
        .map(|row| row.text("entity"))
        .collect()
}

/// Writes what a person chose.
pub(crate) async fn put(transaction: &mut Transaction, schedule: &Schedule) -> Result<()> {
    let rhythm = serde_json::to_string(&schedule.rhythm).map_err(|error| DbError::Column {
        column: "rhythm".to_owned(),
        problem: error.to_string(),
    })?;
    transaction
        .execute(
            "INSERT INTO schedules
                (connection, entity, active, rhythm, time_zone, next_run, skipped, changed)
             VALUES ($1, $2, $3, $4, $5, $6, 0, $7)
             ON CONFLICT (connection, entity) DO UPDATE SET active = excluded.active,
                rhythm = excluded.rhythm, time_zone = excluded.time_zone,
                next_run = excluded.next_run, changed = excluded.changed",
            args![
                schedule.connection.as_str(),
                &schedule.entity,
                schedule.active,
                rhythm,
                schedule.time_zone.name(),
                schedule.next_run.map(Timestamp::micros),
                Timestamp::now().micros(),
            ],
        )
        .await
        .map(drop)
}

/// Schedules whose time has come, of connections that are active and not paused; longest overdue
/// first.
pub(crate) async fn due(database: &Database, now: Timestamp, limit: i64) -> Result<Vec<Schedule>> {
    database
        .fetch_all(
            "SELECT s.* FROM schedules s JOIN connections c ON c.id = s.connection
             WHERE s.active AND s.next_run <= $1 AND c.activated IS NOT NULL
               AND c.deleted IS NULL AND c.paused_since IS NULL
             ORDER BY s.next_run LIMIT $2",
            args![now.micros(), limit],
        )
        .await?
        .iter()
        .map(Schedule::from_row)
        .collect()
}

/// Moves a schedule on, unless somebody else did: the one who moves it runs it.
pub(crate) async fn move_on(
    transaction: &mut Transaction,
    schedule: &Schedule,
    next: Option<Timestamp>,
    run: &str,
) -> Result<bool> {
    let moved = transaction
        .execute(
            "UPDATE schedules SET next_run = $4, last_run = $5
             WHERE connection = $1 AND entity = $2 AND active AND next_run = $3",
            args![
                schedule.connection.as_str(),
                &schedule.entity,
                schedule.next_run.map(Timestamp::micros),
                next.map(Timestamp::micros),
                run,
            ],
        )
        .await?;
    Ok(moved == 1)
}

/// Sets when a schedule runs next, whatever it was.
pub(crate) async fn set_next(
    transaction: &mut Transaction,
    schedule: &Schedule,
    next: Option<Timestamp>,
) -> Result<()> {
    transaction
        .execute(
            "UPDATE schedules SET next_run = $3 WHERE connection = $1 AND entity = $2 AND active",
            args![
                schedule.connection.as_str(),
                &schedule.entity,
                next.map(Timestamp::micros),
            ],
        )
        .await
        .map(drop)
}

/// Notes the run that was begun last, for one that a person asked for.
pub(crate) async fn note_run(
    transaction: &mut Transaction,
    connection: &ConnectionId,
    entity: &str,
    run: &str,
) -> Result<()> {
    transaction
        .execute(
            "UPDATE schedules SET last_run = $3 WHERE connection = $1 AND entity = $2",
            args![connection.as_str(), entity, run],
        )
        .await
        .map(drop)
}

/// Counts a run that was left out because the one before is not finished.
pub(crate) async fn count_skipped(
    database: &Database,
    connection: &ConnectionId,
    entity: &str,
) -> Result<()> {
    database
        .execute(
            "UPDATE schedules SET skipped = skipped + 1 WHERE connection = $1 AND entity = $2",
            args![connection.as_str(), entity],
        )
        .await
        .map(drop)
}

impl Schedule {
    fn from_row(row: &Row) -> Result<Self> {
        let broken = |column: &str| DbError::Column {
            column: column.to_owned(),
            problem: "holds no valid value".to_owned(),
        };
        Ok(Self {
            connection: row
                .text("connection")?
                .parse()
                .map_err(|_| broken("connection"))?,
            entity: row.text("entity")?,
            active: row.bool("active")?,
            rhythm: serde_json::from_str(&row.text("rhythm")?).map_err(|_| broken("rhythm"))?,
            time_zone: row
                .text("time_zone")?
                .parse()
                .map_err(|_| broken("time_zone"))?,
            next_run: clock::opt_time(row, "next_run")?,
            last_run: row.opt_text("last_run")?,
            skipped: row.int("skipped")?,
        })
    }
}
