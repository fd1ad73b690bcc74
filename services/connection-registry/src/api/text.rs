//! Short texts that people enter.

use serde::{Deserialize, Deserializer};

use crate::problem::FieldError;

/// A trimmed text of 1 to `longest` characters without control characters.
pub(crate) fn label(
    pointer: &str,
    text: &str,
    longest: usize,
    errors: &mut Vec<FieldError>,
) -> String {
    let text = text.trim();
    let length = text.chars().count();
    if length == 0 || length > longest {
        let detail = format!("it must have 1 to {longest} characters");
        errors.push(FieldError::new(pointer, "text.length", detail));
    } else if text.chars().any(char::is_control) {
        let detail = "it holds a control character or a line break";
        errors.push(FieldError::new(pointer, "text.control", detail));
    }
    text.to_owned()
}

/// Tells a member that is null from one that is absent.
pub(crate) fn nullable<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}
