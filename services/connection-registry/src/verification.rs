//! Verifying a connection: asking its store, bounded in time, and keeping the report.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use storelink_adapter_api::{
    CapabilityProfile, Check, CheckStatus, Credentials, Diagnosis, DiagnosisStatus, OpenGate,
    StoreAccess, StoreAdapter,
};
use storelink_model::{ConnectionId, Timestamp};
use storelink_persistence::{Database, DbError, Row, Transaction, args};
use tokio::time::timeout;

use crate::connections::{Connection, credentials, fields};
use crate::problem::{Answer, Problem, catalogue};
use crate::registry::Registry;
use crate::{clock, ids};

/// The longest that all checks together may take.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// Why a verification was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Purpose {
    /// To activate what was entered.
    Activation,
    /// To see whether what is saved works.
    Test,
}

impl Purpose {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Activation => "activation",
            Self::Test => "test",
        }
    }
}

/// A verification that was made.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    pub(crate) id: String,
    pub(crate) at: Timestamp,
    pub(crate) purpose: String,
    pub(crate) status: DiagnosisStatus,
    pub(crate) diagnosis: Diagnosis,
}

/// The values that a verification proves.
pub(crate) struct Values {
    pub(crate) address: String,
    pub(crate) credentials: Credentials,
    pub(crate) fingerprint: String,
}

impl Registry {
    /// The entered values, or those in use where nothing was entered.
    ///
    /// # Errors
    /// [`catalogue::INCOMPLETE`] with a pointer to each missing field.
    pub(crate) fn candidate_values(&self, connection: &Connection) -> Answer<Values> {
        let address = connection.candidate_address();
        let sealed = connection.candidate_credentials();
        self.values(connection, address, sealed)
    }

    /// The values in use, or the entered ones of a draft.
    pub(crate) fn saved_values(&self, connection: &Connection) -> Answer<Values> {
        if !connection.is_active() {
            return self.candidate_values(connection);
        }
        let (address, sealed) = (
            connection.address.as_deref(),
            connection.credentials.as_deref(),
        );
        self.values(connection, address, sealed)
    }

    fn values(
        &self,
        connection: &Connection,
        address: Option<&str>,
        sealed: Option<&str>,
    ) -> Answer<Values> {
        let adapter = self.adapter_of(connection)?;
        let credentials = match sealed {
            Some(sealed) => credentials::open(&self.vault, &connection.id, sealed)?,
            None => Credentials::default(),
        };
        let missing = fields::missing(adapter.descriptor(), address.is_some(), |name| {
            credentials.get(name).is_some()
        });
        if !missing.is_empty() {
            return Err(Problem::new(catalogue::INCOMPLETE).errors(missing));
        }
        let address = address.unwrap_or_default().to_owned();
        let fingerprint =
            credentials::fingerprint(&self.key, &connection.platform, &address, &credentials);
        Ok(Values {
            address,
            credentials,
            fingerprint,
        })
    }

    /// Asks the store. Never longer than the limit, and only a few at once.
    pub(crate) async fn diagnose(
        &self,
        connection: &Connection,
        values: Values,
    ) -> Answer<Diagnosis> {
        let _place = self.verifications.take(&connection.tenant).ok_or_else(|| {
            Problem::new(catalogue::VERIFY_BUSY).retry_after(Duration::from_secs(5))
        })?;
        let adapter = self.adapter_of(connection)?;
        let access = self.access(connection, values)?;
        // Boxed: what an adapter does is as large as it likes.
        let checks = Box::pin(adapter.verify(&access));
        Ok(match timeout(TIME_LIMIT, checks).await {
            Ok(diagnosis) => diagnosis,
            Err(_) => too_slow(),
        })
    }

