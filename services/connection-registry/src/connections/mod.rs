//! Connections as they are kept.

pub(crate) mod address;
pub(crate) mod credentials;
pub(crate) mod fields;
pub(crate) mod settings;
pub(crate) mod store;

use serde::de::DeserializeOwned;
use storelink_adapter_api::CapabilityProfile;
use storelink_events::connection::{ConnectionRecord, ConnectionSettings};
use storelink_events::hub::ConnectionState;
use storelink_model::{ConnectionId, Platform, TenantId, Timestamp};
use storelink_persistence::{DbError, Row};

use crate::clock;
use credentials::Hints;

/// A connection's row.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) tenant: TenantId,
    pub(crate) platform: Platform,
    pub(crate) name: String,
    pub(crate) settings: ConnectionSettings,
    /// In use; none before the first activation.
    pub(crate) address: Option<String>,
    pub(crate) credentials: Option<String>,
    pub(crate) hints: Hints,
    pub(crate) credentials_revision: i64,
    pub(crate) profile: CapabilityProfile,
    pub(crate) activated: Option<Timestamp>,
    /// Entered, neither verified nor activated yet.
    pub(crate) draft_address: Option<String>,
    pub(crate) draft_credentials: Option<String>,
    pub(crate) draft_hints: Option<Hints>,
    pub(crate) paused_since: Option<Timestamp>,
    pub(crate) pause_reason: Option<String>,
    pub(crate) version: i64,
    pub(crate) revision: i64,
    pub(crate) state: StateNow,
    pub(crate) last_test: Option<LastTest>,
    pub(crate) created: Timestamp,
    pub(crate) changed: Timestamp,
    pub(crate) deleted: Option<Timestamp>,
}

/// The state of a connection with its cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StateNow {
    pub(crate) state: ConnectionState,
    pub(crate) since: Timestamp,
    pub(crate) code: Option<String>,
    pub(crate) text: Option<String>,
}

/// How the last test of the saved connection went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LastTest {
    pub(crate) at: Timestamp,
    pub(crate) status: String,
    pub(crate) code: Option<String>,
}

impl Connection {
    pub(crate) fn from_row(row: &Row) -> Result<Self, DbError> {
        let state = StateNow {
            state: read_json_text(&row.text("state")?, "state")?,
            since: clock::time(row, "state_since")?,
            code: row.opt_text("state_code")?,
            text: row.opt_text("state_text")?,
        };
        let last_test = match (
            clock::opt_time(row, "last_test_at")?,
            row.opt_text("last_test_status")?,
        ) {
            (Some(at), Some(status)) => Some(LastTest {
                at,
                status,
                code: row.opt_text("last_test_code")?,
            }),
            _ => None,
        };
        let draft_hints = row.opt_text("draft_credential_hints")?;
        Ok(Self {
            id: row.text("id")?.parse().map_err(|_| broken("id"))?,
            tenant: row.text("tenant")?.parse().map_err(|_| broken("tenant"))?,
            platform: row
                .text("platform")?
                .parse()
                .map_err(|_| broken("platform"))?,
            name: row.text("name")?,
            settings: json(row, "settings")?,
            address: row.opt_text("address")?,
            credentials: row.opt_text("credentials")?,
            hints: json(row, "credential_hints")?,
            credentials_revision: row.int("credentials_revision")?,
            profile: json(row, "profile")?,
            activated: clock::opt_time(row, "activated")?,
            draft_address: row.opt_text("draft_address")?,
            draft_credentials: row.opt_text("draft_credentials")?,
            draft_hints: draft_hints
                .map(|text| {
                    serde_json::from_str(&text).map_err(|_| broken("draft_credential_hints"))
                })
                .transpose()?,
            paused_since: clock::opt_time(row, "paused_since")?,
            pause_reason: row.opt_text("pause_reason")?,
            version: row.int("version")?,
            revision: row.int("revision")?,
            state,
            last_test,
            created: clock::time(row, "created")?,
            changed: clock::time(row, "changed")?,
            deleted: clock::opt_time(row, "deleted")?,
        })
    }

    /// The address that a verification would prove.
    pub(crate) fn candidate_address(&self) -> Option<&str> {
        self.draft_address.as_deref().or(self.address.as_deref())
    }

    /// The sealed credentials that a verification would prove.
    pub(crate) fn candidate_credentials(&self) -> Option<&str> {
        self.draft_credentials
            .as_deref()
            .or(self.credentials.as_deref())
    }

