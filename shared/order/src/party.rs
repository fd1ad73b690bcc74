use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who ordered, as far as the store knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Customer {
    /// The store's id of the account; none for a guest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// E-mail address, as typed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Telephone number, as typed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// VAT identification number, as typed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vat_id: Option<String>,
}

/// A postal address as the store keeps it. Members that the store leaves empty are empty here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Address {
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// Company.
    pub company: String,
    /// Street and number.
    pub line1: String,
    /// Second address line.
    pub line2: String,
    /// Town.
    pub city: String,
    /// State or province, as the store writes it.
    pub state: String,
    /// Postal code.
    pub postcode: String,
    /// Country by two letters of ISO 3166, where the store has it.
    pub country: String,
    /// Telephone number of this address.
    pub phone: String,
}

impl Address {
    /// Whether nothing was filled in: stores send an empty delivery address for "same as billing".
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
