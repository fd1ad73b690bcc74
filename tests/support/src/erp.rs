//! The ERP of a test: publishes levels and prices, and remembers what it said and when.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use async_nats::jetstream;
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use crate::api::Api;

const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// How often a publication that was not acknowledged is repeated, with the same id.
const ATTEMPTS: u32 = 12;

/// A value that the ERP said.
#[derive(Debug, Clone, PartialEq)]
pub struct Said<T> {
    /// The value.
    pub value: T,
    /// Its revision.
    pub revision: u64,
    /// When it was published, microseconds since 1970.
    pub at_us: i64,
}

/// A price as an ERP knows it; what is left out must be computed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Price {
    /// Without tax.
    pub net: Option<Decimal>,
    /// With tax.
    pub gross: Option<Decimal>,
    /// Percent.
    pub tax_rate: Option<Decimal>,
    /// The sale price, in the same form as the regular one.
    pub sale: Option<Decimal>,
}

/// All that was said, by SKU within a warehouse or price list, oldest first.
pub type History<T> = BTreeMap<String, BTreeMap<String, Vec<Said<T>>>>;

/// How events reach Storelink.
#[derive(Clone)]
pub enum Way {
    /// Over the broker.
    Nats(jetstream::Context),
    /// `POST /v1/events`.
    Http(Api),
}

/// An ERP that publishes for one tenant.
pub struct Erp {
    way: Way,
    tenant: String,
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    revision: u64,
    stock: History<Decimal>,
    prices: History<Price>,
}

