use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use serde_json::value::RawValue;
use storelink_adapter_api::{
    AdapterError, Capabilities, CapabilityProfile, Descriptor, Diagnosis, ErrorClass, Guide,
    ItemOutcome, Lifecycle, Limits, OrderHead, OrderHeads, OrderPage, OrderReading, OrderWindow,
    Position, PriceWrite, ProductPage, ProductReading, ProductWindow, Purpose, StockWrite,
    StoreAccess, StoreAdapter, StoreIds, SystemKind, Unreadable, UnreadableProduct, ValueKind,
    WriteGroup,
};
use storelink_model::{Amount, ConnectionId, Timestamp};
use storelink_order::{Address, Customer, Order, OrderState, Payment};

pub(crate) const PLATFORM: &str = "shelf";

/// A store in memory.
#[derive(Default)]
pub(crate) struct Store {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    orders: BTreeMap<u32, Placed>,
    products: BTreeMap<u32, Timestamp>,
    odd_products: BTreeMap<u32, Timestamp>,
    requests: Vec<Asked>,
    failures: VecDeque<AdapterError>,
    /// Orders that break whatever shows their contents.
    broken: BTreeSet<u32>,
    /// A page with more orders is more than an answer may be.
    largest_page: Option<usize>,
    delay: Duration,
    /// Its clock is behind by this.
    behind: time::Duration,
}

impl State {
    fn now(&self) -> Timestamp {
        Timestamp::now().saturating_sub(self.behind)
    }
}

#[derive(Clone)]
struct Placed {
    created: Timestamp,
    modified: Timestamp,
    note: String,
    readable: bool,
}

/// A request as the store saw it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Asked {
    Orders {
        since: Timestamp,
        after: Option<u64>,
    },
    OrderHeads,
    Order(String),
    Products {
        since: Option<Timestamp>,
    },
}

impl Store {
    /// Places an order now.
    pub(crate) fn place(&self, id: u32) {
        self.place_at(id, Timestamp::now());
    }

    pub(crate) fn place_at(&self, id: u32, created: Timestamp) {
        let placed = Placed {
            created,
            modified: created,
            note: String::new(),
            readable: true,
        };
        self.change(|state| state.orders.insert(id, placed));
    }

    /// Places an order that the adapter does not understand.
    pub(crate) fn place_unreadable(&self, id: u32) {
        self.place(id);
        self.change(|state| state.orders.get_mut(&id).unwrap().readable = false);
    }

    pub(crate) fn edit(&self, id: u32, note: &str) {
        let now = self.change(|state| state.now());
        self.edit_at(id, note, now);
    }

    pub(crate) fn edit_at(&self, id: u32, note: &str, modified: Timestamp) {
        self.change(|state| {
            let order = state.orders.get_mut(&id).unwrap();
            order.note = note.to_owned();
            order.modified = modified;
        });
    }

    /// Every answer with the contents of these orders fails from now on.
    pub(crate) fn break_orders(&self, ids: impl IntoIterator<Item = u32>) {
        let broken = ids.into_iter().collect();
        self.change(|state| state.broken = broken);
    }

    /// No page with more orders comes through from now on.
    pub(crate) fn limit_pages(&self, orders: usize) {
        self.change(|state| state.largest_page = Some(orders));
    }

    pub(crate) fn stock_up(&self, product: u32, modified: Timestamp) {
        self.change(|state| state.products.insert(product, modified));
    }

    /// A product that the adapter does not understand.
    pub(crate) fn stock_up_unreadable(&self, product: u32, modified: Timestamp) {
        self.change(|state| state.odd_products.insert(product, modified));
    }

    /// The next requests fail like this.
    pub(crate) fn fail(&self, errors: impl IntoIterator<Item = AdapterError>) {
        self.change(|state| state.failures.extend(errors));
    }

    /// Every answer takes this long from now on.
    pub(crate) fn slow_down(&self, delay: Duration) {
        self.change(|state| state.delay = delay);
    }

    /// Its clock, and so every date from now on, is behind by this.
    pub(crate) fn set_back(&self, behind: time::Duration) {
        self.change(|state| state.behind = behind);
    }

