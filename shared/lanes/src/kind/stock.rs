//! Stock: the sum over a connection's warehouses, less its reserve and holds, never below zero.

use storelink_adapter_api::{
    AdapterError, Article, CapabilityProfile, ItemOutcome, Limits, StockWrite, StoreAccess,
    StoreAdapter, StoreIds, ValueKind,
};
use storelink_bus::streams::{STOCK_INTAKE, STOCK_ORDERS, names};
use storelink_events::connection::ConnectionSettings;
use storelink_events::erp::ErpEvent;
use storelink_events::internal::{Blocked, Listing, StockLevel, ValueVersion};
use storelink_events::subject;
use storelink_model::{Quantity, Timestamp, Version, WarehouseCode};

use super::{Changes, LaneKind, Level, LevelKey, Names, Shown, Unpublishable, WantedResult};
use crate::lane::{Asks, Few, GuardRule, LastShown};

/// The kind of lane that publishes stock.
#[derive(Debug, Clone, Copy)]
pub struct Stock;

impl LaneKind for Stock {
    type Source = WarehouseCode;
    type Value = Quantity;
    /// Whole pieces, zero or more.
    type Wanted = u32;

    fn names() -> Names {
        Names {
            service: "stock-publisher",
            entity: "stock",
            switch: "stock",
            intake: STOCK_INTAKE,
            values: names::STOCK,
            orders: Some(STOCK_ORDERS),
            holds: true,
        }
    }

    fn changes(event: ErpEvent) -> Option<Changes<WarehouseCode, Quantity>> {
        let ErpEvent::Stock { warehouse, items } = event else {
            return None;
        };
        let items = items
            .into_iter()
            .map(|item| (item.sku, item.revision, item.quantity))
            .collect();
        Some(Changes {
            source: warehouse,
            items,
        })
    }

    fn subject(key: &LevelKey<WarehouseCode>) -> String {
        subject::stock(&key.tenant, &key.source, &key.sku)
    }

    fn encode(key: &LevelKey<WarehouseCode>, level: &Level<Quantity>) -> Vec<u8> {
        let stored = StockLevel {
            tenant: key.tenant.clone(),
            warehouse: key.source.clone(),
            sku: key.sku.clone(),
            quantity: level.value,
            version: ValueVersion {
                order: level.version.order(),
                number: level.version.number(),
            },
            time: level.time,
        };
        serde_json::to_vec(&stored).unwrap_or_default()
    }

    fn decode(
        bytes: &[u8],
    ) -> Result<(LevelKey<WarehouseCode>, Level<Quantity>), serde_json::Error> {
        let stored: StockLevel = serde_json::from_slice(bytes)?;
        let key = LevelKey {
            tenant: stored.tenant,
            source: stored.warehouse,
            sku: stored.sku,
        };
        let level = Level {
            value: stored.quantity,
            version: Version::from_number(stored.version.order, stored.version.number),
            time: stored.time,
        };
        Ok((key, level))
    }

    fn value_to_text(value: &Quantity) -> String {
        value.to_string()
    }

    fn value_from_text(text: &str) -> Option<Quantity> {
        text.parse().ok()
    }

    fn describe(value: &Quantity) -> String {
        value.to_string()
    }

    fn describe_wanted(wanted: &u32) -> String {
        wanted.to_string()
    }

    fn sources(settings: &ConnectionSettings) -> Vec<WarehouseCode> {
        distinct(settings)
    }

    fn blocked(listing: &Listing) -> Option<Blocked> {
        listing.stock_blocked
    }

