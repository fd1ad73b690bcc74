//! What went wrong before there was a whole answer.

use std::net::IpAddr;
use std::time::Duration;

use crate::address::{InvalidAddress, Refusal};

/// Why a TLS connection was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsFailure {
    /// No known authority stands behind the certificate, or the intermediate one is not sent.
    UnknownIssuer,
    /// The certificate belongs to another name.
    NameMismatch,
    /// The certificate has expired.
    Expired,
    /// The certificate begins to count in the future; one of the clocks is wrong.
    NotYetValid,
    /// The certificate was withdrawn.
    Revoked,
    /// The server has no protocol version or cipher in common with us.
    NoCommonProtocol,
    /// The server does not speak TLS on this port.
    NotTls,
    /// Anything else.
    Other,
}

impl TlsFailure {
    fn code(self) -> &'static str {
        match self {
            Self::UnknownIssuer => "http.tls_unknown_issuer",
            Self::NameMismatch => "http.tls_name_mismatch",
            Self::Expired => "http.tls_expired",
            Self::NotYetValid => "http.tls_not_yet_valid",
            Self::Revoked => "http.tls_revoked",
            Self::NoCommonProtocol => "http.tls_no_common_protocol",
            Self::NotTls => "http.tls_not_spoken",
            Self::Other => "http.tls_failed",
        }
    }

    fn explanation(self, host: &str) -> String {
        match self {
            Self::UnknownIssuer => {
                format!("The certificate of {host} was not issued by a known authority.")
            }
            Self::NameMismatch => format!("The certificate of {host} belongs to another name."),
            Self::Expired => format!("The certificate of {host} has expired."),
            Self::NotYetValid => {
                format!("The certificate of {host} is not valid yet, or our clock is wrong.")
            }
            Self::Revoked => format!("The certificate of {host} has been revoked."),
            Self::NoCommonProtocol => {
                format!("{host} offers only encryption that is too old to be safe.")
            }
            Self::NotTls => format!("{host} does not speak https on this port."),
            Self::Other => format!("No encrypted connection to {host} could be made."),
        }
    }

    fn remedy(self) -> &'static str {
        match self {
            Self::UnknownIssuer => {
                "Install a certificate of a public authority together with its intermediate \
                 certificates. For your own authority, give its CA certificate to the operator."
            }
            Self::NameMismatch => {
                "Check the spelling of the address (with or without www), or install a \
                 certificate that covers this name."
            }
            Self::Expired => "Renew the store's certificate; the hosting provider can do it.",
            Self::NotYetValid => "Check the clock of the store's server and of this system.",
            Self::Revoked => "Install a new certificate in the store.",
            Self::NoCommonProtocol => "Ask the hosting provider to switch on TLS 1.2 or 1.3.",
            Self::NotTls => {
                "Check address and port; begin the address with http:// if the store \
                             has no https."
            }
            Self::Other => {
                "Open the address in a browser; if it complains too, ask the hosting \
                            provider."
            }
        }
    }
}

