//! Where settings come from, and what is said about wrong ones.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod errors;
mod fuzz;
mod precedence;
mod printing;

use std::path::PathBuf;

use tempfile::TempDir;

/// A configuration file that lives as long as the folder.
fn file(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("storelink.toml");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}
