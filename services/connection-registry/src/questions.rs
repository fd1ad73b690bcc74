//! Questions to other services. Each is bounded in time: one that is down delays nobody.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use storelink_bus::rpc::RpcError;
use storelink_events::internal::Listing;
use storelink_events::rpc::{
    self, Approve, Approved, CatalogStatus, ConnectionQuestion, DriftQuestion, DriftReports,
    LaneStatus, OrderSummary, OrdersQuestion, Page, PageQuestion, Parked, Receipt, Reconcile,
    ReconcileAnswer, Retried, RetryParked, SkuAnswer, SkuQuestion,
};
use storelink_events::subject;
use storelink_model::{ConnectionId, TenantId};

use crate::registry::Registry;
use crate::trace;

/// Writes stock.
pub(crate) const STOCK: &str = "stock-publisher";
/// Writes prices.
pub(crate) const PRICES: &str = "price-publisher";
/// Knows listings.
pub(crate) const CATALOG: &str = "product-catalog";
/// Keeps the order ledger.
pub(crate) const ORDERS: &str = "order-ingest";

/// The services that park items, in the order in which their pages are shown.
pub(crate) const PARKING: [&str; 3] = [ORDERS, STOCK, PRICES];

const PATIENCE: Duration = Duration::from_secs(2);

impl Registry {
    pub(crate) async fn ask_sku(
        &self,
        service: &str,
        question: &SkuQuestion,
    ) -> Result<SkuAnswer, RpcError> {
        self.ask(service, rpc::SKU, question).await
    }

    pub(crate) async fn ask_listing(
        &self,
        question: &SkuQuestion,
    ) -> Result<Option<Listing>, RpcError> {
        self.ask(CATALOG, rpc::LISTING, question).await
    }

    pub(crate) async fn ask_lane(
        &self,
        service: &str,
        connection: &ConnectionId,
    ) -> Result<LaneStatus, RpcError> {
        let question = ConnectionQuestion {
            connection: connection.clone(),
        };
        self.ask(service, rpc::LANE, &question).await
    }

    /// Only the process that runs the lane answers.
    pub(crate) async fn ask_approve(
        &self,
        service: &str,
        question: &Approve,
    ) -> Result<Approved, RpcError> {
        self.ask(service, rpc::APPROVE, question).await
    }

    pub(crate) async fn ask_catalog(
        &self,
        connection: &ConnectionId,
    ) -> Result<CatalogStatus, RpcError> {
        let question = ConnectionQuestion {
            connection: connection.clone(),
        };
        self.ask(CATALOG, rpc::CATALOG, &question).await
    }

    pub(crate) async fn ask_parked(
        &self,
        service: &str,
        question: &PageQuestion,
    ) -> Result<Page<Parked>, RpcError> {
        self.ask(service, rpc::PARKED, question).await
    }

    pub(crate) async fn ask_receipts(
        &self,
        service: &str,
        question: &PageQuestion,
    ) -> Result<Page<Receipt>, RpcError> {
        self.ask(service, rpc::RECEIPTS, question).await
    }

    pub(crate) async fn ask_orders(
        &self,
        question: &OrdersQuestion,
    ) -> Result<Page<OrderSummary>, RpcError> {
        self.ask(ORDERS, rpc::ORDERS, question).await
    }

    pub(crate) async fn ask_retry(
        &self,
        service: &str,
        tenant: &TenantId,
        id: &str,
    ) -> Result<Retried, RpcError> {
        let question = RetryParked {
            tenant: tenant.clone(),
            id: id.to_owned(),
        };
        self.ask(service, rpc::RETRY_PARKED, &question).await
    }

    pub(crate) async fn ask_reconcile(
        &self,
        service: &str,
        question: &Reconcile,
    ) -> Result<ReconcileAnswer, RpcError> {
        self.ask(service, rpc::RECONCILE, question).await
    }

    pub(crate) async fn ask_drift(
        &self,
        service: &str,
        question: &DriftQuestion,
    ) -> Result<DriftReports, RpcError> {
        self.ask(service, rpc::DRIFT, question).await
    }

    async fn ask<Q: Serialize, A: DeserializeOwned>(
        &self,
        service: &str,
        verb: &str,
        question: &Q,
    ) -> Result<A, RpcError> {
        let subject = subject::rpc(service, verb);
        let context = trace::context();
        self.bus
            .request_traced(&subject, question, PATIENCE, context.as_ref())
            .await
    }
}
