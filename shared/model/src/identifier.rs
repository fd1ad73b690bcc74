use serde::{Deserialize, Serialize};

use crate::{InvalidValue, text};

/// One company. Everything belongs to one: 1 to 40 characters of `a-z`, `0-9` and `-`, so that it is
/// a subject token and a part of an address as it stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantId(Box<str>);

impl TenantId {
    fn check(value: &str) -> Result<(), InvalidValue> {
        slug("tenant", value, b'-')
    }
}

text::text_value!(TenantId, 40, "^[a-z0-9-]+$");

/// The name of a platform, for example `magento1`: 1 to 40 characters of `a-z`, `0-9` and `_`. Which
/// platforms exist is known only where adapters are registered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Platform(Box<str>);

impl Platform {
    fn check(value: &str) -> Result<(), InvalidValue> {
        slug("platform", value, b'_')
    }
}

text::text_value!(Platform, 40, "^[a-z0-9_]+$");

/// An ERP warehouse as the ERP names it: 1 to 64 bytes of any text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WarehouseCode(Box<str>);

impl WarehouseCode {
    fn check(value: &str) -> Result<(), InvalidValue> {
        text::plain("warehouse", value, 64)
    }
}

text::text_value!(WarehouseCode, 64, text::PLAIN);

/// An ERP price list as the ERP names it: 1 to 64 bytes of any text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PriceListCode(Box<str>);

impl PriceListCode {
    fn check(value: &str) -> Result<(), InvalidValue> {
        text::plain("price_list", value, 64)
    }
}

text::text_value!(PriceListCode, 64, text::PLAIN);

/// The id of a connection, `con_` and 32 hexadecimal digits, unique over all tenants.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ConnectionId(Box<str>);

impl ConnectionId {
    /// A new id; later ids sort after earlier ones.
    #[must_use]
    pub fn generate() -> Self {
        Self(format!("con_{}", crate::unique_id().simple()).into())
    }

    fn check(value: &str) -> Result<(), InvalidValue> {
        prefixed("connection", value, "con_")
    }
}

text::text_value!(ConnectionId, 36, "^con_[0-9a-f]{32}$");

/// The id of an order in the ledger, `ord_` and 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OrderId(Box<str>);

impl OrderId {
    /// A new id; later ids sort after earlier ones.
    #[must_use]
    pub fn generate() -> Self {
        Self(format!("ord_{}", crate::unique_id().simple()).into())
    }

    fn check(value: &str) -> Result<(), InvalidValue> {
        prefixed("order", value, "ord_")
    }
}

text::text_value!(OrderId, 36, "^ord_[0-9a-f]{32}$");

fn slug(what: &'static str, value: &str, joint: u8) -> Result<(), InvalidValue> {
    text::plain(what, value, 40)?;
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == joint;
    if !value.bytes().all(allowed) {
        let reason = format!("only a-z, 0-9 and {} are allowed", char::from(joint));
        return Err(InvalidValue::new(what, reason));
    }
    Ok(())
}

fn prefixed(what: &'static str, value: &str, prefix: &str) -> Result<(), InvalidValue> {
    let digits = value.strip_prefix(prefix).unwrap_or_default();
    let hexadecimal = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if digits.len() == 32 && digits.bytes().all(hexadecimal) {
        return Ok(());
    }
    Err(InvalidValue::new(
        what,
        format!("it is not {prefix} and 32 hexadecimal digits"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_are_subject_tokens() {
        assert!("acme-1".parse::<TenantId>().is_ok());
        for bad in ["", "Acme", "a.b", "a b", "*", ">", "a_b"] {
            assert!(bad.parse::<TenantId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn connection_ids_are_told_from_other_texts() {
        let id = ConnectionId::generate();
        assert_eq!(id.as_str().parse::<ConnectionId>().unwrap(), id);
        assert!("con_1".parse::<ConnectionId>().is_err());
        assert!(
            OrderId::generate()
                .as_str()
                .parse::<ConnectionId>()
                .is_err()
        );
    }
}
