//! Ids of the registry's own objects: a prefix and a UUIDv7, so that later ones sort after earlier.

use uuid::Uuid;

/// A new id with a prefix such as `run`.
pub(crate) fn generate(prefix: &str) -> String {
    format!("{prefix}_{}", Uuid::now_v7().simple())
}

/// Whether a text can be an id with this prefix; anything else is not even looked for.
pub(crate) fn is_id(prefix: &str, text: &str) -> bool {
    text.strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('_'))
        .is_some_and(|digits| {
            digits.len() == 32
                && digits
                    .bytes()
                    .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        })
}
