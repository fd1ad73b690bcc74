use std::collections::HashMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use storelink_model::{Currency, PriceListCode, Sku, TenantId, Timestamp, Version, WarehouseCode};

use super::data::{PriceChanged, PriceItem, ProductChanged, ProductItem, StockChanged, StockItem};
use super::object::Object;
use crate::{Envelope, EventData, Violation, pointer, wording};

/// The largest event that is read.
pub const MAX_EVENT_BYTES: usize = 1024 * 1024;
/// The most items in one event.
pub const MAX_ITEMS: usize = 1_000;

/// An ERP's event with the items that were taken.
#[derive(Debug, Clone, PartialEq)]
pub struct ErpReading {
    /// The event's own id.
    pub id: String,
    /// Who published it: ids are unique only per source.
    pub source: String,
    /// Whose it is.
    pub tenant: TenantId,
    /// When it happened, by its publisher's clock.
    pub time: Timestamp,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// What changed.
    pub event: ErpEvent,
    /// Where each of its items stands in the event, from 0: refused ones leave gaps.
    pub places: Vec<usize>,
    /// The items that were refused.
    pub violations: Vec<Violation>,
}

/// What changed in an ERP.
#[derive(Debug, Clone, PartialEq)]
pub enum ErpEvent {
    /// Levels of a warehouse.
    Stock {
        /// Which warehouse.
        warehouse: WarehouseCode,
        /// The levels.
        items: Vec<StockItem>,
    },
    /// Prices of a list.
    Price {
        /// Which list.
        price_list: PriceListCode,
        /// In which currency.
        currency: Currency,
        /// The prices.
        items: Vec<PriceItem>,
    },
    /// Product master data.
    Product {
        /// The products.
        items: Vec<ProductItem>,
    },
}

/// An event that was refused whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The event's own id, where it could be read.
    pub event_id: Option<String>,
    /// What is wrong.
    pub violations: Vec<Violation>,
}

impl Refused {
    fn whole(
        event_id: Option<String>,
        pointer: &str,
        code: &str,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            event_id,
            violations: vec![Violation::new(pointer, code, detail)],
        }
    }
}

/// Reads an event of this tenant; which kind it is, its `type` says.
///
/// # Errors
/// When nothing of it can be taken; an event of which some items are wrong is no error.
pub fn read(tenant: &TenantId, bytes: &[u8]) -> Result<ErpReading, Refused> {
    if bytes.len() > MAX_EVENT_BYTES {
        let detail = format!("the event is larger than {MAX_EVENT_BYTES} bytes");
        return Err(Refused::whole(None, "", "event.too_large", detail));
    }
    let envelope: Envelope<Box<RawValue>> = decode(bytes, "").map_err(|violation| Refused {
        event_id: id_of(bytes),
        violations: vec![violation],
    })?;
    read_envelope(tenant, envelope)
}

fn read_envelope(
    tenant: &TenantId,
    envelope: Envelope<Box<RawValue>>,
) -> Result<ErpReading, Refused> {
    let id = envelope.id.clone();
    let refuse = |pointer: &str, code: &str, detail: String| {
        Err(Refused::whole(Some(id.clone()), pointer, code, detail))
    };
    if envelope.specversion != "1.0" {
        return refuse(
            "/specversion",
            "event.specversion",
            "it is not 1.0".to_owned(),
        );
    }
    if envelope.id.is_empty() || envelope.id.len() > 128 {
        return refuse("/id", "event.id", "it must have 1 to 128 bytes".to_owned());
    }
    if !is_json(&envelope.datacontenttype) {
        let detail = "only application/json in UTF-8 is read".to_owned();
        return refuse("/datacontenttype", "event.content_type", detail);
    }
    if envelope.tenant != *tenant {
        let detail = format!("it belongs to another tenant than {tenant}");
        return refuse("/tenant", "event.tenant", detail);
    }
    let whole = |violation| Refused {
        event_id: Some(id.clone()),
        violations: vec![violation],
    };
    let data = envelope.data.get();
    let (event, places, violations) = match envelope.event_type.as_str() {
        StockChanged::TYPE => stock(data).map_err(whole)?,
        PriceChanged::TYPE => price(data).map_err(whole)?,
        ProductChanged::TYPE => product(data).map_err(whole)?,
        _ => {
            return refuse(
                "/type",
                "event.type",
                "this type of event is not known".to_owned(),
            );
        }
    };
    let reading = ErpReading {
        id: envelope.id,
        source: envelope.source,
        tenant: envelope.tenant,
        time: envelope.time,
        traceparent: envelope.traceparent,
        event,
        places,
        violations,
    };
    if reading.is_empty() {
        return Err(Refused {
            event_id: Some(reading.id),
            violations: reading.violations,
        });
    }
    Ok(reading)
}

