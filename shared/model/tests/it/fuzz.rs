//! Any text is a value or refused; what is taken reads back as the same value.

use std::fmt::Display;
use std::str::FromStr;

use serde::Serialize;
use serde::de::DeserializeOwned;
use storelink_fuzz::Target;
use storelink_model::{
    Amount, ConnectionId, Currency, OrderId, Platform, PriceListCode, Quantity, Sku, StoreZone,
    TaxRate, TenantId, Timestamp, WarehouseCode,
};

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus");

/// Reads the text by itself and as JSON, a string or as it stands; both agree and come back.
fn round_trips<T>(input: &[u8]) -> bool
where
    T: FromStr + Display + Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let from_json = serde_json::from_slice::<T>(input).ok();
    let text = std::str::from_utf8(input).ok();
    let from_text = text.and_then(|text| text.parse::<T>().ok());
    if let Some(text) = text {
        let quoted = serde_json::to_string(text).unwrap();
        assert_eq!(serde_json::from_str::<T>(&quoted).ok(), from_text);
    }
    let taken = from_json.is_some() || from_text.is_some();
    for value in [from_json, from_text].into_iter().flatten() {
        assert_eq!(value.to_string().parse::<T>().ok().as_ref(), Some(&value));
        let json = serde_json::to_vec(&value).unwrap();
        assert_eq!(serde_json::from_slice::<T>(&json).unwrap(), value);
    }
    taken
}

macro_rules! targets {
    ($($name:ident: $type:ty, $($seed:literal),+;)+) => {
        $(
            #[test]
            fn $name() {
                Target::new(stringify!($name), CORPUS)
                    $(.seed($seed))+
                    .longest(1_000)
                    .run(round_trips::<$type>);
            }
        )+
    };
}

targets! {
    fuzz_sku: Sku, "MUG-01", "\"A/B 5 ž😀\"", "a.*>";
    fuzz_quantity: Quantity, "37", "-1.5000", "\"1000000000\"", "0.0001";
    fuzz_amount: Amount, "12.20", "\"0.000001\"", "1000000000000", "0";
    fuzz_tax_rate: TaxRate, "22", "\"9.5\"", "100";
    fuzz_currency: Currency, "EUR", "\"SEK\"";
    fuzz_timestamp: Timestamp, "2026-11-22T06:30:00Z", "\"2026-11-22T07:30:00.123456+01:00\"",
        "9998-12-31T23:59:59.999999Z", "0001-01-01T00:00:00Z";
    fuzz_tenant: TenantId, "acme", "\"a-b-1\"";
    fuzz_platform: Platform, "woocommerce", "\"magento1\"";
    fuzz_warehouse: WarehouseCode, "main", "\"Warehouse 1\"";
    fuzz_price_list: PriceListCode, "B2C", "\"VPC, 2026\"";
    fuzz_connection_id: ConnectionId, "con_01980f6e1f4a7d0c9b1e2a3b4c5d6e7f";
    fuzz_order_id: OrderId, "ord_01980f6e1f4a7d0c9b1e2a3b4c5d6e7f";
}

#[test]
fn fuzz_store_zone() {
    let at: Timestamp = "2026-10-25T00:30:00Z".parse().unwrap();
    Target::new("fuzz_store_zone", CORPUS)
        .seeds([
            "Europe/Ljubljana",
            "UTC",
            "+01:00",
            "-03:30",
            "Pacific/Chatham",
            "Etc/GMT+12",
        ])
        .longest(200)
        .run(|input| {
            let Some(zone) = std::str::from_utf8(input)
                .ok()
                .and_then(|text| text.parse::<StoreZone>().ok())
            else {
                return false;
            };
            let again: StoreZone = zone.name().parse().unwrap();
            assert_eq!(again, zone);
            for instant in [Timestamp::MIN, at, Timestamp::MAX] {
                let local = zone.local(instant.datetime());
                let _ = zone.instant(local).earliest();
                let _ = zone.start_of_day(local.date());
            }
            true
        });
}
