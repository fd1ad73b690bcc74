//! Prices: one price list per connection, gross or net, regular and sale price always together.

mod entry;
mod factor;

use serde::{Deserialize, Serialize};
use storelink_adapter_api::{
    AdapterError, Article, CapabilityProfile, ItemOutcome, Limits, PriceWrite, SalePrice,
    StoreAccess, StoreAdapter, StoreIds, ValueKind,
};
use storelink_bus::streams::{PRICE_INTAKE, names};
use storelink_events::connection::{ConnectionSettings, PriceFormat};
use storelink_events::erp::{ErpEvent, SaleItem};
use storelink_events::internal::{Blocked, Listing};
use storelink_events::subject;
use storelink_model::{Amount, Currency, PriceListCode, Quantity, TaxRate, Timestamp};

use super::{Changes, LaneKind, Level, LevelKey, Names, Shown, Unpublishable, WantedResult};
use crate::lane::{Asks, GuardRule};

/// The kind of lane that publishes prices.
#[derive(Debug, Clone, Copy)]
pub struct Price;

/// The price of a SKU as the ERP gave it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceValue {
    /// In which currency.
    pub currency: Currency,
    /// Without tax.
    pub net: Option<Amount>,
    /// With tax.
    pub gross: Option<Amount>,
    /// The rate, where known.
    pub tax_rate: Option<TaxRate>,
    /// The sale, where there is one.
    pub sale: Option<SaleItem>,
}

/// What a store should show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantedPrice {
    /// The regular price, above zero.
    pub regular: Amount,
    /// Gross or net.
    pub format: PriceFormat,
    /// The sale; none removes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sale: Option<Box<WantedSale>>,
}

/// A sale that a store should show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantedSale {
    /// The price while it lasts, above zero.
    pub price: Amount,
    /// When it begins; at once when none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// When it ends; never when none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl LaneKind for Price {
    type Source = PriceListCode;
    /// Boxed: a level table holds a place for every key, also for those without a price.
    type Value = Box<PriceValue>;
    type Wanted = WantedPrice;

    fn names() -> Names {
        Names {
            service: "price-publisher",
            entity: "price",
            switch: "prices",
            intake: PRICE_INTAKE,
            values: names::PRICES,
            orders: None,
            holds: false,
        }
    }

    fn changes(event: ErpEvent) -> Option<Changes<PriceListCode, Box<PriceValue>>> {
        let ErpEvent::Price {
            price_list,
            currency,
            items,
        } = event
        else {
            return None;
        };
        let items = items
            .into_iter()
            .map(|item| {
                let value = PriceValue {
                    currency: currency.clone(),
                    net: item.net,
                    gross: item.gross,
                    tax_rate: item.tax_rate,
                    sale: item.sale,
                };
                (item.sku, item.revision, Box::new(value))
            })
            .collect();
        Some(Changes {
            source: price_list,
            items,
        })
    }

    fn subject(key: &LevelKey<PriceListCode>) -> String {
        subject::price(&key.tenant, &key.source, &key.sku)
    }

    fn encode(key: &LevelKey<PriceListCode>, level: &Level<Box<PriceValue>>) -> Vec<u8> {
        serde_json::to_vec(&entry::to_entry(key, level)).unwrap_or_default()
    }

    fn decode(
        bytes: &[u8],
    ) -> Result<(LevelKey<PriceListCode>, Level<Box<PriceValue>>), serde_json::Error> {
        serde_json::from_slice(bytes).map(entry::from_entry)
    }

    fn value_to_text(value: &Box<PriceValue>) -> String {
        serde_json::to_string(value).unwrap_or_default()
    }

    fn value_from_text(text: &str) -> Option<Box<PriceValue>> {
        serde_json::from_str(text).ok()
    }

    fn describe(value: &Box<PriceValue>) -> String {
        entry::describe(value)
    }

    fn describe_wanted(wanted: &WantedPrice) -> String {
        entry::describe_wanted(wanted)
    }

    fn sources(settings: &ConnectionSettings) -> Vec<PriceListCode> {
        settings
            .price_list
            .iter()
            .map(|choice| choice.code.clone())
            .collect()
    }

    fn blocked(listing: &Listing) -> Option<Blocked> {
        listing.price_blocked
    }

    fn wanted(
        settings: &ConnectionSettings,
        profile: &CapabilityProfile,
        values: &[Option<&Box<PriceValue>>],
        _: Quantity,
        now: Timestamp,
    ) -> WantedResult<WantedPrice> {
        let Some(choice) = &settings.price_list else {
            return Ok(None);
        };
        let Some(value) = values.first().copied().flatten() else {
            let text = format!("price list {} has never reported this article", choice.code);
            return Err(Unpublishable::waits("price.never_reported", text));
        };
        check_currency(&value.currency, profile)?;
        let form = Form {
            format: choice.format(),
            digits: profile
                .currency_digits
                .unwrap_or_else(|| value.currency.digits()),
            rate: value.tax_rate,
        };
        let sale = match &value.sale {
            Some(sale) if sale.until.is_none_or(|until| until > now) => {
                Some(Box::new(wanted_sale(sale, &form)?))
            }
            _ => None,
        };
        let regular = form.side(value.net, value.gross, "price")?;
        Ok(Some(WantedPrice {
            regular,
            format: form.format,
            sale,
        }))
    }

    fn next_boundary(values: &[Option<&Box<PriceValue>>], now: Timestamp) -> Option<Timestamp> {
        let sales = values
            .iter()
            .flatten()
            .filter_map(|value| value.sale.as_ref());
        sales
            .flat_map(|sale| [sale.from, sale.until])
            .flatten()
            .filter(|at| *at > now)
            .min()
    }

    fn guard(settings: &ConnectionSettings) -> GuardRule<WantedPrice> {
        factor::rule(settings.price_factor_limit)
    }

    fn describe_asks(asks: &Asks<WantedPrice>) -> String {
        let Asks { number, limit, .. } = asks;
        format!("{number} prices would change by more than the factor {limit}")
    }

    fn value_kind() -> ValueKind {
        ValueKind::Price
    }

    fn shown(
        adapter: &dyn StoreAdapter,
        profile: &CapabilityProfile,
        article: &Article,
        wanted: &WantedPrice,
    ) -> Shown {
        Shown::price(adapter, profile, article, wanted)
    }

    fn batch_limit(limits: &Limits) -> usize {
        limits.price_batch
    }

    async fn write(
        adapter: &dyn StoreAdapter,
        access: &StoreAccess,
        items: Vec<(StoreIds, WantedPrice)>,
    ) -> Result<Vec<ItemOutcome>, AdapterError> {
        let items: Vec<PriceWrite> = items.into_iter().map(to_write).collect();
        adapter.write_prices(access, &items).await
    }
}