/// `application/json`, with any parameters but a charset other than UTF-8.
fn is_json(content_type: &str) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default();
    let utf8 = |parameter: &str| match parameter.split_once('=') {
        Some((name, value)) if name.trim_end().eq_ignore_ascii_case("charset") => {
            value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    };
    kind.eq_ignore_ascii_case("application/json") && parts.all(utf8)
}

impl ErpReading {
    fn is_empty(&self) -> bool {
        match &self.event {
            ErpEvent::Stock { items, .. } => items.is_empty(),
            ErpEvent::Price { items, .. } => items.is_empty(),
            ErpEvent::Product { items } => items.is_empty(),
        }
    }
}

/// Items that were taken, where each stands in the event, and what was refused.
type Items<T> = (Vec<T>, Vec<usize>, Vec<Violation>);
type Taken = Result<(ErpEvent, Vec<usize>, Vec<Violation>), Violation>;

fn stock(data: &str) -> Taken {
    #[derive(Deserialize)]
    struct Frame {
        warehouse: WarehouseCode,
        items: Vec<Box<RawValue>>,
    }
    let frame: Frame = decode(data.as_bytes(), "/data")?;
    let (items, places, violations) = items(&frame.items)?;
    Ok((
        ErpEvent::Stock {
            warehouse: frame.warehouse,
            items,
        },
        places,
        violations,
    ))
}

fn price(data: &str) -> Taken {
    #[derive(Deserialize)]
    struct Frame {
        price_list: PriceListCode,
        currency: Currency,
        items: Vec<Box<RawValue>>,
    }
    let frame: Frame = decode(data.as_bytes(), "/data")?;
    let (items, places, violations) = items(&frame.items)?;
    let event = ErpEvent::Price {
        price_list: frame.price_list,
        currency: frame.currency,
        items,
    };
    Ok((event, places, violations))
}

fn product(data: &str) -> Taken {
    #[derive(Deserialize)]
    struct Frame {
        items: Vec<Box<RawValue>>,
    }
    let frame: Frame = decode(data.as_bytes(), "/data")?;
    let (items, places, violations) = items(&frame.items)?;
    Ok((ErpEvent::Product { items }, places, violations))
}

/// What the items of all events have in common.
trait Item: DeserializeOwned {
    fn sku(&self) -> &Sku;

    fn revision(&self) -> Option<u64>;

    /// Where a price is missing, as a pointer into the item.
    fn without_price(&self) -> Option<&'static str> {
        None
    }
}

impl Item for StockItem {
    fn sku(&self) -> &Sku {
        &self.sku
    }

    fn revision(&self) -> Option<u64> {
        self.revision
    }
}

impl Item for PriceItem {
    fn sku(&self) -> &Sku {
        &self.sku
    }

    fn revision(&self) -> Option<u64> {
        self.revision
    }

    fn without_price(&self) -> Option<&'static str> {
        if self.net.or(self.gross).is_none() {
            return Some("");
        }
        let sale = self.sale.as_ref()?;
        sale.net.or(sale.gross).is_none().then_some("/sale")
    }
}

impl Item for ProductItem {
    fn sku(&self) -> &Sku {
        &self.sku
    }

