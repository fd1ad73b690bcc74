use rust_decimal::Decimal;

use crate::{InvalidValue, decimal};

/// A quantity of an article: at most 4 fraction digits and a thousand million in size. An ERP may
/// report a negative one (more was sold than was there); what is published never is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Quantity(Decimal);

impl Quantity {
    /// None at all.
    pub const ZERO: Self = Self(Decimal::ZERO);
    /// The largest.
    pub const MAX: Self = Self(Decimal::from_parts(1_000_000_000, 0, 0, false, 0));

    fn check(value: Decimal) -> Result<Self, InvalidValue> {
        Ok(Self(value.normalize()))
    }

    /// The larger of this and zero.
    #[must_use]
    pub fn floor_at_zero(self) -> Self {
        Self(self.0.max(Decimal::ZERO))
    }

    /// The whole units in it, rounded down: what a store that sells whole pieces may show.
    #[must_use]
    pub fn whole(self) -> Self {
        Self(self.0.floor())
    }

    /// The sum, or nothing when it leaves the range of a quantity.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0
            .checked_add(other.0)
            .and_then(|sum| Self::new(sum).ok())
    }

    /// The difference, or nothing when it leaves the range of a quantity.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0
            .checked_sub(other.0)
            .and_then(|difference| Self::new(difference).ok())
    }
}

decimal::decimal_value!(Quantity, "quantity", 4, -1_000_000_000, 1_000_000_000);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_strings_and_exact_numbers() {
        assert_eq!(
            serde_json::from_str::<Quantity>("\"37\"")
                .unwrap()
                .to_string(),
            "37"
        );
        assert_eq!(
            serde_json::from_str::<Quantity>("1.5000")
                .unwrap()
                .to_string(),
            "1.5"
        );
        assert_eq!(
            serde_json::to_string(&"2.50".parse::<Quantity>().unwrap()).unwrap(),
            "\"2.5\""
        );
    }

    #[test]
    fn refuses_what_is_not_exact() {
        for bad in [
            "\"many\"", "\"\"", "1e3", "\"1,5\"", "\" 1\"", "null", "true", "0.00001", "\".5\"",
        ] {
            assert!(serde_json::from_str::<Quantity>(bad).is_err(), "{bad}");
        }
        assert!("18446744073709551616".parse::<Quantity>().is_err());
    }

    #[test]
    fn never_published_below_zero() {
        assert_eq!(
            "-3".parse::<Quantity>().unwrap().floor_at_zero(),
            Quantity::ZERO
        );
        assert_eq!("2.9".parse::<Quantity>().unwrap().whole().to_string(), "2");
    }
}
