//! A platform in memory that can do wrong what stores do wrong.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use storelink_adapter_api::{
    AdapterError, Article, CapabilityProfile, Descriptor, Diagnosis, ErrorClass, ItemOutcome,
    Limits, OrderPage, OrderReading, OrderWindow, Position, PriceWrite, ProductPage,
    ProductReading, ProductWindow, Purpose, StockKeeping, StockWrite, StoreAccess, StoreAdapter,
    StoreIds, ValueKind, WriteGroup,
};
use storelink_model::ConnectionId;
use tokio::sync::{Semaphore, SemaphorePermit};

pub(crate) const BATCH: usize = 100;

/// How a store deals with a request.
#[derive(Debug, Clone)]
pub(crate) enum Behaviour {
    /// Fails without any effect.
    Fail(AdapterError),
    /// Has its effect, now or later, but the answer is lost.
    LoseAnswer { effect_after: Duration },
    /// Has its effect and never answers.
    Hang,
    /// Its adapter has a mistake.
    Panic,
    /// Refuses one article and does the others.
    Refuse { id: &'static str },
}

/// One store.
#[derive(Debug, Default)]
pub(crate) struct Shop {
    /// What it shows by id.
    pub(crate) shown: BTreeMap<String, String>,
    /// The items of each request, in their order.
    pub(crate) requests: Vec<Vec<(String, String)>>,
    /// What it does with the next requests; well-behaved when there is nothing left.
    pub(crate) next: VecDeque<Behaviour>,
    /// How long it takes to answer.
    pub(crate) takes: Duration,
    pub(crate) open: usize,
    pub(crate) most_open: usize,
    /// When each request arrived.
    pub(crate) arrivals: Vec<Instant>,
    /// Which process sent each request, counted from 0 as they were launched.
    pub(crate) senders: Vec<usize>,
    /// How long it takes from a request's admission to its first byte.
    pub(crate) connects: Duration,
    /// Requests on their way there.
    pub(crate) connecting: usize,
    /// Requests that were admitted and did not leave.
    pub(crate) withdrawn: usize,
    /// Articles on a page; 100 when 0.
    pub(crate) page: usize,
    /// Pages that were asked for.
    pub(crate) pages: usize,
    /// What the next pages answer instead; `None` lets one pass.
    pub(crate) refused_pages: VecDeque<Option<AdapterError>>,
    /// While set, each page waits for a place in it before it is shown.
    pub(crate) page_turns: Option<Arc<Semaphore>>,
}

/// All stores of the platform. Clones share them.
#[derive(Clone)]
pub(crate) struct Platform {
    descriptor: Arc<Descriptor>,
    shops: Arc<Mutex<HashMap<ConnectionId, Shop>>>,
    processes: Arc<AtomicUsize>,
    /// By which process this one is used.
    process: usize,
}

impl Platform {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let descriptor = serde_json::json!({
            "platform": "memory", "title": "Memory", "kind": "store", "summary": "", "fields": [],
            "guide": { "in_store": [], "here": [] }, "permissions": [], "credential_lifetime": "",
            "lifecycle": { "state": "current" }, "versions_checked": [],
            "capabilities": { "stock": true, "prices": true }, "entities": [],
        });
        let descriptor = Arc::new(serde_json::from_value(descriptor)?);
        Ok(Self {
            descriptor,
            shops: Arc::default(),
            processes: Arc::default(),
            process: usize::MAX,
        })
    }

    /// The platform as a process uses it that is launched now.
    pub(crate) fn for_next_process(&self) -> Self {
        let process = self.processes.fetch_add(1, Ordering::Relaxed);
        Self {
            process,
            ..self.clone()
        }
    }

    pub(crate) fn shop<T>(&self, connection: &ConnectionId, ask: impl FnOnce(&mut Shop) -> T) -> T {
        ask(self.shops().entry(connection.clone()).or_default())
    }