    fn wanted(
        settings: &ConnectionSettings,
        _: &CapabilityProfile,
        values: &[Option<&Quantity>],
        held: Quantity,
        _: Timestamp,
    ) -> WantedResult<u32> {
        if values.is_empty() {
            return Ok(None);
        }
        let mut sum = Quantity::ZERO;
        for (place, value) in values.iter().enumerate() {
            let Some(value) = value else {
                let warehouses = distinct(settings);
                let warehouse = warehouses.get(place).map_or("", WarehouseCode::as_str);
                let text = format!("warehouse {warehouse} has never reported this article");
                return Err(Unpublishable::waits("stock.never_reported", text));
            };
            sum = sum.checked_add(**value).ok_or_else(beyond)?;
        }
        let sellable = sum.checked_sub(settings.reserve).ok_or_else(beyond)?;
        // What is held back beyond every quantity leaves nothing.
        let sellable = sellable.checked_sub(held).unwrap_or(Quantity::ZERO);
        let pieces = sellable.floor_at_zero().whole().decimal();
        u32::try_from(pieces).map(Some).map_err(|_| beyond())
    }

    fn next_boundary(_: &[Option<&Quantity>], _: Timestamp) -> Option<Timestamp> {
        None
    }

    fn guard(settings: &ConnectionSettings) -> GuardRule<u32> {
        GuardRule {
            is_dangerous: sets_to_zero,
            limit: 0,
            percent: settings.zero_limit_percent,
            few: Few::Send,
        }
    }

    fn describe_asks(asks: &Asks<u32>) -> String {
        let Asks {
            number,
            written,
            recent,
            allowed,
            ..
        } = asks;
        let before = match recent {
            0 => String::new(),
            recent => format!(" after {recent} within a day"),
        };
        format!(
            "{number} of {written} articles would be set to zero{before}; \
             without asking it may be {allowed}"
        )
    }

    fn value_kind() -> ValueKind {
        ValueKind::Stock
    }

    fn shown(
        _: &dyn StoreAdapter,
        _: &CapabilityProfile,
        article: &Article,
        wanted: &u32,
    ) -> Shown {
        Shown::stock(article, pieces_of(*wanted))
    }

    fn batch_limit(limits: &Limits) -> usize {
        limits.stock_batch
    }

    async fn write(
        adapter: &dyn StoreAdapter,
        access: &StoreAccess,
        items: Vec<(StoreIds, u32)>,
    ) -> Result<Vec<ItemOutcome>, AdapterError> {
        let items: Vec<StockWrite> = items
            .into_iter()
            .map(|(ids, pieces)| StockWrite {
                ids,
                quantity: pieces_of(pieces),
            })
            .collect();
        adapter.write_stock(access, &items).await
    }
}

/// An article of which nothing is known may be sold now, and could not be any more.
fn sets_to_zero(shown: LastShown<'_, u32>, wanted: &u32, _: u32) -> bool {
    *wanted == 0 && !(shown.sure && shown.value == Some(&0))
}

/// A warehouse that is named twice counts once.
fn distinct(settings: &ConnectionSettings) -> Vec<WarehouseCode> {
    let mut distinct: Vec<WarehouseCode> = Vec::with_capacity(settings.warehouses.len());
    for warehouse in &settings.warehouses {
        if !distinct.contains(warehouse) {
            distinct.push(warehouse.clone());
        }
    }
    distinct
}

fn beyond() -> Unpublishable {
    Unpublishable::parks(
        "stock.out_of_range",
        "the sum of the warehouses is out of range",
    )
}