    /// What was asked since the last call.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.change(|state| std::mem::take(&mut state.requests))
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap())
    }

    /// The answer shows the store as it was when the request came, however long it takes.
    async fn answer<T>(
        &self,
        access: &StoreAccess,
        asked: Asked,
        answer: impl FnOnce(&State) -> Result<T, AdapterError>,
    ) -> Result<T, AdapterError> {
        let _permit = access.gate.admit(Purpose::Orders).await.unwrap();
        let (delay, answer) = self.change(|state| {
            state.requests.push(asked);
            let answer = match state.failures.pop_front() {
                Some(error) => Err(error),
                None => answer(state),
            };
            (state.delay, answer)
        });
        tokio::time::sleep(delay).await;
        answer
    }
}

/// The stores of a test by connection.
pub(crate) struct Shelf {
    pub(crate) stores: HashMap<ConnectionId, Arc<Store>>,
    pub(crate) page: usize,
    descriptor: Descriptor,
}

impl Shelf {
    pub(crate) fn new(stores: HashMap<ConnectionId, Arc<Store>>, page: usize) -> Self {
        Self {
            stores,
            page,
            descriptor: descriptor(),
        }
    }

    fn store(&self, access: &StoreAccess) -> &Store {
        &self.stores[&access.connection]
    }

    /// One page of what was modified since, and where the next one begins.
    fn rows<'a>(
        &self,
        state: &'a State,
        window: &OrderWindow,
        position: Option<&Position>,
    ) -> (Vec<(u32, &'a Placed)>, Option<Position>) {
        let limit = window
            .page_limit
            .map(|limit| usize::try_from(limit).unwrap());
        let page = limit.map_or(self.page, |limit| limit.min(self.page));
        let orders = state.orders.iter().map(|(id, order)| (*id, order));
        let mut orders: Vec<_> = orders
            .filter(|(_, order)| order.modified >= window.modified_since)
            .collect();
        orders.sort_by_key(|(id, order)| (order.modified, *id));
        let skip = usize::try_from(after(position).unwrap_or(0)).unwrap();
        let rest = orders.len().saturating_sub(skip);
        let next = (rest > page).then(|| Position(json!(skip + page)));
        (orders.into_iter().skip(skip).take(page).collect(), next)
    }
}

fn after(position: Option<&Position>) -> Option<u64> {
    position.map(|position| position.0.as_u64().unwrap())
}

/// Refused again whenever it is asked for, so that nothing is gained by asking again at once.
fn crash() -> AdapterError {
    AdapterError::new(ErrorClass::Rejected, "shelf.crash", "the shelf broke")
}

#[async_trait]
impl StoreAdapter for Shelf {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    fn limits(&self, _: &CapabilityProfile) -> Limits {
        Limits {
            stock_batch: 1,
            price_batch: 1,
            concurrency: 2,
        }
    }

    fn write_group(&self, _: ValueKind, _: &StoreIds) -> WriteGroup {
        WriteGroup(None)
    }

    async fn verify(&self, _: &StoreAccess) -> Diagnosis {
        unreachable!("a poller does not verify")
    }

    async fn read_orders(
        &self,
        access: &StoreAccess,
        window: &OrderWindow,
        position: Option<&Position>,
    ) -> Result<OrderPage, AdapterError> {
        let since = window.modified_since;
        let after = after(position);
        let answer = move |state: &State| {
            let (orders, next) = self.rows(state, window, position);
            if state.largest_page.is_some_and(|most| orders.len() > most) {
                let code = "http.response_too_large";
                return Err(AdapterError::new(ErrorClass::Rejected, code, "too large"));
            }
            if orders.iter().any(|(id, _)| state.broken.contains(id)) {
                return Err(crash());
            }
            let orders = orders.into_iter().map(|(id, order)| reading(id, order));
            Ok(OrderPage {
                orders: orders.collect(),
                next,
                store_time: Some(state.now()),
            })
        };
        self.store(access)
            .answer(access, Asked::Orders { since, after }, answer)
            .await
    }

