//! Rows of connections: reading and writing them.

use storelink_adapter_api::{CapabilityProfile, DiagnosisStatus};
use storelink_events::connection::ConnectionSettings;
use storelink_events::hub::ConnectionState;
use storelink_model::{ConnectionId, Platform, TenantId, Timestamp};
use storelink_persistence::{Database, DbError, Result, Transaction, args};

use super::credentials::SealedCredentials;
use super::{Connection, state_name};

/// What a new draft begins with.
pub(crate) struct NewDraft<'a> {
    pub(crate) id: &'a ConnectionId,
    pub(crate) tenant: &'a TenantId,
    pub(crate) platform: &'a Platform,
    pub(crate) name: &'a str,
    pub(crate) settings: &'a ConnectionSettings,
    pub(crate) address: Option<&'a str>,
    pub(crate) credentials: Option<&'a SealedCredentials>,
}

/// Adds a draft.
pub(crate) async fn insert(transaction: &mut Transaction, draft: &NewDraft<'_>) -> Result<()> {
    let now = Timestamp::now().micros();
    transaction
        .execute(
            "INSERT INTO connections (id, tenant, platform, name, settings, credential_hints,
                credentials_revision, profile, draft_address, draft_credentials,
                draft_credential_hints, version, revision, published, state, state_since,
                state_checked, created, changed)
             VALUES ($1, $2, $3, $4, $5, '{}', 0, '{}', $6, $7, $8, 1, 0, 0, 'draft', $9, $9, $9, $9)",
            args![
                draft.id.as_str(),
                draft.tenant.as_str(),
                draft.platform.as_str(),
                draft.name,
                json(draft.settings)?,
                draft.address,
                draft.credentials.map(|credentials| credentials.sealed.as_str()),
                draft.credentials.map(|credentials| json(&credentials.hints)).transpose()?,
                now,
            ],
        )
        .await
        .map(drop)
}

/// A tenant's connection that is not deleted.
pub(crate) async fn get(
    database: &Database,
    tenant: &TenantId,
    id: &ConnectionId,
) -> Result<Option<Connection>> {
    database
        .fetch_optional(OF_TENANT, args![tenant.as_str(), id.as_str()])
        .await?
        .as_ref()
        .map(Connection::from_row)
        .transpose()
}

/// The same inside a transaction, locked until its end.
pub(crate) async fn lock(
    transaction: &mut Transaction,
    tenant: &TenantId,
    id: &ConnectionId,
) -> Result<Option<Connection>> {
    // An update locks the row on both back ends; SQLite knows no SELECT … FOR UPDATE.
    transaction
        .execute(
            "UPDATE connections SET version = version WHERE tenant = $1 AND id = $2",
            args![tenant.as_str(), id.as_str()],
        )
        .await?;
    transaction
        .fetch_optional(OF_TENANT, args![tenant.as_str(), id.as_str()])
        .await?
        .as_ref()
        .map(Connection::from_row)
        .transpose()
}

const OF_TENANT: &str =
    "SELECT * FROM connections WHERE tenant = $1 AND id = $2 AND deleted IS NULL";

/// A connection of any tenant, deleted ones too: for the registry's own work.
pub(crate) async fn any(database: &Database, id: &ConnectionId) -> Result<Option<Connection>> {
    database
        .fetch_optional(
            "SELECT * FROM connections WHERE id = $1",
            args![id.as_str()],
        )
        .await?
        .as_ref()
        .map(Connection::from_row)
        .transpose()
}

/// Which connections a list shows.
pub(crate) struct Filter<'a> {
    pub(crate) platform: Option<&'a str>,
    pub(crate) state: Option<&'a str>,
}

/// One page of a tenant's connections, oldest first.
pub(crate) async fn list(
    database: &Database,
    tenant: &TenantId,
    filter: &Filter<'_>,
    after: &str,
    limit: i64,
) -> Result<Vec<Connection>> {
    database
        .fetch_all(
            "SELECT * FROM connections WHERE tenant = $1 AND deleted IS NULL AND id > $2
                AND ($3 = '' OR platform = $3) AND ($4 = '' OR state = $4)
             ORDER BY id LIMIT $5",
            args![
                tenant.as_str(),
                after,
                filter.platform.unwrap_or_default(),
                filter.state.unwrap_or_default(),
                limit,
            ],
        )
        .await?
        .iter()
        .map(Connection::from_row)
        .collect()
}

/// How many connections a tenant has, without drafts and deleted ones.
pub(crate) async fn count(database: &Database, tenant: &TenantId) -> Result<i64> {
    database
        .fetch_one(
            "SELECT COUNT(*) AS total FROM connections
             WHERE tenant = $1 AND deleted IS NULL AND activated IS NOT NULL",
            args![tenant.as_str()],
        )
        .await?
        .int("total")
}

/// Writes what a person can change by editing. `record_changed` says whether others must learn it.
pub(crate) async fn update_entered(
    transaction: &mut Transaction,
    connection: &Connection,
    record_changed: bool,
) -> Result<()> {
    transaction
        .execute(
            "UPDATE connections SET name = $2, settings = $3, draft_address = $4,
                draft_credentials = $5, draft_credential_hints = $6, version = version + 1,
                revision = revision + $7, changed = $8
             WHERE id = $1",
            args![
                connection.id.as_str(),
                &connection.name,
                json(&connection.settings)?,
                connection.draft_address.as_deref(),
                connection.draft_credentials.as_deref(),
                connection.draft_hints.as_ref().map(json).transpose()?,
                i64::from(record_changed && connection.is_active()),
                Timestamp::now().micros(),
            ],
        )
        .await
        .map(drop)
}

