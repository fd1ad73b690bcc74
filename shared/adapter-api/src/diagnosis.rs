use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::CapabilityProfile;

/// The result of a verification.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Diagnosis {
    /// The checks in the order in which they were made; those after a failure are skipped when they
    /// cannot tell anything any more.
    pub checks: Vec<Check>,
    /// What was found out on the way.
    pub profile: CapabilityProfile,
}

/// Whether a connection may be activated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DiagnosisStatus {
    /// Everything needed is proven.
    Green,
    /// Something needed is not.
    Red,
}

/// One check with its evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// Stable name, for example `address`, `tls`, `api`, `credentials`, `read_orders`, `write`,
    /// `clock`, `currency`, `tax_mode`.
    pub name: String,
    /// What is checked, as a person reads it.
    pub title: String,
    /// How it went.
    pub status: CheckStatus,
    /// Stable code of the cause when it did not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What was seen.
    pub evidence: String,
    /// What that means, in a shop owner's words; only when it did not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<String>,
    /// What to do, step by step; only when it did not pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remedy: Vec<String>,
    /// The same request as a line for a shell, with placeholders for secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub curl: Option<String>,
}

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckStatus {
    /// Proven.
    Passed,
    /// Works, but a person should know something.
    Warning,
    /// Proven not to work.
    Failed,
    /// Could not be asked because of an earlier failure.
    Skipped,
    /// Cannot be proven without changing the store; the first write will show it.
    ShownByFirstWrite,
}

impl Diagnosis {
    /// Green when no check failed and none was skipped.
    #[must_use]
    pub fn status(&self) -> DiagnosisStatus {
        let bad =
            |check: &Check| matches!(check.status, CheckStatus::Failed | CheckStatus::Skipped);
        if self.checks.is_empty() || self.checks.iter().any(bad) {
            DiagnosisStatus::Red
        } else {
            DiagnosisStatus::Green
        }
    }

    /// The first check that failed: the proven cause.
    #[must_use]
    pub fn cause(&self) -> Option<&Check> {
        self.checks
            .iter()
            .find(|check| check.status == CheckStatus::Failed)
    }
}
