//! How single values are read, checked and written back.

use std::net::IpAddr;

use secrecy::{ExposeSecret, SecretString};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

use crate::secret_url::SecretUrl;

/// What stands for a secret that is set.
pub(crate) const MASK: &str = "***";

pub(crate) fn masked<S: Serializer>(secret: &SecretString, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(if secret.expose_secret().is_empty() {
        ""
    } else {
        MASK
    })
}

pub(crate) fn database_url<'de, D: Deserializer<'de>>(from: D) -> Result<SecretUrl, D::Error> {
    let url = SecretUrl::deserialize(from)?;
    let schemes = ["sqlite:", "postgres://", "postgresql://"];
    if url.is_empty()
        || schemes
            .iter()
            .any(|scheme| url.expose().starts_with(scheme))
    {
        Ok(url)
    } else {
        Err(D::Error::custom(
            "expected `sqlite:<folder>` or `postgres://user:password@host/name`",
        ))
    }
}

pub(crate) fn url_list_of_nats<'de, D: Deserializer<'de>>(from: D) -> Result<SecretUrl, D::Error> {
    let url = SecretUrl::deserialize(from)?;
    let schemes = ["nats://", "tls://", "ws://", "wss://"];
    let acceptable = |one: &str| {
        schemes
            .iter()
            .any(|scheme| one.len() > scheme.len() && one.starts_with(scheme))
    };
    if url.expose().split(',').all(acceptable) {
        Ok(url)
    } else {
        Err(D::Error::custom(
            "expected `nats://host:port` or `tls://host:port`",
        ))
    }
}

pub(crate) fn at_least_one_u32<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    match u32::deserialize(from)? {
        0 => Err(D::Error::custom("expected a number of at least 1")),
        number => Ok(number),
    }
}

pub(crate) fn at_least_one_usize<'de, D: Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
    match usize::deserialize(from)? {
        0 => Err(D::Error::custom("expected a number of at least 1")),
        number => Ok(number),
    }
}

pub(crate) fn replicas<'de, D: Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
    match usize::deserialize(from)? {
        number @ 1..=5 => Ok(number),
        number => Err(D::Error::custom(format!("found {number}, expected 1 to 5"))),
    }
}

pub(crate) fn percent<'de, D: Deserializer<'de>>(from: D) -> Result<u8, D::Error> {
    match u8::deserialize(from)? {
        number @ 0..=100 => Ok(number),
        number => Err(D::Error::custom(format!(
            "found {number}, expected 0 to 100"
        ))),
    }
}

pub(crate) fn subnets<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let subnets = Vec::<String>::deserialize(from)?;
    match subnets.iter().find(|subnet| !is_subnet(subnet)) {
        Some(wrong) => Err(D::Error::custom(format!(
            "found \"{wrong}\", expected an address and a prefix length such as \"10.20.0.0/16\""
        ))),
        None => Ok(subnets),
    }
}

/// A name that may stand in a header as it is; the empty text means "none".
pub(crate) fn instance_name<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let name = String::deserialize(from)?;
    let usable = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.len() <= 64 && name.bytes().all(usable) {
        Ok(name)
    } else {
        Err(D::Error::custom(
            "expected at most 64 letters, digits, `-`, `_` and `.`",
        ))
    }
}

fn is_subnet(text: &str) -> bool {
    let Some((address, prefix)) = text.split_once('/') else {
        return false;
    };
    let longest = match address.parse() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    prefix.parse::<u8>().is_ok_and(|length| length <= longest)
}

/// A whole number of seconds, at least one: no limit of ours may be "never" or "at once".
pub(crate) mod seconds {
    use std::time::Duration;

    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        match u64::deserialize(from)? {
            0 => Err(D::Error::custom("expected at least 1 second")),
            // Larger values would overflow clocks; a century is longer than any limit needs.
            seconds @ 1..=3_153_600_000 => Ok(Duration::from_secs(seconds)),
            _ => Err(D::Error::custom(
                "expected fewer seconds than a century has",
            )),
        }
    }

    pub(crate) fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(value.as_secs())
    }
}

/// A path whose empty text means "not set".
pub(crate) mod optional_path {
    use std::path::PathBuf;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<PathBuf>, D::Error> {
        let text = String::deserialize(from)?;
        Ok((!text.is_empty()).then(|| PathBuf::from(text)))
    }

    pub(crate) fn serialize<S: Serializer>(
        value: &Option<PathBuf>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        value.clone().unwrap_or_default().serialize(to)
    }
}

/// An `http` or `https` address whose empty text means "not set"; slashes at its end are dropped.
pub(crate) mod optional_http_url {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<String>, D::Error> {
        let text = String::deserialize(from)?;
        let trimmed = text.trim_end_matches('/');
        if trimmed.is_empty() {
            return Ok(None);
        }
        let host = trimmed
            .strip_prefix("http://")
            .or_else(|| trimmed.strip_prefix("https://"));
        match host {
            Some(host) if host.contains('@') => Err(D::Error::custom(
                "expected an address without a user name or password",
            )),
            Some(host) if !host.starts_with('/') && !host.contains(char::is_whitespace) => {
                Ok(Some(trimmed.to_owned()))
            }
            _ => Err(D::Error::custom(
                "expected an address such as \"https://host:port\"",
            )),
        }
    }

    pub(crate) fn serialize<S: Serializer>(
        value: &Option<String>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_str(value.as_deref().unwrap_or_default())
    }
}

/// A subject whose empty text means "not set".
pub(crate) mod optional_inbox_prefix {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<String>, D::Error> {
        let text = String::deserialize(from)?;
        let token = |token: &str| {
            let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            !token.is_empty() && token.bytes().all(letter)
        };
        match text.as_str() {
            "" => Ok(None),
            subject if subject.split('.').all(token) => Ok(Some(text)),
            _ => Err(D::Error::custom(
                "expected a subject such as \"_INBOX_poller\", without a wildcard",
            )),
        }
    }

    pub(crate) fn serialize<S: Serializer>(
        value: &Option<String>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_str(value.as_deref().unwrap_or_default())
    }
}
