//! Drives the simulators of another process over their control API.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::action::{Action, Article, OrderSpec, OrderSummary, RefundSpec};
use crate::clock::ClockSetting;
use crate::faults::Fault;
use crate::http::Request;
use crate::ledger::{LedgerFilter, LedgerPage, UnderWay};
use crate::outgoing::send;
use crate::simulators::StoreHandle;
use crate::woocommerce::StoreSpec;

/// How long one call may take.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What the control API tells about a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreInfo {
    /// Name.
    pub name: String,
    /// The store's own address (`home`).
    pub url: String,
    /// Where it really listens.
    pub address: SocketAddr,
    /// Write requests it has got.
    pub write_requests: usize,
    /// The requests in work now.
    pub under_way: Vec<UnderWay>,
}

impl StoreInfo {
    pub(crate) fn of(store: &StoreHandle) -> Self {
        Self {
            name: store.name().to_owned(),
            url: store.url().to_owned(),
            address: store.address(),
            write_requests: store.write_requests(),
            under_way: store.under_way(),
        }
    }
}

/// Why a call to the control API failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection or no answer.
    #[error("control API not reachable: {0}")]
    Io(#[from] std::io::Error),
    /// The control API refused.
    #[error("control API answered {status}: {message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Its message.
        message: String,
    },
    /// The answer was not what it should be.
    #[error("answer not understood: {0}")]
    Answer(#[from] serde_json::Error),
}

/// A client of the control API.
#[derive(Debug, Clone, Copy)]
pub struct SimulatorClient {
    address: SocketAddr,
}

impl SimulatorClient {
    /// A client for the control API at this address.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    /// Whether the control API answers.
    pub async fn is_ready(&self) -> bool {
        self.get::<Value>("/health").await.is_ok()
    }

    /// Makes a store.
    ///
    /// # Errors
    /// When the control API is away or refuses the description.
    pub async fn add_store(&self, spec: &StoreSpec) -> Result<StoreInfo, ClientError> {
        self.call("POST", "/stores", Some(serde_json::to_value(spec)?))
            .await
    }

    /// Ends a store.
    ///
    /// # Errors
    /// When the control API is away.
    pub async fn remove_store(&self, store: &str) -> Result<(), ClientError> {
        self.call::<Value>("DELETE", &at(store, ""), None)
            .await
            .map(drop)
    }

    /// Lists the stores.
    ///
    /// # Errors
    /// When the control API is away.
    pub async fn stores(&self) -> Result<Vec<StoreInfo>, ClientError> {
        self.get("/stores").await
    }

    /// One store.
    ///
    /// # Errors
    /// When the control API is away or there is no such store.
    pub async fn store(&self, store: &str) -> Result<StoreInfo, ClientError> {
        self.get(&at(store, "")).await
    }

    /// The state of all sellable articles of a store.
    ///
    /// # Errors
    /// When the control API is away or there is no such store.
    pub async fn articles(&self, store: &str) -> Result<Vec<Article>, ClientError> {
        self.get(&at(store, "/articles")).await
    }

    /// The essentials of all orders of a store.
    ///
    /// # Errors
    /// When the control API is away or there is no such store.
    pub async fn orders(&self, store: &str) -> Result<Vec<OrderSummary>, ClientError> {
        self.get(&at(store, "/orders")).await
    }

    /// One order in full as the store's API shows it.
    ///
    /// # Errors
    /// When the control API is away or there is no such order.
    pub async fn order(&self, store: &str, id: u64) -> Result<Value, ClientError> {
        self.get(&at(store, &format!("/orders/{id}"))).await
    }

    /// The refunds of one order in full as the store's API lists them.
    ///
    /// # Errors
    /// When the control API is away or there is no such order.
    pub async fn refunds(&self, store: &str, order: u64) -> Result<Vec<Value>, ClientError> {
        self.get(&at(store, &format!("/orders/{order}/refunds")))
            .await
    }

    /// Lets something happen in a shop.
    ///
    /// # Errors
    /// When the control API is away or the store refuses.
    pub async fn act(&self, store: &str, action: &Action) -> Result<Value, ClientError> {
        self.call(
            "POST",
            &at(store, "/actions"),
            Some(serde_json::to_value(action)?),
        )
        .await
    }

    /// A customer buys; answers the order's id.
    ///
    /// # Errors
    /// When the control API is away or a SKU is unknown.
    pub async fn place_order(&self, store: &str, order: OrderSpec) -> Result<u64, ClientError> {
        let id = self
            .act(store, &Action::PlaceOrder(Box::new(order)))
            .await?;
        Ok(id.as_u64().unwrap_or_default())
    }

