//! Name lookup whose answers are judged before anyone connects to them.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::{Reach, check_address};
use crate::error::TransportError;
use crate::policy::OutboundPolicy;

/// What a lookup gives.
pub type LookupFuture = BoxFuture<'static, io::Result<Vec<IpAddr>>>;

/// Turns a host name into addresses. Tests put their own in place of the system's.
pub trait Lookup: Send + Sync + 'static {
    /// All addresses of a name. An empty answer counts as "no such name".
    fn lookup(&self, host: &str) -> LookupFuture;
}

/// The operating system's resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, host: &str) -> LookupFuture {
        let host = host.to_owned();
        Box::pin(async move {
            let answers = tokio::net::lookup_host((host.as_str(), 0)).await?;
            Ok(answers.map(|answer| answer.ip()).collect())
        })
    }
}

/// Looks a name up once per connection and hands on the addresses only if all are allowed: a
/// name with one inner address among its answers is an attack or a mistake.
pub(crate) struct CheckedResolver {
    lookup: Arc<dyn Lookup>,
    policy: Arc<OutboundPolicy>,
    reach: Reach,
    time_limit: Duration,
}

impl CheckedResolver {
    pub(crate) fn new(lookup: Arc<dyn Lookup>, policy: Arc<OutboundPolicy>, reach: Reach) -> Self {
        // Shorter than the connect timeout around it, so that a dead resolver is named as such.
        let time_limit = policy.connect_timeout * 4 / 5;
        Self {
            lookup,
            policy,
            reach,
            time_limit,
        }
    }
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        let answers = self.lookup.lookup(&host);
        let policy = Arc::clone(&self.policy);
        let (reach, time_limit) = (self.reach, self.time_limit);
        Box::pin(async move {
            let addresses = answers_in_time(&host, answers, time_limit).await?;
            for address in &addresses {
                check_address(&host, *address, &policy).map_err(LookupFailure)?;
                if reach == Reach::OwnSubnets && !policy.allows_address(*address) {
                    // The port is not known here; the client names it.
                    let refused = TransportError::PortRefused { host, port: 0 };
                    return Err(LookupFailure(refused).into());
                }
            }
            // Port 0 stands for the port of the URL.
            let pinned = addresses
                .into_iter()
                .map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(pinned) as Addrs)
        })
    }
}

async fn answers_in_time(
    host: &str,
    answers: LookupFuture,
    time_limit: Duration,
) -> Result<Vec<IpAddr>, LookupFailure> {
    let failure = |error: TransportError| LookupFailure(error);
    match tokio::time::timeout(time_limit, answers).await {
        Ok(Ok(addresses)) if !addresses.is_empty() => Ok(addresses),
        Ok(_) => Err(failure(TransportError::Dns {
            host: host.to_owned(),
        })),
        Err(_) => Err(failure(TransportError::DnsTimeout {
            host: host.to_owned(),
        })),
    }
}

/// Carries our own verdict through the HTTP stack.
#[derive(Debug, Clone)]
pub(crate) struct LookupFailure(pub(crate) TransportError);

impl fmt::Display for LookupFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl StdError for LookupFailure {}
