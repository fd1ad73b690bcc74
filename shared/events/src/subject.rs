//! Every subject and bucket key of the system.
//!
//! Free text (SKUs, warehouses, ids of stores) becomes one token by [`token`]; the true text travels
//! in the payload. No text makes a subject longer than about 1,000 bytes: a broker that is sent a
//! control line beyond its limit of 4 KiB ends the connection of the whole process.

use sha2::{Digest, Sha256};
use storelink_model::{
    ConnectionId, OrderId, Platform, PriceListCode, Sku, TenantId, WarehouseCode,
};

/// Header that carries the trace context.
pub const TRACEPARENT: &str = "traceparent";
/// Header that carries the tenant.
pub const TENANT: &str = "Storelink-Tenant";

/// The longest token: what 255 bytes need of which none stands for itself, so that every SKU keeps
/// its own text.
const LONGEST_TOKEN: usize = 3 * 255;
/// The token of the empty text; a subject with an empty token is refused by the broker.
const EMPTY: &str = "=";
/// How the token of a longer text begins; no token of a text does, since `h` is no hexadecimal digit.
const HASHED: &str = "=h";

/// Free text as one subject token, also usable in a bucket key: letters, digits, `-` and `_` stand
/// for themselves, every other byte of the UTF-8 text becomes `=` and two hexadecimal digits. The
/// empty text becomes `=`; one whose token would be longer than 765 bytes becomes `=h` and its
/// SHA-256, so that any text of a store gives a subject that the broker takes.
#[must_use]
pub fn token(text: &str) -> String {
    if text.is_empty() {
        return EMPTY.to_owned();
    }
    let encoded = encoded(text);
    if encoded.len() <= LONGEST_TOKEN {
        return encoded;
    }
    let digest = Sha256::digest(text.as_bytes());
    let digits = digest.iter().map(|byte| format!("{byte:02x}"));
    std::iter::once(HASHED.to_owned()).chain(digits).collect()
}

fn encoded(text: &str) -> String {
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

/// The text that [`token`] made this token from; none when it is not one, or when the text was so
/// long that only its hash travels.
#[must_use]
pub fn text(token: &str) -> Option<String> {
    if token == EMPTY {
        return Some(String::new());
    }
    if token.is_empty() {
        return None;
    }
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

/// A hint of a store that something of it changed.
#[must_use]
pub fn hook(platform: &Platform, connection: &ConnectionId) -> String {
    format!("hook.{platform}.{connection}")
}

/// What became of an order: `verb` is `received`, `updated`, `cancelled`, `refunded` or `delivered`,
/// and other words become safe tokens.
#[must_use]
pub fn hub_order(tenant: &TenantId, verb: &str, order: &OrderId, revision: u64) -> String {
    format!("hub.{tenant}.order.{}.{order}.{revision}", token(verb))
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

/// Values were lost: publishers are asked for their full state.
#[must_use]
pub fn hub_resync_requested(tenant: &TenantId) -> String {
    format!("hub.{tenant}.resync.requested")
}

/// A question to a service.
#[must_use]
pub fn rpc(service: &str, verb: &str) -> String {
    format!("rpc.{service}.{verb}")
}

/// A question to one process of a service that has several.
#[must_use]
pub fn rpc_replica(service: &str, replica: &str, verb: &str) -> String {
    format!("rpc.{service}.{replica}.{verb}")
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

/// Key of the holds of a SKU in the bucket `holds`.
#[must_use]
pub fn hold_key(tenant: &TenantId, sku: &Sku) -> String {
    format!("hold.{tenant}.{}", token(sku.as_str()))
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

    #[test]
    fn no_text_of_a_store_makes_a_subject_that_the_broker_refuses() {
        let platform: Platform = "p".repeat(40).parse().unwrap();
        let connection = ConnectionId::generate();
        for id in [
            "",
            ".",
            " ",
            "*",
            ">",
            "a.b",
            &"5".repeat(5_000),
            &"č".repeat(400),
        ] {
            for subject in [
                order(&platform, &connection, id),
                product(&connection, id),
                poll_one(&platform, &connection, "orders", id),
            ] {
                assert!(subject.len() <= 1_000, "{} bytes", subject.len());
                assert!(
                    subject.split('.').all(|token| !token.is_empty()),
                    "{subject}"
                );
                assert!(!subject.contains(['*', '>', ' ']), "{subject}");
            }
        }
        assert_eq!(order(&platform, &connection, "a.b").matches('.').count(), 3);
        assert_eq!(text(&token("")).as_deref(), Some(""));
        assert_eq!(text(""), None);
    }

    #[test]
    fn texts_too_long_for_a_token_stay_apart() {
        let (a, b) = ("a".repeat(766), "a".repeat(767));
        assert_eq!(token(&a).len(), 2 + 64);
        assert_ne!(token(&a), token(&b));
        assert_eq!(text(&token(&a)), None);
        assert_eq!(token(&"a".repeat(765)), "a".repeat(765));
        let sku: Sku = ".".repeat(255).parse().unwrap();
        assert_eq!(text(&token(sku.as_str())).as_deref(), Some(sku.as_str()));
    }

    proptest! {
        #[test]
        fn any_text_gives_a_safe_bounded_token(original in "\\PC{0,2000}") {
            let token = token(&original);
            prop_assert!(!token.is_empty() && token.len() <= LONGEST_TOKEN);
            prop_assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_=".contains(&b)));
        }

        #[test]
        fn every_text_comes_back_and_is_safe(original in "\\PC{0,80}") {
            let token = token(&original);
            prop_assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_=".contains(&b)));
            prop_assert_eq!(text(&token), Some(original));
        }
    }
}
