use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use storelink_model::{
    Amount, Currency, PriceListCode, Quantity, Sku, TaxRate, Timestamp, WarehouseCode,
};

use crate::envelope::event_data;

/// Levels of a warehouse that changed: absolute quantities, never differences.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StockChanged {
    /// Which warehouse.
    pub warehouse: WarehouseCode,
    /// 1 to 1,000 levels, each SKU once.
    #[schemars(length(min = 1, max = 1_000))]
    pub items: Vec<StockItem>,
}

event_data!(StockChanged, "storelink.stock.changed.v1");

/// The level of one SKU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StockItem {
    /// Which article.
    pub sku: Sku,
    /// How many there are.
    pub quantity: Quantity,
    /// The ERP's own number of this value; later values have larger ones. Without it the time of
    /// the event decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = i64::MAX))]
    pub revision: Option<u64>,
}

/// Prices of a price list that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PriceChanged {
    /// Which list.
    pub price_list: PriceListCode,
    /// In which currency.
    pub currency: Currency,
    /// 1 to 1,000 prices, each SKU once.
    #[schemars(length(min = 1, max = 1_000))]
    pub items: Vec<PriceItem>,
}

event_data!(PriceChanged, "storelink.price.changed.v1");

/// The price of one SKU: net, gross or both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = needs_a_price)]
pub struct PriceItem {
    /// Which article.
    pub sku: Sku,
    /// Without tax.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub net: Option<Amount>,
    /// With tax.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gross: Option<Amount>,
    /// The tax rate in percent; the missing side can only be computed with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax_rate: Option<TaxRate>,
    /// A sale; none ends one.
    #[serde(
        default,
        deserialize_with = "super::object::optional",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<SaleItem>")]
    pub sale: Option<SaleItem>,
    /// The ERP's own number of this value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = i64::MAX))]
    pub revision: Option<u64>,
}

/// Says in a schema that net, gross or both must be there.
fn needs_a_price(schema: &mut Schema) {
    let present = |member: &str| {
        serde_json::json!({
            "required": [member],
            "properties": { member: { "not": { "type": "null" } } },
        })
    };
    let either = vec![present("net"), present("gross")];
    schema.insert("anyOf".to_owned(), either.into());
}

/// A sale price and its time: net, gross or both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = needs_a_price)]
pub struct SaleItem {
    /// Without tax.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub net: Option<Amount>,
    /// With tax.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gross: Option<Amount>,
    /// When it begins; at once when none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// When it ends; never when none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// Product master data of the ERP that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProductChanged {
    /// 1 to 1,000 products, each SKU once.
    #[schemars(length(min = 1, max = 1_000))]
    pub items: Vec<ProductItem>,
}

event_data!(ProductChanged, "storelink.product.changed.v1");

/// One product of the ERP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProductItem {
    /// Which article.
    pub sku: Sku,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// EAN, GTIN or UPC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub barcode: Option<String>,
    /// Whether it is gone from the ERP.
    #[serde(default)]
    pub removed: bool,
    /// The ERP's own number of this value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = i64::MAX))]
    pub revision: Option<u64>,
}
