//! The text form of a sealed value.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::VaultError;

pub(crate) const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
/// A credential has some hundred bytes; nothing near this is one.
const LONGEST: usize = 1024 * 1024;

/// A sealed value: `v1.<key id>.<base64url of nonce and ciphertext>`. Safe to store and to send;
/// worthless without the key and the associated data.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Sealed {
    key_id: String,
    nonce: [u8; NONCE_BYTES],
    ciphertext: Vec<u8>,
}

impl Sealed {
    pub(crate) fn new(key_id: &str, nonce: [u8; NONCE_BYTES], ciphertext: Vec<u8>) -> Self {
        Self {
            key_id: key_id.to_owned(),
            nonce,
            ciphertext,
        }
    }

    /// Id of the key that seals the value.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    pub(crate) fn nonce(&self) -> [u8; NONCE_BYTES] {
        self.nonce
    }

    pub(crate) fn ciphertext(&self) -> &[u8] {
        &self.ciphertext
    }
}

impl fmt::Display for Sealed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.nonce[..], &self.ciphertext].concat();
        write!(
            formatter,
            "v1.{}.{}",
            self.key_id,
            URL_SAFE_NO_PAD.encode(bytes)
        )
    }
}

/// Names the key only: even ciphertext has no place in a log.
impl fmt::Debug for Sealed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Sealed(v1.{}.…)", self.key_id)
    }
}

impl FromStr for Sealed {
    type Err = VaultError;

    fn from_str(text: &str) -> Result<Self, VaultError> {
        let mut parts = text.splitn(3, '.');
        let (Some("v1"), Some(key_id), Some(encoded)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(VaultError::MalformedValue);
        };
        if !is_key_id(key_id) || encoded.len() > LONGEST {
            return Err(VaultError::MalformedValue);
        }
        let bytes = URL_SAFE_NO_PAD
            .decode(encoded)
            .map_err(|_| VaultError::MalformedValue)?;
        match bytes.split_first_chunk() {
            Some((nonce, ciphertext)) if ciphertext.len() >= TAG_BYTES => {
                Ok(Self::new(key_id, *nonce, ciphertext.to_vec()))
            }
            _ => Err(VaultError::MalformedValue),
        }
    }
}

impl TryFrom<String> for Sealed {
    type Error = VaultError;

    fn try_from(text: String) -> Result<Self, VaultError> {
        text.parse()
    }
}

impl From<Sealed> for String {
    fn from(sealed: Sealed) -> Self {
        sealed.to_string()
    }
}

/// Ids are part of file names and of the text form.
pub(crate) fn is_key_id(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.len() <= 64 && text.bytes().all(fits)
}