    fn access(&self, connection: &Connection, values: Values) -> Answer<StoreAccess> {
        // A platform without an address of its own gets one that leads nowhere.
        let text = if values.address.is_empty() {
            "https://address.invalid"
        } else {
            &values.address
        };
        let address = text.parse().map_err(|_| {
            Problem::new(catalogue::INCOMPLETE).detail("the saved address cannot be read")
        })?;
        Ok(StoreAccess {
            connection: connection.id.clone(),
            address,
            credentials: Arc::new(values.credentials),
            profile: Arc::new(CapabilityProfile::default()),
            options: Arc::new(connection.settings.options.clone()),
            http: self.http.clone(),
            gate: Arc::new(OpenGate),
        })
    }

    pub(crate) fn adapter_of(&self, connection: &Connection) -> Answer<&Arc<dyn StoreAdapter>> {
        self.adapters.get(&connection.platform).ok_or_else(|| {
            Problem::internal(format!("no adapter for platform {}", connection.platform))
        })
    }
}

/// Keeps a report.
pub(crate) async fn keep(
    transaction: &mut Transaction,
    connection: &ConnectionId,
    purpose: Purpose,
    diagnosis: Diagnosis,
) -> Answer<Report> {
    let report = Report {
        id: ids::generate("ver"),
        at: Timestamp::now(),
        purpose: purpose.as_str().to_owned(),
        status: diagnosis.status(),
        diagnosis,
    };
    let status = match report.status {
        DiagnosisStatus::Green => "green",
        DiagnosisStatus::Red => "red",
    };
    let text = serde_json::to_string(&report.diagnosis).map_err(Problem::internal)?;
    transaction
        .execute(
            "INSERT INTO verifications (id, connection, made_at, purpose, status, report)
             VALUES ($1, $2, $3, $4, $5, $6)",
            args![
                &report.id,
                connection.as_str(),
                report.at.micros(),
                &report.purpose,
                status,
                text
            ],
        )
        .await?;
    Ok(report)
}

/// One page of the reports of a connection, newest first.
pub(crate) async fn list(
    database: &Database,
    connection: &ConnectionId,
    before: &str,
    limit: i64,
) -> Result<Vec<Report>, DbError> {
    database
        .fetch_all(
            "SELECT * FROM verifications WHERE connection = $1 AND ($2 = '' OR id < $2)
             ORDER BY id DESC LIMIT $3",
            args![connection.as_str(), before, limit],
        )
        .await?
        .iter()
        .map(Report::from_row)
        .collect()
}

/// The report with this id of this connection.
pub(crate) async fn get(
    transaction: &mut Transaction,
    connection: &ConnectionId,
    id: &str,
) -> Result<Option<Report>, DbError> {
    transaction
        .fetch_optional(
            "SELECT * FROM verifications WHERE connection = $1 AND id = $2",
            args![connection.as_str(), id],
        )
        .await?
        .as_ref()
        .map(Report::from_row)
        .transpose()
}

impl Report {
    fn from_row(row: &Row) -> Result<Self, DbError> {
        let diagnosis: Diagnosis =
            serde_json::from_str(&row.text("report")?).map_err(|error| DbError::Column {
                column: "report".to_owned(),
                problem: error.to_string(),
            })?;
        Ok(Self {
            id: row.text("id")?,
            at: clock::time(row, "made_at")?,
            purpose: row.text("purpose")?,
            status: diagnosis.status(),
            diagnosis,
        })
    }
}

fn too_slow() -> Diagnosis {
    let seconds = TIME_LIMIT.as_secs();
    Diagnosis {
        checks: vec![Check {
            name: "time".to_owned(),
            title: "The store answers in time".to_owned(),
            status: CheckStatus::Failed,
            code: Some("verification.too_slow".to_owned()),
            evidence: format!("The checks were not finished after {seconds} seconds."),
            explanation: Some("The store answers, but too slowly to be checked.".to_owned()),
            remedy: vec![
                "Open the store in a browser: is it slow there, too?".to_owned(),
                "Try again when it is less busy, or ask its hosting provider.".to_owned(),
            ],
            curl: None,
        }],
        profile: CapabilityProfile::default(),
    }
}
