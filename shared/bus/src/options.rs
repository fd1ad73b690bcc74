//! What a connection to the broker needs to know.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use crate::streams::Sizing;

/// How a role proves who it is. No secret appears in `Debug`.
#[derive(Clone, Debug, Default)]
pub enum Credentials {
    /// The server asks for none.
    #[default]
    None,
    /// User and password.
    UserPassword {
        /// The broker user.
        user: String,
        /// Its password.
        password: SecretString,
    },
    /// The seed of an nkey.
    Nkey(SecretString),
    /// A file that holds the seed of an nkey, or a user's JWT and seed as the server's tools write it.
    File(PathBuf),
}

/// Options of [`Bus::connect`](crate::Bus::connect).
#[derive(Clone)]
pub struct BusOptions {
    /// Addresses of the server or of the servers of one cluster, separated by commas.
    pub url: String,
    /// The name under which the server shows this connection: the role.
    pub name: String,
    /// How the role proves who it is.
    pub credentials: Credentials,
    /// Certificate authority of the server (PEM); with one, the connection has to be TLS. Beside it
    /// the system's own authorities are trusted.
    pub ca_file: Option<PathBuf>,
    /// Longest wait for the first connection, per server.
    pub connect_timeout: Duration,
    /// Longest wait for one answer of the broker.
    pub request_timeout: Duration,
    /// How long a publish is repeated, with the same message id, before it is given up.
    pub publish_patience: Duration,
    /// First part of the subjects on which answers arrive; a limited broker user has its own.
    pub inbox_prefix: Option<String>,
    /// Whether this role may create the streams and consumers of the table when they are missing.
    /// Off where an administrator's user owns them.
    pub manage_streams: bool,
    /// Replicas and byte limits that streams are created with.
    pub sizing: Sizing,
}

impl BusOptions {
    /// Options for a server without credentials, with the defaults for everything else.
    pub fn new(url: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            name: name.into(),
            credentials: Credentials::None,
            ca_file: None,
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(5),
            publish_patience: Duration::from_secs(15),
            inbox_prefix: None,
            manage_streams: true,
            sizing: Sizing::default(),
        }
    }
}

impl std::fmt::Debug for BusOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BusOptions")
            .field("url", &without_credentials(&self.url))
            .field("name", &self.name)
            .field("credentials", &self.credentials)
            .field("ca_file", &self.ca_file)
            .field("connect_timeout", &self.connect_timeout)
            .field("request_timeout", &self.request_timeout)
            .field("publish_patience", &self.publish_patience)
            .field("inbox_prefix", &self.inbox_prefix)
            .field("manage_streams", &self.manage_streams)
            .field("sizing", &self.sizing)
            .finish()
    }
}

/// The addresses as they may be shown: user and password removed.
pub(crate) fn without_credentials(urls: &str) -> String {
    let shown = |part: &str| match part.rsplit_once('@') {
        None => part.trim().to_owned(),
        Some((before, host)) => match before.split_once("://") {
            Some((scheme, _)) => format!("{}://{host}", scheme.trim()),
            None => host.to_owned(),
        },
    };
    urls.split(',').map(shown).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_never_shown() {
        assert_eq!(
            without_credentials("nats://u:p@a:4222, nats://b:4222,c:p@d"),
            "nats://a:4222,nats://b:4222,d"
        );
        let mut options = BusOptions::new("nats://user:hunter2@h:1", "role");
        options.credentials = Credentials::UserPassword {
            user: "user".into(),
            password: "hunter2".to_owned().into(),
        };
        assert!(!format!("{options:?}").contains("hunter2"));
    }
}