    fn shops(&self) -> MutexGuard<'_, HashMap<ConnectionId, Shop>> {
        self.shops.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn request(
        &self,
        access: &StoreAccess,
        items: Vec<(String, String)>,
    ) -> Result<Vec<ItemOutcome>, AdapterError> {
        let gated = access.gate.admit(Purpose::Write).await;
        let denied =
            |text: String| AdapterError::new(ErrorClass::Transient, "gate.not_owner", text);
        let permit = gated.map_err(|reason| denied(reason.to_string()))?;
        let id = access.connection.clone();
        self.connect(&id).await;
        if !permit.is_good() {
            self.shop(&id, |shop| shop.withdrawn += 1);
            return Err(denied("withdrawn".to_owned()));
        }
        let (takes, behaviour) = self.shop(&id, |shop| {
            shop.requests.push(items.clone());
            shop.arrivals.push(Instant::now());
            shop.senders.push(self.process);
            shop.open += 1;
            shop.most_open = shop.most_open.max(shop.open);
            (shop.takes, shop.next.pop_front())
        });
        tokio::time::sleep(takes).await;
        let answer = self.answer(&id, items, behaviour).await;
        self.shop(&id, |shop| shop.open -= 1);
        answer
    }

    async fn connect(&self, id: &ConnectionId) {
        let connects = self.shop(id, |shop| {
            shop.connecting += 1;
            shop.connects
        });
        if !connects.is_zero() {
            tokio::time::sleep(connects).await;
        }
        self.shop(id, |shop| shop.connecting -= 1);
    }

    async fn answer(
        &self,
        id: &ConnectionId,
        items: Vec<(String, String)>,
        behaviour: Option<Behaviour>,
    ) -> Result<Vec<ItemOutcome>, AdapterError> {
        let count = items.len();
        match behaviour {
            None => {
                self.shop(id, |shop| shop.shown.extend(items));
                Ok(vec![ItemOutcome::Confirmed; count])
            }
            Some(Behaviour::Fail(error)) => Err(error),
            #[expect(clippy::panic, reason = "this is what is tested")]
            Some(Behaviour::Panic) => panic!("an adapter with a mistake"),
            Some(Behaviour::Refuse { id: refused }) => {
                let outcomes = items.iter().map(|(id, _)| match id == refused {
                    true => ItemOutcome::Rejected {
                        code: "memory.refused",
                        text: format!("{refused} does not exist"),
                    },
                    false => ItemOutcome::Confirmed,
                });
                let outcomes = outcomes.collect();
                let taken = items.into_iter().filter(|(id, _)| id != refused);
                self.shop(id, |shop| shop.shown.extend(taken));
                Ok(outcomes)
            }
            Some(Behaviour::Hang) => {
                self.shop(id, |shop| shop.shown.extend(items));
                std::future::pending().await
            }
            Some(Behaviour::LoseAnswer { effect_after }) => {
                let (platform, id) = (self.clone(), id.clone());
                tokio::spawn(async move {
                    tokio::time::sleep(effect_after).await;
                    platform.shop(&id, |shop| shop.shown.extend(items));
                });
                let error =
                    AdapterError::new(ErrorClass::Transient, "http.timeout", "no answer came");
                Err(error.with_unknown_outcome())
            }
        }
    }
}

fn id_of(ids: &StoreIds) -> String {
    match &ids.variation {
        Some(variation) => format!("{}/{variation}", ids.product),
        None => ids.product.clone(),
    }
}

