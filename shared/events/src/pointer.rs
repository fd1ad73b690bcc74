//! JSON pointers (RFC 6901) to where reading went wrong.

use serde_path_to_error::Path;
use serde_path_to_error::Segment::{Enum, Map, Seq, Unknown};

/// The longest pointer in bytes: names of members are the sender's, and may be long and many.
const LONGEST: usize = 100;

/// The pointer to where a path leads, or to what that place is inside of; empty for the whole.
pub(crate) fn of(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        let part = match segment {
            Seq { index } => format!("/{index}"),
            Map { key } => format!("/{}", escaped(key)),
            Enum { variant } => format!("/{variant}"),
            Unknown => break,
        };
        if pointer.len() + part.len() > LONGEST {
            break;
        }
        pointer.push_str(&part);
    }
    pointer
}

/// A member's name as a part of a pointer.
pub(crate) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
