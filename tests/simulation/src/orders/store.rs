//! One store: its orders, its clocks, and how it answers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use storelink_adapter_api::{
    AdapterError, CapabilityProfile, Descriptor, Diagnosis, ErrorClass, ItemOutcome, Limits,
    OrderPage, OrderReading, OrderWindow, Position, PriceWrite, ProductPage, ProductWindow,
    Purpose, StockWrite, StoreAccess, StoreAdapter, StoreIds, ValueKind, WriteGroup,
};
use storelink_model::{ConnectionId, Timestamp};

use super::content::{Content, Words};
use crate::kernel::{Random, Sim, Wire};

const SECOND: i64 = 1_000_000;
/// The longest way of a request to a store that crawls, and of its answer.
const CRAWL: Duration = Duration::from_secs(14);

/// How a store is.
#[derive(Debug, Clone)]
pub(super) struct Character {
    pub(super) page: usize,
    /// Its clocks minus the true time: of each of its two servers.
    pub(super) clock_errors: [i64; 2],
    /// Whether its answers tell its time.
    pub(super) tells_time: bool,
    /// The longest time between the date of a change and the moment when it is shown.
    pub(super) latest: i64,
    /// Of a thousand pages those whose last order is shown again by the next.
    pub(super) repeats: u32,
    pub(super) slowest: Duration,
}

/// One content that an order had.
#[derive(Debug, Clone)]
pub(super) struct Version {
    pub(super) content: Content,
    /// What the store's clock showed, to the microsecond.
    pub(super) clock: i64,
    /// When it was shown, by the true time.
    pub(super) shown: i64,
    /// Shown at the moment of its date.
    pub(super) punctual: bool,
}

impl Version {
    /// Stores tell whole seconds.
    fn date(&self) -> i64 {
        self.clock.div_euclid(SECOND) * SECOND
    }
}

/// One order.
#[derive(Debug, Clone, Default)]
pub(super) struct StoreOrder {
    pub(super) versions: Vec<Version>,
}

impl StoreOrder {
    /// The store's clock when it was placed.
    pub(super) fn placed(&self) -> i64 {
        self.versions.first().map_or(0, |first| first.clock)
    }

    fn shown(&self, now: i64) -> Option<(usize, &Version)> {
        let versions = self.versions.iter().enumerate().rev();
        versions.into_iter().find(|(_, one)| one.shown <= now)
    }
}

/// What is wrong with a store for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    Fails,
    Limits,
    /// Requests and answers take very long, each its own time.
    Crawls,
    /// Whoever sees this order next on a page stands still with the answer in hand, and meanwhile the
    /// order turns back to this content.
    HoldsReader(u32, Content),
}

struct State {
    character: Character,
    orders: BTreeMap<u32, StoreOrder>,
    trouble: Option<(Trouble, i64)>,
    /// Its clock was set while the world ran.
    clock_was_set: bool,
}

/// A store. Clones share it.
#[derive(Clone)]
pub(super) struct Store {
    pub(super) connection: ConnectionId,
    pub(super) start: Timestamp,
    sim: Sim,
    wire: Arc<Mutex<Wire>>,
    state: Arc<Mutex<State>>,
}

impl Store {
    pub(super) fn new(
        sim: &Sim,
        connection: ConnectionId,
        start: Timestamp,
        character: Character,
        wire: Wire,
    ) -> Self {
        Self {
            connection,
            start,
            sim: sim.clone(),
            wire: Arc::new(Mutex::new(wire)),
            state: Arc::new(Mutex::new(State {
                character,
                orders: BTreeMap::new(),
                trouble: None,
                clock_was_set: false,
            })),
        }
    }

    pub(super) fn set_wire(&self, wire: Wire) {
        *self.wire.lock().unwrap_or_else(PoisonError::into_inner) = wire;
    }

    /// Something is wrong with it until then.
    pub(super) fn trouble(&self, trouble: Trouble, until: i64) {
        self.state().trouble = Some((trouble, until));
    }

