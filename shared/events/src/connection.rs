//! The record of a connection as the registry publishes it in the bucket `connections`.

mod entry;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use storelink_adapter_api::CapabilityProfile;
use storelink_model::{
    ConnectionId, Platform, PriceListCode, Quantity, StoreZone, TenantId, Timestamp, WarehouseCode,
};
use storelink_planted_faults::planted;

/// Everything that services need of an activated connection. A deleted connection has no record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConnectionRecord {
    /// Its id.
    pub id: ConnectionId,
    /// Whose it is.
    pub tenant: TenantId,
    /// What it is.
    pub platform: Platform,
    /// What people call it.
    pub name: String,
    /// The revision of this record; a later one replaces an earlier one.
    pub revision: u64,
    /// Switched off by a person: nothing is sent.
    pub paused: bool,
    /// The store's address.
    pub address: String,
    /// The keys, sealed with the connection's id as associated data.
    pub sealed_credentials: String,
    /// A number that grows when address or credentials change, so that a stop because of refused
    /// credentials ends.
    pub credentials_revision: u64,
    /// What verification found.
    pub profile: CapabilityProfile,
    /// What the merchant chose.
    pub settings: ConnectionSettings,
    /// Which entities are switched on.
    pub active_entities: Vec<String>,
}

impl ConnectionRecord {
    /// Whether an entity is switched on and the connection not paused.
    #[must_use]
    pub fn is_active(&self, entity: &str) -> bool {
        !self.paused && self.active_entities.iter().any(|active| active == entity)
    }
}

/// What the merchant chose for a connection.
///
/// Members that this release does not know are ignored on reading, so that an older service follows
/// the record of a newer registry; what a person enters is read by [`ConnectionSettings::parse_strict`].
/// Every member but the start has a default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectionSettings {
    /// Orders placed before are ignored. Set when the connection is made.
    pub order_start: Timestamp,
    /// The warehouses whose stock is published, added up.
    #[serde(default)]
    pub warehouses: Vec<WarehouseCode>,
    /// Kept back from the stock of every SKU.
    #[serde(default)]
    pub reserve: Quantity,
    /// Which price list is published, and how.
    #[serde(default)]
    pub price_list: Option<PriceListChoice>,
    /// What an order becomes in the ERP.
    #[serde(default = "default_document_type")]
    pub order_document_type: String,
    /// Put before the store's order number in the ERP.
    #[serde(default)]
    pub order_prefix: String,
    /// A grouping label of the ERP, normally blank.
    #[serde(default)]
    pub company_group: String,
    /// The zone in which schedules and dates are shown.
    #[serde(default = "StoreZone::utc")]
    #[schemars(with = "String")]
    pub time_zone: StoreZone,
    /// At most this many requests in any minute; no fixed limit when none.
    #[serde(default)]
    #[schemars(range(min = 1, max = 60_000))]
    pub requests_per_minute: Option<u32>,
    /// At most this many requests at once; the platform's own limit when none.
    #[serde(default)]
    #[schemars(range(min = 1, max = 16))]
    pub concurrency: Option<u32>,
    /// Only active products are linked.
    #[serde(default = "yes")]
    pub only_active_products: bool,
    /// Compare and report, send nothing.
    #[serde(default)]
    pub observe_only: bool,
    /// The largest share of a store's SKUs, in percent, that may be set to zero without asking.
    #[serde(default = "default_zero_limit")]
    #[schemars(range(min = 1, max = 100))]
    pub zero_limit_percent: u32,
    /// The largest factor by which a price may change without asking.
    #[serde(default = "default_price_factor")]
    #[schemars(range(min = 2, max = 1_000))]
    pub price_factor_limit: u32,
    /// What to do with an order whose amounts differ from its total by rounding.
    #[serde(default)]
    pub rounding: RoundingChoice,
    /// Fields of the platform's descriptor that only its adapter understands.
    #[serde(default)]
    pub options: BTreeMap<String, serde_json::Value>,
}

impl ConnectionSettings {
    /// The defaults for a connection whose orders are taken over from this instant on.
    #[must_use]
    pub fn starting(order_start: Timestamp) -> Self {
        Self {
            order_start,
            ..Self::default()
        }
    }
}

/// Always the same. The start lies at the end of time, so that settings for which nobody set one
/// import no order: a start that is too late is seen and moved back, and the orders are read then;
/// one that is too early has filled the ERP by the time it is seen.
impl Default for ConnectionSettings {
    fn default() -> Self {
        Self {
            order_start: Timestamp::MAX,
            warehouses: Vec::new(),
            reserve: Quantity::ZERO,
            price_list: None,
            order_document_type: default_document_type(),
            order_prefix: String::new(),
            company_group: String::new(),
            time_zone: StoreZone::utc(),
            requests_per_minute: None,
            concurrency: None,
            only_active_products: yes(),
            observe_only: false,
            zero_limit_percent: default_zero_limit(),
            price_factor_limit: default_price_factor(),
            rounding: RoundingChoice::default(),
            options: BTreeMap::new(),
        }
    }
}

fn default_document_type() -> String {
    "sales_order".to_owned()
}

fn yes() -> bool {
    true
}

fn default_zero_limit() -> u32 {
    30
}

fn default_price_factor() -> u32 {
    5
}

impl ConnectionSettings {
    /// Whether an order that was placed then is wanted. Stores tell whole seconds, so the whole
    /// second in which the start lies counts.
    #[must_use]
    pub fn wants_order_placed(&self, created: Timestamp) -> bool {
        const SECOND: i64 = 1_000_000;
        if planted!(StartToTheMicrosecond) {
            return created >= self.order_start;
        }
        created.micros() >= self.order_start.micros().div_euclid(SECOND) * SECOND
    }
}

/// Which ERP price list a connection publishes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PriceListChoice {
    /// The list.
    pub code: PriceListCode,
    /// Whom it is for.
    pub audience: Audience,
    /// With or without tax; gross for consumers and net for businesses when none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<PriceFormat>,
}

impl PriceListChoice {
    /// The form in which prices of this list go out.
    #[must_use]
    pub fn format(&self) -> PriceFormat {
        self.format.unwrap_or(match self.audience {
            Audience::Consumers => PriceFormat::Gross,
            Audience::Businesses => PriceFormat::Net,
        })
    }
}

/// Whom a price list is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Audience {
    /// Consumers.
    #[serde(rename = "b2c")]
    Consumers,
    /// Businesses.
    #[serde(rename = "b2b")]
    Businesses,
}

/// Whether a price holds tax.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PriceFormat {
    /// With tax.
    Gross,
    /// Without tax.
    Net,
}

/// What to do with an order whose amounts differ from its total by rounding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RoundingChoice {
    /// Let it go on as it is.
    #[default]
    Deliver,
    /// Let it go on with a line that takes the difference.
    AddLine,
    /// Keep it back.
    Hold,
}

/// What concerns a whole tenant, in the bucket `connections`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantRecord {
    /// Whose it is.
    pub tenant: TenantId,
    /// The revision of this record; a later one replaces an earlier one.
    pub revision: u64,
    /// No write leaves for any store of this tenant.
    pub writes_paused: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_of_the_second_in_which_the_start_lies_is_wanted() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let start = at("2026-11-22T06:30:10.700Z");
        let settings = ConnectionSettings {
            order_start: start,
            ..ConnectionSettings::default()
        };
        // Placed at 10.9 s, after the start; the store says 10 s.
        assert!(settings.wants_order_placed(at("2026-11-22T06:30:10Z")));
        assert!(!settings.wants_order_placed(at("2026-11-22T06:30:09Z")));
    }
}