    async fn list_orders(
        &self,
        access: &StoreAccess,
        window: &OrderWindow,
        position: Option<&Position>,
    ) -> Result<Option<OrderHeads>, AdapterError> {
        let answer = move |state: &State| {
            let (orders, next) = self.rows(state, window, position);
            let heads = orders.into_iter().map(|(id, order)| OrderHead {
                external_id: id.to_string(),
                created: Some(order.created),
                modified: Some(order.modified),
            });
            Ok(Some(OrderHeads {
                heads: heads.collect(),
                next,
                store_time: Some(state.now()),
            }))
        };
        self.store(access)
            .answer(access, Asked::OrderHeads, answer)
            .await
    }

    async fn read_order(
        &self,
        access: &StoreAccess,
        external_id: &str,
    ) -> Result<Option<OrderReading>, AdapterError> {
        let id: u32 = external_id.parse().unwrap();
        let asked = Asked::Order(external_id.to_owned());
        let answer = |state: &State| match state.broken.contains(&id) {
            true => Err(crash()),
            false => Ok(state.orders.get(&id).map(|order| reading(id, order))),
        };
        self.store(access).answer(access, asked, answer).await
    }

    async fn read_products(
        &self,
        access: &StoreAccess,
        window: &ProductWindow,
        _: Option<&Position>,
    ) -> Result<ProductPage, AdapterError> {
        let since = window.modified_since;
        let answer = |state: &State| {
            let found = state.products.iter();
            let found = found.filter(|(_, at)| since.is_none_or(|since| **at >= since));
            let products = found.map(|(id, modified)| ProductReading {
                external_id: id.to_string(),
                name: format!("product {id}"),
                modified: Some(*modified),
                articles: vec![],
            });
            let odd = state.odd_products.iter();
            let odd = odd.filter(|(_, at)| since.is_none_or(|since| **at >= since));
            let unreadable = odd.map(|(id, modified)| UnreadableProduct {
                external_id: id.to_string(),
                modified: Some(*modified),
                reason: Unreadable {
                    code: "shelf.product".into(),
                    text: "the name is no text".into(),
                },
            });
            Ok(ProductPage {
                products: products.collect(),
                unreadable: unreadable.collect(),
                next: None,
                store_time: Some(state.now()),
            })
        };
        self.store(access)
            .answer(access, Asked::Products { since }, answer)
            .await
    }

    async fn write_stock(
        &self,
        _: &StoreAccess,
        _: &[StockWrite],
    ) -> Result<Vec<ItemOutcome>, AdapterError> {
        unreachable!("a poller does not write")
    }

    async fn write_prices(
        &self,
        _: &StoreAccess,
        _: &[PriceWrite],
    ) -> Result<Vec<ItemOutcome>, AdapterError> {
        unreachable!("a poller does not write")
    }
}

fn reading(id: u32, placed: &Placed) -> OrderReading {
    let raw = json!({ "id": id, "note": placed.note });
    let order = if placed.readable {
        Ok(Box::new(order(id, placed)))
    } else {
        Err(Unreadable {
            code: "shelf.amount".into(),
            text: "the total is no amount".into(),
        })
    };
    OrderReading {
        external_id: id.to_string(),
        created: Some(placed.created),
        modified: Some(placed.modified),
        raw: RawValue::from_string(raw.to_string()).unwrap(),
        order,
    }
}

fn order(id: u32, placed: &Placed) -> Order {
    Order {
        external_id: id.to_string(),
        number: id.to_string(),
        state: OrderState::Open,
        store_status: "open".into(),
        currency: "EUR".parse().unwrap(),
        digits: 2,
        created: placed.created,
        modified: placed.modified,
        customer: Customer::default(),
        billing: Address::default(),
        shipping: None,
        lines: vec![],
        shipping_charges: vec![],
        fees: vec![],
        discounts: vec![],
        gift_cards: vec![],
        total: Amount::ZERO,
        total_tax: Amount::ZERO,
        payment: Payment::default(),
        refunds: vec![],
        note: placed.note.clone(),
    }
}

fn descriptor() -> Descriptor {
    Descriptor {
        platform: PLATFORM.parse().unwrap(),
        title: "Shelf".into(),
        kind: SystemKind::Store,
        summary: String::new(),
        fields: vec![],
        guide: Guide {
            in_store: vec![],
            here: vec![],
        },
        permissions: vec![],
        credential_lifetime: String::new(),
        lifecycle: Lifecycle::Current,
        versions_checked: vec![],
        capabilities: Capabilities::default(),
        entities: vec![],
    }
}
