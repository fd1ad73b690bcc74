//! Who is asking: Basic, keys in the query, OAuth 1.0a (sheet section 2, recordings 02 to 28).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::Value;
use sha1::Sha1;
use sha2::Sha256;

use super::error::RestError;
use super::spec::{ApiKey, Permission, Role};
use super::state::State;
use crate::http::Request;

/// How far a timestamp may be off, seconds either way (recording 21).
const WINDOW: i64 = 15 * 60;

/// Characters that OAuth leaves as they are.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

const OAUTH_NAMES: [&str; 5] = [
    "oauth_consumer_key",
    "oauth_timestamp",
    "oauth_nonce",
    "oauth_signature",
    "oauth_signature_method",
];

/// What the store knows about the caller.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller {
    permission: Option<Permission>,
    role: Option<Role>,
}

impl Caller {
    /// Nobody known.
    pub(crate) const NOBODY: Self = Self {
        permission: None,
        role: None,
    };

    fn of(key: &ApiKey) -> Self {
        Self {
            permission: Some(key.permission),
            role: Some(key.role),
        }
    }

    /// Whether WordPress knows the user; a deleted one is nobody (recording 14).
    pub(crate) fn is_known(self) -> bool {
        self.role.is_some_and(|role| role != Role::Deleted)
    }

    /// Whether the user may manage the shop.
    pub(crate) fn manages_shop(self) -> bool {
        matches!(self.role, Some(Role::Administrator | Role::ShopManager))
    }

    /// The key's own permission, looked at before anything else (recordings 11, 12, 149).
    pub(crate) fn check_method(self, method: &str) -> Result<(), RestError> {
        let refused = match (self.permission, method) {
            (Some(Permission::Write), "GET" | "HEAD") => "read",
            (Some(Permission::Read), "POST" | "PUT" | "PATCH" | "DELETE") => "write",
            _ => return Ok(()),
        };
        let message = format!("The API key provided does not have {refused} permissions.");
        Err(RestError::authentication(&message))
    }
}

/// What is needed to judge a request.
pub(crate) struct Gate<'a> {
    pub(crate) keys: &'a [ApiKey],
    pub(crate) home: &'a str,
    pub(crate) now: i64,
    pub(crate) secure: bool,
}

impl Gate<'_> {
    /// Finds the caller, or the error that the whole request ends with.
    pub(crate) fn caller(
        &self,
        request: &Request,
        query: &[(String, Value)],
        state: &mut State,
    ) -> Result<Caller, RestError> {
        if !is_shop_request(request) {
            return Ok(Caller::NOBODY);
        }
        Ok(match self.basic(request, query)? {
            Some(key) => Caller::of(key),
            None => self
                .oauth(request, query, state)?
                .map_or(Caller::NOBODY, Caller::of),
        })
    }

    /// Basic and query-string keys count only if the store thinks that the request is secure.
    fn basic(
        &self,
        request: &Request,
        query: &[(String, Value)],
    ) -> Result<Option<&ApiKey>, RestError> {
        if !self.secure {
            return Ok(None);
        }
        let in_query = text_of(query, "consumer_key").zip(text_of(query, "consumer_secret"));
        let pair = in_query.map(|(key, secret)| (key.to_owned(), secret.to_owned()));
        let Some((key, secret)) = pair.or_else(|| basic_pair(request)) else {
            return Ok(None);
        };
        match self.find(&key) {
            None => Ok(None),
            Some(known) if known.secret == secret => Ok(Some(known)),
            Some(_) => Err(RestError::authentication("Consumer secret is invalid.")),
        }
    }

    fn oauth(
        &self,
        request: &Request,
        query: &[(String, Value)],
        state: &mut State,
    ) -> Result<Option<&ApiKey>, RestError> {
        let mut params: BTreeMap<String, Value> = query.iter().cloned().collect();
        params.extend(header_params(request));
        let present = |name: &str| {
            params
                .get(name)
                .and_then(Value::as_str)
                .is_some_and(|v| !v.is_empty())
        };
        if !OAUTH_NAMES.iter().any(|name| present(name)) {
            return Ok(None);
        }
        if let Some(missing) = OAUTH_NAMES.iter().find(|name| !present(name)) {
            return Err(RestError::missing_oauth_parameter(missing));
        }
        let text = |name: &str| params.get(name).and_then(Value::as_str).unwrap_or_default();
        let key = self
            .find(text("oauth_consumer_key"))
            .ok_or_else(|| RestError::authentication("Consumer key is invalid."))?;
        self.check_signature(request, &params, key)?;
        self.check_time(
            &key.key,
            text("oauth_timestamp"),
            text("oauth_nonce"),
            state,
        )?;
        Ok(Some(key))
    }

    fn check_signature(
        &self,
        request: &Request,
        params: &BTreeMap<String, Value>,
        key: &ApiKey,
    ) -> Result<(), RestError> {
        let text = |name: &str| params.get(name).and_then(Value::as_str).unwrap_or_default();
        let base = base_string(&request.method, &self.signed_address(&request.path), params);
        let Some(expected) = sign(text("oauth_signature_method"), &key.secret, &base) else {
            let message = "Invalid signature - signature method is invalid.";
            return Err(RestError::authentication(message));
        };
        let sent = text("oauth_signature").replace(' ', "+");
        let sent = percent_decode_str(&sent).decode_utf8_lossy();
        if sent == expected {
            return Ok(());
        }
        Err(RestError::authentication(
            "Invalid signature - provided signature does not match.",
        ))
    }

    /// The store's configured home and the path of the request, never the Host header (recording 25).
    fn signed_address(&self, path: &str) -> String {
        let bare = self
            .home
            .split_once("://")
            .map_or(self.home, |(_, rest)| rest);
        let (host, folder) = bare
            .split_once('/')
            .map_or((bare, ""), |(host, folder)| (host, folder));
        let folder = if folder.is_empty() {
            String::new()
        } else {
            format!("/{folder}")
        };
        let inner = path.strip_prefix(folder.as_str()).unwrap_or(path);
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{host}{folder}{inner}")
    }

    fn check_time(
        &self,
        key: &str,
        timestamp: &str,
        nonce: &str,
        state: &mut State,
    ) -> Result<(), RestError> {
        let second: i64 = timestamp.parse().unwrap_or(0);
        if (self.now - second).abs() > WINDOW {
            return Err(RestError::authentication("Invalid timestamp."));
        }
        let used = state.nonces.entry(key.to_owned()).or_default();
        if used.values().any(|known| known == nonce) {
            return Err(RestError::authentication(
                "Invalid nonce - nonce has already been used.",
            ));
        }
        // One nonce a second and key: a second one of the same second takes the first one's place.
        used.insert(second, nonce.to_owned());
        let oldest = self.now - WINDOW;
        used.retain(|second, _| *second >= oldest);
        Ok(())
    }

    fn find(&self, key: &str) -> Option<&ApiKey> {
        self.keys.iter().find(|known| known.key == key)
    }
}