/// A page of what a shop shows, by id. Like real ones it repeats the last article of the one before.
fn page(shop: &Shop, after: Option<&str>) -> ProductPage {
    let size = if shop.page == 0 { 100 } else { shop.page } + usize::from(after.is_some());
    let rest = shop
        .shown
        .iter()
        .filter(|(id, _)| after.is_none_or(|after| id.as_str() >= after));
    let shown: Vec<_> = rest.take(size + 1).collect();
    let products = shown.iter().take(size).map(|(id, value)| ProductReading {
        external_id: (*id).clone(),
        name: (*id).clone(),
        modified: None,
        articles: vec![article(id, value)],
    });
    let last = shown
        .get(size.saturating_sub(1))
        .filter(|_| shown.len() > size);
    ProductPage {
        products: products.collect(),
        unreadable: Vec::new(),
        next: last.map(|(id, _)| Position(serde_json::Value::from(id.as_str()))),
        store_time: None,
    }
}

/// What stands behind the first dash of an id is its code; the value is a quantity or a price with its
/// sale.
fn article(id: &str, value: &str) -> Article {
    let (regular, sale) = match value.split_once(" sale ") {
        Some((regular, sale)) => (regular, sale.parse().ok()),
        None => (value, None),
    };
    Article {
        sku: id.split_once('-').and_then(|(_, sku)| sku.parse().ok()),
        ids: StoreIds {
            product: id.to_owned(),
            variation: None,
            stock_row: None,
        },
        name: id.to_owned(),
        barcode: None,
        active: true,
        stock: StockKeeping::Own,
        quantity: regular.parse().ok(),
        price: regular.parse().ok(),
        sale_price: sale,
    }
}

fn never<T>() -> Result<T, AdapterError> {
    Err(AdapterError::new(
        ErrorClass::Rejected,
        "memory.not_read",
        "nothing is read here",
    ))
}

#[async_trait]
impl StoreAdapter for Platform {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    fn limits(&self, _: &CapabilityProfile) -> Limits {
        Limits {
            stock_batch: BATCH,
            price_batch: BATCH,
            concurrency: 2,
        }
    }

    fn write_group(&self, _: ValueKind, ids: &StoreIds) -> WriteGroup {
        WriteGroup(ids.variation.as_ref().map(|_| ids.product.clone()))
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
        never()
    }

    async fn read_order(
        &self,
        _: &StoreAccess,
        _: &str,
    ) -> Result<Option<OrderReading>, AdapterError> {
        never()
    }

    async fn read_products(
        &self,
        access: &StoreAccess,
        _: &ProductWindow,
        position: Option<&Position>,
    ) -> Result<ProductPage, AdapterError> {
        let gated = access.gate.admit(Purpose::Catalogue).await;
        let _permit = gated.map_err(|denied| {
            AdapterError::new(ErrorClass::Transient, "gate.not_owner", denied.to_string())
        })?;
        let id = &access.connection;
        let (turns, refused) = self.shop(id, |shop| {
            shop.pages += 1;
            let refused = shop.refused_pages.pop_front().flatten();
            (shop.page_turns.clone(), refused)
        });
        if let Some(turns) = turns {
            turns.acquire().await.map(SemaphorePermit::forget).ok();
        }
        if let Some(error) = refused {
            return Err(error);
        }
        let after = position.and_then(|position| position.0.as_str().map(str::to_owned));
        Ok(self.shop(id, |shop| page(shop, after.as_deref())))
    }

    async fn write_stock(
        &self,
        access: &StoreAccess,
        items: &[StockWrite],
    ) -> Result<Vec<ItemOutcome>, AdapterError> {
        let items = items
            .iter()
            .map(|item| (id_of(&item.ids), item.quantity.to_string()));
        self.request(access, items.collect()).await
    }

    async fn write_prices(
        &self,
        access: &StoreAccess,
        items: &[PriceWrite],
    ) -> Result<Vec<ItemOutcome>, AdapterError> {
        let items = items.iter().map(|item| {
            let sale = item
                .sale
                .as_ref()
                .map(|sale| format!(" sale {}", sale.price));
            (
                id_of(&item.ids),
                format!("{}{}", item.regular, sale.unwrap_or_default()),
            )
        });
        self.request(access, items.collect()).await
    }
}
