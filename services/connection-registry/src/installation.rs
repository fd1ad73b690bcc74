//! The key of this installation: tickets and cursors are signed with it by every replica alike.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rand::TryRngCore as _;
use rand::rngs::OsRng;
use secrecy::{ExposeSecret as _, SecretBox};
use sha2::Sha256;
use storelink_persistence::{Database, DbError, args};
use storelink_vault::{Sealed, Vault, VaultError};

pub(crate) const NAME: &str = "signing";
const KEY_BYTES: usize = 32;
/// HMAC pads a key with zeros to the block of its hash.
const BLOCK: usize = 64;

/// Signs short texts for a purpose; a signature for one purpose is worth nothing for another.
#[derive(Clone)]
pub(crate) struct SigningKey(Arc<SecretBox<[u8; BLOCK]>>);

/// The key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The database refuses.
    #[error(transparent)]
    Database(#[from] DbError),
    /// The vault does not open it.
    #[error("the signing key of this installation cannot be used: {0}")]
    Vault(#[from] VaultError),
    /// The system gives no random bytes.
    #[error("the system gives no random bytes: {0}")]
    NoRandomness(String),
}

impl SigningKey {
    /// The key of this installation, made at the first start; of several first starts at the same
    /// time one wins.
    pub(crate) async fn load(database: &Database, vault: &Vault) -> Result<Self, KeyError> {
        let mut random = [0_u8; KEY_BYTES];
        OsRng
            .try_fill_bytes(&mut random)
            .map_err(|error| KeyError::NoRandomness(error.to_string()))?;
        let candidate = vault.seal(&random, NAME)?;
        database
            .execute(
                "INSERT INTO installation_keys (name, sealed) VALUES ($1, $2)
                 ON CONFLICT (name) DO NOTHING",
                args![NAME, candidate.to_string()],
            )
            .await?;
        let kept = database
            .fetch_one(
                "SELECT sealed FROM installation_keys WHERE name = $1",
                args![NAME],
            )
            .await?
            .text("sealed")?;
        let sealed: Sealed = kept.parse()?;
        Self::from_bytes(vault.unseal(&sealed, NAME)?.expose_secret())
            .ok_or(KeyError::Vault(VaultError::MalformedValue))
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != KEY_BYTES {
            return None;
        }
        let mut padded = Box::new([0_u8; BLOCK]);
        for (place, byte) in padded.iter_mut().zip(bytes) {
            *place = *byte;
        }
        Some(Self(Arc::new(SecretBox::new(padded))))
    }

    /// The signature of `text` for `purpose`.
    pub(crate) fn sign(&self, purpose: &str, text: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(self.mac(purpose, text).finalize().into_bytes())
    }

    /// Whether `signature` is that of `text` for `purpose`, in constant time.
    pub(crate) fn verify(&self, purpose: &str, text: &[u8], signature: &str) -> bool {
        URL_SAFE_NO_PAD
            .decode(signature)
            .is_ok_and(|bytes| self.mac(purpose, text).verify_slice(&bytes).is_ok())
    }

    /// `text` with its signature, as one token that can stand in an address.
    pub(crate) fn seal_text(&self, purpose: &str, text: &[u8]) -> String {
        format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(text),
            self.sign(purpose, text)
        )
    }

    /// The text of [`SigningKey::seal_text`]; none when anything of it was changed.
    pub(crate) fn open_text(&self, purpose: &str, token: &str) -> Option<Vec<u8>> {
        let (encoded, signature) = token.split_once('.')?;
        let text = URL_SAFE_NO_PAD.decode(encoded).ok()?;
        self.verify(purpose, &text, signature).then_some(text)
    }

    fn mac(&self, purpose: &str, text: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new(self.0.expose_secret().into());
        mac.update(purpose.as_bytes());
        mac.update(&[0]);
        mac.update(text);
        mac
    }

    #[cfg(test)]
    pub(crate) fn for_test(byte: u8) -> Self {
        Self::from_bytes(&[byte; KEY_BYTES]).unwrap()
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_counts_for_its_purpose_text_and_key_alone() {
        let key = SigningKey::for_test(1);
        let token = key.seal_text("cursor", b"abc");
        assert_eq!(
            key.open_text("cursor", &token).as_deref(),
            Some(&b"abc"[..])
        );
        assert_eq!(key.open_text("ticket", &token), None);
        assert_eq!(SigningKey::for_test(2).open_text("cursor", &token), None);
        let (text, signature) = token.split_once('.').unwrap();
        assert_eq!(
            key.open_text("cursor", &format!("{text}A.{signature}")),
            None
        );
        assert_eq!(key.open_text("cursor", text), None);
        assert_eq!(key.open_text("cursor", "."), None);
    }
}
