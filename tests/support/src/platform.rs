//! A platform that is never called, for tests of what stands in front of it.

use async_trait::async_trait;
use storelink_adapter_api::{
    AdapterError, CapabilityProfile, Descriptor, Diagnosis, ErrorClass, ItemOutcome, Limits,
    OrderPage, OrderReading, OrderWindow, Position, PriceWrite, ProductPage, ProductWindow,
    StockWrite, StoreAccess, StoreAdapter, StoreIds, ValueKind, WriteGroup,
};

/// An adapter that refuses every call.
#[derive(Debug)]
pub struct Silent(Descriptor);

impl Silent {
    /// One under this name.
    ///
    /// # Errors
    /// When the name is not one of a platform.
    pub fn named(platform: &str) -> serde_json::Result<Self> {
        let descriptor = serde_json::json!({
            "platform": platform, "title": "Silent", "kind": "store", "summary": "", "fields": [],
            "guide": { "in_store": [], "here": [] }, "permissions": [], "credential_lifetime": "",
            "lifecycle": { "state": "current" }, "versions_checked": [], "capabilities": {},
            "entities": [],
        });
        Ok(Self(serde_json::from_value(descriptor)?))
    }
}

fn refused<T>() -> Result<T, AdapterError> {
    Err(AdapterError::new(
        ErrorClass::Rejected,
        "silent",
        "this platform does nothing",
    ))
}

#[async_trait]
impl StoreAdapter for Silent {
    fn descriptor(&self) -> &Descriptor {
        &self.0
    }

    fn limits(&self, _: &CapabilityProfile) -> Limits {
        Limits {
            stock_batch: 1,
            price_batch: 1,
            concurrency: 2,
        }
    }

    fn write_group(&self, _: ValueKind, _: &StoreIds) -> WriteGroup {
        WriteGroup::default()
    }

    async fn verify(&self, _: &StoreAccess) -> Diagnosis {
        Diagnosis {
            checks: Vec::new(),
            profile: CapabilityProfile::default(),
        }
    }

    async fn read_orders(
        &self,
        _: &StoreAccess,
        _: &OrderWindow,
        _: Option<&Position>,
    ) -> Result<OrderPage, AdapterError> {
        refused()
    }

    async fn read_order(
        &self,
        _: &StoreAccess,
        _: &str,
    ) -> Result<Option<OrderReading>, AdapterError> {
        refused()
    }

    async fn read_products(
        &self,
        _: &StoreAccess,
        _: &ProductWindow,
        _: Option<&Position>,
    ) -> Result<ProductPage, AdapterError> {
        refused()
    }

    async fn write_stock(
        &self,
        _: &StoreAccess,
        _: &[StockWrite],
    ) -> Result<Vec<ItemOutcome>, AdapterError> {
        refused()
    }

    async fn write_prices(
        &self,
        _: &StoreAccess,
        _: &[PriceWrite],
    ) -> Result<Vec<ItemOutcome>, AdapterError> {
        refused()
    }
}
