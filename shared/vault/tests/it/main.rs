//! Sealing, key files and rotation, on real folders.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod keys;
mod sealing;

use storelink_vault::{CreateMissing, Vault};
use tempfile::TempDir;

/// A vault with one generated key in a folder of its own.
fn vault() -> (TempDir, Vault) {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::open(&folder.path().join("keys"), CreateMissing::Yes).unwrap();
    (folder, vault)
}