/// A wanted number came from a quantity, so it is always one.
fn pieces_of(pieces: u32) -> Quantity {
    Quantity::new(pieces.into()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sellable(warehouses: &[Option<&str>], reserve: &str) -> WantedResult<u32> {
        less(warehouses, reserve, "0")
    }

    fn less(warehouses: &[Option<&str>], reserve: &str, held: &str) -> WantedResult<u32> {
        let settings = ConnectionSettings {
            warehouses: (0..warehouses.len())
                .map(|n| format!("w{n}").parse().unwrap())
                .collect(),
            reserve: reserve.parse().unwrap(),
            ..ConnectionSettings::default()
        };
        let values: Vec<Option<Quantity>> = warehouses
            .iter()
            .map(|text| text.map(|text| text.parse().unwrap()))
            .collect();
        let values: Vec<Option<&Quantity>> = values.iter().map(Option::as_ref).collect();
        Stock::wanted(
            &settings,
            &CapabilityProfile::default(),
            &values,
            held.parse().unwrap(),
            Timestamp::now(),
        )
    }

    #[test]
    fn sums_warehouses_less_the_reserve_in_whole_pieces() {
        assert_eq!(sellable(&[Some("37"), Some("2.9")], "0"), Ok(Some(39)));
        assert_eq!(sellable(&[Some("1.6"), Some("1.6")], "0"), Ok(Some(3)));
        assert_eq!(sellable(&[Some("10")], "3"), Ok(Some(7)));
    }

    #[test]
    fn a_warehouse_that_is_named_twice_counts_once() {
        let settings = ConnectionSettings {
            warehouses: ["main", "outlet", "main"]
                .map(|code| code.parse().unwrap())
                .to_vec(),
            ..ConnectionSettings::default()
        };
        let sources = Stock::sources(&settings);
        assert_eq!(
            sources,
            ["main", "outlet"].map(|code| code.parse().unwrap())
        );
    }

    #[test]
    fn is_never_below_zero() {
        assert_eq!(sellable(&[Some("-4"), Some("1")], "0"), Ok(Some(0)));
        assert_eq!(sellable(&[Some("2")], "5"), Ok(Some(0)));
        assert_eq!(less(&[Some("2")], "0", "5"), Ok(Some(0)));
        assert_eq!(less(&[Some("-999999999")], "0", "999999999"), Ok(Some(0)));
    }

    #[test]
    fn is_less_by_what_is_held_back() {
        assert_eq!(less(&[Some("10")], "3", "4"), Ok(Some(3)));
        assert_eq!(less(&[Some("10"), Some("1")], "0", "0.5"), Ok(Some(10)));
    }

    #[test]
    fn zero_is_dangerous_unless_the_store_surely_shows_it() {
        for (value, sure, wanted, dangerous) in [
            (Some(5), true, 0, true),
            (Some(5), false, 0, true),
            (None, false, 0, true),
            (Some(0), false, 0, true),
            (Some(0), true, 0, false),
            (Some(5), true, 1, false),
            (None, false, 1, false),
        ] {
            let shown = LastShown {
                value: value.as_ref(),
                sure,
            };
            let said = sets_to_zero(shown, &wanted, 0);
            assert_eq!(said, dangerous, "{value:?} {sure} {wanted}");
        }
    }

    #[test]
    fn waits_for_a_warehouse_that_never_reported() {
        let refused = sellable(&[Some("5"), None], "0").unwrap_err();
        assert_eq!(
            (refused.code, refused.parks),
            ("stock.never_reported", false)
        );
        assert!(refused.text.contains("w1"), "{}", refused.text);
    }

    #[test]
    fn publishes_nothing_without_a_warehouse_and_parks_what_is_out_of_range() {
        assert_eq!(sellable(&[], "0"), Ok(None));
        let refused = sellable(&[Some("999999999"), Some("999999999")], "0").unwrap_err();
        assert_eq!((refused.code, refused.parks), ("stock.out_of_range", true));
    }

    #[test]
    fn levels_come_back_from_the_stream_and_from_sql() {
        let key = LevelKey {
            tenant: "acme".parse().unwrap(),
            source: "main".parse().unwrap(),
            sku: "A.B *>".parse().unwrap(),
        };
        let level = Level {
            value: "37.5".parse().unwrap(),
            version: Version::Revision(1842),
            time: Timestamp::from_micros(7),
        };
        assert_eq!(
            Stock::decode(&Stock::encode(&key, &level)).unwrap(),
            (key.clone(), level)
        );
        assert_eq!(Stock::subject(&key), "stock.acme.main.A=2EB=20=2A=3E");
        let value: Quantity = "2.50".parse().unwrap();
        assert_eq!(
            Stock::value_from_text(&Stock::value_to_text(&value)),
            Some(value)
        );
    }
}
