//! A price as it stands in the stream PRICES, and as people read it.

use storelink_events::connection::PriceFormat;
use storelink_events::internal::{PriceEntry, ValueVersion};
use storelink_model::{Amount, PriceListCode, Version};

use super::{PriceValue, WantedPrice};
use crate::kind::{Level, LevelKey};

pub(super) fn to_entry(
    key: &LevelKey<PriceListCode>,
    level: &Level<Box<PriceValue>>,
) -> PriceEntry {
    let value = level.value.as_ref().clone();
    PriceEntry {
        tenant: key.tenant.clone(),
        price_list: key.source.clone(),
        sku: key.sku.clone(),
        currency: value.currency,
        net: value.net,
        gross: value.gross,
        tax_rate: value.tax_rate,
        sale: value.sale,
        version: ValueVersion {
            order: level.version.order(),
            number: level.version.number(),
        },
        time: level.time,
    }
}

pub(super) fn from_entry(entry: PriceEntry) -> (LevelKey<PriceListCode>, Level<Box<PriceValue>>) {
    let key = LevelKey {
        tenant: entry.tenant,
        source: entry.price_list,
        sku: entry.sku,
    };
    let value = PriceValue {
        currency: entry.currency,
        net: entry.net,
        gross: entry.gross,
        tax_rate: entry.tax_rate,
        sale: entry.sale,
    };
    let level = Level {
        value: Box::new(value),
        version: Version::from_number(entry.version.order, entry.version.number),
        time: entry.time,
    };
    (key, level)
}

pub(super) fn describe(value: &PriceValue) -> String {
    let mut text = sides(value.net, value.gross);
    text.push(' ');
    text.push_str(value.currency.as_str());
    if let Some(rate) = value.tax_rate {
        text.push_str(&format!(", tax {rate} %"));
    }
    if let Some(sale) = &value.sale {
        text.push_str(&format!(", sale {}", sides(sale.net, sale.gross)));
    }
    text
}

fn sides(net: Option<Amount>, gross: Option<Amount>) -> String {
    match (net, gross) {
        (Some(net), Some(gross)) => format!("{net} net, {gross} gross"),
        (Some(net), None) => format!("{net} net"),
        (None, Some(gross)) => format!("{gross} gross"),
        (None, None) => "no amount".to_owned(),
    }
}

pub(super) fn describe_wanted(wanted: &WantedPrice) -> String {
    let format = match wanted.format {
        PriceFormat::Gross => "gross",
        PriceFormat::Net => "net",
    };
    let Some(sale) = &wanted.sale else {
        return format!("{} {format}", wanted.regular);
    };
    let mut text = format!("{} {format}, sale {}", wanted.regular, sale.price);
    if let Some(from) = sale.from {
        text.push_str(&format!(" from {from}"));
    }
    if let Some(until) = sale.until {
        text.push_str(&format!(" until {until}"));
    }
    text
}