/// Puts the entered values into use, with the profile that their verification found.
pub(crate) async fn activate(
    transaction: &mut Transaction,
    id: &ConnectionId,
    profile: &CapabilityProfile,
) -> Result<()> {
    transaction
        .execute(
            "UPDATE connections SET address = COALESCE(draft_address, address),
                credential_hints = COALESCE(draft_credential_hints, credential_hints),
                credentials = COALESCE(draft_credentials, credentials),
                credentials_revision = credentials_revision + 1,
                draft_address = NULL, draft_credentials = NULL, draft_credential_hints = NULL,
                profile = $2, activated = COALESCE(activated, $3), version = version + 1,
                revision = revision + 1, changed = $3
             WHERE id = $1",
            args![id.as_str(), json(profile)?, Timestamp::now().micros()],
        )
        .await
        .map(drop)
}

/// Takes over what a green test of the values in use found, and ends a stop because of refused
/// credentials: they were just proven.
pub(crate) async fn refresh_profile(
    transaction: &mut Transaction,
    id: &ConnectionId,
    profile: &CapabilityProfile,
) -> Result<()> {
    transaction
        .execute(
            "UPDATE connections SET profile = $2, revision = revision + 1,
                credentials_revision = credentials_revision + 1
             WHERE id = $1 AND activated IS NOT NULL",
            args![id.as_str(), json(profile)?],
        )
        .await
        .map(drop)
}

/// Notes how a test of the saved connection went.
pub(crate) async fn note_test(
    transaction: &mut Transaction,
    id: &ConnectionId,
    status: DiagnosisStatus,
    code: Option<&str>,
) -> Result<()> {
    let status = match status {
        DiagnosisStatus::Green => "green",
        DiagnosisStatus::Red => "red",
    };
    transaction
        .execute(
            "UPDATE connections SET last_test_at = $2, last_test_status = $3, last_test_code = $4
             WHERE id = $1",
            args![id.as_str(), Timestamp::now().micros(), status, code],
        )
        .await
        .map(drop)
}

/// Switches a connection off with a reason, or on again.
pub(crate) async fn set_paused(
    transaction: &mut Transaction,
    id: &ConnectionId,
    reason: Option<&str>,
) -> Result<()> {
    let now = Timestamp::now().micros();
    transaction
        .execute(
            "UPDATE connections SET paused_since = $2, pause_reason = $3, version = version + 1,
                revision = revision + 1, changed = $4
             WHERE id = $1",
            args![id.as_str(), reason.map(|_| now), reason, now],
        )
        .await
        .map(drop)
}

/// Says that something of the record besides the row itself changed, for example a schedule.
pub(crate) async fn touch(transaction: &mut Transaction, id: &ConnectionId) -> Result<()> {
    transaction
        .execute(
            "UPDATE connections SET revision = revision + 1, changed = $2
             WHERE id = $1 AND activated IS NOT NULL",
            args![id.as_str(), Timestamp::now().micros()],
        )
        .await
        .map(drop)
}

/// Leaves a tombstone: no address, no keys, no settings.
pub(crate) async fn delete(transaction: &mut Transaction, id: &ConnectionId) -> Result<()> {
    let now = Timestamp::now().micros();
    transaction
        .execute(
            "UPDATE connections SET deleted = $2, address = NULL, credentials = NULL,
                credential_hints = '{}', profile = '{}', settings = $3, draft_address = NULL,
                draft_credentials = NULL, draft_credential_hints = NULL,
                version = version + 1, revision = revision + 1, changed = $2
             WHERE id = $1",
            args![id.as_str(), now, json(&ConnectionSettings::default())?],
        )
        .await?;
    transaction
        .execute(
            "UPDATE schedules SET active = FALSE, next_run = NULL WHERE connection = $1",
            args![id.as_str()],
        )
        .await?;
    transaction
        .execute(
            "DELETE FROM verifications WHERE connection = $1",
            args![id.as_str()],
        )
        .await
        .map(drop)
}

/// A state with its cause, to be kept.
pub(crate) struct NewState<'a> {
    pub(crate) state: ConnectionState,
    pub(crate) code: Option<&'a str>,
    pub(crate) text: Option<&'a str>,
}

/// Keeps a state; true when it is another one than before. A changed text alone is no new state.
pub(crate) async fn set_state(
    transaction: &mut Transaction,
    id: &ConnectionId,
    new: &NewState<'_>,
    since: Timestamp,
) -> Result<bool> {
    let changed = transaction
        .execute(
            "UPDATE connections SET state = $2, state_since = $3, state_code = $4, state_text = $5
             WHERE id = $1 AND deleted IS NULL
               AND (state <> $2 OR COALESCE(state_code, '') <> COALESCE($4, ''))",
            args![
                id.as_str(),
                state_name(new.state),
                since.micros(),
                new.code,
                new.text
            ],
        )
        .await?;
    Ok(changed == 1)
}

fn json<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| DbError::Column {
        column: "json".to_owned(),
        problem: error.to_string(),
    })
}
