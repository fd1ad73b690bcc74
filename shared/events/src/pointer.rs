//! JSON pointers (RFC 6901) to where reading went wrong.

use serde_path_to_error::Path;
use serde_path_to_error::Segment::{Enum, Map, Seq, Unknown};

/// The pointer to where a path leads; empty for the whole.
pub(crate) fn of(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Seq { index } => pointer.push_str(&format!("/{index}")),
            Map { key } => pointer.push_str(&format!("/{}", escaped(key))),
            Enum { variant } => pointer.push_str(&format!("/{variant}")),
            Unknown => pointer.push_str("/?"),
        }
    }
    pointer
}

/// A member's name as a part of a pointer.
pub(crate) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
