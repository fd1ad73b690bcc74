//! Sealing and opening.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rand::TryRngCore as _;
use rand::rngs::OsRng;
use secrecy::zeroize::Zeroize as _;
use secrecy::{ExposeSecret as _, SecretSlice};

use crate::key_files::{self, Key, KeyRing};
use crate::sealed::NONCE_BYTES;
use crate::{Sealed, VaultError};

/// Opened contents; wiped from memory when dropped.
pub type SecretBytes = SecretSlice<u8>;

/// Whether a first key is made when the folder has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateMissing {
    /// For development, and for `storelink keys create`: a key file is written.
    Yes,
    /// For production: keys come from outside, and a missing one is an error.
    No,
}

/// Seals and opens with the keys of one folder. Cheap to clone.
#[derive(Clone)]
pub struct Vault {
    folder: PathBuf,
    ring: Arc<RwLock<Arc<KeyRing>>>,
}

impl Vault {
    /// Reads the keys of `folder`.
    ///
    /// # Errors
    /// The folder or a key cannot be used; see [`VaultError`].
    pub fn open(folder: &Path, create_missing: CreateMissing) -> Result<Self, VaultError> {
        if create_missing == CreateMissing::Yes {
            key_files::create_first(folder)?;
        }
        let ring = Arc::new(key_files::read(folder)?);
        Ok(Self {
            folder: folder.to_owned(),
            ring: Arc::new(RwLock::new(ring)),
        })
    }

    /// Id of the key that new values are sealed with.
    #[must_use]
    pub fn active_key(&self) -> String {
        self.ring().active.clone()
    }

    /// Seals `plain`. `associated` names the record that it belongs to, such as a connection's id:
    /// the value opens only with the same text, so a swapped row is noticed.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn seal(&self, plain: &[u8], associated: &str) -> Result<Sealed, VaultError> {
        let ring = self.ring();
        let key = key_of(&ring, &ring.active)?;
        let mut nonce = [0_u8; NONCE_BYTES];
        OsRng
            .try_fill_bytes(&mut nonce)
            .map_err(|error| VaultError::CannotSeal(error.to_string()))?;
        let bound = bound_text(&ring.active, associated);
        let payload = Payload {
            msg: plain,
            aad: bound.as_bytes(),
        };
        let ciphertext = cipher(key)
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| VaultError::CannotSeal("value is too long".to_owned()))?;
        Ok(Sealed::new(&ring.active, nonce, ciphertext))
    }

    /// Opens a value that was sealed with the same `associated` text. A key that is not known yet
    /// is looked for in the folder.
    ///
    /// # Errors
    /// The key is missing, or the value was changed or belongs to another record.
    pub fn unseal(&self, sealed: &Sealed, associated: &str) -> Result<SecretBytes, VaultError> {
        let mut ring = self.ring();
        if !ring.keys.contains_key(sealed.key_id()) {
            self.reload()?;
            ring = self.ring();
        }
        let key = key_of(&ring, sealed.key_id())?;
        let bound = bound_text(sealed.key_id(), associated);
        let payload = Payload {
            msg: sealed.ciphertext(),
            aad: bound.as_bytes(),
        };
        let mut plain = cipher(key)
            .decrypt(&XNonce::from(sealed.nonce()), payload)
            .map_err(|_| VaultError::DoesNotOpen {
                key: sealed.key_id().to_owned(),
            })?;
        // Copied to its exact size: shrinking would leave the old memory behind.
        let opened = SecretBytes::from(Box::<[u8]>::from(plain.as_slice()));
        plain.zeroize();
        Ok(opened)
    }

    /// Whether a value is sealed with another key than the active one.
    #[must_use]
    pub fn needs_rewrap(&self, sealed: &Sealed) -> bool {
        sealed.key_id() != self.ring().active
    }

    /// The same contents sealed with the active key.
    ///
    /// # Errors
    /// As for opening and sealing.
    pub fn rewrap(&self, sealed: &Sealed, associated: &str) -> Result<Sealed, VaultError> {
        let plain = self.unseal(sealed, associated)?;
        self.seal(plain.expose_secret(), associated)
    }

    /// Writes a new key, makes it the active one unless the file `active` names another, and
    /// returns its id.
    ///
    /// # Errors
    /// The folder cannot be written or read.
    pub fn add_key(&self) -> Result<String, VaultError> {
        let id = key_files::create(&self.folder)?;
        self.reload()?;
        Ok(id)
    }

    /// Reads the folder again; on an error the keys stay as they were.
    ///
    /// # Errors
    /// The folder or a key cannot be used.
    pub fn reload(&self) -> Result<(), VaultError> {
        let ring = Arc::new(key_files::read(&self.folder)?);
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = ring;
        Ok(())
    }

    fn ring(&self) -> Arc<KeyRing> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Names the keys' ids, never the keys.
impl fmt::Debug for Vault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ring = self.ring();
        formatter
            .debug_struct("Vault")
            .field("folder", &self.folder)
            .field("keys", &ring.keys.keys().collect::<Vec<_>>())
            .field("active", &ring.active)
            .finish()
    }
}

fn key_of<'a>(ring: &'a KeyRing, id: &str) -> Result<&'a Key, VaultError> {
    ring.keys
        .get(id)
        .ok_or_else(|| VaultError::UnknownKey { key: id.to_owned() })
}

fn cipher(key: &Key) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.expose_secret().into())
}

/// Version and key are bound as well, so that neither can be exchanged.
fn bound_text(key_id: &str, associated: &str) -> String {
    format!("v1.{key_id}.{associated}")
}
