//! The adapter itself: each method hands over to the part that knows it.

use async_trait::async_trait;
use storelink_adapter_api::{
    AdapterError, CapabilityProfile, Descriptor, Diagnosis, ItemOutcome, Limits, OrderHeads,
    OrderPage, OrderReading, OrderWindow, Position, PriceWrite, ProductPage, ProductWindow,
    StockWrite, StoreAccess, StoreAdapter, StoreIds, ValueKind, WriteGroup,
};

use storelink_model::Amount;

use crate::rows::Target;
use crate::{orders, products, verify, writes};

/// Rows in one request: what the store takes at most (sheet section 6). One that is too slow for it says
/// so by its gateway's limit, and gets half as many.
const BATCH: usize = 100;
/// More calls at once than a shop has cores do not pay (sheet section 9).
const CONCURRENCY: usize = 2;

/// WooCommerce stores, by their REST API wc/v3.
#[derive(Debug)]
pub struct WooCommerce {
    descriptor: Descriptor,
}

impl WooCommerce {
    /// The adapter with its English descriptor.
    #[must_use]
    #[allow(
        clippy::expect_used,
        reason = "the file is compiled in and read by a test"
    )]
    pub fn new() -> Self {
        let descriptor = serde_json::from_str(include_str!("../descriptor/en.json"));
        Self {
            descriptor: descriptor.expect("the descriptor is a valid one"),
        }
    }
}

impl Default for WooCommerce {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl StoreAdapter for WooCommerce {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    fn limits(&self, _: &CapabilityProfile) -> Limits {
        Limits {
            stock_batch: BATCH,
            price_batch: BATCH,
            concurrency: CONCURRENCY,
        }
    }

    fn kept_price(&self, profile: &CapabilityProfile, price: Amount) -> Amount {
        writes::in_store_digits(price, profile)
    }

    fn write_group(&self, kind: ValueKind, ids: &StoreIds) -> WriteGroup {
        match kind {
            ValueKind::Stock => Target::of_stock(ids).group(),
            ValueKind::Price => Target::of_price(ids).group(),
        }
    }

    async fn verify(&self, access: &StoreAccess) -> Diagnosis {
        verify::verify(access).await
    }

    async fn read_orders(
        &self,
        access: &StoreAccess,
        window: &OrderWindow,
        position: Option<&Position>,
    ) -> Result<OrderPage, AdapterError> {
        orders::read_page(access, window, position).await
    }

    async fn list_orders(
        &self,
        access: &StoreAccess,
        window: &OrderWindow,
        position: Option<&Position>,
    ) -> Result<Option<OrderHeads>, AdapterError> {
        orders::list_page(access, window, position).await.map(Some)
    }

    async fn read_order(
        &self,
        access: &StoreAccess,
        external_id: &str,
    ) -> Result<Option<OrderReading>, AdapterError> {
        orders::read_one(access, external_id).await
    }

    async fn read_products(
        &self,
        access: &StoreAccess,
        window: &ProductWindow,
        position: Option<&Position>,
    ) -> Result<ProductPage, AdapterError> {
        products::read_page(access, window, position).await
    }

    async fn write_stock(
        &self,
        access: &StoreAccess,
        items: &[StockWrite],
    ) -> Result<Vec<ItemOutcome>, AdapterError> {
        writes::stock(access, items).await
    }

    async fn write_prices(
        &self,
        access: &StoreAccess,
        items: &[PriceWrite],
    ) -> Result<Vec<ItemOutcome>, AdapterError> {
        writes::prices(access, items).await
    }
}