    /// Sets the clock of all its servers.
    pub(super) fn set_clock(&self, error: i64) {
        let mut state = self.state();
        state.character.clock_errors = [error; 2];
        state.clock_was_set = true;
    }

    pub(super) fn clock_was_set(&self) -> bool {
        self.state().clock_was_set
    }

    /// Its first server's clock minus the true time.
    pub(super) fn clock_error(&self) -> i64 {
        self.state().character.clock_errors[0]
    }

    /// Whether no change is still to be shown.
    pub(super) fn shows_all(&self) -> bool {
        let now = self.sim.now().micros();
        let state = self.state();
        let mut last = state.orders.values().filter_map(|one| one.versions.last());
        last.all(|version| version.shown <= now)
    }

    /// Whether every answer shows the clock that it dates by.
    pub(super) fn has_one_clock(&self) -> bool {
        let [one, other] = self.state().character.clock_errors;
        one == other
    }

    /// What verification measured, in seconds: the clock that is more wrong.
    pub(super) fn verified_difference(&self) -> i64 {
        let errors = self.state().character.clock_errors;
        let widest = errors.into_iter().max_by_key(|error| error.abs());
        widest.unwrap_or_default() / SECOND
    }

    pub(super) fn tells_time(&self) -> bool {
        self.state().character.tells_time
    }

    pub(super) fn orders(&self) -> BTreeMap<u32, StoreOrder> {
        self.state().orders.clone()
    }

    /// Ids of its orders.
    pub(super) fn ids(&self) -> Vec<u32> {
        self.state().orders.keys().copied().collect()
    }

    /// The content that an order has, shown or not.
    pub(super) fn last(&self, id: u32) -> Option<Content> {
        let state = self.state();
        let order = state.orders.get(&id);
        order.and_then(|order| Some(order.versions.last()?.content.clone()))
    }

    /// An order gets this content now, or `ago` microseconds before now; the first one places it.
    pub(super) fn change(&self, id: u32, content: Content, ago: i64) {
        let now = self.sim.now().micros() - ago;
        let (server, busy, late) = self.sim.chance(|random| {
            (
                random.below(2),
                random.per_mille(150),
                random.between(0, 1_000),
            )
        });
        let mut state = self.state();
        let character = &state.character;
        let error = character.clock_errors.get(server).copied();
        let late = if busy {
            character.latest * late / 1_000
        } else {
            0
        };
        let order = state.orders.entry(id).or_default();
        let before = order.versions.last();
        let shown = before.map_or(now + late, |before| (now + late).max(before.shown));
        let version = Version {
            content,
            clock: now + error.unwrap_or_default(),
            shown,
            punctual: shown == now,
        };
        order.versions.push(version);
    }

    fn slowest(&self) -> Duration {
        let state = self.state();
        let now = self.sim.now().micros();
        match state.trouble {
            Some((Trouble::Crawls, until)) if now < until => CRAWL,
            _ => state.character.slowest,
        }
    }

    /// What is the matter with the store now.
    fn refusal(&self) -> Option<AdapterError> {
        let now = self.sim.now().micros();
        let trouble = self.state().trouble.clone();
        let (trouble, _) = trouble.filter(|(_, until)| now < *until)?;
        match trouble {
            Trouble::Fails => {
                let text = "it fails";
                Some(AdapterError::new(
                    ErrorClass::Transient,
                    "store.failed",
                    text,
                ))
            }
            Trouble::Limits => Some(AdapterError::new(
                ErrorClass::Limited {
                    pause: Duration::from_secs(20),
                },
                "store.limited",
                "too many requests",
            )),
            Trouble::Crawls | Trouble::HoldsReader(..) => None,
        }
    }

