use std::collections::HashMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use storelink_model::{Currency, PriceListCode, Sku, TenantId, Timestamp, Version, WarehouseCode};

use super::data::{PriceChanged, PriceItem, ProductChanged, ProductItem, StockChanged, StockItem};
use crate::{Envelope, EventData, Violation};

/// The largest event that is read.
pub const MAX_EVENT_BYTES: usize = 1024 * 1024;
/// The most items in one event.
pub const MAX_ITEMS: usize = 1_000;

/// An ERP's event with the items that were taken.
#[derive(Debug, Clone, PartialEq)]
pub struct ErpReading {
    /// The event's own id.
    pub id: String,
    /// Whose it is.
    pub tenant: TenantId,
    /// When it happened, by its publisher's clock.
    pub time: Timestamp,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// What changed.
    pub event: ErpEvent,
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

/// The same for an event that was parsed already, for example as a member of an HTTP body.
///
/// # Errors
/// As [`read`].
pub fn read_value(tenant: &TenantId, event: &RawValue) -> Result<ErpReading, Refused> {
    read(tenant, event.get().as_bytes())
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
    if envelope.datacontenttype != "application/json" {
        let detail = "only application/json is read".to_owned();
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
    let (event, violations) = match envelope.event_type.as_str() {
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
        tenant: envelope.tenant,
        time: envelope.time,
        traceparent: envelope.traceparent,
        event,
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

impl ErpReading {
    fn is_empty(&self) -> bool {
        match &self.event {
            ErpEvent::Stock { items, .. } => items.is_empty(),
            ErpEvent::Price { items, .. } => items.is_empty(),
            ErpEvent::Product { items } => items.is_empty(),
        }
    }
}

type Taken = Result<(ErpEvent, Vec<Violation>), Violation>;

fn stock(data: &str) -> Taken {
    #[derive(Deserialize)]
    struct Frame {
        warehouse: WarehouseCode,
        items: Vec<Box<RawValue>>,
    }
    let frame: Frame = decode(data.as_bytes(), "/data")?;
    let (items, violations) = items(&frame.items, |item: &StockItem| (&item.sku, item.revision))?;
    Ok((
        ErpEvent::Stock {
            warehouse: frame.warehouse,
            items,
        },
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
    let (items, violations) = items(&frame.items, |item: &PriceItem| (&item.sku, item.revision))?;
    let event = ErpEvent::Price {
        price_list: frame.price_list,
        currency: frame.currency,
        items,
    };
    Ok((event, violations))
}

fn product(data: &str) -> Taken {
    #[derive(Deserialize)]
    struct Frame {
        items: Vec<Box<RawValue>>,
    }
    let frame: Frame = decode(data.as_bytes(), "/data")?;
    let (items, violations) = items(&frame.items, |item: &ProductItem| {
        (&item.sku, item.revision)
    })?;
    Ok((ErpEvent::Product { items }, violations))
}

/// Takes each item by itself; a SKU that stands there twice is refused at every place.
fn items<T: DeserializeOwned>(
    raw: &[Box<RawValue>],
    key: impl Fn(&T) -> (&Sku, Option<u64>),
) -> Result<(Vec<T>, Vec<Violation>), Violation> {
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
                let revision = key(&item).1;
                if revision.is_some_and(|revision| Version::revision(revision).is_none()) {
                    let pointer = format!("{pointer}/revision");
                    let detail = "it is beyond 63 bits".to_owned();
                    violations.push(Violation::new(pointer, "event.revision", detail));
                } else {
                    taken.push((index, item));
                }
            }
            Err(violation) => violations.push(violation),
        }
    }

    let mut seen: HashMap<Sku, usize> = HashMap::with_capacity(taken.len());
    for (_, item) in &taken {
        *seen.entry(key(item).0.clone()).or_default() += 1;
    }
    let mut items = Vec::with_capacity(taken.len());
    for (index, item) in taken {
        if seen.get(key(&item).0).copied().unwrap_or_default() > 1 {
            let pointer = format!("/data/items/{index}/sku");
            let detail = "the same SKU stands in this event more than once".to_owned();
            violations.push(Violation::new(pointer, "event.sku_twice", detail));
        } else {
            items.push(item);
        }
    }
    Ok((items, violations))
}

fn decode<T: DeserializeOwned>(bytes: &[u8], base: &str) -> Result<T, Violation> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value: T = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let pointer = format!("{base}{}", json_pointer(error.path()));
        let inner = error.into_inner();
        if inner.is_data() {
            let detail = without_position(&inner.to_string());
            let code = if detail.starts_with("missing field") {
                "event.member_missing"
            } else {
                "event.member_invalid"
            };
            Violation::new(pointer, code, detail)
        } else {
            Violation::new(base, "event.not_json", without_position(&inner.to_string()))
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

fn json_pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment::{Enum, Map, Seq, Unknown};
    let mut pointer = String::new();
    for segment in path {
        pointer.push('/');
        match segment {
            Seq { index } => pointer.push_str(&index.to_string()),
            Map { key } => pointer.push_str(&key.replace('~', "~0").replace('/', "~1")),
            Enum { variant } => pointer.push_str(variant),
            Unknown => pointer.push('?'),
        }
    }
    pointer
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
