//! An address that may carry a password.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

/// An address that may carry a password; printing it masks the password.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct SecretUrl(SecretString);

impl SecretUrl {
    /// The address with its password, for the client that connects.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Whether nothing was set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.expose().is_empty()
    }

    /// Whether a password stands between user and host.
    pub(crate) fn holds_password(&self) -> bool {
        // As in printing: the last @ ends the credentials.
        let place = self.expose().split_once("://").map(|(_, rest)| rest);
        let credentials = place.and_then(|rest| rest.rsplit_once('@'));
        credentials.is_some_and(|(credentials, _)| credentials.contains(':'))
    }
}

impl From<String> for SecretUrl {
    fn from(url: String) -> Self {
        Self(SecretString::from(url))
    }
}

impl From<&str> for SecretUrl {
    fn from(url: &str) -> Self {
        Self(SecretString::from(url))
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, url) in self.expose().split(',').enumerate() {
            if position > 0 {
                formatter.write_str(",")?;
            }
            formatter.write_str(&mask_credentials(url))?;
        }
        Ok(())
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SecretUrl({self})")
    }
}

impl Serialize for SecretUrl {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Keeps scheme, user, host and path. A lone user part is masked too, since brokers accept a
/// token there, and so is a query, since database addresses may carry a password in it.
fn mask_credentials(url: &str) -> String {
    let (without_query, query) = match url.split_once('?') {
        Some((before, _)) => (before, "?***"),
        None => (url, ""),
    };
    let Some((scheme, rest)) = without_query.split_once("://") else {
        return format!("{without_query}{query}");
    };
    // The last @ ends the credentials: a password may hold an unescaped one, and even a slash.
    let Some((credentials, place)) = rest.rsplit_once('@') else {
        return format!("{scheme}://{rest}{query}");
    };
    match credentials.split_once(':') {
        Some((user, _)) => format!("{scheme}://{user}:***@{place}{query}"),
        None => format!("{scheme}://***@{place}{query}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printing_masks_every_form_of_credentials() {
        for (url, printed) in [
            (
                "postgres://app:s3cret@db:5432/storelink",
                "postgres://app:***@db:5432/storelink",
            ),
            (
                "postgres://app:p@ss@db/storelink",
                "postgres://app:***@db/storelink",
            ),
            (
                "postgres://app:p/s@db/storelink",
                "postgres://app:***@db/storelink",
            ),
            (
                "postgres:///storelink?host=/run&password=s3cret",
                "postgres:///storelink?***",
            ),
            ("nats://t0ken@broker:4222", "nats://***@broker:4222"),
            (
                "nats://a:s3cret@one,nats://b:s3cret@two",
                "nats://a:***@one,nats://b:***@two",
            ),
            ("nats://127.0.0.1:4222", "nats://127.0.0.1:4222"),
            ("sqlite:./data", "sqlite:./data"),
        ] {
            let url = SecretUrl::from(url);
            assert_eq!(url.to_string(), printed);
            assert_eq!(format!("{url:?}"), format!("SecretUrl({printed})"));
            assert!(!serde_json::to_string(&url).unwrap().contains("s3cret"));
        }
    }
}
