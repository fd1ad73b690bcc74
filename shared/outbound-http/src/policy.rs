//! Which addresses may be called at all, decided by the operator and never by a connection.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

/// An address range in CIDR notation.
pub type Subnet = ipnet::IpNet;

/// Ports that public stores use; anything else would turn the client into a port scanner.
const WEB_PORTS: [u16; 4] = [80, 443, 8080, 8443];

/// Which ports may be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortRule {
    /// Any port.
    Any,
    /// These ports only. Addresses inside an allowed subnet are free of the rule, whether written as
    /// such or looked up by name.
    Only(BTreeSet<u16>),
}

impl Default for PortRule {
    fn default() -> Self {
        Self::Only(WEB_PORTS.into_iter().collect())
    }
}

/// What the outgoing client may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboundPolicy {
    /// Ranges that are reachable although they are not public. Empty in production, except for
    /// stores inside the operator's own network.
    pub allowed_subnets: Vec<Subnet>,
    /// Ports that may be called.
    pub ports: PortRule,
    /// Time for name lookup, TCP connect and TLS handshake together.
    pub connect_timeout: Duration,
    /// Longest time of one request, answer included, whatever the request itself allows.
    pub request_timeout: Duration,
    /// Largest answer in bytes, whatever the request itself allows.
    pub max_response_bytes: usize,
    /// Certificates (PEM, one or more) trusted beside the built-in roots.
    pub extra_ca_pem: Option<String>,
    /// Name of this process in the User-Agent, so that the record of a store tells replicas apart.
    pub instance: Option<String>,
}

impl Default for OutboundPolicy {
    fn default() -> Self {
        Self {
            allowed_subnets: Vec::new(),
            ports: PortRule::default(),
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(90),
            max_response_bytes: 64 * 1024 * 1024,
            extra_ca_pem: None,
            instance: None,
        }
    }
}

impl OutboundPolicy {
    /// Stores on the same machine, any port: for development, the demo and tests.
    #[must_use]
    pub fn loopback() -> Self {
        Self {
            allowed_subnets: vec![
                Subnet::new_assert([127, 0, 0, 0].into(), 8),
                Subnet::new_assert(std::net::Ipv6Addr::LOCALHOST.into(), 128),
            ],
            ports: PortRule::Any,
            ..Self::default()
        }
    }

    /// Adds ranges as an operator writes them: `10.20.0.0/16`, `fd00::/8` or a single address.
    ///
    /// # Errors
    /// Names the text that is not a range.
    pub fn allow_subnets<S: AsRef<str>>(
        mut self,
        ranges: impl IntoIterator<Item = S>,
    ) -> Result<Self, PolicyError> {
        for text in ranges {
            self.allowed_subnets.push(parse_subnet(text.as_ref())?);
        }
        Ok(self)
    }

    pub(crate) fn allows_address(&self, address: IpAddr) -> bool {
        self.allowed_subnets
            .iter()
            .any(|subnet| subnet.contains(&address))
    }

    pub(crate) fn allows_port(&self, port: u16) -> bool {
        match &self.ports {
            PortRule::Any => true,
            PortRule::Only(ports) => ports.contains(&port),
        }
    }
}

fn parse_subnet(text: &str) -> Result<Subnet, PolicyError> {
    let text = text.trim();
    text.parse::<Subnet>()
        .or_else(|_| text.parse::<IpAddr>().map(Subnet::from))
        .map_err(|_| PolicyError::Subnet {
            text: text.to_owned(),
        })
}

/// Why a client could not be made from a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// Not a range in CIDR notation.
    #[error("\"{text}\" is not an address range such as 10.20.0.0/16")]
    Subnet {
        /// The text that was given.
        text: String,
    },
    /// The additional CA file holds no usable certificate.
    #[error("the additional CA certificates cannot be used: {detail}")]
    ExtraCa {
        /// What is wrong with it.
        detail: String,
    },
    /// The TLS or HTTP stack refused its own settings.
    #[error("the outgoing HTTP client cannot be built: {detail}")]
    Build {
        /// What it said.
        detail: String,
    },
}

impl PolicyError {
    /// Stable code for logs and the API.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Subnet { .. } => "outbound.subnet_invalid",
            Self::ExtraCa { .. } => "outbound.extra_ca_invalid",
            Self::Build { .. } => "outbound.client_not_built",
        }
    }

    /// What the operator should do.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Subnet { .. } => "Write each range as address/length, for example 10.20.0.0/16.",
            Self::ExtraCa { .. } => {
                "Give a PEM file with one or more CERTIFICATE blocks of your own authority."
            }
            Self::Build { .. } => "Report this together with the message; it is a program fault.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_single_addresses_are_read_and_nonsense_is_named() {
        let policy = OutboundPolicy::default()
            .allow_subnets(["10.20.0.0/16", " fd00::/8 ", "192.168.1.7"])
            .unwrap();
        assert!(policy.allows_address([10, 20, 3, 4].into()));
        assert!(!policy.allows_address([10, 21, 0, 1].into()));
        assert!(policy.allows_address([192, 168, 1, 7].into()));
        assert!(!policy.allows_address([192, 168, 1, 8].into()));
        for bad in ["", "10.0.0.0/33", "intranet", "10.0.0/8"] {
            let error = OutboundPolicy::default().allow_subnets([bad]).unwrap_err();
            assert_eq!(error.code(), "outbound.subnet_invalid", "{bad}");
        }
    }

    #[test]
    fn only_web_ports_unless_told_otherwise() {
        let policy = OutboundPolicy::default();
        assert!(policy.allows_port(443) && policy.allows_port(8080));
        assert!(!policy.allows_port(22) && !policy.allows_port(25) && !policy.allows_port(4222));
        assert!(OutboundPolicy::loopback().allows_port(4222));
    }
}