    fn revision(&self) -> Option<u64> {
        self.revision
    }
}

/// Takes each item by itself; a SKU that stands there twice is refused at every place.
fn items<T: Item>(raw: &[Box<RawValue>]) -> Result<Items<T>, Violation> {
    if raw.is_empty() || raw.len() > MAX_ITEMS {
        let detail = format!("there must be 1 to {MAX_ITEMS} items");
        return Err(Violation::new("/data/items", "event.item_count", detail));
    }
    let mut violations = Vec::new();
    let mut taken: Vec<(usize, T)> = Vec::with_capacity(raw.len());
    for (index, item) in raw.iter().enumerate() {
        let pointer = format!("/data/items/{index}");
        match decode::<T>(item.get().as_bytes(), &pointer) {
            Ok(item) => {
                let found = violations.len();
                let revision = item.revision();
                if revision.is_some_and(|revision| Version::revision(revision).is_none()) {
                    let pointer = format!("{pointer}/revision");
                    let detail = "it is beyond 63 bits".to_owned();
                    violations.push(Violation::new(pointer, "event.revision", detail));
                }
                if let Some(member) = item.without_price() {
                    let pointer = format!("{pointer}{member}");
                    let detail = "it has neither net nor gross".to_owned();
                    violations.push(Violation::new(pointer, "event.price_missing", detail));
                }
                if violations.len() == found {
                    taken.push((index, item));
                }
            }
            Err(violation) => violations.push(violation),
        }
    }

    let mut seen: HashMap<Sku, usize> = HashMap::with_capacity(taken.len());
    for (_, item) in &taken {
        *seen.entry(item.sku().clone()).or_default() += 1;
    }
    let mut items = Vec::with_capacity(taken.len());
    let mut places = Vec::with_capacity(taken.len());
    for (index, item) in taken {
        if seen.get(item.sku()).copied().unwrap_or_default() > 1 {
            let pointer = format!("/data/items/{index}/sku");
            let detail = "the same SKU stands in this event more than once".to_owned();
            violations.push(Violation::new(pointer, "event.sku_twice", detail));
        } else {
            items.push(item);
            places.push(index);
        }
    }
    Ok((items, places, violations))
}

fn decode<T: DeserializeOwned>(bytes: &[u8], base: &str) -> Result<T, Violation> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let read = serde_path_to_error::deserialize(&mut deserializer);
    let Object(value): Object<T> = read.map_err(|error| {
        let place = format!("{base}{}", pointer::of(error.path()));
        let inner = error.into_inner();
        if !inner.is_data() && base.is_empty() {
            return Violation::new(base, "event.not_json", without_position(&inner.to_string()));
        }
        let words = inner.to_string();
        let detail = wording::without_value(&without_position(&words));
        let named = |prefix: &str| words.strip_prefix(prefix)?.split('`').next();
        if let Some(member) = named("missing field `") {
            let pointer = format!("{place}/{}", pointer::escaped(member));
            Violation::new(pointer, "event.member_missing", detail)
        } else if let Some(member) = named("duplicate field `") {
            let pointer = format!("{place}/{}", pointer::escaped(member));
            Violation::new(pointer, "event.member_twice", detail)
        } else {
            Violation::new(place, "event.member_invalid", detail)
        }
    })?;
    deserializer.end().map_err(|_| {
        Violation::new(
            base,
            "event.not_json",
            "there is more text behind the JSON value",
        )
    })?;
    Ok(value)
}

/// Positions inside a part of the event would mislead: the pointer says where.
fn without_position(message: &str) -> String {
    message
        .split(" at line ")
        .next()
        .unwrap_or(message)
        .to_owned()
}

fn id_of(bytes: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Id {
        id: String,
    }
    serde_json::from_slice::<Id>(bytes)
        .ok()
        .map(|found| found.id)
        .filter(|id| id.len() <= 128)
}

#[cfg(test)]
#[path = "reading_tests.rs"]
mod tests;
