//! The description of a WooCommerce store, as Rust code or the control API gives it.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::import::Snapshot;
use crate::action::OrderSpec;
use crate::faults::Fault;

/// Which of the two recorded versions a store behaves like (sheet section 10).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Version {
    /// WooCommerce 11.0.1 on WordPress 7.1, orders in their own tables.
    #[default]
    #[serde(rename = "11.0.1")]
    V11,
    /// WooCommerce 7.9.0 on WordPress 6.1.9, orders as posts.
    #[serde(rename = "7.9.0")]
    V7_9,
}

impl Version {
    /// Version number of WooCommerce.
    #[must_use]
    pub fn number(self) -> &'static str {
        match self {
            Self::V11 => "11.0.1",
            Self::V7_9 => "7.9.0",
        }
    }

    /// Version number of WordPress.
    #[must_use]
    pub fn wordpress(self) -> &'static str {
        match self {
            Self::V11 => "7.1",
            Self::V7_9 => "6.1.9",
        }
    }

    /// Whether it is the newer one, with orders in their own tables.
    #[must_use]
    pub fn is_new(self) -> bool {
        self == Self::V11
    }
}

/// What a key may do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// Only read.
    Read,
    /// Only write (recording 12).
    Write,
    /// Both.
    #[default]
    ReadWrite,
}

/// Whose rights a key has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// All rights.
    #[default]
    Administrator,
    /// All rights over the shop (recording 15).
    ShopManager,
    /// None over the shop (recording 13).
    Customer,
    /// The user is gone (recording 14).
    Deleted,
}

/// An API key.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// `ck_` and 40 hexadecimal digits.
    pub key: String,
    /// `cs_` and 40 hexadecimal digits.
    pub secret: String,
    /// What it may do.
    #[serde(default)]
    pub permission: Permission,
    /// Whose rights it has.
    #[serde(default)]
    pub role: Role,
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("ApiKey");
        shown
            .field("key", &self.key)
            .field("permission", &self.permission);
        shown.field("role", &self.role).finish_non_exhaustive()
    }
}

impl ApiKey {
    /// The key that a store has when the spec names none: read and write, administrator.
    #[must_use]
    pub fn default_pair() -> Self {
        Self {
            key: "ck_1111111111111111111111111111111111111111".to_owned(),
            secret: "cs_2222222222222222222222222222222222222222".to_owned(),
            permission: Permission::ReadWrite,
            role: Role::Administrator,
        }
    }
}

/// A tax rate.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaxRate {
    /// Id.
    pub id: u64,
    /// Country code.
    pub country: String,
    /// Percent.
    pub percent: Decimal,
    /// Name shown.
    pub name: String,
    /// Tax class, empty for the standard one.
    #[serde(default)]
    pub class: String,
}

/// A product to begin with.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProductSpec {
    /// Id; the next free one if 0.
    pub id: u64,
    /// SKU, any text, may be empty or a duplicate.
    pub sku: String,
    /// Name.
    pub name: String,
    /// Regular price as text.
    pub regular_price: String,
    /// Sale price as text.
    pub sale_price: String,
    /// Quantity; none means that stock is not managed. For a variation it then follows the parent.
    pub stock_quantity: Option<i64>,
    /// Unix second of the last change; default is the store's start.
    pub modified_at: Option<i64>,
    /// Makes it a variable product.
    pub variations: Vec<ProductSpec>,
    /// Any other members of the API's product object, for example `status` or `backorders`.
    pub members: Map<String, Value>,
}

