//! All simulated stores of one process.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use rust_decimal::Decimal;
use serde_json::Value;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::action::{Action, ActionError, Article, OrderSpec, OrderSummary, RefundSpec};
use crate::clock::{ClockSetting, lock, utc_micros};
use crate::control::ControlServer;
use crate::faults::{Fault, FaultEffect, FaultMatch, Faults};
use crate::ledger::{Ledger, LedgerEntry, LedgerFilter, LedgerPage, Source, UnderWay};
use crate::platform::{Platform, Work};
use crate::server;
use crate::woocommerce::{StoreSpec, WooStore};

/// Why a store could not be made or driven.
#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    /// The port is taken, or the like.
    #[error("cannot listen: {0}")]
    Listen(#[from] std::io::Error),
    /// The description of the store makes no sense.
    #[error("bad store description: {0}")]
    Spec(String),
    /// Two stores of one name.
    #[error("a store named {0} is there already")]
    NameTaken(String),
    /// An action in the shop failed.
    #[error(transparent)]
    Action(#[from] ActionError),
}

/// A process full of simulated stores; clones share it. Stores end with [`Simulators::stop`].
#[derive(Clone, Default)]
pub struct Simulators {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    stores: Mutex<BTreeMap<String, StoreHandle>>,
    ledger: Ledger,
    stop: CancellationToken,
}

impl Simulators {
    /// An empty process.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a WooCommerce store and starts to listen on 127.0.0.1 at the spec's port (0 = any).
    ///
    /// # Errors
    /// When the port is taken, the name is taken, or the spec makes no sense.
    pub async fn add_store(&self, spec: StoreSpec) -> Result<StoreHandle, SimulatorError> {
        let listener = server::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, spec.port)))?;
        let address = listener.local_addr()?;
        let (name, ledger_bodies) = (spec.name.clone(), spec.ledger_bodies);
        let faults = spec.faults.clone();
        let platform = WooStore::new(spec, address).map_err(SimulatorError::Spec)?;
        let handle = StoreHandle(Arc::new(StoreInner {
            name: name.clone(),
            address,
            base_url: platform.home().to_owned(),
            platform: Box::new(platform),
            faults: Mutex::default(),
            next_fault: AtomicU64::new(1),
            faults_changed: Notify::new(),
            in_flight: AtomicU32::new(0),
            under_way: Mutex::default(),
            next_request: AtomicU64::new(1),
            writes: AtomicUsize::new(0),
            ledger: self.inner.ledger.clone(),
            ledger_bodies,
            stop: self.inner.stop.child_token(),
        }));
        for fault in faults {
            handle.set_fault(fault);
        }
        {
            let mut stores = lock(&self.inner.stores);
            if stores.contains_key(&name) {
                return Err(SimulatorError::NameTaken(name));
            }
            stores.insert(name, handle.clone());
        }
        tokio::spawn(server::serve(
            Arc::clone(&handle.0),
            listener,
            handle.0.stop.clone(),
        ));
        Ok(handle)
    }

    /// A store by name.
    #[must_use]
    pub fn store(&self, name: &str) -> Option<StoreHandle> {
        lock(&self.inner.stores).get(name).cloned()
    }

    /// All stores by name.
    #[must_use]
    pub fn stores(&self) -> Vec<StoreHandle> {
        lock(&self.inner.stores).values().cloned().collect()
    }

    /// Ends one store; false if there is none of that name. The ledger keeps its entries.
    pub fn remove_store(&self, name: &str) -> bool {
        let removed = lock(&self.inner.stores).remove(name);
        removed.is_some_and(|store| {
            store.0.stop.cancel();
            true
        })
    }

    /// The ledger over all stores.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.inner.ledger
    }

    /// Starts the control API on an address.
    ///
    /// # Errors
    /// When the port is taken.
    pub async fn serve_control(
        &self,
        address: SocketAddr,
    ) -> Result<ControlServer, SimulatorError> {
        ControlServer::start(self.clone(), address, self.inner.stop.child_token())
    }

    /// Waits until [`Simulators::stop`] was called, here or over the control API.
    pub async fn stopped(&self) {
        self.inner.stop.cancelled().await;
    }

    /// Ends all stores and the control API.
    pub fn stop(&self) {
        self.inner.stop.cancel();
    }
}

/// One running store; clones share it.
#[derive(Clone)]
pub struct StoreHandle(pub(crate) Arc<StoreInner>);

pub(crate) struct StoreInner {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    pub(crate) base_url: String,
    pub(crate) platform: Box<dyn Platform>,
    pub(crate) faults: Mutex<Faults>,
    next_fault: AtomicU64,
    pub(crate) faults_changed: Notify,
    pub(crate) in_flight: AtomicU32,
    /// The requests in work, by number.
    pub(crate) under_way: Mutex<BTreeMap<u64, UnderWay>>,
    pub(crate) next_request: AtomicU64,
    pub(crate) writes: AtomicUsize,
    pub(crate) ledger: Ledger,
    pub(crate) ledger_bodies: bool,
    stop: CancellationToken,
}

