//! OAuth 1.0a request signing (RFC 5849), one-legged and three-legged.
//!
//! The `oauth1-request` crate builds the signature base string and stays inside this module. It
//! does not percent-encode parameter *names*, so names go in encoded already; it wants them
//! sorted, and sorts nothing itself. Which address is signed (port, scheme behind a proxy) and
//! where the parameters travel is the caller's knowledge.

use std::fmt;
use std::num::NonZeroU64;

use oauth1_request::serializer::Serializer as _;
use oauth1_request::serializer::auth::{Authorizer, Options};
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret as _, SecretString};
use time::OffsetDateTime;
use url::Url;

use crate::query::encode_component;

mod signature;
#[cfg(test)]
mod vectors;

pub use signature::SignatureMethod;
use signature::Signing;

/// Who signs. Without a token the signing is one-legged.
#[derive(Clone)]
pub struct Credentials {
    /// Public name of the consumer.
    pub consumer_key: String,
    /// Secret of the consumer.
    pub consumer_secret: SecretString,
    /// Request or access token and its secret.
    pub token: Option<(String, SecretString)>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Credentials(***)")
    }
}

/// Protocol parameters beyond the usual ones.
#[derive(Debug, Clone, Default)]
pub struct OauthExtra {
    /// `oauth_callback`, for asking for a request token: an address or `oob`.
    pub callback: Option<String>,
    /// `oauth_verifier`, for exchanging the request token.
    pub verifier: Option<String>,
    /// Whether `oauth_version=1.0` is sent and signed.
    pub version: bool,
}

/// Signs requests of one connection.
#[derive(Debug, Clone)]
pub struct Signer {
    credentials: Credentials,
    method: SignatureMethod,
}

impl Signer {
    /// A signer with the method that the server understands.
    #[must_use]
    pub fn new(credentials: Credentials, method: SignatureMethod) -> Self {
        Self {
            credentials,
            method,
        }
    }

    /// Signs one request. `base_url` is the address as the *server* sees it, its query and
    /// fragment are left out; `params` are all decoded query and form parameters. Each call needs
    /// a new nonce ([`fresh_nonce`]), also when a request is repeated.
    #[must_use]
    pub fn sign(
        &self,
        http_method: &str,
        base_url: &Url,
        params: &[(String, String)],
        extra: &OauthExtra,
        nonce: &str,
        at: OffsetDateTime,
    ) -> SignedParams {
        let method = Signing(self.method);
        let header = self.authorize(http_method, base_url, params, extra, nonce, at, method);
        SignedParams { header }
    }

    #[allow(clippy::too_many_arguments, reason = "the parameters of a signature")]
    fn authorize<M: oauth1_request::signature_method::SignatureMethod>(
        &self,
        http_method: &str,
        base_url: &Url,
        params: &[(String, String)],
        extra: &OauthExtra,
        nonce: &str,
        at: OffsetDateTime,
        method: M,
    ) -> String {
        let mut options = Options::new();
        options
            .callback(extra.callback.as_deref())
            .verifier(extra.verifier.as_deref())
            .nonce(nonce)
            .timestamp(
                u64::try_from(at.unix_timestamp())
                    .ok()
                    .and_then(NonZeroU64::new),
            )
            .version(extra.version);
        let consumer = oauth1_request::Credentials::new(
            self.credentials.consumer_key.as_str(),
            self.credentials.consumer_secret.expose_secret(),
        );
        let token = self.credentials.token.as_ref().map(|(token, secret)| {
            oauth1_request::Credentials::new(token.as_str(), secret.expose_secret())
        });
        let mut base = base_url.clone();
        base.set_query(None);
        base.set_fragment(None);
        let mut authorizer =
            Authorizer::authorization(http_method, base, consumer, token, &options, method);
        for entry in sorted_entries(params) {
            entry.serialize(&mut authorizer);
        }
        authorizer.end()
    }
}

/// One line of the sorted parameter list; protocol parameters take their place among the others.
enum Entry {
    Given { name: String, value: String },
    Protocol(&'static str),
}

impl Entry {
    fn sort_key(&self) -> (&str, &str) {
        match self {
            Self::Given { name, value } => (name, value),
            Self::Protocol(name) => (name, ""),
        }
    }

    fn serialize<M: oauth1_request::signature_method::SignatureMethod>(
        &self,
        authorizer: &mut Authorizer<'_, M>,
    ) {
        match self {
            // Encoded once more: the crate puts names into the base string as they are.
            Self::Given { name, value } => {
                authorizer.serialize_parameter_encoded(&encode_component(name), value);
            }
            Self::Protocol("oauth_callback") => authorizer.serialize_oauth_callback(),
            Self::Protocol("oauth_consumer_key") => authorizer.serialize_oauth_consumer_key(),
            Self::Protocol("oauth_nonce") => authorizer.serialize_oauth_nonce(),
            Self::Protocol("oauth_signature_method") => {
                authorizer.serialize_oauth_signature_method();
            }
            Self::Protocol("oauth_timestamp") => authorizer.serialize_oauth_timestamp(),
            Self::Protocol("oauth_token") => authorizer.serialize_oauth_token(),
            Self::Protocol("oauth_verifier") => authorizer.serialize_oauth_verifier(),
            Self::Protocol(_) => authorizer.serialize_oauth_version(),
        }
    }
}

/// RFC 5849 section 3.4.1.3.2: sorted by encoded name, then by encoded value.
fn sorted_entries(params: &[(String, String)]) -> Vec<Entry> {
    const PROTOCOL: [&str; 8] = [
        "oauth_callback",
        "oauth_consumer_key",
        "oauth_nonce",
        "oauth_signature_method",
        "oauth_timestamp",
        "oauth_token",
        "oauth_verifier",
        "oauth_version",
    ];
    let given = params.iter().map(|(name, value)| Entry::Given {
        name: encode_component(name),
        value: encode_component(value),
    });
    let mut entries: Vec<Entry> = given.chain(PROTOCOL.map(Entry::Protocol)).collect();
    entries.sort_by(|left, right| left.sort_key().cmp(&right.sort_key()));
    entries
}

/// The protocol parameters with their signature. They travel in a header or in the query.
pub struct SignedParams {
    header: String,
}

impl SignedParams {
    /// Value of the `Authorization` header.
    #[must_use]
    pub fn authorization_header(&self) -> SecretString {
        SecretString::from(self.header.clone())
    }

    /// The same parameters, decoded, for the query string.
    #[must_use]
    pub fn query_pairs(&self) -> Vec<(String, String)> {
        self.header
            .trim_start_matches("OAuth ")
            .split(',')
            .filter_map(|field| field.split_once('='))
            .map(|(name, quoted)| {
                let value = percent_decode_str(quoted.trim_matches('"'));
                (name.to_owned(), value.decode_utf8_lossy().into_owned())
            })
            .collect()
    }
}

impl fmt::Debug for SignedParams {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SignedParams(***)")
    }
}

/// 128 random bits as 32 hexadecimal characters: some servers cut longer ones.
#[must_use]
pub fn fresh_nonce() -> String {
    format!("{:032x}", rand::random::<u128>())
}
