//! The address guard: which addresses a request may reach.
//!
//! Three gates, because each one alone has a hole: the parsed URL is judged before anything is
//! sent ([`check_url`], the only gate for address literals, which no resolver ever sees), the
//! answers of the name lookup are judged all together ([`CheckedResolver`]), and the connection
//! is made to exactly those answers, so that a second lookup cannot give another one.

mod ranges;
mod resolver;
#[cfg(test)]
mod table;

use std::fmt;
use std::net::IpAddr;

use url::{Host, Url};

pub use ranges::judge_ip;
pub(crate) use resolver::{CheckedResolver, LookupFailure};
pub use resolver::{Lookup, LookupFuture, SystemLookup};

use crate::error::TransportError;
use crate::policy::OutboundPolicy;

/// Why an address is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// `0.0.0.0/8` or `::`.
    Unspecified,
    /// This machine.
    Loopback,
    /// A private network (RFC 1918, `fc00::/7`).
    Private,
    /// Link-local, where clouds serve machine credentials.
    LinkLocal,
    /// Carrier-grade NAT, `100.64.0.0/10`.
    SharedNat,
    /// Ranges for documentation and benchmarks.
    Documentation,
    /// Multicast.
    Multicast,
    /// Broadcast.
    Broadcast,
    /// Reserved or not handed out.
    Reserved,
    /// A tunnel or translation range with another address inside.
    Translation,
    /// A name of the local machine, network or cluster.
    LocalName,
}

impl Refusal {
    /// Stable word for logs and tests.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::LinkLocal => "link_local",
            Self::SharedNat => "shared_nat",
            Self::Documentation => "documentation",
            Self::Multicast => "multicast",
            Self::Broadcast => "broadcast",
            Self::Reserved => "reserved",
            Self::Translation => "translation",
            Self::LocalName => "local_name",
        }
    }

    /// No setting opens these: nothing a store could live on.
    fn is_final(self) -> bool {
        matches!(
            self,
            Self::Unspecified | Self::LinkLocal | Self::Multicast | Self::Broadcast
        )
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Unspecified => "an unspecified address",
            Self::Loopback => "this machine itself",
            Self::Private => "a private network",
            Self::LinkLocal => "a link-local address",
            Self::SharedNat => "a carrier's shared network",
            Self::Documentation => "a documentation or test range",
            Self::Multicast => "a multicast address",
            Self::Broadcast => "a broadcast address",
            Self::Reserved => "a reserved range",
            Self::Translation => "a tunnel or translation range",
            Self::LocalName => "a name of the local machine or network",
        })
    }
}

/// Why a text is no address to call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InvalidAddress {
    /// Neither `http` nor `https`.
    Scheme,
    /// User name or password inside the address.
    UserInfo,
    /// No host.
    Host,
}

impl fmt::Display for InvalidAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Scheme => "it starts neither with https:// nor with http://",
            Self::UserInfo => "it holds a user name or password",
            Self::Host => "it holds no host name",
        })
    }
}

/// What a judged URL may lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Every address that the policy allows.
    Allowed,
    /// The operator's own subnets only: the port is not one of public stores.
    OwnSubnets,
}

/// Judges all that can be judged without a lookup. The *parsed* host counts: `127.1`, `0x7f.1`,
/// `2130706433` and full-width digits have become plain IPv4 addresses by then.
pub(crate) fn check_url(url: &Url, policy: &OutboundPolicy) -> Result<Reach, TransportError> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(TransportError::InvalidAddress {
            reason: InvalidAddress::Scheme,
        });
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(TransportError::InvalidAddress {
            reason: InvalidAddress::UserInfo,
        });
    }
    let (host, port) = match (url.host(), url.port_or_known_default()) {
        (Some(host), Some(port)) => (host, port),
        _ => {
            return Err(TransportError::InvalidAddress {
                reason: InvalidAddress::Host,
            });
        }
    };
    let literal = match host {
        Host::Ipv4(address) => Some(IpAddr::V4(address)),
        Host::Ipv6(address) => Some(IpAddr::V6(address)),
        Host::Domain(name) => {
            check_name(name, policy)?;
            None
        }
    };
    if let Some(address) = literal {
        check_address(&host.to_string(), address, policy)?;
    }
    let operator_knows_it = literal.is_some_and(|address| policy.allows_address(address));
    if operator_knows_it || policy.allows_port(port) {
        Ok(Reach::Allowed)
    } else if literal.is_none() && !policy.allowed_subnets.is_empty() {
        Ok(Reach::OwnSubnets)
    } else {
        Err(TransportError::PortRefused {
            host: host.to_string(),
            port,
        })
    }
}

/// Judges one address against ranges and policy.
pub(crate) fn check_address(
    host: &str,
    address: IpAddr,
    policy: &OutboundPolicy,
) -> Result<(), TransportError> {
    let Some(why) = judge_ip(address) else {
        return Ok(());
    };
    let judged = ranges::inner(address);
    if !why.is_final() && policy.allows_address(judged) {
        return Ok(());
    }
    Err(TransportError::AddressRefused {
        host: host.to_owned(),
        address: Some(address),
        why,
    })
}

/// Names that can only mean something inside. Where the operator opened a subnet they may be
/// looked up, since their addresses are judged anyway.
fn check_name(name: &str, policy: &OutboundPolicy) -> Result<(), TransportError> {
    const LOCAL_ENDINGS: [&str; 8] = [
        "localhost",
        "local",
        "internal",
        "svc",
        "lan",
        "intranet",
        "localdomain",
        "home.arpa",
    ];
    let bare = name.strip_suffix('.').unwrap_or(name);
    if bare.is_empty() {
        return Err(TransportError::InvalidAddress {
            reason: InvalidAddress::Host,
        });
    }
    let local = !bare.contains('.')
        || LOCAL_ENDINGS.iter().any(|ending| {
            bare.strip_suffix(ending)
                .is_some_and(|front| front.is_empty() || front.ends_with('.'))
        });
    if local && policy.allowed_subnets.is_empty() {
        return Err(TransportError::AddressRefused {
            host: name.to_owned(),
            address: None,
            why: Refusal::LocalName,
        });
    }
    Ok(())
}