fn to_write((ids, wanted): (StoreIds, WantedPrice)) -> PriceWrite {
    let sale = wanted.sale.map(|sale| SalePrice {
        price: sale.price,
        from: sale.from,
        until: sale.until,
    });
    PriceWrite {
        ids,
        regular: wanted.regular,
        sale,
    }
}

fn check_currency(currency: &Currency, profile: &CapabilityProfile) -> Result<(), Unpublishable> {
    match &profile.currency {
        Some(known) if known == currency => Ok(()),
        Some(known) => {
            let text = format!("the price list is in {currency}, the store sells in {known}");
            Err(Unpublishable::parks("price.currency_differs", text))
        }
        None => {
            let text = "the store's currency is not known: test the connection";
            Err(Unpublishable::parks("price.currency_unknown", text))
        }
    }
}

fn wanted_sale(sale: &SaleItem, form: &Form) -> Result<WantedSale, Unpublishable> {
    if let (Some(from), Some(until)) = (sale.from, sale.until)
        && from >= until
    {
        let text = format!("the sale ends at {until}, before it begins at {from}");
        return Err(Unpublishable::parks("price.sale_window", text));
    }
    let price = form.side(sale.net, sale.gross, "sale price")?;
    Ok(WantedSale {
        price,
        from: sale.from,
        until: sale.until,
    })
}

/// The form in which a connection's prices go out.
struct Form {
    format: PriceFormat,
    digits: u32,
    rate: Option<TaxRate>,
}

impl Form {
    /// The side that goes out: as the ERP gave it, else computed from the other one.
    fn side(
        &self,
        net: Option<Amount>,
        gross: Option<Amount>,
        what: &str,
    ) -> Result<Amount, Unpublishable> {
        let (given, other) = match self.format {
            PriceFormat::Gross => (gross, net),
            PriceFormat::Net => (net, gross),
        };
        let amount = match (given, other) {
            (Some(given), _) => given,
            (None, Some(other)) => self.computed(other, what)?,
            (None, None) => {
                let text = format!("the {what} is neither given net nor gross");
                return Err(Unpublishable::parks("price.empty", text));
            }
        };
        if amount.is_positive() {
            return Ok(amount);
        }
        let text = format!("the {what} is {amount}; only prices above zero are sent");
        Err(Unpublishable::parks("price.not_positive", text))
    }

    fn computed(&self, other: Amount, what: &str) -> Result<Amount, Unpublishable> {
        let (have, need) = match self.format {
            PriceFormat::Gross => ("net", "gross"),
            PriceFormat::Net => ("gross", "net"),
        };
        let Some(rate) = self.rate else {
            let text = format!(
                "the {what} is given {have} only and goes out {need}, but its tax rate is not known"
            );
            return Err(Unpublishable::parks("price.tax_rate_unknown", text));
        };
        let computed = match self.format {
            PriceFormat::Gross => other.gross(rate, self.digits),
            PriceFormat::Net => other.net(rate),
        };
        computed.map_err(|error| Unpublishable::parks("price.out_of_range", error.to_string()))
    }
}

#[cfg(test)]
#[path = "price/tests.rs"]
mod tests;
