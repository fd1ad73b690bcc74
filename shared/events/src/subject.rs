//! Every subject and bucket key of the system.
//!
//! Free text (SKUs, warehouses, ids of stores) becomes one token by [`token`]; the true text travels
//! in the payload.

use storelink_model::{
    ConnectionId, OrderId, Platform, PriceListCode, Sku, TenantId, WarehouseCode,
};

/// Header that carries the trace context.
pub const TRACEPARENT: &str = "traceparent";
/// Header that carries the tenant.
pub const TENANT: &str = "Storelink-Tenant";

/// Free text as one subject token, also usable in a bucket key: letters, digits, `-` and `_` stand
/// for themselves, every other byte of the UTF-8 text becomes `=` and two hexadecimal digits.
#[must_use]
pub fn token(text: &str) -> String {
    let mut token = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
            token.push(char::from(byte));
        } else {
            token.push('=');
            token.push(hex_digit(byte >> 4));
            token.push(hex_digit(byte & 0x0f));
        }
    }
    token
}

/// The text that [`token`] made this token from; none when it is not one.
#[must_use]
pub fn text(token: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(token.len());
    let mut rest = token.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'=' {
            let (high, low) = (char::from(rest.next()?), char::from(rest.next()?));
            let value = high.to_digit(16)? * 16 + low.to_digit(16)?;
            bytes.push(u8::try_from(value).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

fn hex_digit(nibble: u8) -> char {
    char::from_digit(u32::from(nibble), 16)
        .unwrap_or('0')
        .to_ascii_uppercase()
}

/// Where an ERP publishes changed stock.
#[must_use]
pub fn erp_stock_changed(tenant: &TenantId) -> String {
    format!("erp.{tenant}.stock.changed")
}

/// Where an ERP publishes changed prices.
#[must_use]
pub fn erp_price_changed(tenant: &TenantId) -> String {
    format!("erp.{tenant}.price.changed")
}

/// Where an ERP publishes product master data.
#[must_use]
pub fn erp_product_changed(tenant: &TenantId) -> String {
    format!("erp.{tenant}.product.changed")
}

/// The last level of a SKU in a warehouse.
#[must_use]
pub fn stock(tenant: &TenantId, warehouse: &WarehouseCode, sku: &Sku) -> String {
    format!(
        "stock.{tenant}.{}.{}",
        token(warehouse.as_str()),
        token(sku.as_str())
    )
}

/// The last price of a SKU in a price list.
#[must_use]
pub fn price(tenant: &TenantId, list: &PriceListCode, sku: &Sku) -> String {
    format!(
        "price.{tenant}.{}.{}",
        token(list.as_str()),
        token(sku.as_str())
    )
}

/// One shard of the listings of a connection.
#[must_use]
pub fn listing(connection: &ConnectionId, shard: u16) -> String {
    format!("listing.{connection}.{shard}")
}

/// An order as read from a store.
#[must_use]
pub fn order(platform: &Platform, connection: &ConnectionId, external_id: &str) -> String {
    format!("order.{platform}.{connection}.{}", token(external_id))
}

/// A product as read from a store.
#[must_use]
pub fn product(connection: &ConnectionId, external_id: &str) -> String {
    format!("product.{connection}.{}", token(external_id))
}

/// The job to read an entity of a connection.
#[must_use]
pub fn poll(platform: &Platform, connection: &ConnectionId, entity: &str) -> String {
    format!("poll.{platform}.{connection}.{}", token(entity))
}

/// The job to read one object of a connection.
#[must_use]
pub fn poll_one(
    platform: &Platform,
    connection: &ConnectionId,
    entity: &str,
    external_id: &str,
) -> String {
    format!(
        "{}.{}",
        poll(platform, connection, entity),
        token(external_id)
    )
}

/// What became of an order: `verb` is `received`, `updated`, `cancelled`, `refunded`, `delivered`.
#[must_use]
pub fn hub_order(tenant: &TenantId, verb: &str, order: &OrderId, revision: u64) -> String {
    format!("hub.{tenant}.order.{verb}.{order}.{revision}")
}

/// An event that was refused, whole or in part.
#[must_use]
pub fn hub_event_rejected(tenant: &TenantId) -> String {
    format!("hub.{tenant}.event.rejected")
}

/// An item that waits for a person.
#[must_use]
pub fn hub_item_parked(tenant: &TenantId) -> String {
    format!("hub.{tenant}.item.parked")
}

/// A connection whose state changed.
#[must_use]
pub fn hub_connection_state(tenant: &TenantId) -> String {
    format!("hub.{tenant}.connection.state_changed")
}

/// A product that a store showed.
#[must_use]
pub fn hub_product_seen(tenant: &TenantId) -> String {
    format!("hub.{tenant}.product.seen")
}

/// A question to a service.
#[must_use]
pub fn rpc(service: &str, verb: &str) -> String {
    format!("rpc.{service}.{verb}")
}

/// Key of a connection in the bucket `connections`.
#[must_use]
pub fn connection_key(connection: &ConnectionId) -> String {
    format!("connection.{connection}")
}

/// Key of what concerns a whole tenant in the bucket `connections`.
#[must_use]
pub fn tenant_key(tenant: &TenantId) -> String {
    format!("tenant.{tenant}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn odd_codes_become_safe_tokens() {
        assert_eq!(token("MUG-01"), "MUG-01");
        assert_eq!(token("A/B 5"), "A=2FB=205");
        assert_eq!(token("a.*>="), "a=2E=2A=3E=3D");
        assert_eq!(text("A=2FB=205").as_deref(), Some("A/B 5"));
        assert_eq!(text("=2"), None);
    }

    proptest! {
        #[test]
        fn every_text_comes_back_and_is_safe(original in "\\PC{1,80}") {
            let token = token(&original);
            prop_assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_=".contains(&b)));
            prop_assert_eq!(text(&token), Some(original));
        }
    }
}
