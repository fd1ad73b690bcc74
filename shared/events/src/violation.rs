use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One thing that is wrong with an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[error("{pointer}: {detail} ({code})")]
pub struct Violation {
    /// Where, as a JSON pointer into the event; empty for the event as a whole.
    pub pointer: String,
    /// Stable code, for example `event.member_missing` or `value.sku`.
    pub code: String,
    /// What is wrong, in words.
    pub detail: String,
}

impl Violation {
    /// A violation at a place.
    #[must_use]
    pub fn new(
        pointer: impl Into<String>,
        code: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            pointer: pointer.into(),
            code: code.into(),
            detail: detail.into(),
        }
    }
}
