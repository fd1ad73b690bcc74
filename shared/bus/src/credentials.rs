//! What a role shows the server to prove who it is.

use std::path::{Path, PathBuf};

use secrecy::SecretString;

use crate::users::UserKey;
use crate::{ConnectError, Credentials};

/// What stands before the token of a user whose account is kept by an operator.
const JWT: &str = "-----BEGIN NATS USER JWT-----";

/// Credentials with everything in hand.
pub(crate) enum Loaded {
    None,
    Password {
        user: String,
        password: SecretString,
    },
    Key(UserKey),
    Jwt {
        path: PathBuf,
        text: SecretString,
    },
}

impl Credentials {
    /// Reads the file, where there is one.
    pub(crate) fn load(&self) -> Result<Loaded, ConnectError> {
        let unusable = |error: String| ConnectError::Settings(format!("the nkey: {error}"));
        Ok(match self {
            Self::None => Loaded::None,
            Self::UserPassword { user, password } => Loaded::Password {
                user: user.clone(),
                password: password.clone(),
            },
            Self::Nkey(seed) => {
                let key = UserKey::from_seed(secrecy::ExposeSecret::expose_secret(seed));
                Loaded::Key(key.map_err(|error| unusable(error.to_string()))?)
            }
            Self::File(path) => read(path)?,
        })
    }
}

fn read(path: &Path) -> Result<Loaded, ConnectError> {
    let unusable = |cause: String| {
        ConnectError::Settings(format!("credentials file {}: {cause}", path.display()))
    };
    let text = std::fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
    if text.contains(JWT) {
        return Ok(Loaded::Jwt {
            path: path.to_owned(),
            text: text.into(),
        });
    }
    let key = UserKey::from_seed(&text).map_err(|error| unusable(error.to_string()))?;
    Ok(Loaded::Key(key))
}

impl Loaded {
    /// The user for people: the role, and what the server calls it.
    pub(crate) fn user(&self, role: &str) -> String {
        match self {
            Self::None | Self::Jwt { .. } => role.to_owned(),
            Self::Password { user, .. } => format!("{user} (of {role})"),
            Self::Key(key) => format!("{role} ({})", key.public()),
        }
    }
}
