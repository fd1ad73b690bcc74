#![doc = include_str!("../README.md")]

mod error;
mod key_files;
mod sealed;
mod vault;

pub use error::VaultError;
pub use sealed::Sealed;
pub use vault::{CreateMissing, SecretBytes, Vault};