impl Erp {
    /// An ERP that publishes over the broker at this address.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn over_nats(url: &str, tenant: &str) -> anyhow::Result<Self> {
        let client = async_nats::ConnectOptions::new()
            .retry_on_initial_connect()
            .connect(url);
        let client = client.await.context("the broker does not answer")?;
        Ok(Self::new(Way::Nats(jetstream::new(client)), tenant))
    }

    /// An ERP with a key of its own, as `storelink publishers add` hands over, and the inbox prefix that
    /// belongs to it.
    ///
    /// # Errors
    /// When the broker does not answer, or does not know the key.
    pub async fn over_nats_as(
        url: &str,
        tenant: &str,
        seed: &str,
        inbox_prefix: &str,
    ) -> anyhow::Result<Self> {
        let client = async_nats::ConnectOptions::with_nkey(seed.to_owned())
            .custom_inbox_prefix(inbox_prefix)
            .connect(url);
        let client = client.await?;
        Ok(Self::new(Way::Nats(jetstream::new(client)), tenant))
    }

    /// An ERP that posts its events.
    #[must_use]
    pub fn over_http(api: Api, tenant: &str) -> Self {
        Self::new(Way::Http(api), tenant)
    }

    fn new(way: Way, tenant: &str) -> Self {
        Self {
            way,
            tenant: tenant.to_owned(),
            book: Mutex::default(),
        }
    }

    /// Every level that was said, by warehouse and SKU.
    #[must_use]
    pub fn stock(&self) -> History<Decimal> {
        self.book().stock.clone()
    }

    /// Every price that was said, by list and SKU.
    #[must_use]
    pub fn prices(&self) -> History<Price> {
        self.book().prices.clone()
    }

    /// The level of a SKU that was said last.
    #[must_use]
    pub fn level(&self, warehouse: &str, sku: &str) -> Option<Decimal> {
        let book = self.book();
        book.stock
            .get(warehouse)?
            .get(sku)?
            .last()
            .map(|said| said.value)
    }

    /// Says levels in one event; returns when it is acknowledged.
    ///
    /// # Errors
    /// When it is refused, or not acknowledged after several attempts.
    pub async fn say_stock(
        &self,
        warehouse: &str,
        levels: &[(&str, Decimal)],
    ) -> anyhow::Result<()> {
        self.say_stock_traced(warehouse, levels, None).await
    }

    /// The same as part of a trace.
    ///
    /// # Errors
    /// As [`Erp::say_stock`].
    pub async fn say_stock_traced(
        &self,
        warehouse: &str,
        levels: &[(&str, Decimal)],
        traceparent: Option<&str>,
    ) -> anyhow::Result<()> {
        let items: Vec<Value> = {
            let mut book = self.book();
            let note = |(sku, quantity): &(&str, Decimal)| {
                let revision = book.note_stock(warehouse, sku, *quantity);
                json!({"sku": sku, "quantity": quantity.to_string(), "revision": revision})
            };
            levels.iter().map(note).collect()
        };
        let data = json!({"warehouse": warehouse, "items": items});
        self.publish("stock", &data, traceparent).await
    }

    /// Says prices in one event; returns when it is acknowledged.
    ///
    /// # Errors
    /// As [`Erp::say_stock`].
    pub async fn say_prices(
        &self,
        list: &str,
        currency: &str,
        prices: &[(&str, Price)],
    ) -> anyhow::Result<()> {
        let items: Vec<Value> = {
            let mut book = self.book();
            prices
                .iter()
                .map(|(sku, price)| price.item(sku, book.note_price(list, sku, price)))
                .collect()
        };
        let data = json!({"price_list": list, "currency": currency, "items": items});
        self.publish("price", &data, None).await
    }

    /// Publishes a whole event as it is.
    ///
    /// # Errors
    /// When it is not acknowledged after several attempts.
    pub async fn publish_raw(&self, subject: &str, id: &str, event: &Value) -> anyhow::Result<()> {
        let Way::Nats(jetstream) = &self.way else {
            anyhow::bail!("only an ERP on the broker publishes raw events")
        };
        let mut last = anyhow::anyhow!("never tried");
        for attempt in 0..ATTEMPTS {
            let mut headers = async_nats::HeaderMap::new();
            headers.insert("Nats-Msg-Id", id);
            let sending = async {
                let payload = serde_json::to_vec(event)?.into();
                let sent = jetstream
                    .publish_with_headers(subject.to_owned(), headers, payload)
                    .await?;
                anyhow::Ok(sent.await?)
            };
            match tokio::time::timeout(ANSWER_LIMIT, sending).await {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(error)) => last = error,
                Err(_) => last = anyhow::anyhow!("no answer within {ANSWER_LIMIT:?}"),
            }
            tokio::time::sleep(Duration::from_millis(250) * (attempt + 1)).await;
        }
        Err(last).with_context(|| format!("an event on {subject} was not acknowledged"))
    }

    async fn publish(
        &self,
        entity: &str,
        data: &Value,
        traceparent: Option<&str>,
    ) -> anyhow::Result<()> {
        let id = Uuid::now_v7().to_string();
        let mut event = json!({
            "specversion": "1.0",
            "id": id,
            "source": format!("/erp/{}", self.tenant),
            "type": format!("storelink.{entity}.changed.v1"),
            "time": OffsetDateTime::now_utc().format(&Rfc3339)?,
            "tenant": self.tenant,
            "data": data,
        });
        if let (Some(traceparent), Some(members)) = (traceparent, event.as_object_mut()) {
            members.insert("traceparent".to_owned(), traceparent.into());
        }
        match &self.way {
            Way::Nats(_) => {
                let subject = format!("erp.{}.{entity}.changed", self.tenant);
                self.publish_raw(&subject, &id, &event).await
            }
            Way::Http(api) => {
                let accepted = api.publish_event(&id, &event).await?;
                ensure!(accepted, "the event was not taken");
                Ok(())
            }
        }
    }

    fn book(&self) -> std::sync::MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn note_stock(&mut self, warehouse: &str, sku: &str, value: Decimal) -> u64 {
        self.revision += 1;
        note(&mut self.stock, warehouse, sku, value, self.revision)
    }

    fn note_price(&mut self, list: &str, sku: &str, price: &Price) -> u64 {
        self.revision += 1;
        note(&mut self.prices, list, sku, price.clone(), self.revision)
    }
}

