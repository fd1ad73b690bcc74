//! The connection: bounded at start with one clear error, for ever in the background afterwards.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_nats::ConnectErrorKind;
use async_nats::jetstream;
use rand::Rng;
use secrecy::ExposeSecret;
use tokio::time::timeout;

use crate::credentials::Loaded;
use crate::monitor::{Link, Monitor};
use crate::options::without_credentials;
use crate::work::InHand;
use crate::{BusOptions, Violation};

/// The oldest server that does what the stream table relies on; older ones ignore it silently.
const LEAST_VERSION: (u64, u64) = (2, 12);

/// Messages waiting in one subscription before the newest are dropped and an error is logged.
const SUBSCRIPTION_CAPACITY: usize = 16 * 1024;

/// Why no usable connection was made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nothing answers.
    #[error("no NATS server answers at {url}: start one or set STORELINK_NATS__URL ({cause})")]
    Unreachable {
        /// The addresses tried, without credentials.
        url: String,
        /// What the attempt ended with.
        cause: String,
    },
    /// The server ignores features that Storelink relies on.
    #[error(
        "nats-server {version} is too old: Storelink needs 2.12 or newer \
         (deploy/local/nats-server.sh fetches one)"
    )]
    TooOld {
        /// The version that the server named.
        version: String,
    },
    /// The server keeps no streams.
    #[error(
        "the NATS server at {url} runs without JetStream: start it with -js, or set jetstream in its configuration and for the account"
    )]
    JetStreamOff {
        /// The addresses, without credentials.
        url: String,
    },
    /// User, password, key or credentials file are refused.
    #[error(
        "the NATS server at {url} refuses the credentials: its user is not known there, or its password or key is another (STORELINK_NATS__CREDENTIALS_FILE, STORELINK_NATS__USER)"
    )]
    WrongCredentials {
        /// The addresses, without credentials.
        url: String,
    },
    /// The broker user may not receive answers.
    #[error(
        "the broker user {user} may not subscribe to {subject}, on which its answers arrive: correct the permissions of the role or set its inbox prefix"
    )]
    InboxDenied {
        /// The subject that was refused.
        subject: String,
        /// Who was refused.
        user: String,
    },
    /// The options cannot be used as they are.
    #[error("the NATS settings cannot be used: {0}")]
    Settings(String),
}

impl ConnectError {
    /// Stable code for operators.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "bus.unreachable",
            Self::TooOld { .. } => "bus.server_too_old",
            Self::JetStreamOff { .. } => "bus.jetstream_off",
            Self::WrongCredentials { .. } => "bus.wrong_credentials",
            Self::InboxDenied { .. } => "bus.inbox_denied",
            Self::Settings(_) => "bus.settings",
        }
    }
}

/// The connection could not be drained in time; what was not flushed may be repeated.
#[derive(Debug, thiserror::Error)]
#[error("the connection to the broker did not drain within {0:?}")]
pub struct DrainError(pub Duration);

/// A connection to the broker. Clones share it.
#[derive(Clone, Debug)]
pub struct Bus {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    client: async_nats::Client,
    jetstream: jetstream::Context,
    monitor: Arc<Monitor>,
    in_hand: InHand,
    options: BusOptions,
    user: String,
}

impl Bus {
    /// Connects, and checks that the server can do what Storelink relies on.
    ///
    /// The first connection is bounded by the connect timeout. Afterwards a lost connection is
    /// made again in the background for ever, and each operation has its own timeout.
    ///
    /// # Errors
    /// One variant of [`ConnectError`] for each cause that an operator can act on.
    pub async fn connect(options: &BusOptions) -> Result<Self, ConnectError> {
        let credentials = options.credentials.load()?;
        let user = credentials.user(&options.name);
        let monitor = Monitor::new(user.clone());
        let client = open(options, credentials, &monitor).await?;
        check_version(&client.server_info().version)?;

        let jetstream = jetstream::context::ContextBuilder::new()
            .timeout(options.request_timeout)
            .build(client.clone());
        let bus = Self {
            inner: Arc::new(Inner {
                client,
                jetstream,
                monitor,
                in_hand: InHand::default(),
                user,
                options: options.clone(),
            }),
        };
        bus.check_jetstream().await?;
        Ok(bus)
    }

    /// The options that the connection was made with.
    pub fn options(&self) -> &BusOptions {
        &self.inner.options
    }

