use serde::{Deserialize, Serialize};

use crate::{InvalidValue, text};

/// The code of one sellable article, exactly as the ERP and the stores write it.
///
/// Any text of 1 to 255 bytes without control characters: blanks at either end, slashes, quotes and
/// emoji occur in real stores, and `000123` is not `123` (WooCommerce sheet section 3). Never
/// trimmed, never folded: two SKUs are equal when their bytes are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sku(Box<str>);

impl Sku {
    fn check(value: &str) -> Result<(), InvalidValue> {
        text::plain("sku", value, 255)
    }
}

text::text_value!(Sku, 255, text::PLAIN);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_codes_of_real_stores_are_kept_as_they_are() {
        for code in [
            "TORBA-01 ",
            "A/B/5",
            "000123",
            "šč-ž-003",
            "comma,15",
            "😀",
            "*",
            ">",
            "a.b",
        ] {
            assert_eq!(code.parse::<Sku>().unwrap().as_str(), code);
        }
    }

    #[test]
    fn refuses_what_cannot_be_a_code() {
        assert!("".parse::<Sku>().is_err());
        assert!("a\nb".parse::<Sku>().is_err());
        assert!("x".repeat(256).parse::<Sku>().is_err());
        assert!("x".repeat(255).parse::<Sku>().is_ok());
        assert!(serde_json::from_str::<Sku>("12").is_err());
    }
}