fn note<T>(history: &mut History<T>, place: &str, sku: &str, value: T, revision: u64) -> u64 {
    let said = Said {
        value,
        revision,
        at_us: now_us(),
    };
    let skus = history.entry(place.to_owned()).or_default();
    skus.entry(sku.to_owned()).or_default().push(said);
    revision
}

impl Price {
    /// Known with tax alone.
    #[must_use]
    pub fn gross(gross: Decimal) -> Self {
        Self {
            gross: Some(gross),
            ..Self::default()
        }
    }

    /// Known without tax, with the rate.
    #[must_use]
    pub fn net(net: Decimal, tax_rate: Decimal) -> Self {
        Self {
            net: Some(net),
            tax_rate: Some(tax_rate),
            ..Self::default()
        }
    }

    /// What a store shows: with or without tax, computed from the other side where it must be.
    /// None when it cannot be known.
    #[must_use]
    pub fn shown(&self, gross: bool, digits: u32) -> Option<Decimal> {
        let known = if gross { self.gross } else { self.net };
        let other = if gross { self.net } else { self.gross };
        known.or_else(|| computed(other?, self.tax_rate?, gross, digits))
    }

    /// The sale price that a store shows; it is said in the form of the regular one.
    #[must_use]
    pub fn shown_sale(&self, gross: bool, digits: u32) -> Option<Decimal> {
        let sale = self.sale?;
        if gross == self.gross.is_some() {
            return Some(sale);
        }
        computed(sale, self.tax_rate?, gross, digits)
    }

    fn item(&self, sku: &str, revision: u64) -> Value {
        let mut item = Map::new();
        item.insert("sku".to_owned(), sku.into());
        item.insert("revision".to_owned(), revision.into());
        let members = [
            ("net", self.net),
            ("gross", self.gross),
            ("tax_rate", self.tax_rate),
        ];
        for (name, value) in members {
            if let Some(value) = value {
                item.insert(name.to_owned(), value.to_string().into());
            }
        }
        if let Some(sale) = self.sale {
            let form = if self.gross.is_some() { "gross" } else { "net" };
            item.insert("sale".to_owned(), json!({ form: sale.to_string() }));
        }
        Value::Object(item)
    }
}

/// The other side of a price: with tax in the currency's digits, without in four.
fn computed(known: Decimal, tax_rate: Decimal, gross: bool, digits: u32) -> Option<Decimal> {
    let factor = Decimal::ONE + tax_rate / Decimal::ONE_HUNDRED;
    let (value, digits) = if gross {
        (known * factor, digits)
    } else {
        (known / factor, 4)
    };
    Some(value.round_dp_with_strategy(digits, RoundingStrategy::MidpointAwayFromZero))
}

/// The time now in microseconds since 1970.
#[must_use]
pub fn now_us() -> i64 {
    i64::try_from(OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_missing_side_of_a_price_is_computed_as_merchants_expect() {
        let dec = |text: &str| text.parse::<Decimal>().unwrap();
        let price = Price::net(dec("10.005"), dec("22"));
        assert_eq!(price.shown(true, 2), Some(dec("12.21")));
        assert_eq!(price.shown(false, 2), Some(dec("10.005")));
        assert_eq!(Price::gross(dec("12.20")).shown(false, 2), None);
        let both = Price {
            tax_rate: Some(dec("22")),
            ..Price::gross(dec("12.30"))
        };
        assert_eq!(both.shown(false, 2), Some(dec("10.0820")));
        let sale = Price {
            sale: Some(dec("9")),
            ..Price::net(dec("10"), dec("22"))
        };
        assert_eq!(sale.shown_sale(true, 2), Some(dec("10.98")));
        assert_eq!(sale.shown_sale(false, 2), Some(dec("9")));
    }
}