impl StoreHandle {
    /// The store's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Where the store really listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// The store's own idea of its address (WordPress `home`), by default `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.0.base_url
    }

    /// Lets something happen in the shop and writes it into the ledger.
    ///
    /// # Errors
    /// When the thing is not there or the store refuses.
    pub fn act(&self, action: &Action) -> Result<Value, ActionError> {
        let began = Instant::now();
        let (started_us, started_mono_us) = (utc_micros(), self.0.ledger.mono_us());
        let mut work = Work::default();
        let result = self.0.platform.act(action, &mut work);
        let text = serde_json::to_value(action).unwrap_or_default();
        let name = text
            .as_object()
            .and_then(|members| members.keys().next().cloned());
        self.0.ledger.append(LedgerEntry {
            seq: 0,
            store: self.0.name.clone(),
            source: Source::Shop,
            agent: String::new(),
            started_us,
            started_mono_us,
            duration_us: server::micros(began.elapsed()),
            in_flight: self.0.in_flight.load(Ordering::SeqCst),
            method: name.unwrap_or_default(),
            path: String::new(),
            query: String::new(),
            body: text.to_string(),
            status: None,
            answer_bytes: 0,
            faults: Vec::new(),
            effects: work.effects,
        });
        result
    }

    /// A customer buys; answers the order's id. Stock is reduced if the status says so.
    ///
    /// # Errors
    /// When a SKU is unknown.
    pub fn place_order(&self, order: OrderSpec) -> Result<u64, ActionError> {
        self.act(&Action::PlaceOrder(Box::new(order)))
            .map(|id| id.as_u64().unwrap_or_default())
    }

    /// Cancels an order; its pieces go back into stock.
    ///
    /// # Errors
    /// When the order is unknown.
    pub fn cancel_order(&self, id: u64) -> Result<(), ActionError> {
        let status = "cancelled".to_owned();
        self.act(&Action::SetOrderStatus { id, status }).map(drop)
    }

    /// Gives money back; answers the refund's id.
    ///
    /// # Errors
    /// When the order is unknown or the amount is above what is left.
    pub fn refund(&self, id: u64, refund: RefundSpec) -> Result<u64, ActionError> {
        self.act(&Action::Refund { id, refund })
            .map(|id| id.as_u64().unwrap_or_default())
    }

    /// Counts the stock of a SKU by hand.
    ///
    /// # Errors
    /// When the SKU is unknown.
    pub fn set_stock(&self, sku: &str, quantity: i64) -> Result<(), ActionError> {
        self.act(&Action::SetStock {
            sku: sku.to_owned(),
            quantity,
        })
        .map(drop)
    }

    /// Sets the price of a SKU by hand.
    ///
    /// # Errors
    /// When the SKU is unknown.
    pub fn set_price(
        &self,
        sku: &str,
        regular: Decimal,
        sale: Option<Decimal>,
    ) -> Result<(), ActionError> {
        let (regular, sale) = (
            regular.to_string(),
            sale.map_or_else(String::new, |s| s.to_string()),
        );
        self.act(&Action::SetPrice {
            sku: sku.to_owned(),
            regular,
            sale,
        })
        .map(drop)
    }

    /// The state of all sellable articles.
    #[must_use]
    pub fn articles(&self) -> Vec<Article> {
        self.0.platform.articles()
    }

    /// Quantity of every article by SKU; of several with one SKU the last one.
    #[must_use]
    pub fn stocks(&self) -> BTreeMap<String, Option<i64>> {
        self.articles()
            .into_iter()
            .map(|a| (a.sku, a.stock_quantity))
            .collect()
    }

    /// The essentials of all orders.
    #[must_use]
    pub fn orders(&self) -> Vec<OrderSummary> {
        self.0.platform.orders()
    }

    /// One order in full as the API shows it.
    #[must_use]
    pub fn order(&self, id: u64) -> Option<Value> {
        self.0.platform.order(id)
    }

    /// The refunds of one order in full as the API lists them.
    #[must_use]
    pub fn refunds(&self, order: u64) -> Option<Vec<Value>> {
        self.0.platform.refunds(order)
    }

    /// Puts a fault in force and answers its number.
    pub fn set_fault(&self, fault: Fault) -> u64 {
        let id = self.0.next_fault.fetch_add(1, Ordering::SeqCst);
        lock(&self.0.faults).set(id, fault);
        self.0.faults_changed.notify_one();
        id
    }

    /// Puts a fault in force for every request.
    pub fn set_effect(&self, effect: FaultEffect) -> u64 {
        self.set_fault(Fault {
            on: FaultMatch::default(),
            effect,
        })
    }

    /// Ends one fault, or all.
    pub fn clear_faults(&self, id: Option<u64>) {
        lock(&self.0.faults).clear(id);
        self.0.faults_changed.notify_one();
    }

    /// The faults in force with their numbers.
    #[must_use]
    pub fn faults(&self) -> Vec<(u64, Fault)> {
        lock(&self.0.faults).list()
    }

    /// Changes the store's clock.
    pub fn set_clock(&self, setting: ClockSetting) {
        self.0.platform.set_clock(setting);
    }

    /// The requests that are in work now.
    #[must_use]
    pub fn under_way(&self) -> Vec<UnderWay> {
        lock(&self.0.under_way).values().cloned().collect()
    }

    /// How many write requests the store has got, answered or not.
    #[must_use]
    pub fn write_requests(&self) -> usize {
        self.0.writes.load(Ordering::SeqCst)
    }

    /// The store's part of the ledger.
    #[must_use]
    pub fn ledger(&self, filter: LedgerFilter) -> LedgerPage {
        self.0.ledger.read(&LedgerFilter {
            store: Some(self.0.name.clone()),
            ..filter
        })
    }
}
