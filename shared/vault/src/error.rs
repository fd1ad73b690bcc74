//! What can go wrong with keys and sealed values.

use std::path::PathBuf;

/// A failed operation of the vault. Neither keys nor sealed contents are part of any text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// A file or folder cannot be read or written.
    #[error("{} cannot be used: {reason}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// The folder has no key.
    #[error("folder {} holds no key file", path.display())]
    NoKey {
        /// The folder.
        path: PathBuf,
    },
    /// Everybody on the machine may read or write a key.
    #[error("key file {} is open to every user of the machine", path.display())]
    Exposed {
        /// The key file.
        path: PathBuf,
    },
    /// A key file does not hold 32 bytes in base64.
    #[error("key file {} does not hold 32 bytes in base64", path.display())]
    MalformedKey {
        /// The key file.
        path: PathBuf,
    },
    /// A key's file name holds other characters than `a-z 0-9 -`.
    #[error("name of key file {} may only hold lower-case letters, digits and hyphens", path.display())]
    KeyName {
        /// The key file.
        path: PathBuf,
    },
    /// The key that the file `active` names does not exist.
    #[error("key `{key}` is named as the active one, but its file is missing")]
    ActiveKeyMissing {
        /// Id of the key.
        key: String,
    },
    /// A value was sealed with a key that is not in the folder.
    #[error("value is sealed with key `{key}`, which is not in the keys folder")]
    UnknownKey {
        /// Id of the key.
        key: String,
    },
    /// A text is no sealed value.
    #[error("text is no sealed value")]
    MalformedValue,
    /// A value was changed, belongs to something else, or its key has another content.
    #[error(
        "value sealed with key `{key}` does not open: it was changed or belongs to another record"
    )]
    DoesNotOpen {
        /// Id of the key.
        key: String,
    },
    /// The system gave no random bytes, or the value is too long.
    #[error("value cannot be sealed: {0}")]
    CannotSeal(String),
}

impl VaultError {
    /// Stable code of this kind of error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::File { .. } => "vault.file",
            Self::NoKey { .. } => "vault.no_key",
            Self::Exposed { .. } => "vault.key_exposed",
            Self::MalformedKey { .. } => "vault.malformed_key",
            Self::KeyName { .. } => "vault.key_name",
            Self::ActiveKeyMissing { .. } => "vault.active_key_missing",
            Self::UnknownKey { .. } => "vault.unknown_key",
            Self::MalformedValue => "vault.malformed_value",
            Self::DoesNotOpen { .. } => "vault.does_not_open",
            Self::CannotSeal(_) => "vault.cannot_seal",
        }
    }

    /// What a person can do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::File { .. } => "check `vault.keys_dir` and its permissions",
            Self::NoKey { .. } => {
                "put the installation's key files into `vault.keys_dir`; a new installation makes \
                 its first with `storelink keys create`"
            }
            Self::Exposed { .. } => "take the rights of others away: chmod o-rwx on the file",
            Self::MalformedKey { .. } => "restore the key file from its backup",
            Self::KeyName { .. } => "rename the file to the id of its key",
            Self::ActiveKeyMissing { .. } => "restore the key file, or correct the file `active`",
            Self::UnknownKey { .. } => {
                "restore the key file; a retired key may be removed only after every value was sealed again"
            }
            Self::MalformedValue | Self::DoesNotOpen { .. } => {
                "enter the credentials of this connection again"
            }
            Self::CannotSeal(_) => "report it with the surrounding log lines",
        }
    }
}
