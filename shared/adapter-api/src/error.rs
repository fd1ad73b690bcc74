use std::time::Duration;

/// What a failure asks of the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// Try again later, with growing pauses; only this connection waits.
    Transient,
    /// The store asks for a pause of at least this long.
    Limited {
        /// How long to send nothing.
        pause: Duration,
    },
    /// A person must act: credentials refused, rights missing, address moved, API closed. No more
    /// requests until the connection is changed or tested again.
    Attention,
    /// This one request or item is refused and will be refused again.
    Rejected,
}

/// A failed call to a store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {text}")]
pub struct AdapterError {
    /// What to do about it.
    pub class: ErrorClass,
    /// Stable code, for example `woocommerce.key_unknown` or `http.timeout`.
    pub code: &'static str,
    /// What happened, in words that a person understands, without secrets.
    pub text: String,
    /// What to do, where a person can do something.
    pub remedy: Option<String>,
    /// Whether the request may have had an effect all the same: timeout after sending, connection
    /// lost, a gateway's 5xx.
    pub outcome_unknown: bool,
    /// Whether the same work may pass in smaller requests.
    pub smaller_batch: bool,
}

impl AdapterError {
    /// A failure of this class with nothing else known.
    #[must_use]
    pub fn new(class: ErrorClass, code: &'static str, text: impl Into<String>) -> Self {
        Self {
            class,
            code,
            text: text.into(),
            remedy: None,
            outcome_unknown: false,
            smaller_batch: false,
        }
    }

    /// Adds what a person can do.
    #[must_use]
    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Marks that the request may have had its effect.
    #[must_use]
    pub fn with_unknown_outcome(mut self) -> Self {
        self.outcome_unknown = true;
        self
    }

    /// Marks that smaller requests may pass.
    #[must_use]
    pub fn with_smaller_batch(mut self) -> Self {
        self.smaller_batch = true;
        self
    }
}
