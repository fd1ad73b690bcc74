//! Tenants, and the switch that stops all writes of one.

use storelink_model::{TenantId, Timestamp};
use storelink_persistence::{Database, DbError, Row, Transaction, args};

use crate::clock;

/// A tenant's row.
#[derive(Debug, Clone)]
pub(crate) struct Tenant {
    pub(crate) id: TenantId,
    pub(crate) writes_paused: bool,
    pub(crate) writes_paused_since: Option<Timestamp>,
    pub(crate) writes_paused_reason: Option<String>,
    pub(crate) revision: i64,
    pub(crate) created: Timestamp,
}

/// Adds a tenant; false when it exists already.
pub(crate) async fn add(transaction: &mut Transaction, tenant: &TenantId) -> Result<bool, DbError> {
    let added = transaction
        .execute(
            "INSERT INTO tenants (id, writes_paused, revision, published, created)
             VALUES ($1, FALSE, 1, 0, $2) ON CONFLICT (id) DO NOTHING",
            args![tenant.as_str(), Timestamp::now().micros()],
        )
        .await?;
    Ok(added == 1)
}

/// The tenant with this id.
pub(crate) async fn get(database: &Database, id: &TenantId) -> Result<Option<Tenant>, DbError> {
    database
        .fetch_optional("SELECT * FROM tenants WHERE id = $1", args![id.as_str()])
        .await?
        .as_ref()
        .map(Tenant::from_row)
        .transpose()
}

/// All tenants.
pub(crate) async fn all(database: &Database) -> Result<Vec<Tenant>, DbError> {
    database
        .fetch_all("SELECT * FROM tenants ORDER BY id", args![])
        .await?
        .iter()
        .map(Tenant::from_row)
        .collect()
}

/// Stops or releases all writes of a tenant; true when that changed something.
pub(crate) async fn pause_writes(
    transaction: &mut Transaction,
    id: &TenantId,
    reason: Option<&str>,
) -> Result<bool, DbError> {
    let now = Timestamp::now().micros();
    let pause = reason.is_some();
    let changed = transaction
        .execute(
            "UPDATE tenants SET writes_paused = $2, writes_paused_since = $3,
                    writes_paused_reason = $4, revision = revision + 1
             WHERE id = $1 AND writes_paused <> $2",
            args![id.as_str(), pause, pause.then_some(now), reason],
        )
        .await?;
    Ok(changed == 1)
}

impl Tenant {
    fn from_row(row: &Row) -> Result<Self, DbError> {
        let id = row.text("id")?.parse().map_err(|_| DbError::Column {
            column: "id".to_owned(),
            problem: "holds no tenant".to_owned(),
        })?;
        Ok(Self {
            id,
            writes_paused: row.bool("writes_paused")?,
            writes_paused_since: clock::opt_time(row, "writes_paused_since")?,
            writes_paused_reason: row.opt_text("writes_paused_reason")?,
            revision: row.int("revision")?,
            created: clock::time(row, "created")?,
        })
    }
}
