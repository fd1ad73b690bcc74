//! From the HTTP stack's error to one of our classes, by types and never by messages.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use crate::address::LookupFailure;
use crate::error::TransportError;
use crate::send_check::Withdrawn;
use crate::tls;

/// How far the exchange had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    BeforeAnswer,
    InBody,
}

pub(super) fn classify(
    error: &reqwest::Error,
    stage: Stage,
    host: &str,
    timeout: Duration,
) -> TransportError {
    if let Some(LookupFailure(ours)) = find::<LookupFailure>(error) {
        return ours.clone();
    }
    let host = host.to_owned();
    if find::<Withdrawn>(error).is_some() {
        return TransportError::Withdrawn { host };
    }
    if error.is_connect() {
        return while_connecting(error, host);
    }
    if error.is_timeout() {
        return TransportError::Timeout {
            host,
            after: timeout,
        };
    }
    match stage {
        Stage::InBody if error.is_decode() && !is_broken(error) => {
            TransportError::BodyNotDecodable { host }
        }
        Stage::BeforeAnswer if is_not_http(error) => TransportError::NotHttp { host },
        _ => TransportError::ConnectionBroken { host },
    }
}

fn while_connecting(error: &reqwest::Error, host: String) -> TransportError {
    if let Some(tls) = find::<rustls::Error>(error) {
        return TransportError::Tls {
            host,
            failure: tls::failure_of(tls),
        };
    }
    if error.is_timeout() {
        return TransportError::ConnectTimeout { host };
    }
    match find::<io::Error>(error).map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => TransportError::ConnectRefused { host },
        _ => TransportError::ConnectFailed { host },
    }
}

/// The connection ended inside the body, as opposed to a body that is whole but not readable.
fn is_broken(error: &reqwest::Error) -> bool {
    find::<hyper::Error>(error).is_some()
}

fn is_not_http(error: &reqwest::Error) -> bool {
    find::<hyper::Error>(error).is_some_and(hyper::Error::is_parse)
}

/// First error of a type in the chain of causes. An `io::Error` hides the error it carries from
/// `source()`, so it is opened by hand.
fn find<'e, T: StdError + 'static>(error: &'e (dyn StdError + 'static)) -> Option<&'e T> {
    let mut next = Some(error);
    while let Some(current) = next {
        if let Some(found) = current.downcast_ref::<T>() {
            return Some(found);
        }
        next = match current
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(carried) => Some(carried),
            None => current.source(),
        };
    }
    None
}