/// A request that brought no whole answer. No variant holds a query, a path, a header or a body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// Not an address that can be called.
    #[error("the address cannot be called: {reason}")]
    InvalidAddress {
        /// What is wrong with it.
        reason: InvalidAddress,
    },
    /// A header that cannot be sent, for instance a key with a line break in it.
    #[error("the header {header} cannot be sent: it holds characters that are not allowed")]
    InvalidRequest {
        /// Name of the header.
        header: String,
    },
    /// The address guard said no.
    #[error("{host} is refused: it leads to {why}")]
    AddressRefused {
        /// Host of the request.
        host: String,
        /// The address it stands for, where one was looked up.
        address: Option<IpAddr>,
        /// Which kind of place it is.
        why: Refusal,
    },
    /// The port is not among the allowed ones.
    #[error("port {port} of {host} is refused")]
    PortRefused {
        /// Host of the request.
        host: String,
        /// The port.
        port: u16,
    },
    /// The caller's own check said no before anything left.
    #[error("the request to {host} was withdrawn before it left")]
    Withdrawn {
        /// Host of the request.
        host: String,
    },
    /// The name has no address, or the lookup failed.
    #[error("no address was found for {host}")]
    Dns {
        /// Host of the request.
        host: String,
    },
    /// The lookup took too long.
    #[error("the name lookup for {host} took too long")]
    DnsTimeout {
        /// Host of the request.
        host: String,
    },
    /// Nobody listens.
    #[error("{host} refused the connection")]
    ConnectRefused {
        /// Host of the request.
        host: String,
    },
    /// No connection in time.
    #[error("{host} did not accept a connection in time")]
    ConnectTimeout {
        /// Host of the request.
        host: String,
    },
    /// The network gave no way there, or broke while connecting.
    #[error("no connection to {host} could be made")]
    ConnectFailed {
        /// Host of the request.
        host: String,
    },
    /// No TLS connection.
    #[error("no TLS connection to {host} could be made ({})", failure.code())]
    Tls {
        /// Host of the request.
        host: String,
        /// The proven cause.
        failure: TlsFailure,
    },
    /// No whole answer in time.
    #[error("{host} did not answer within {after:?}")]
    Timeout {
        /// Host of the request.
        host: String,
        /// The time that was given.
        after: Duration,
    },
    /// The connection ended before the answer did.
    #[error("the connection to {host} broke before the answer was whole")]
    ConnectionBroken {
        /// Host of the request.
        host: String,
    },
    /// What came back is not HTTP.
    #[error("{host} does not answer in HTTP")]
    NotHttp {
        /// Host of the request.
        host: String,
    },
    /// The answer is larger than the request allowed.
    #[error("the answer of {host} is larger than {limit} bytes")]
    ResponseTooLarge {
        /// Host of the request.
        host: String,
        /// The limit in bytes, after decompression.
        limit: usize,
    },
    /// Too many large answers are in memory already.
    #[error("there is no room in memory for the answer of {host} now")]
    NoRoom {
        /// Host of the request.
        host: String,
    },
    /// The answer's compression is broken or unknown.
    #[error("the answer of {host} cannot be decompressed")]
    BodyNotDecodable {
        /// Host of the request.
        host: String,
    },
}