    /// Asks the store: the request may be lost, the answer too, and either may take its time.
    async fn ask<T: Send + 'static>(
        &self,
        access: &StoreAccess,
        look: impl FnOnce(&Self) -> Result<T, AdapterError> + Send + 'static,
    ) -> Result<T, AdapterError> {
        let wire = *self.wire.lock().unwrap_or_else(PoisonError::into_inner);
        let wire = Wire {
            slowest: wire.slowest.max(self.slowest()),
            ..wire
        };
        // As every adapter does: the last moment at which a job may be found lost.
        let permit = access.gate.admit(Purpose::Orders).await.map_err(|denied| {
            let text = denied.to_string();
            AdapterError::new(ErrorClass::Transient, "gate.not_owner", text)
        })?;
        let own = self.clone();
        let answer = self.sim.call(wire, move |_| match own.refusal() {
            Some(error) => Err(error),
            None => look(&own),
        });
        let answer = answer.await;
        drop(permit);
        answer.unwrap_or_else(|_| {
            let text = "no answer in time";
            Err(AdapterError::new(
                ErrorClass::Transient,
                "http.timeout",
                text,
            ))
        })
    }

    /// Holds whoever got this page, if one of its orders is the one to hold a reader for.
    async fn hold_reader(&self, page: &OrderPage) {
        let now = self.sim.now().micros();
        let held = self.state().trouble.take_if(|(trouble, until)| {
            let shows = |id: &u32| {
                page.orders
                    .iter()
                    .any(|one| one.external_id == id.to_string())
            };
            matches!(trouble, Trouble::HoldsReader(id, _) if shows(id)) && now < *until
        });
        let (Some((Trouble::HoldsReader(id, before), until)), Some(reader)) =
            (held, self.sim.running())
        else {
            return;
        };
        self.sim.tell(|| {
            format!(
                "{reader:?} stands still with order {id} of {}",
                self.connection
            )
        });
        self.sim.freeze(reader, true);
        let long = Duration::from_micros((until - now).unsigned_abs());
        self.sim.after(long, move |sim| sim.freeze(reader, false));
        let back = self.clone();
        self.sim
            .after(Duration::from_secs(1), move |_| back.change(id, before, 0));
        self.sim.sleep(Duration::ZERO).await;
    }

    fn page(&self, since: i64, after: Option<(i64, u32)>, limit: Option<u32>) -> OrderPage {
        let now = self.sim.now().micros();
        let (repeat, server) = self
            .sim
            .chance(|random| (random.between(0, 999), random.below(2)));
        let state = self.state();
        let since = since.div_euclid(SECOND) * SECOND;
        let mut shown: Vec<(i64, u32, usize, &StoreOrder)> = state
            .orders
            .iter()
            .filter_map(|(id, order)| {
                let (version, content) = order.shown(now)?;
                Some((content.date(), *id, version, order))
            })
            .filter(|(date, id, ..)| {
                *date >= since && after.is_none_or(|after| (*date, *id) > after)
            })
            .collect();
        shown.sort_unstable_by_key(|(date, id, ..)| (*date, *id));
        let limit = limit.and_then(|limit| usize::try_from(limit).ok());
        let size = state.character.page.min(limit.unwrap_or(usize::MAX)).max(2);
        let more = shown.len() > size;
        shown.truncate(size);
        let repeats = repeat < i64::from(state.character.repeats);
        let last = match (repeats, shown.as_slice()) {
            (true, [.., before, _]) => Some(before),
            (_, all) => all.last(),
        };
        // Some stores name a next page although there is none.
        let named = more || (repeats && !shown.is_empty());
        let next = last.filter(|_| named);
        let next = next.map(|(date, id, ..)| Position(serde_json::json!([date, id])));
        let error = state.character.clock_errors.get(server).copied();
        let clock = (now + error.unwrap_or_default()).div_euclid(SECOND) * SECOND;
        self.sim.tell(|| {
            let ids = shown
                .iter()
                .map(|(date, id, version, _)| (date, id, version));
            let ids: Vec<_> = ids.collect();
            format!("{} from {since} after {after:?}: {ids:?}", self.connection)
        });
        OrderPage {
            orders: shown
                .iter()
                .map(|(_, id, version, order)| reading(*id, *version, order, now))
                .collect(),
            next,
            store_time: state
                .character
                .tells_time
                .then(|| Timestamp::from_micros(clock)),
        }
    }

    fn one(&self, id: u32) -> Option<OrderReading> {
        let now = self.sim.now().micros();
        let state = self.state();
        let order = state.orders.get(&id)?;
        let (version, _) = order.shown(now)?;
        Some(reading(id, version, order, now))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn reading(id: u32, version: usize, order: &StoreOrder, now: i64) -> OrderReading {
    let placed = Timestamp::from_micros(order.placed().div_euclid(SECOND) * SECOND);
    let Some(shown) = order.versions.get(version) else {
        unreachable!("a version that is shown is there")
    };
    let modified = Timestamp::from_micros(shown.date());
    let id = id.to_string();
    let words = Words::of(version, &shown.content, now);
    OrderReading {
        order: shown.content.order(&id, placed, modified),
        external_id: id,
        created: Some(placed),
        modified: Some(modified),
        raw: serde_json::value::to_raw_value(&words).unwrap_or_default(),
    }
}

/// The store as an adapter shows it.
pub(super) struct Adapter(pub(super) Store);

#[async_trait]
impl StoreAdapter for Adapter {
    async fn read_orders(
        &self,
        access: &StoreAccess,
        window: &OrderWindow,
        position: Option<&Position>,
    ) -> Result<OrderPage, AdapterError> {
        let since = window.modified_since.micros();
        let after = position.and_then(|position| serde_json::from_value(position.0.clone()).ok());
        let limit = window.page_limit;
        let page = self
            .0
            .ask(access, move |store| Ok(store.page(since, after, limit)))
            .await?;
        self.0.hold_reader(&page).await;
        Ok(page)
    }

    async fn read_order(
        &self,
        access: &StoreAccess,
        external_id: &str,
    ) -> Result<Option<OrderReading>, AdapterError> {
        let id = external_id.parse().unwrap_or(u32::MAX);
        self.0.ask(access, move |store| Ok(store.one(id))).await
    }

    fn descriptor(&self) -> &Descriptor {
        unreachable!("a poller reads orders alone")
    }

    fn limits(&self, _: &CapabilityProfile) -> Limits {
        unreachable!("a poller reads orders alone")
    }

    fn write_group(&self, _: ValueKind, _: &StoreIds) -> WriteGroup {
        unreachable!("a poller reads orders alone")
    }

    async fn verify(&self, _: &StoreAccess) -> Diagnosis {
        unreachable!("a poller reads orders alone")
    }

    async fn read_products(
        &self,
        _: &StoreAccess,
        _: &ProductWindow,
        _: Option<&Position>,
    ) -> Result<ProductPage, AdapterError> {
        unreachable!("a poller reads orders alone")
    }

    async fn write_stock(
        &self,
        _: &StoreAccess,
        _: &[StockWrite],
    ) -> Result<Vec<ItemOutcome>, AdapterError> {
        unreachable!("a poller reads orders alone")
    }

    async fn write_prices(
        &self,
        _: &StoreAccess,
        _: &[PriceWrite],
    ) -> Result<Vec<ItemOutcome>, AdapterError> {
        unreachable!("a poller reads orders alone")
    }
}

/// Any character.
pub(super) fn character(random: &mut Random, latest: i64) -> Character {
    let minutes =
        |random: &mut Random| random.between(-12, 12) * 60 * SECOND + random.between(0, SECOND);
    let clock_errors = match random.below(4) {
        0 => [minutes(random); 2],
        1 => [minutes(random), 0],
        _ => [random.between(-SECOND, SECOND); 2],
    };
    Character {
        page: random.below(6) + 2,
        clock_errors,
        tells_time: clock_errors.iter().any(|error| error.abs() > 2 * SECOND)
            || random.per_mille(800),
        latest,
        repeats: u32::try_from(random.between(0, 1) * 100).unwrap_or_default(),
        slowest: Duration::from_millis(random.between(100, 6_000).unsigned_abs()),
    }
}