/// A whole store.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreSpec {
    /// Name in ledger and control API.
    pub name: String,
    /// Title of the shop.
    pub title: String,
    /// Port on 127.0.0.1, 0 for any free one.
    pub port: u16,
    /// The store's own address; default `http://127.0.0.1:<port>`. A value that begins with a slash
    /// is a folder below that default.
    pub home: Option<String>,
    /// Recorded version it behaves like.
    pub version: Version,
    /// IANA time zone.
    pub time_zone: String,
    /// Currency code.
    pub currency: String,
    /// Decimals of amounts.
    pub decimals: u32,
    /// Separator before the decimals, for prices as people type them (recording 123).
    pub decimal_separator: String,
    /// Whether prices are entered with tax.
    pub prices_include_tax: bool,
    /// Whether taxes are rounded on the order's sums only, instead of on every line.
    pub round_at_subtotal: bool,
    /// Country of the shop.
    pub country: String,
    /// Tax rates.
    pub tax_rates: Vec<TaxRate>,
    /// API keys; without any, [`ApiKey::default_pair`] is there.
    pub keys: Vec<ApiKey>,
    /// Believe `X-Forwarded-Proto: https` (recording 06).
    pub trust_forwarded_proto: bool,
    /// Believe that every request came over TLS, as behind a proxy set up by the host.
    pub believes_tls: bool,
    /// Answer batches with essential members only. Not what a store does: for load runs.
    pub trim_answers: bool,
    /// Keep request bodies in the ledger.
    pub ledger_bodies: bool,
    /// Seconds that the store's clock is ahead.
    pub clock_offset: i64,
    /// Products to begin with.
    pub products: Vec<ProductSpec>,
    /// Products made by a generator, after `products`.
    pub catalogue: Option<Catalogue>,
    /// Orders to begin with.
    pub orders: Vec<OrderSpec>,
    /// Objects of a real store, put in first, with their ids and dates.
    pub snapshot: Snapshot,
    /// Faults in force from the start.
    pub faults: Vec<Fault>,
}

impl Default for StoreSpec {
    fn default() -> Self {
        let rate = |id, country: &str, percent, name: &str, class: &str| TaxRate {
            id,
            country: country.to_owned(),
            percent,
            name: name.to_owned(),
            class: class.to_owned(),
        };
        Self {
            name: "woo".to_owned(),
            title: "Simulated Store".to_owned(),
            port: 0,
            home: None,
            version: Version::V11,
            time_zone: "Europe/Ljubljana".to_owned(),
            currency: "EUR".to_owned(),
            decimals: 2,
            decimal_separator: ",".to_owned(),
            prices_include_tax: false,
            round_at_subtotal: false,
            country: "SI".to_owned(),
            tax_rates: vec![
                rate(1, "SI", Decimal::from(22), "DDV 22%", ""),
                rate(2, "SI", Decimal::new(95, 1), "DDV 9,5%", "reduced-rate"),
                rate(3, "DE", Decimal::from(19), "MwSt. 19%", ""),
            ],
            keys: Vec::new(),
            trust_forwarded_proto: false,
            believes_tls: false,
            trim_answers: false,
            ledger_bodies: true,
            clock_offset: 0,
            products: Vec::new(),
            catalogue: None,
            orders: Vec::new(),
            snapshot: Snapshot::default(),
            faults: Vec::new(),
        }
    }
}

impl StoreSpec {
    /// A store with this name and otherwise the recorded new store's settings.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// A store like the recorded old one: 7.9.0, orders as posts, HUF, prices with tax, New York time.
    #[must_use]
    pub fn old(name: &str) -> Self {
        let vat = TaxRate {
            id: 1,
            country: "HU".to_owned(),
            percent: Decimal::from(27),
            name: "\u{c1}FA 27%".to_owned(),
            class: String::new(),
        };
        Self {
            name: name.to_owned(),
            version: Version::V7_9,
            time_zone: "America/New_York".to_owned(),
            currency: "HUF".to_owned(),
            decimals: 0,
            prices_include_tax: true,
            round_at_subtotal: true,
            country: "HU".to_owned(),
            tax_rates: vec![vat],
            ..Self::default()
        }
    }

    /// A store with `skus` articles of which `variations` are variations of variable products. The
    /// same seed and counts give the same SKUs in every store; prices have two decimals.
    #[must_use]
    pub fn seeded(name: &str, seed: u64, skus: usize, variations: usize) -> Self {
        Self {
            catalogue: Some(Catalogue {
                seed,
                skus,
                variations,
            }),
            ..Self::named(name)
        }
    }
}

/// How many products the generator makes.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// Decides prices and stocks; SKUs depend on the counts only.
    pub seed: u64,
    /// Articles that can be sold.
    pub skus: usize,
    /// How many of them are variations, six to a product.
    pub variations: usize,
}