    /// Whether something was entered that is not in use yet.
    pub(crate) fn has_pending_values(&self) -> bool {
        self.draft_address.is_some() || self.draft_credentials.is_some()
    }

    pub(crate) fn is_active(&self) -> bool {
        self.activated.is_some()
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.paused_since.is_some()
    }

    /// What other services see; none while it was never activated or after it was deleted.
    pub(crate) fn record(&self, active_entities: Vec<String>) -> Option<ConnectionRecord> {
        if self.deleted.is_some() || self.activated.is_none() {
            return None;
        }
        Some(ConnectionRecord {
            id: self.id.clone(),
            tenant: self.tenant.clone(),
            platform: self.platform.clone(),
            name: self.name.clone(),
            revision: unsigned(self.revision),
            paused: self.is_paused(),
            address: self.address.clone()?,
            sealed_credentials: self.credentials.clone()?,
            credentials_revision: unsigned(self.credentials_revision),
            profile: self.profile.clone(),
            settings: self.settings.clone(),
            active_entities,
        })
    }

    /// What the audit log compares: everything a person can change, without any secret.
    pub(crate) fn audit_text(&self) -> String {
        serde_json::json!({
            "name": self.name, "settings": self.settings, "address": self.address,
            "draft_address": self.draft_address, "credentials": self.credentials,
            "draft_credentials": self.draft_credentials,
            "active": self.is_active(), "paused": self.is_paused(),
            "deleted": self.deleted.is_some(),
        })
        .to_string()
    }
}

/// The name of a state in API and database.
pub(crate) fn state_name(state: ConnectionState) -> &'static str {
    match state {
        ConnectionState::Draft => "draft",
        ConnectionState::Healthy => "healthy",
        ConnectionState::CatchingUp => "catching_up",
        ConnectionState::Delayed => "delayed",
        ConnectionState::NeedsAttention => "needs_attention",
        ConnectionState::StoreUnavailable => "store_unavailable",
        ConnectionState::Paused => "paused",
    }
}

/// The state with this name.
pub(crate) fn state_named(name: &str) -> Option<ConnectionState> {
    serde_json::from_value(serde_json::Value::String(name.to_owned())).ok()
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

fn json<T: DeserializeOwned>(row: &Row, column: &str) -> Result<T, DbError> {
    serde_json::from_str(&row.text(column)?).map_err(|_| broken(column))
}

fn read_json_text(text: &str, column: &str) -> Result<ConnectionState, DbError> {
    state_named(text).ok_or_else(|| broken(column))
}

fn broken(column: &str) -> DbError {
    DbError::Column {
        column: column.to_owned(),
        problem: "holds no valid value".to_owned(),
    }
}

#[cfg(test)]
pub(crate) fn test_descriptor() -> storelink_adapter_api::Descriptor {
    serde_json::from_value(serde_json::json!({
        "platform": "teststore", "title": "Test store", "kind": "store", "summary": "A store.",
        "fields": [
            {"name": "address", "label": "Address", "kind": "address", "required": true, "help": "-"},
            {"name": "key", "label": "Key", "kind": "key", "required": true, "help": "-",
             "pattern": "k_[0-9a-f]{16}"},
            {"name": "secret", "label": "Secret", "kind": "secret", "required": true, "help": "-"},
            {"name": "legacy", "label": "Legacy", "kind": "boolean", "required": false, "help": "-"}
        ],
        "guide": {"in_store": [], "here": []},
        "permissions": [], "credential_lifetime": "-", "lifecycle": {"state": "current"},
        "versions_checked": [], "capabilities": {},
        "entities": []
    }))
    .unwrap()
}

/// An active connection that nobody touched since.
#[cfg(test)]
pub(crate) fn test_connection() -> Connection {
    let now = Timestamp::now();
    Connection {
        id: ConnectionId::generate(),
        tenant: "default".parse().unwrap(),
        platform: "teststore".parse().unwrap(),
        name: "A".to_owned(),
        settings: ConnectionSettings::default(),
        address: Some("https://shop.example.com".to_owned()),
        credentials: Some("v1.k.sealed".to_owned()),
        hints: Hints::new(),
        credentials_revision: 1,
        profile: CapabilityProfile::default(),
        activated: Some(now),
        draft_address: None,
        draft_credentials: None,
        draft_hints: None,
        paused_since: None,
        pause_reason: None,
        version: 1,
        revision: 1,
        state: StateNow {
            state: ConnectionState::Healthy,
            since: now,
            code: None,
            text: None,
        },
        last_test: None,
        created: now,
        changed: now,
        deleted: None,
    }
}
