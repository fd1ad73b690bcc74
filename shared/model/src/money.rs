use rust_decimal::{Decimal, RoundingStrategy};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{InvalidValue, decimal, text};

/// An amount of money without its currency: at most 6 fraction digits (stores keep line taxes that
/// fine, WooCommerce sheet section 4) and a million million in size. Keeps the digits it was written
/// with; equality is by value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Amount(Decimal);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(Decimal::ZERO);

    fn check(value: Decimal) -> Result<Self, InvalidValue> {
        Ok(Self(value))
    }

    /// Rounded to `digits` fraction digits, half away from zero, and written with exactly as many.
    #[must_use]
    pub fn rounded(self, digits: u32) -> Self {
        let strategy = RoundingStrategy::MidpointAwayFromZero;
        let mut value = self.0.round_dp_with_strategy(digits.min(6), strategy);
        value.rescale(digits.min(6));
        Self(value)
    }

    /// The same amount written with as few fraction digits as it needs: equal amounts become the
    /// same text.
    #[must_use]
    pub fn normalized(self) -> Self {
        Self(self.0.normalize())
    }

    /// This net amount with tax: net × (1 + rate), rounded to the `digits` of the currency.
    ///
    /// # Errors
    /// When the result leaves the range of an amount.
    pub fn gross(self, rate: TaxRate, digits: u32) -> Result<Self, InvalidValue> {
        let gross = self.0.checked_mul(rate.factor());
        Self::new(Self(gross.ok_or_else(out_of_range)?).rounded(digits).0)
    }

    /// This gross amount without tax: gross ÷ (1 + rate), kept with 4 digits.
    ///
    /// # Errors
    /// When the result leaves the range of an amount.
    pub fn net(self, rate: TaxRate) -> Result<Self, InvalidValue> {
        let net = self.0.checked_div(rate.factor());
        Self::new(Self(net.ok_or_else(out_of_range)?).rounded(4).0)
    }

    /// The sum, or nothing when it leaves the range of an amount.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0
            .checked_add(other.0)
            .and_then(|sum| Self::new(sum).ok())
    }

    /// The difference, or nothing when it leaves the range of an amount.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0
            .checked_sub(other.0)
            .and_then(|difference| Self::new(difference).ok())
    }

    /// Whether it is nothing.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    /// Whether it is above zero.
    #[must_use]
    pub fn is_positive(self) -> bool {
        self.0 > Decimal::ZERO
    }
}

decimal::decimal_value!(Amount, "amount", 6, -1_000_000_000_000, 1_000_000_000_000);

fn out_of_range() -> InvalidValue {
    InvalidValue::new("amount", "the result is out of range")
}

/// A tax rate in percent, 0 to 100, at most 4 fraction digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaxRate(Decimal);

impl TaxRate {
    fn check(value: Decimal) -> Result<Self, InvalidValue> {
        if value.is_sign_negative() && !value.is_zero() {
            return Err(InvalidValue::new("tax_rate", "it is below zero"));
        }
        Ok(Self(value.normalize()))
    }

    fn factor(self) -> Decimal {
        Decimal::ONE + self.0 / Decimal::ONE_HUNDRED
    }
}

decimal::decimal_value!(TaxRate, "tax_rate", 4, 0, 100);

/// A currency by its three letters of ISO 4217.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency(Box<str>);

impl Currency {
    fn check(value: &str) -> Result<(), InvalidValue> {
        if value.len() == 3 && value.bytes().all(|b| b.is_ascii_uppercase()) {
            return Ok(());
        }
        Err(InvalidValue::new(
            "currency",
            "it is not three capital letters",
        ))
    }

    /// Fraction digits by ISO 4217. A store may be set to fewer (WooCommerce recording 303 shows
    /// forints without any): where the store's own number is known, it goes before this one.
    #[must_use]
    pub fn digits(&self) -> u32 {
        match self.as_str() {
            "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF"
            | "UGX" | "UYI" | "VND" | "VUV" | "XAF" | "XOF" | "XPF" => 0,
            "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
            _ => 2,
        }
    }
}

text::text_value!(Currency, 3, "^[A-Z]{3}$");

/// An amount in a currency.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Money {
    /// How much.
    pub amount: Amount,
    /// Of what.
    pub currency: Currency,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn amount(text: &str) -> Amount {
        text.parse().unwrap()
    }

    #[test]
    fn rounds_half_away_from_zero() {
        assert_eq!(amount("0.125").rounded(2).to_string(), "0.13");
        assert_eq!(amount("-0.125").rounded(2).to_string(), "-0.13");
        assert_eq!(amount("15291").rounded(0).to_string(), "15291");
        assert_eq!(amount("7").rounded(2).to_string(), "7.00");
    }

    #[test]
    fn tax_is_exact() {
        let rate: TaxRate = "22".parse().unwrap();
        assert_eq!(amount("24.90").net(rate).unwrap().to_string(), "20.4098");
        assert_eq!(
            amount("20.4098").gross(rate, 2).unwrap().to_string(),
            "24.90"
        );
        assert!("-1".parse::<TaxRate>().is_err());
        assert!("101".parse::<TaxRate>().is_err());
    }

    #[test]
    fn a_price_beyond_the_range_of_amounts_is_an_error() {
        let rate: TaxRate = "22".parse().unwrap();
        assert!(amount("1000000000000").gross(rate, 2).is_err());
        let most = amount("819672131147.54").gross(rate, 2).unwrap();
        assert_eq!(most.to_string().parse::<Amount>().unwrap(), most);
    }

    #[test]
    fn equality_is_by_value_and_text_is_kept() {
        assert_eq!(amount("3.990000"), amount("3.99"));
        assert_eq!(amount("3.990000").to_string(), "3.990000");
        assert_eq!(amount("-0.00").to_string(), "0.00");
        assert_eq!(amount("3.990000").normalized().to_string(), "3.99");
        assert_eq!(amount("-0.00").normalized().to_string(), "0");
    }

    proptest! {
        #[test]
        fn gross_of_net_of_gross_is_the_same_price(cents in 1i64..100_000_000, rate in 0u32..=10_000) {
            let gross = Amount::new(Decimal::new(cents, 2)).unwrap();
            let rate = TaxRate::new(Decimal::new(i64::from(rate), 2)).unwrap();
            prop_assert_eq!(gross.net(rate).unwrap().gross(rate, 2).unwrap(), gross);
        }

        #[test]
        fn what_is_computed_reads_back(units in -1_000_000_000_000i64..=1_000_000_000_000, rate in 0u32..=1_000_000, digits in 0u32..=9) {
            let start = Amount::new(Decimal::from(units)).unwrap();
            let rate = TaxRate::new(Decimal::new(i64::from(rate), 4)).unwrap();
            for computed in [start.gross(rate, digits), start.net(rate)].into_iter().flatten() {
                prop_assert_eq!(computed.to_string().parse::<Amount>().unwrap(), computed);
            }
        }

        #[test]
        fn written_amounts_read_back_the_same(cents in -1_000_000_000i64..1_000_000_000, scale in 0u32..=6) {
            let value = Amount::new(Decimal::new(cents, scale)).unwrap();
            let text = serde_json::to_string(&value).unwrap();
            prop_assert_eq!(serde_json::from_str::<Amount>(&text).unwrap(), value);
        }
    }
}
