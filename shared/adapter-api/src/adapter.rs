use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use storelink_model::{Amount, Platform};

use crate::{
    AdapterError, CapabilityProfile, Descriptor, Diagnosis, ItemOutcome, OrderHeads, OrderPage,
    OrderReading, OrderWindow, Position, PriceWrite, ProductPage, ProductWindow, StockWrite,
    StoreAccess, StoreIds, ValueKind, WriteGroup,
};

/// How much a store takes at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Stock rows in one request.
    pub stock_batch: usize,
    /// Price rows in one request.
    pub price_batch: usize,
    /// Requests under way at once.
    pub concurrency: usize,
}

/// One online store platform.
///
/// Every method sends each request at most once and returns within the time limits of its requests.
/// What it cannot understand it says so; it never invents a value.
#[async_trait]
pub trait StoreAdapter: Send + Sync + 'static {
    /// The platform as data.
    fn descriptor(&self) -> &Descriptor;

    /// How much a store with this profile takes at once.
    fn limits(&self, profile: &CapabilityProfile) -> Limits;

    /// The price that the store shows once this one is written: rounded to the digits that it keeps.
    /// Keeps every digit unless the platform says otherwise.
    fn kept_price(&self, profile: &CapabilityProfile, price: Amount) -> Amount {
        let _ = profile;
        price
    }

    /// Which request a write of this article belongs into.
    fn write_group(&self, kind: ValueKind, ids: &StoreIds) -> WriteGroup;

    /// Finds out whether the connection works and, if not, the proven cause. Changes nothing in the
    /// store. Never fails: what goes wrong is a check that says so.
    async fn verify(&self, access: &StoreAccess) -> Diagnosis;

    /// Reads one page of the orders of a window. `position` is none for the first page.
    async fn read_orders(
        &self,
        access: &StoreAccess,
        window: &OrderWindow,
        position: Option<&Position>,
    ) -> Result<OrderPage, AdapterError>;

    /// The same page without contents, for a page that [`read_orders`](Self::read_orders) fails on; none
    /// where the platform has no cheaper way to list orders than with all that is in them.
    async fn list_orders(
        &self,
        _access: &StoreAccess,
        _window: &OrderWindow,
        _position: Option<&Position>,
    ) -> Result<Option<OrderHeads>, AdapterError> {
        Ok(None)
    }

    /// Reads one order by the store's id; none when the store says that it does not exist.
    async fn read_order(
        &self,
        access: &StoreAccess,
        external_id: &str,
    ) -> Result<Option<OrderReading>, AdapterError>;

    /// Reads one page of the products of a window. `position` is none for the first page. The values
    /// that the articles show are those of a time after the call: a reconciliation compares them with
    /// what was confirmed before it.
    async fn read_products(
        &self,
        access: &StoreAccess,
        window: &ProductWindow,
        position: Option<&Position>,
    ) -> Result<ProductPage, AdapterError>;

    /// Writes stock values of one group, at most [`Limits::stock_batch`] of them. On success there is
    /// one outcome per item, in their order.
    ///
    /// An adapter that needs several requests for them and is denied a later one, because the lane
    /// ends, has had an effect: it gives the outcomes that it knows and `Unknown` for the others, or
    /// an error with an unknown outcome.
    async fn write_stock(
        &self,
        access: &StoreAccess,
        items: &[StockWrite],
    ) -> Result<Vec<ItemOutcome>, AdapterError>;

    /// Writes prices of one group, at most [`Limits::price_batch`] of them. On success there is one
    /// outcome per item, in their order.
    async fn write_prices(
        &self,
        access: &StoreAccess,
        items: &[PriceWrite],
    ) -> Result<Vec<ItemOutcome>, AdapterError>;
}

/// All adapters of an installation by the name of their platform.
#[derive(Clone, Default)]
pub struct Adapters(BTreeMap<Platform, Arc<dyn StoreAdapter>>);

impl Adapters {
    /// Adds an adapter under the platform that its descriptor names.
    #[must_use]
    pub fn with(mut self, adapter: impl StoreAdapter) -> Self {
        let platform = adapter.descriptor().platform.clone();
        self.0.insert(platform, Arc::new(adapter));
        self
    }

    /// The adapter of a platform.
    #[must_use]
    pub fn get(&self, platform: &Platform) -> Option<&Arc<dyn StoreAdapter>> {
        self.0.get(platform)
    }

    /// All adapters, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&Platform, &Arc<dyn StoreAdapter>)> {
        self.0.iter()
    }
}

impl std::fmt::Debug for Adapters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
