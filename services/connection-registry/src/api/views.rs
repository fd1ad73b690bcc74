//! Connections as the API shows them.

use std::collections::BTreeMap;

use serde::Serialize;
use storelink_adapter_api::{CapabilityProfile, Check, DiagnosisStatus};
use storelink_events::connection::ConnectionSettings;
use storelink_model::{ConnectionId, Platform, Timestamp};
use utoipa::ToSchema;

use super::schemas;
use crate::connections::{Connection, LastTest, StateNow, state_name};
use crate::verification::Report;

/// A connection.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": "con_01980f6e1f4a7d0c9b1e2a3b4c5d6e7f",
    "platform": "woocommerce",
    "name": "WooCommerce Celje",
    "address": "https://shop.example.com",
    "credentials": {"consumer_key": "…9f3a", "consumer_secret": "…77c1"},
    "settings": {"order_start": "2026-11-22T00:00:00Z", "warehouses": ["main"]},
    "active": true,
    "state": {"state": "healthy", "since": "2026-11-22T06:30:00Z"},
    "created": "2026-11-22T06:00:00Z",
    "changed": "2026-11-22T06:30:00Z"
}))]
pub(crate) struct ConnectionView {
    /// Its id.
    #[schema(value_type = String)]
    pub(crate) id: ConnectionId,
    /// What it is; never changes.
    #[schema(value_type = String)]
    pub(crate) platform: Platform,
    /// What people call it.
    pub(crate) name: String,
    /// The store's address: the one in use, or of a draft the entered one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<String>,
    /// The ends of the keys: those in use, or of a draft the entered ones.
    pub(crate) credentials: BTreeMap<String, String>,
    /// What was entered for an active connection and waits for verification and activation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pending: Option<Pending>,
    /// What the merchant chose.
    #[schema(schema_with = schemas::connection_settings)]
    pub(crate) settings: ConnectionSettings,
    /// Whether it was activated.
    pub(crate) active: bool,
    /// How it is.
    pub(crate) state: StateView,
    /// Since when and why it is switched off; none while it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) paused: Option<PausedView>,
    /// What verification found; none before the first activation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schemas::capability_profile, required = false)]
    pub(crate) profile: Option<CapabilityProfile>,
    /// How the last test of the saved values went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_test: Option<LastTestView>,
    /// When it was entered first.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) created: Timestamp,
    /// When it was last changed by a person.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) changed: Timestamp,
}

/// Values that wait for verification and activation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Pending {
    /// The new address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<String>,
    /// The ends of the new keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) credentials: Option<BTreeMap<String, String>>,
}

/// The state of a connection.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"state": "needs_attention", "since": "2026-11-22T06:30:00Z",
    "code": "woocommerce.key_unknown", "text": "The store does not know the key."}))]
pub(crate) struct StateView {
    /// `draft`, `healthy`, `catching_up`, `delayed`, `needs_attention`, `store_unavailable` or
    /// `paused`.
    pub(crate) state: &'static str,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) since: Timestamp,
    /// Stable code of the cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
    /// The cause in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
}

/// Since when and why something is switched off.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PausedView {
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) since: Timestamp,
    /// Why.
    pub(crate) reason: String,
}

/// How the last test went.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LastTestView {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) at: Timestamp,
    /// `green` or `red`.
    pub(crate) status: String,
    /// Stable code of the proven cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
}

/// The result of a verification or a test.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": "ver_01980f6e1f4a7d0c9b1e2a3b4c5d6e7f",
    "at": "2026-11-22T06:30:00Z",
    "purpose": "activation",
    "status": "green",
    "checks": [{"name": "credentials", "title": "The keys are accepted", "status": "passed",
        "evidence": "The store answered 200."}],
    "profile": {"version": "10.3.4", "currency": "EUR", "facts": {}},
    "ticket": "eyJ…",
    "ticket_expires": "2026-11-22T06:40:00Z"
}))]
pub(crate) struct VerificationView {
    /// Its id.
    pub(crate) id: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) at: Timestamp,
    /// `activation` or `test`.
    pub(crate) purpose: String,
    /// `green` when everything needed is proven, else `red`.
    #[schema(schema_with = schemas::diagnosis_status)]
    pub(crate) status: DiagnosisStatus,
    /// The checks in their order, each with evidence; a failed one with cause and remedy.
    #[schema(schema_with = schemas::checks)]
    pub(crate) checks: Vec<Check>,
    /// What was found out.
    #[schema(schema_with = schemas::capability_profile)]
    pub(crate) profile: CapabilityProfile,
    /// What activation needs; only when green, valid for 10 minutes and for these values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ticket: Option<String>,
    /// Until when the ticket counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) ticket_expires: Option<Timestamp>,
}

impl From<Connection> for ConnectionView {
    fn from(row: Connection) -> Self {
        let (active, paused_since) = (row.is_active(), row.paused_since);
        let pending = (active && row.has_pending_values()).then(|| Pending {
            address: row.draft_address.clone(),
            credentials: row.draft_hints.clone(),
        });
        let (address, credentials) = if active {
            (row.address, row.hints)
        } else {
            (row.draft_address, row.draft_hints.unwrap_or_default())
        };
        Self {
            id: row.id,
            platform: row.platform,
            name: row.name,
            address,
            credentials,
            pending,
            settings: row.settings,
            active,
            state: row.state.into(),
            paused: paused_since.map(|since| PausedView {
                since,
                reason: row.pause_reason.unwrap_or_default(),
            }),
            profile: active.then_some(row.profile),
            last_test: row.last_test.map(Into::into),
            created: row.created,
            changed: row.changed,
        }
    }
}

impl From<StateNow> for StateView {
    fn from(now: StateNow) -> Self {
        Self {
            state: state_name(now.state),
            since: now.since,
            code: now.code,
            text: now.text,
        }
    }
}

impl From<LastTest> for LastTestView {
    fn from(test: LastTest) -> Self {
        Self {
            at: test.at,
            status: test.status,
            code: test.code,
        }
    }
}

impl From<Report> for VerificationView {
    fn from(report: Report) -> Self {
        Self {
            id: report.id,
            at: report.at,
            purpose: report.purpose,
            status: report.status,
            checks: report.diagnosis.checks,
            profile: report.diagnosis.profile,
            ticket: None,
            ticket_expires: None,
        }
    }
}
