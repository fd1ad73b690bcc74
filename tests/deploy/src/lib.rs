#![doc = include_str!("../README.md")]

pub mod compose;
mod manifests;
mod pods;
mod program;
pub mod rules;
mod schema;

use std::path::PathBuf;

pub use manifests::{Manifests, name_of, render};
pub use program::{Effective, Facts, Program};
pub use rules::Finding;
pub use schema::{VERSIONS, schema_mistakes};

/// A path of the repository.
#[must_use]
pub fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}
