//! What a handler says about a message.

use std::time::Duration;

use crate::Reason;

/// What a handler says about a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The effect is stored; the message is acknowledged.
    Done,
    /// The work is not finished but goes on well, as with a long walk that yields: deliver again
    /// at once.
    Again,
    /// It failed and may succeed later.
    Retry {
        /// When to deliver again; by default paced by the number of deliveries.
        after: Option<Duration>,
        /// For the log.
        reason: String,
    },
    /// It needs a person: the message goes to DEAD with the reason.
    Park(Reason),
}

impl Outcome {
    /// It failed and may succeed later; paced by the number of deliveries.
    pub fn retry(reason: impl ToString) -> Self {
        Self::Retry {
            after: None,
            reason: reason.to_string(),
        }
    }

    /// It failed and may succeed after `pause`.
    pub fn retry_after(pause: Duration, reason: impl ToString) -> Self {
        Self::Retry {
            after: Some(pause),
            reason: reason.to_string(),
        }
    }

    /// It needs a person. `code` is stable, `text` is for a person and holds no secret.
    pub fn park(code: impl Into<String>, text: impl Into<String>) -> Self {
        Self::Park(Reason {
            code: code.into(),
            text: text.into(),
        })
    }
}
