//! The signature methods, as the signing crate wants them: it hands over the base string in
//! pieces, already encoded.

use std::fmt::Display;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use oauth1_request::signature_method::{Sign, SignatureMethod as CrateMethod};
use sha1::Sha1;
use sha2::Sha256;

use crate::query::encode_component;

macro_rules! hmac_base64 {
    ($digest:ty, $key:expr, $text:expr) => {{
        // A key of any length is allowed; the error exists for other kinds of code.
        match Hmac::<$digest>::new_from_slice($key.as_bytes()) {
            Ok(mut mac) => {
                mac.update($text.as_bytes());
                STANDARD.encode(mac.finalize().into_bytes())
            }
            Err(_) => String::new(),
        }
    }};
}

/// How a request is signed (RFC 5849 section 3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureMethod {
    /// `HMAC-SHA1`.
    HmacSha1,
    /// `HMAC-SHA256`, not in the RFC but understood by some servers.
    HmacSha256,
    /// `PLAINTEXT`: the secrets themselves; only over TLS.
    Plaintext,
}

impl SignatureMethod {
    /// The value of `oauth_signature_method`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::HmacSha1 => "HMAC-SHA1",
            Self::HmacSha256 => "HMAC-SHA256",
            Self::Plaintext => "PLAINTEXT",
        }
    }

    /// The signature, not yet percent-encoded.
    pub(super) fn signature(self, key: &str, base_string: &str) -> String {
        match self {
            Self::HmacSha1 => hmac_base64!(Sha1, key, base_string),
            Self::HmacSha256 => hmac_base64!(Sha256, key, base_string),
            Self::Plaintext => key.to_owned(),
        }
    }
}

/// Keeps the signing crate's traits out of the public type.
pub(super) struct Signing(pub(super) SignatureMethod);

impl CrateMethod for Signing {
    type Sign = BaseString;

    fn sign_with(self, client_secret: &str, token_secret: Option<&str>) -> BaseString {
        let token_secret = token_secret.map(encode_component).unwrap_or_default();
        let key = format!("{}&{token_secret}", encode_component(client_secret));
        BaseString {
            method: self.0,
            key,
            text: String::new(),
        }
    }
}

/// Collects the base string and signs it at the end.
pub(super) struct BaseString {
    pub(super) method: SignatureMethod,
    pub(super) key: String,
    pub(super) text: String,
}

impl Sign for BaseString {
    type Signature = String;

    fn get_signature_method_name(&self) -> &'static str {
        self.method.name()
    }

    fn request_method(&mut self, method: &str) {
        self.text.push_str(method);
        self.text.push('&');
    }

    fn uri<T: Display>(&mut self, uri: T) {
        self.text.push_str(&format!("{uri}&"));
    }

    fn parameter<V: Display>(&mut self, key: &str, value: V) {
        self.text.push_str(&format!("{key}%3D{value}"));
    }

    fn delimiter(&mut self) {
        self.text.push_str("%26");
    }

    fn end(self) -> String {
        encode_component(&self.method.signature(&self.key, &self.text))
    }
}
