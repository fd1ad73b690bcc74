//! What is to be sent, with its secrets kept apart from the rest.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::error::TransportError;
use crate::query::{encode_component, encode_pairs};
use crate::send_check::SendCheck;

/// Limit for an answer unless the request says otherwise.
pub(crate) const DEFAULT_MAX_RESPONSE_BYTES: usize = 16 * 1024 * 1024;
/// Time for the whole exchange unless the request says otherwise.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// What a request does in the store. The client never repeats either; the caller decides with it
/// whether an unknown outcome matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Changes nothing.
    Read,
    /// May change something.
    Write,
}

#[derive(Clone)]
pub(crate) enum Field {
    Plain(String),
    Secret(SecretString),
}

impl Field {
    pub(crate) fn expose(&self) -> &str {
        match self {
            Self::Plain(text) => text,
            Self::Secret(secret) => secret.expose_secret(),
        }
    }
}

#[derive(Clone)]
pub(crate) enum QueryPart {
    Encoded(String),
    Pair(String, Field),
}

impl QueryPart {
    fn encoded(&self) -> String {
        match self {
            Self::Encoded(text) => text.clone(),
            Self::Pair(name, value) => {
                format!(
                    "{}={}",
                    encode_component(name),
                    encode_component(value.expose())
                )
            }
        }
    }
}

/// One request. Built by value: `Request::get(url).query([("page", "1")]).timeout(limit)`.
#[derive(Clone)]
pub struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) query: Vec<QueryPart>,
    pub(crate) headers: Vec<(String, Field)>,
    pub(crate) body: Option<Bytes>,
    pub(crate) timeout: Duration,
    pub(crate) max_response_bytes: usize,
    pub(crate) effect: Effect,
    pub(crate) send_check: Option<SendCheck>,
}

impl Request {
    /// A request of any method. GET, HEAD and OPTIONS count as reads, all others as writes, until
    /// [`Request::effect`] says otherwise.
    #[must_use]
    pub fn new(method: Method, url: Url) -> Self {
        let effect = if method.is_safe() {
            Effect::Read
        } else {
            Effect::Write
        };
        Self {
            method,
            url,
            query: Vec::new(),
            headers: Vec::new(),
            body: None,
            timeout: DEFAULT_TIMEOUT,
            max_response_bytes: DEFAULT_MAX_RESPONSE_BYTES,
            effect,
            send_check: None,
        }
    }

    /// A GET request.
    #[must_use]
    pub fn get(url: Url) -> Self {
        Self::new(Method::GET, url)
    }

    /// A POST request.
    #[must_use]
    pub fn post(url: Url) -> Self {
        Self::new(Method::POST, url)
    }

    /// A PUT request.
    #[must_use]
    pub fn put(url: Url) -> Self {
        Self::new(Method::PUT, url)
    }

    /// A DELETE request.
    #[must_use]
    pub fn delete(url: Url) -> Self {
        Self::new(Method::DELETE, url)
    }

    /// Appends query parameters in the given order, names and values percent-encoded strictly
    /// (see [`encode_pairs`]).
    #[must_use]
    pub fn query<N: Into<String>, V: Into<String>>(
        mut self,
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        self.query.extend(
            pairs
                .into_iter()
                .map(|(name, value)| QueryPart::Pair(name.into(), Field::Plain(value.into()))),
        );
        self
    }

    /// Appends one query parameter whose value appears in no message and no diagnosis.
    #[must_use]
    pub fn secret_query(mut self, name: impl Into<String>, value: SecretString) -> Self {
        self.query
            .push(QueryPart::Pair(name.into(), Field::Secret(value)));
        self
    }

    /// Appends a piece of query string that is already encoded, without leading `?` or `&`.
    #[must_use]
    pub fn encoded_query(mut self, encoded: impl Into<String>) -> Self {
        self.query.push(QueryPart::Encoded(encoded.into()));
        self
    }

    /// Adds a header. A value that cannot be a header is reported when the request is sent.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), Field::Plain(value.into())));
        self
    }

    /// Adds a header whose value appears in no message and no diagnosis.
    #[must_use]
    pub fn secret_header(mut self, name: impl Into<String>, value: SecretString) -> Self {
        self.headers.push((name.into(), Field::Secret(value)));
        self
    }

    /// Adds HTTP Basic credentials.
    #[must_use]
    pub fn basic_auth(self, user: &str, password: &SecretString) -> Self {
        let pair = format!("{user}:{}", password.expose_secret());
        let value = format!("Basic {}", STANDARD.encode(pair));
        self.secret_header("authorization", SecretString::from(value))
    }

    /// Adds a bearer token.
    #[must_use]
    pub fn bearer_auth(self, token: &SecretString) -> Self {
        let value = format!("Bearer {}", token.expose_secret());
        self.secret_header("authorization", SecretString::from(value))
    }

    /// Sets the body and its content type.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.body = Some(body.into());
        self.header("content-type", content_type)
    }

    /// Sets a form body (`application/x-www-form-urlencoded`), encoded like a query string.
    #[must_use]
    pub fn form<N: AsRef<str>, V: AsRef<str>>(
        self,
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        self.body("application/x-www-form-urlencoded", encode_pairs(pairs))
    }

    /// Time for the whole exchange: lookup, connect, sending and reading the answer.
    /// 30 seconds unless set; never longer than the policy's limit.
    #[must_use]
    pub fn timeout(mut self, total: Duration) -> Self {
        self.timeout = total;
        self
    }

    /// Largest answer accepted, counted after decompression. 16 MiB unless set; never larger than the
    /// policy's limit.
    #[must_use]
    pub fn max_response_bytes(mut self, bytes: usize) -> Self {
        self.max_response_bytes = bytes;
        self
    }

    /// Says whether the request may change something in the store.
    #[must_use]
    pub fn effect(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self
    }

    /// Has a request with a body ask this check when the connection is there and the first byte is
    /// about to leave; one without a body asks before it connects.
    #[must_use]
    pub fn send_check(mut self, check: SendCheck) -> Self {
        self.send_check = Some(check);
        self
    }

    /// Whether the request may change something in the store.
    #[must_use]
    pub fn declared_effect(&self) -> Effect {
        self.effect
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The address as given, without what was added by the query methods.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The address that will be called. It may hold secrets: never log it.
    pub(crate) fn full_url(&self) -> Url {
        let mut url = self.url.clone();
        url.set_fragment(None);
        if !self.query.is_empty() {
            let mut query = url.query().unwrap_or_default().to_owned();
            for part in &self.query {
                if !query.is_empty() {
                    query.push('&');
                }
                query.push_str(&part.encoded());
            }
            url.set_query(Some(&query));
        }
        url
    }

    pub(crate) fn header_pairs(&self) -> Result<Vec<(HeaderName, HeaderValue)>, TransportError> {
        self.headers
            .iter()
            .map(|(name, value)| {
                let invalid = || TransportError::InvalidRequest {
                    header: name.clone(),
                };
                let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid())?;
                let mut content = HeaderValue::from_str(value.expose()).map_err(|_| invalid())?;
                content.set_sensitive(matches!(value, Field::Secret(_)));
                Ok((header, content))
            })
            .collect()
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Request")
            .field("method", &self.method)
            .field("host", &self.url.host_str().unwrap_or_default())
            .field("effect", &self.effect)
            .field("timeout", &self.timeout)
            .field("body_bytes", &self.body.as_ref().map(Bytes::len))
            .finish_non_exhaustive()
    }
}