    /// Who this process is on the broker: the role, and its public key or name there.
    pub fn user(&self) -> &str {
        &self.inner.user
    }

    /// The version that the server named.
    pub fn server_version(&self) -> String {
        self.inner.client.server_info().version
    }

    /// Largest message that the server takes, in bytes, headers included.
    pub fn max_payload(&self) -> usize {
        self.inner.client.max_payload()
    }

    /// True while the connection stands.
    pub fn is_connected(&self) -> bool {
        self.inner.monitor.link().borrow().up
    }

    /// By consumer, the messages that this process works on: delivered to it, and neither acknowledged
    /// nor given back yet. A consumer that it has worked through stays, with 0.
    pub fn work_in_hand(&self) -> Vec<(String, usize)> {
        self.inner.in_hand.counts()
    }

    /// Refused permissions since the start. Any above zero is a mistake in the broker's users.
    pub fn permission_violations(&self) -> u64 {
        self.inner.monitor.violation_count()
    }

    /// Errors that the broker reported outside of answers, refused permissions included.
    pub fn asynchronous_errors(&self) -> u64 {
        self.inner.monitor.error_count()
    }

    /// Sends what is buffered, ends all subscriptions and closes the connection.
    ///
    /// # Errors
    /// When that takes longer than `limit`.
    pub async fn drain(&self, limit: Duration) -> Result<(), DrainError> {
        let mut link = self.inner.monitor.link();
        let drain = async {
            self.inner.client.flush().await.ok();
            if self.inner.client.drain().await.is_ok() {
                link.wait_for(|link| link.closed).await.ok();
            }
        };
        timeout(limit, drain).await.map_err(|_| DrainError(limit))
    }

    /// The underlying client, for what this crate does not offer.
    pub fn client(&self) -> &async_nats::Client {
        &self.inner.client
    }

    /// The underlying JetStream context, for what this crate does not offer.
    pub fn jetstream(&self) -> &jetstream::Context {
        &self.inner.jetstream
    }

    pub(crate) fn monitor(&self) -> &Monitor {
        &self.inner.monitor
    }

    pub(crate) fn in_hand(&self) -> &InHand {
        &self.inner.in_hand
    }

    pub(crate) fn link(&self) -> tokio::sync::watch::Receiver<Link> {
        self.inner.monitor.link()
    }

    /// First part of the subjects on which this connection gets answers.
    pub(crate) fn inbox_prefix(&self) -> &str {
        self.inner
            .options
            .inbox_prefix
            .as_deref()
            .unwrap_or("_INBOX")
    }

    async fn check_jetstream(&self) -> Result<(), ConnectError> {
        let off = || ConnectError::JetStreamOff {
            url: self.shown_url(),
        };
        if !self.inner.client.server_info().jetstream {
            return Err(off());
        }
        use async_nats::jetstream::context::AccountErrorKind;
        let denied = |violation: Violation| ConnectError::InboxDenied {
            subject: violation.subject,
            user: self.user().to_owned(),
        };
        let answer = tokio::select! {
            biased;
            answer = self.inner.jetstream.query_account() => answer,
            violation = self.inner.monitor.inbox_refused(self.inbox_prefix()) => {
                return Err(denied(violation));
            }
        };
        match answer {
            Ok(_) => Ok(()),
            Err(error) => match error.kind() {
                AccountErrorKind::JetStreamUnavailable | AccountErrorKind::JetStream(_) => {
                    Err(off())
                }
                AccountErrorKind::TimedOut | AccountErrorKind::Other => {
                    match self.inner.monitor.find_inbox(self.inbox_prefix()) {
                        Some(violation) => Err(denied(violation)),
                        // A limited user need not be allowed to ask.
                        None => Ok(()),
                    }
                }
            },
        }
    }

    fn shown_url(&self) -> String {
        without_credentials(&self.inner.options.url)
    }
}