impl TransportError {
    /// Stable code for logs, metrics and the API.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidAddress { .. } => "http.address_invalid",
            Self::InvalidRequest { .. } => "http.request_invalid",
            Self::AddressRefused { .. } => "http.address_refused",
            Self::PortRefused { .. } => "http.port_refused",
            Self::Withdrawn { .. } => "http.withdrawn",
            Self::Dns { .. } => "http.dns",
            Self::DnsTimeout { .. } => "http.dns_timeout",
            Self::ConnectRefused { .. } => "http.connect_refused",
            Self::ConnectTimeout { .. } => "http.connect_timeout",
            Self::ConnectFailed { .. } => "http.connect_failed",
            Self::Tls { failure, .. } => failure.code(),
            Self::Timeout { .. } => "http.timeout",
            Self::ConnectionBroken { .. } => "http.connection_broken",
            Self::NotHttp { .. } => "http.not_http",
            Self::ResponseTooLarge { .. } => "http.response_too_large",
            Self::NoRoom { .. } => "http.no_room",
            Self::BodyNotDecodable { .. } => "http.body_not_decodable",
        }
    }

    /// Whether the server may have received and carried out the request. A write with an unknown
    /// outcome must be read back before it is sent again, unless it sets an absolute value.
    #[must_use]
    pub fn outcome_unknown(&self) -> bool {
        matches!(
            self,
            Self::Timeout { .. }
                | Self::ConnectionBroken { .. }
                | Self::NotHttp { .. }
                | Self::ResponseTooLarge { .. }
                | Self::NoRoom { .. }
                | Self::BodyNotDecodable { .. }
        )
    }

    /// Whether the same request can succeed later without anyone changing a setting.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Withdrawn { .. }
                | Self::Dns { .. }
                | Self::DnsTimeout { .. }
                | Self::ConnectRefused { .. }
                | Self::ConnectTimeout { .. }
                | Self::ConnectFailed { .. }
                | Self::Timeout { .. }
                | Self::ConnectionBroken { .. }
                | Self::NoRoom { .. }
        )
    }

    /// The cause, in a shop owner's words.
    #[must_use]
    pub fn explanation(&self) -> String {
        match self {
            Self::InvalidAddress { reason } => format!("This address cannot be called: {reason}."),
            Self::InvalidRequest { header } => {
                format!("A value sent as {header} holds characters that are not allowed there.")
            }
            Self::AddressRefused {
                host,
                address: Some(address),
                why,
            } => {
                format!("{host} leads to {address}, which is {why} and may not be called.")
            }
            Self::AddressRefused { host, why, .. } => {
                format!("{host} is {why} and may not be called.")
            }
            Self::PortRefused { host, port } => {
                format!("Port {port} of {host} is not a port on which stores are called.")
            }
            Self::Withdrawn { host } => {
                format!("The request to {host} did not leave: the work belongs to another process.")
            }
            Self::Dns { host } => format!("The name {host} leads to no server."),
            Self::DnsTimeout { host } => format!("Nobody could say in time where {host} is."),
            Self::ConnectRefused { host } => {
                format!("The server of {host} is there, but no store answers on this port.")
            }
            Self::ConnectTimeout { host } => format!("The server of {host} cannot be reached."),
            Self::ConnectFailed { host } => {
                format!("No connection to the server of {host} could be made.")
            }
            Self::Tls { host, failure } => failure.explanation(host),
            Self::Timeout { host, after } => format!(
                "{host} gave no whole answer within {} seconds.",
                after.as_secs().max(1)
            ),
            Self::ConnectionBroken { host } => {
                format!("{host} closed the connection in the middle of the exchange.")
            }
            Self::NotHttp { host } => format!("Something at {host} answers, but it is no store."),
            Self::ResponseTooLarge { host, limit } => {
                format!("The answer of {host} is larger than the {limit} bytes that are accepted.")
            }
            Self::NoRoom { host } => {
                format!("The answer of {host} is large, and many large ones came at the same time.")
            }
            Self::BodyNotDecodable { host } => {
                format!("The answer of {host} is compressed in a broken or unknown way.")
            }
        }
    }

    /// What the person can do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::InvalidAddress {
                reason: InvalidAddress::UserInfo,
            } => "Leave user name and password out of the address; there are fields for keys.",
            Self::InvalidAddress { .. } => {
                "Enter the address as in a browser, beginning with https://."
            }
            Self::InvalidRequest { .. } => "Enter the key anew, without line breaks or blanks.",
            Self::AddressRefused { .. } => {
                "Enter the store's public address. For a store in your own network, the operator \
                 can allow its subnet (outbound.allow_subnets)."
            }
            Self::PortRefused { .. } => {
                "Use the usual address of the store; allowed are the ports 80, 443, 8080 and 8443."
            }
            Self::Withdrawn { .. } => "Nothing is to be done: the other process sends it.",
            Self::Dns { .. } => {
                "Check the spelling of the address and whether the domain is paid for."
            }
            Self::DnsTimeout { .. } => {
                "It is tried again. If it stays, ask the operator about name lookup."
            }
            Self::ConnectRefused { .. } => {
                "Check address and port, and whether the store's web server is running."
            }
            Self::ConnectTimeout { .. } | Self::ConnectFailed { .. } => {
                "Check whether the store opens in a browser. If it does, its firewall may block \
                 our addresses: ask the hosting provider to let them through."
            }
            Self::Tls { failure, .. } => failure.remedy(),
            Self::Timeout { .. } => {
                "The store is overloaded or very slow. Smaller batches are tried; if it stays, \
                 ask the hosting provider."
            }
            Self::ConnectionBroken { .. } => {
                "It is looked after what the store has done, then tried again. If it stays, ask \
                 the hosting provider for the error log of the web server."
            }
            Self::NotHttp { .. } => "Check address and port.",
            Self::ResponseTooLarge { .. } => {
                "Smaller pages are needed; report it if you cannot choose them."
            }
            Self::NoRoom { .. } => "It is asked for again in a moment; nothing has to be done.",
            Self::BodyNotDecodable { .. } => {
                "Switch off additional compression in the store or its cache for the interface."
            }
        }
    }
}
