use std::fmt;

use sha2::{Digest, Sha256};
use storelink_model::Timestamp;

use crate::Order;

/// The fingerprint of an order's content: SHA-256 in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ContentHash(String);

impl ContentHash {
    /// The fingerprint of bytes as they are: for an order that could not be understood.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let digest = Sha256::digest(bytes);
        Self(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The hexadecimal text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Order {
    /// The fingerprint of everything but the time of the last modification, which stores move
    /// without a change (WooCommerce sheet section 5: every PUT does).
    #[must_use]
    pub fn content_hash(&self) -> ContentHash {
        let mut content = self.clone();
        content.modified = Timestamp::from_micros(0);
        let bytes = serde_json::to_vec(&content).unwrap_or_default();
        ContentHash::of_bytes(&bytes)
    }
}