async fn open(
    options: &BusOptions,
    credentials: Loaded,
    monitor: &Arc<Monitor>,
) -> Result<async_nats::Client, ConnectError> {
    let addresses: Vec<async_nats::ServerAddr> = options
        .url
        .split(',')
        .map(|part| part.trim().parse())
        .collect::<Result<_, std::io::Error>>()
        .map_err(|_| {
            ConnectError::Settings(format!(
                "{:?} is no list of NATS addresses such as nats://127.0.0.1:4222",
                without_credentials(&options.url)
            ))
        })?;

    // The client has its own limit per step; this one bounds the whole, name resolution included.
    let limit = options.connect_timeout * u32::try_from(addresses.len()).unwrap_or(1).max(1)
        + Duration::from_secs(1);
    let client_options = client_options(options, credentials, monitor).await?;
    let unreachable = |cause: String| ConnectError::Unreachable {
        url: without_credentials(&options.url),
        cause,
    };
    match timeout(limit, client_options.connect(addresses)).await {
        Ok(Ok(client)) => Ok(client),
        Ok(Err(error)) => Err(match error.kind() {
            ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
                ConnectError::WrongCredentials {
                    url: without_credentials(&options.url),
                }
            }
            _ => unreachable(error.to_string()),
        }),
        Err(_) => Err(unreachable(format!("no answer within {limit:?}"))),
    }
}

async fn client_options(
    options: &BusOptions,
    credentials: Loaded,
    monitor: &Arc<Monitor>,
) -> Result<async_nats::ConnectOptions, ConnectError> {
    let monitor = monitor.clone();
    let mut client = async_nats::ConnectOptions::new()
        .name(&options.name)
        .connection_timeout(options.connect_timeout)
        .request_timeout(Some(options.request_timeout))
        .subscription_capacity(SUBSCRIPTION_CAPACITY)
        // Two unanswered pings end a half-open connection: 20 s instead of the default 2 min.
        .ping_interval(Duration::from_secs(10))
        .max_reconnects(None)
        .reconnect_delay_callback(reconnect_delay)
        .event_callback(move |event| {
            monitor.observe(&event);
            std::future::ready(())
        });
    if let Some(prefix) = &options.inbox_prefix {
        client = client.custom_inbox_prefix(prefix);
    }
    if let Some(file) = &options.ca_file {
        check_ca_file(file)?;
        client = client.add_root_certificates(file.clone()).require_tls(true);
    }
    Ok(match credentials {
        Loaded::None => client,
        Loaded::Password { user, password } => {
            client.user_and_password(user, password.expose_secret().to_owned())
        }
        Loaded::Key(key) => client.nkey(key.seed().expose_secret().to_owned()),
        Loaded::Jwt { path, text } => {
            client.credentials(text.expose_secret()).map_err(|error| {
                ConnectError::Settings(format!("credentials file {}: {error}", path.display()))
            })?
        }
    })
}

/// The client passes over what is no certificate, and the failed handshake would not tell why.
fn check_ca_file(file: &Path) -> Result<(), ConnectError> {
    let unusable =
        |cause: &str| ConnectError::Settings(format!("CA file {}: {cause}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| unusable(&error.to_string()))?;
    if text.contains("-----BEGIN CERTIFICATE-----") {
        Ok(())
    } else {
        Err(unusable("it holds no certificate in PEM form"))
    }
}

/// 50 ms doubled up to 2 s, with a random part so that roles do not return in step.
fn reconnect_delay(attempt: usize) -> Duration {
    let doubled = 50_u64 << attempt.min(6);
    let longest = doubled.min(2_000);
    Duration::from_millis(rand::rng().random_range(longest / 2..=longest))
}

fn check_version(version: &str) -> Result<(), ConnectError> {
    let mut numbers = version
        .split(['.', '-'])
        .map(|part| part.parse::<u64>().unwrap_or(0));
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if found < LEAST_VERSION {
        return Err(ConnectError::TooOld {
            version: version.to_owned(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_below_2_12_are_refused() {
        for old in ["2.9.10", "2.11.99", "1.4.0", "", "unknown"] {
            assert!(check_version(old).is_err(), "{old}");
        }
        for new in ["2.12.0", "2.12.0-RC.1", "2.15.1", "3.0.0"] {
            assert!(check_version(new).is_ok(), "{new}");
        }
    }

    #[test]
    fn the_line_for_an_old_server_names_both_versions() {
        let line = check_version("2.9.10").unwrap_err().to_string();
        assert!(
            line.starts_with("nats-server 2.9.10 is too old: Storelink needs 2.12 or newer"),
            "{line}"
        );
    }

    #[test]
    fn reconnect_delays_grow_and_stay_below_two_seconds() {
        for attempt in 0..100 {
            let delay = reconnect_delay(attempt);
            assert!(delay >= Duration::from_millis(25) && delay <= Duration::from_secs(2));
        }
        assert!(reconnect_delay(20) >= Duration::from_secs(1));
    }
}
