//! What can be wrong with a configuration.

use std::path::PathBuf;

/// Why the configuration was refused. The text names the key, its source and what was expected,
/// never the value of a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The file that was named does not exist or cannot be read.
    #[error("configuration file {} cannot be read: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// A file that holds a secret cannot be used.
    #[error("the file {} that `{key}` names cannot be used: {reason}", path.display())]
    SecretFile {
        /// Dotted name of the key that names the file.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// A file is not TOML.
    #[error("{origin} is not valid TOML: {reason}")]
    Syntax {
        /// The file.
        origin: String,
        /// Line, column and cause.
        reason: String,
    },
    /// A key that no part of Storelink reads.
    #[error("unknown setting `{key}` in {origin}{}", suggestion.as_ref().map(|known| format!("; did you mean `{known}`?")).unwrap_or_default())]
    UnknownKey {
        /// Dotted name of the key.
        key: String,
        /// File or variable that holds it.
        origin: String,
        /// The known key that looks most like it.
        suggestion: Option<String>,
    },
    /// A value of the wrong type or outside its limits.
    #[error("setting `{key}` in {origin} is not usable: {problem}")]
    InvalidValue {
        /// Dotted name of the key.
        key: String,
        /// File or variable that holds it.
        origin: String,
        /// What was found and expected; without the value when it is secret.
        problem: String,
    },
    /// Two settings that exclude each other.
    #[error("settings `{first}` and `{second}` exclude each other")]
    Conflict {
        /// Dotted name of one key.
        first: &'static str,
        /// Dotted name of the other.
        second: &'static str,
    },
}

impl SettingsError {
    /// Stable code of this kind of error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::File { .. } => "settings.file_unreadable",
            Self::SecretFile { .. } => "settings.secret_file",
            Self::Syntax { .. } => "settings.syntax",
            Self::UnknownKey { .. } => "settings.unknown_key",
            Self::InvalidValue { .. } => "settings.invalid_value",
            Self::Conflict { .. } => "settings.conflict",
        }
    }

    /// What a person can do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::File { .. } => "correct the path after --config, or the file's permissions",
            Self::SecretFile { .. } => "correct the path, the file's permissions or its content",
            Self::Syntax { .. } => "correct the line that is named",
            Self::UnknownKey { .. } => "remove the key or correct its name",
            Self::InvalidValue { .. } => "correct the value where it is set",
            Self::Conflict { .. } => "keep one of the two and empty the other",
        }
    }
}
