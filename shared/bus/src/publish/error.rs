//! Why a message was not stored.

use std::time::Duration;

use crate::Forbidden;

/// Why a message was not stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The stream is full and refuses instead of forgetting. Transient: its reader catches up, or
    /// an operator raises the limit.
    #[error(
        "the stream of {subject} is full ({text}): its reader is behind, or its byte limit is too low"
    )]
    Full {
        /// The subject.
        subject: String,
        /// The server's words.
        text: String,
    },
    /// A message of this subject waits or is in work already.
    #[error("{subject} is taken: a message of this subject waits or is in work")]
    SubjectTaken {
        /// The subject.
        subject: String,
    },
    /// The last message of the subject is another one than expected.
    #[error("{subject} has another last message than expected ({text})")]
    WrongLastSequence {
        /// The subject.
        subject: String,
        /// The sequence that the subject has, where the server tells it.
        found: Option<u64>,
        /// The server's words.
        text: String,
    },
    /// Larger than the server or the stream takes.
    #[error("a message of {size} bytes is too large for {subject}")]
    TooLarge {
        /// The subject.
        subject: String,
        /// Size of the payload in bytes.
        size: usize,
    },
    /// The broker user may not publish here, or may not receive answers.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// The subject holds blanks or empty tokens.
    #[error("{subject:?} is no valid subject")]
    InvalidSubject {
        /// The subject.
        subject: String,
    },
    /// No stream takes the subject.
    #[error("no stream takes {subject}: apply the stream table (storelink streams apply)")]
    NoStream {
        /// The subject.
        subject: String,
    },
    /// The broker did not answer for so long. The message may be stored all the same.
    #[error("the broker did not acknowledge {subject} within {waited:?} ({reason})")]
    Unavailable {
        /// The subject.
        subject: String,
        /// How long it was tried.
        waited: Duration,
        /// How the last attempt ended.
        reason: String,
    },
    /// The server refused for another reason.
    #[error("the broker refuses {subject}: {text} (code {code})")]
    Refused {
        /// The subject.
        subject: String,
        /// The server's error code.
        code: u64,
        /// The server's words.
        text: String,
    },
}

impl PublishError {
    /// Stable code for operators.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Full { .. } => "bus.stream_full",
            Self::SubjectTaken { .. } => "bus.subject_taken",
            Self::WrongLastSequence { .. } => "bus.wrong_last_sequence",
            Self::TooLarge { .. } => "bus.message_too_large",
            Self::Forbidden(forbidden) => forbidden.code(),
            Self::InvalidSubject { .. } => "bus.invalid_subject",
            Self::NoStream { .. } => "bus.no_stream",
            Self::Unavailable { .. } => "bus.unavailable",
            Self::Refused { .. } => "bus.refused",
        }
    }

    /// True when the same message may be stored later without a change on our side.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Full { .. } | Self::NoStream { .. } | Self::Unavailable { .. }
        )
    }
}
