//! How a job ends, in the poller's own words.

use std::time::Duration;

use storelink_adapter_api::{AdapterError, ErrorClass};
use storelink_model::Timestamp;

use crate::cursor::Counts;

/// No store is believed when it asks for a longer pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// What becomes of a job.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It is over: reported and acknowledged.
    Over(Run),
    /// A long walk makes room; it goes on where it stopped.
    Yielded,
    /// It comes again after a pause.
    Later {
        /// How long, by the number of deliveries when none.
        pause: Option<Duration>,
        /// For the log.
        reason: String,
    },
}

/// A run that is over.
#[derive(Debug, Default)]
pub(crate) struct Run {
    pub(crate) counts: Counts,
    pub(crate) watermark: Option<Timestamp>,
    pub(crate) failure: Option<Failure>,
}

/// Why a run failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: String,
    pub(crate) text: String,
    pub(crate) needs_attention: bool,
    /// The same may succeed later without a person.
    pub(crate) may_pass: bool,
}

impl Failure {
    pub(crate) fn new(code: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            text: text.into(),
            needs_attention: false,
            may_pass: false,
        }
    }

    /// A person must act.
    pub(crate) fn needing_attention(mut self) -> Self {
        self.needs_attention = true;
        self
    }
}

impl Run {
    /// A run that did nothing but fail.
    pub(crate) fn failed(failure: Failure) -> Self {
        Self {
            failure: Some(failure),
            ..Self::default()
        }
    }
}

impl Ended {
    /// After a call to the store failed, with what was done before.
    pub(crate) fn after(
        error: &AdapterError,
        counts: Counts,
        watermark: Option<Timestamp>,
    ) -> Self {
        let text = match &error.remedy {
            Some(remedy) => format!("{} {remedy}", error.text),
            None => error.text.clone(),
        };
        let failure = Failure::new(error.code, text);
        let failure = match error.class {
            ErrorClass::Limited { pause } => {
                return Self::Later {
                    pause: Some(pause.min(LONGEST_PAUSE)),
                    reason: error.to_string(),
                };
            }
            ErrorClass::Attention => failure.needing_attention(),
            ErrorClass::Transient => Failure {
                may_pass: true,
                ..failure
            },
            ErrorClass::Rejected => failure,
        };
        Self::Over(Run {
            counts,
            watermark,
            failure: Some(failure),
        })
    }
}

impl Run {
    /// The same run, ended by a failure.
    pub(crate) fn failed_by(self, failure: Failure) -> Self {
        Self {
            failure: Some(failure),
            ..self
        }
    }
}
