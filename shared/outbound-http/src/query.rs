//! Percent-encoding of query strings, the strict way.
//!
//! Only the unreserved characters of RFC 3986 stay as they are: a blank is `%20`, never `+`.
//! It is the encoding that request signatures are computed with, so what is signed and what is
//! sent cannot differ.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

const STRICT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Encodes one name or value.
#[must_use]
pub fn encode_component(text: &str) -> String {
    utf8_percent_encode(text, STRICT).to_string()
}

/// Encodes pairs as `name=value&name=value` in the given order, names included.
#[must_use]
pub fn encode_pairs<N: AsRef<str>, V: AsRef<str>>(
    pairs: impl IntoIterator<Item = (N, V)>,
) -> String {
    let mut encoded = String::new();
    for (name, value) in pairs {
        if !encoded.is_empty() {
            encoded.push('&');
        }
        encoded.extend(utf8_percent_encode(name.as_ref(), STRICT));
        encoded.push('=');
        encoded.extend(utf8_percent_encode(value.as_ref(), STRICT));
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_encoded_strictly() {
        let pairs = [("filter[1][eq]", "A B+č&=~'*"), ("x", "")];
        assert_eq!(
            encode_pairs(pairs),
            "filter%5B1%5D%5Beq%5D=A%20B%2B%C4%8D%26%3D~%27%2A&x="
        );
    }
}