/// WooCommerce looks at keys only where its own path stands in the address (recordings 178, 179).
fn is_shop_request(request: &Request) -> bool {
    let query = percent_decode_str(&request.query).decode_utf8_lossy();
    request.path.contains("wp-json/wc/") || query.contains("wp-json/wc/")
}

fn text_of<'a>(query: &'a [(String, Value)], name: &str) -> Option<&'a str> {
    query
        .iter()
        .find(|(key, _)| key == name)
        .and_then(|(_, value)| value.as_str())
}

fn basic_pair(request: &Request) -> Option<(String, String)> {
    let encoded = request.header("authorization")?.strip_prefix("Basic ")?;
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (key, secret) = text.split_once(':')?;
    Some((key.to_owned(), secret.to_owned()))
}

fn header_params(request: &Request) -> Vec<(String, Value)> {
    let Some(list) = request
        .header("authorization")
        .and_then(|value| value.strip_prefix("OAuth "))
    else {
        return Vec::new();
    };
    let pairs = list
        .split(',')
        .filter_map(|pair| pair.trim().split_once('='));
    pairs
        .filter(|(name, _)| name.starts_with("oauth_"))
        .map(|(name, quoted)| {
            let value = percent_decode_str(quoted.trim_matches('"'))
                .decode_utf8_lossy()
                .into_owned();
            (name.to_owned(), Value::String(value))
        })
        .collect()
}

fn base_string(method: &str, address: &str, params: &BTreeMap<String, Value>) -> String {
    let mut encoded: BTreeMap<String, &Value> = BTreeMap::new();
    for (name, value) in params.iter().filter(|(name, _)| *name != "oauth_signature") {
        encoded.insert(encode(name), value);
    }
    let mut pairs = Vec::new();
    for (name, value) in encoded {
        flatten(&name, value, &mut pairs);
    }
    format!("{method}&{}&{}", encode(address), pairs.join("%26"))
}

/// Lists are signed with their index (vector `v-array`).
fn flatten(name: &str, value: &Value, pairs: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                flatten(&format!("{name}%5B{index}%5D"), item, pairs);
            }
        }
        Value::Object(members) => {
            for (key, item) in members {
                flatten(&format!("{name}%5B{}%5D", encode(key)), item, pairs);
            }
        }
        plain => {
            let text = plain.as_str().unwrap_or_default();
            pairs.push(encode(&format!("{name}={}", encode(text))));
        }
    }
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

/// The signature, or none for a method that the store does not take (recording 23).
fn sign(method: &str, secret: &str, base: &str) -> Option<String> {
    let key = format!("{secret}&");
    let digest = match method {
        "HMAC-SHA256" => {
            let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).ok()?;
            mac.update(base.as_bytes());
            mac.finalize().into_bytes().to_vec()
        }
        "HMAC-SHA1" => {
            let mut mac = Hmac::<Sha1>::new_from_slice(key.as_bytes()).ok()?;
            mac.update(base.as_bytes());
            mac.finalize().into_bytes().to_vec()
        }
        _ => return None,
    };
    Some(STANDARD.encode(digest))
}