    /// Gives money back; answers the refund's id.
    ///
    /// # Errors
    /// When the control API is away or the store refuses.
    pub async fn refund(
        &self,
        store: &str,
        id: u64,
        refund: RefundSpec,
    ) -> Result<u64, ClientError> {
        let id = self.act(store, &Action::Refund { id, refund }).await?;
        Ok(id.as_u64().unwrap_or_default())
    }

    /// Counts the stock of a SKU by hand.
    ///
    /// # Errors
    /// When the control API is away or the SKU is unknown.
    pub async fn set_stock(
        &self,
        store: &str,
        sku: &str,
        quantity: i64,
    ) -> Result<(), ClientError> {
        self.act(
            store,
            &Action::SetStock {
                sku: sku.to_owned(),
                quantity,
            },
        )
        .await
        .map(drop)
    }

    /// Sets the price of a SKU by hand, as a person would type it; `sale` is empty for none.
    ///
    /// # Errors
    /// When the control API is away or the SKU is unknown.
    pub async fn set_price(
        &self,
        store: &str,
        sku: &str,
        regular: &str,
        sale: &str,
    ) -> Result<(), ClientError> {
        let action = Action::SetPrice {
            sku: sku.to_owned(),
            regular: regular.to_owned(),
            sale: sale.to_owned(),
        };
        self.act(store, &action).await.map(drop)
    }

    /// Cancels an order; its pieces go back into stock.
    ///
    /// # Errors
    /// When the control API is away or the order is unknown.
    pub async fn cancel_order(&self, store: &str, id: u64) -> Result<(), ClientError> {
        let status = "cancelled".to_owned();
        self.act(store, &Action::SetOrderStatus { id, status })
            .await
            .map(drop)
    }

    /// Puts a fault in force and answers its number.
    ///
    /// # Errors
    /// When the control API is away or there is no such store.
    pub async fn set_fault(&self, store: &str, fault: &Fault) -> Result<u64, ClientError> {
        let body = Some(serde_json::to_value(fault)?);
        let answer: Value = self.call("POST", &at(store, "/faults"), body).await?;
        Ok(answer["id"].as_u64().unwrap_or_default())
    }

    /// Ends one fault of a store, or all.
    ///
    /// # Errors
    /// When the control API is away or there is no such store.
    pub async fn clear_faults(&self, store: &str, id: Option<u64>) -> Result<(), ClientError> {
        let path = id.map_or_else(|| "/faults".to_owned(), |id| format!("/faults/{id}"));
        self.call::<Value>("DELETE", &at(store, &path), None)
            .await
            .map(drop)
    }

    /// Changes a store's clock.
    ///
    /// # Errors
    /// When the control API is away or there is no such store.
    pub async fn set_clock(&self, store: &str, setting: ClockSetting) -> Result<(), ClientError> {
        let body = Some(serde_json::to_value(setting)?);
        self.call::<Value>("PUT", &at(store, "/clock"), body)
            .await
            .map(drop)
    }

    /// Reads a page of the ledger.
    ///
    /// # Errors
    /// When the control API is away.
    pub async fn ledger(&self, filter: &LedgerFilter) -> Result<LedgerPage, ClientError> {
        let mut query = format!("after={}&limit={}", filter.after, filter.limit);
        if let Some(store) = &filter.store {
            query.push_str("&store=");
            query.push_str(&encode(store));
        }
        if filter.writes_only {
            query.push_str("&writes_only=true");
        }
        self.get(&format!("/ledger?{query}")).await
    }

    /// Ends all stores and the control API.
    ///
    /// # Errors
    /// When the control API is away.
    pub async fn stop(&self) -> Result<(), ClientError> {
        self.call::<Value>("POST", "/stop", Some(json!({})))
            .await
            .map(drop)
    }

    async fn get<T: DeserializeOwned>(&self, target: &str) -> Result<T, ClientError> {
        self.call("GET", target, None).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        target: &str,
        body: Option<Value>,
    ) -> Result<T, ClientError> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let request = Request {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string())),
        };
        let answer = send(self.address, request, TIMEOUT).await?;
        if answer.status == 200 {
            return Ok(serde_json::from_slice(&answer.body)?);
        }
        let message = String::from_utf8_lossy(&answer.body).into_owned();
        Err(ClientError::Refused {
            status: answer.status,
            message,
        })
    }
}

fn at(store: &str, path: &str) -> String {
    format!("/stores/{}{path}", encode(store))
}

fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
