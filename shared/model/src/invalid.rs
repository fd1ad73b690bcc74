use std::borrow::Cow;

/// A text that is not the value it should be. The text itself is not repeated: it may be long or
/// personal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {what}: {reason}")]
pub struct InvalidValue {
    /// What was expected, for example `sku`.
    pub what: &'static str,
    /// Why the text is not one, in words that a person can act on.
    pub reason: Cow<'static, str>,
}

impl InvalidValue {
    pub(crate) fn new(what: &'static str, reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            what,
            reason: reason.into(),
        }
    }

    /// The stable code of this refusal, `value.<what>`.
    #[must_use]
    pub fn code(&self) -> String {
        format!("value.{}", self.what)
    }
}
