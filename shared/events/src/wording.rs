//! What serde says of a value that does not fit, in words for the caller who sent it.

/// The longest such text, in characters.
const LONGEST_DETAIL: usize = 200;

/// Serde repeats a wrong value in its words: it may be long, personal, or a key that was put into the
/// wrong place.
#[must_use]
pub fn without_value(text: &str) -> String {
    let wrong = text
        .strip_prefix("invalid type: ")
        .or(text.strip_prefix("invalid value: "));
    if let Some((found, expected)) = wrong.and_then(|wrong| wrong.rsplit_once(", expected ")) {
        let kind = found.split(['"', '`']).next().unwrap_or_default().trim();
        let (expected, kind) = (in_words(expected), in_words(kind));
        return format!("expected {expected}, found {kind}");
    }
    if let Some((_, expected)) = text.split_once("`, expected ")
        && text.starts_with("unknown variant `")
    {
        return format!("expected {expected}");
    }
    text.chars().take(LONGEST_DETAIL).collect()
}

/// The names of Rust's types in the words of JSON's readers.
fn in_words(name: &str) -> &str {
    match name {
        "u8" | "u16" | "u32" | "u64" => "a whole number that is not below zero and not too large",
        "i8" | "i16" | "i32" | "i64" | "integer" => "a whole number",
        "floating point" => "a number with a fraction or too large",
        "a sequence" | "sequence" => "a list",
        "a map" | "map" => "an object",
        "boolean" => "true or false",
        "a boolean" => "true or false",
        "string" => "a string",
        name if name.starts_with("struct ") => "an object",
        name => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_value_is_not_repeated_and_no_text_is_long() {
        for (found, told) in [
            (
                "invalid type: string \"s_123\", expected u64",
                "expected a whole number that is not below zero and not too large, found a string",
            ),
            (
                "invalid type: string \"s_123, expected x\", expected a map",
                "expected an object, found a string",
            ),
            (
                "not a valid sku: it is empty",
                "not a valid sku: it is empty",
            ),
        ] {
            assert_eq!(without_value(found), told);
        }
        assert_eq!(without_value(&"ž".repeat(1_000)).chars().count(), 200);
    }
}
