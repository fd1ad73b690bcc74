//! The stores: what they show, and everything that they do wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use storelink_adapter_api::{
    AdapterError, CapabilityProfile, Denied, Descriptor, Diagnosis, ErrorClass, ItemOutcome,
    Limits, OrderPage, OrderReading, OrderWindow, Position, PriceWrite, ProductPage, ProductWindow,
    Purpose, StockWrite, StoreAccess, StoreAdapter, StoreIds, ValueKind, WriteGroup,
};
use storelink_lanes::lane::PackedIds;
use storelink_model::{ConnectionId, Timestamp};

use super::World;
use super::plan::LATEST_EFFECT;
use crate::kernel::{ProcessId, Random, Sim, Wire};

/// Items of one request.
pub(super) const BATCH: usize = 20;

/// What a store shows and how it feels.
#[derive(Debug, Default)]
pub(crate) struct Shop {
    /// Quantities by the packed ids.
    pub(super) shown: BTreeMap<String, i64>,
    /// Articles that it refuses now.
    pub(super) refuses: BTreeSet<String>,
    /// What it refused, once or more often.
    pub(super) refused: BTreeSet<(String, i64)>,
    /// No request arrives until then.
    pub(super) out_until: Option<Timestamp>,
    /// It answers readers with 429 until then.
    pub(super) limited_until: Option<Timestamp>,
    /// It believes only keys of this revision or a later one.
    pub(super) keys_from: u64,
    pub(super) requests: u64,
}

/// How a store deals with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behaviour {
    Good,
    /// Leaves an item out, and says nothing of it.
    ShortAnswer,
    /// The connection is refused.
    Unreachable,
    /// No answer, and perhaps an effect, perhaps late.
    Silent,
    /// Asks for a pause.
    Limited,
    /// Fails before, or after, it did everything.
    Failing,
    /// Does half of it and says so.
    Half,
    /// Does half of it, and of the others nobody knows.
    HalfUnknown,
    /// Stores another value and shows it.
    Wrong,
    /// Takes fewer items at once.
    TooLarge,
}

impl Behaviour {
    fn draw(random: &mut Random, misbehaviour: u32) -> Self {
        if !random.per_mille(misbehaviour) {
            return Self::Good;
        }
        let bad = [
            Self::ShortAnswer,
            Self::Unreachable,
            Self::Silent,
            Self::Silent,
            Self::Silent,
            Self::Limited,
            Self::Failing,
            Self::Failing,
            Self::Half,
            Self::HalfUnknown,
            Self::Wrong,
            Self::TooLarge,
        ];
        random.one_of(&bad).copied().unwrap_or(Self::Good)
    }
}

/// What came back.
enum Answer {
    Outcomes(Vec<ItemOutcome>),
    Error(AdapterError, u16),
}

/// All stores, as one process reaches them.
#[derive(Clone)]
pub(super) struct Platform {
    world: Arc<World>,
    process: ProcessId,
}

/// A request under way; it ends also when its process does.
struct UnderWay {
    world: Arc<World>,
    request: u64,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let now = self.world.sim.now();
        self.world.judge().ended(self.request, now);
    }
}

/// Notes when nobody waits for an answer any more, which may be because the process was killed.
struct GivenUp {
    sim: Sim,
    when: Arc<OnceLock<Timestamp>>,
}

impl GivenUp {
    fn of(sim: &Sim) -> Self {
        Self {
            sim: sim.clone(),
            when: Arc::default(),
        }
    }
}

impl Drop for GivenUp {
    fn drop(&mut self) {
        self.when.set(self.sim.now()).ok();
    }
}

impl Platform {
    pub(super) fn of(world: &Arc<World>, process: ProcessId) -> Self {
        Self {
            world: world.clone(),
            process,
        }
    }

    async fn request(
        &self,
        access: &StoreAccess,
        items: Vec<(String, i64)>,
    ) -> Result<Vec<ItemOutcome>, AdapterError> {
        let permit = access.gate.admit(Purpose::Write).await;
        let permit = permit.map_err(|denied| {
            let code = match denied {
                Denied::NotOwner => "gate.not_owner",
                Denied::Stopped => "gate.stopped",
                Denied::Busy => "gate.busy",
            };
            AdapterError::new(ErrorClass::Transient, code, denied.to_string())
        })?;
        let (world, connection) = (self.world.clone(), access.connection.clone());
        let request = world.judge_request(self.process, &connection, &items);
        let _under_way = UnderWay {
            world: world.clone(),
            request,
        };
        let begun = world.sim.now();
        let count = items.len();
        let keys = world.keys_of(self.process, &connection);
        let answer = self.exchange(&connection, items, keys).await;
        let took = world.sim.now().since(begun);
        let took = Duration::try_from(took).unwrap_or_default();
        let status = match &answer {
            None => None,
            Some(Answer::Outcomes(_)) => Some(200),
            Some(Answer::Error(_, status)) => Some(*status),
        };
        access.gate.observe(status, took);
        drop(permit);
        world.sim.tell(|| {
            let words = match &answer {
                None => "no answer".to_owned(),
                Some(Answer::Outcomes(outcomes)) => format!("{outcomes:?}"),
                Some(Answer::Error(error, _)) => error.to_string(),
            };
            format!("request {request} of {connection}: {count} items: {words}")
        });
        match answer {
            Some(Answer::Outcomes(outcomes)) => Ok(outcomes),
            Some(Answer::Error(error, _)) => {
                if error.class == ErrorClass::Attention {
                    world.judge().told_of_keys(self.process, &connection, keys);
                }
                if let ErrorClass::Limited { pause } = error.class {
                    let now = world.sim.now();
                    world
                        .judge()
                        .told_to_pause(self.process, &connection, now, pause);
                }
                Err(error)
            }
            None => Err(transient("http.timeout").with_unknown_outcome()),
        }
    }

    /// None when no answer comes.
    async fn exchange(
        &self,
        connection: &ConnectionId,
        items: Vec<(String, i64)>,
        keys: u64,
    ) -> Option<Answer> {
        let world = &self.world;
        let weather = world.weather();
        let misbehaviour = if weather.calm {
            0
        } else {
            world.plan.misbehaviour
        };
        let behaviour = world
            .sim
            .chance(|random| Behaviour::draw(random, misbehaviour));
        let mut wire = weather.store();
        if behaviour == Behaviour::Silent {
            return self.silence(connection, items, wire).await;
        }
        wire.patience = Duration::from_secs(30);
        let (at, connection) = (world.clone(), connection.clone());
        let call = world.sim.call(wire, move |sim| {
            let now = sim.now();
            at.shop(&connection, |shop| {
                if keys < shop.keys_from {
                    return Answer::keys_refused();
                }
                sim.chance(|random| shop.answer(behaviour, &items, now, random))
            })
        });
        call.await.ok()
    }

    /// The request is lost, or has its effect at once, or late, or only in part; nobody hears of it.
    async fn silence(
        &self,
        connection: &ConnectionId,
        items: Vec<(String, i64)>,
        wire: Wire,
    ) -> Option<Answer> {
        let world = &self.world;
        let given_up = GivenUp::of(&world.sim);
        let (patience, effects) = world.sim.chance(|random| {
            let most = match random.below(40) {
                0 => 100,
                1..=5 => 30,
                _ => 6,
            };
            let patience = random.duration(Duration::from_secs(1), Duration::from_secs(most));
            let arrives = random.duration(wire.quickest, wire.slowest);
            let (lost, late) = (random.per_mille(250), random.per_mille(500));
            let mut effects = Vec::new();
            for item in items {
                if lost || random.per_mille(150) {
                    continue;
                }
                let delay = match late {
                    true => random.duration(arrives, patience + LATEST_EFFECT),
                    false => arrives,
                };
                effects.push((delay, item));
            }
            (patience, effects)
        });
        for (delay, (id, value)) in effects {
            let (at, connection) = (world.clone(), connection.clone());
            let given_up = given_up.when.clone();
            world.sim.after(delay, move |sim| {
                let since = given_up.get().map(|since| sim.now().since(*since));
                if since.is_some_and(|since| since > LATEST_EFFECT) {
                    return;
                }
                sim.tell(|| format!("{connection} shows {value} for {id}, unheard"));
                at.shop(&connection, |shop| shop.shown.insert(id, value));
            });
        }
        world.sim.sleep(patience).await;
        None
    }
}

impl Answer {
    fn keys_refused() -> Self {
        let error = AdapterError::new(ErrorClass::Attention, "memory.keys", "unknown keys");
        Self::Error(error, 401)
    }
}

impl Shop {
    fn answer(
        &mut self,
        behaviour: Behaviour,
        items: &[(String, i64)],
        now: Timestamp,
        random: &mut Random,
    ) -> Answer {
        self.requests += 1;
        if behaviour == Behaviour::Unreachable || self.out_until.is_some_and(|until| until > now) {
            return Answer::Error(transient("http.connect"), 0);
        }
        match behaviour {
            Behaviour::Limited => {
                let pause = random.duration(Duration::from_secs(2), Duration::from_secs(15));
                let class = ErrorClass::Limited { pause };
                let error = AdapterError::new(class, "memory.limited", "too many");
                Answer::Error(error, 429)
            }
            Behaviour::Failing => {
                if random.per_mille(500) {
                    self.take(items);
                }
                Answer::Error(transient("memory.failed").with_unknown_outcome(), 500)
            }
            Behaviour::TooLarge if items.len() > 1 => {
                let error = AdapterError::new(ErrorClass::Rejected, "memory.too_large", "");
                Answer::Error(error.with_smaller_batch(), 413)
            }
            Behaviour::Half | Behaviour::HalfUnknown => {
                let half = items.len().div_ceil(2);
                let (done, left) = items.split_at(half);
                let mut outcomes = self.take(done);
                for (id, value) in left {
                    if behaviour == Behaviour::HalfUnknown && random.per_mille(500) {
                        self.shown.insert(id.clone(), *value);
                    }
                    outcomes.push(ItemOutcome::Unknown);
                }
                Answer::Outcomes(outcomes)
            }
            Behaviour::ShortAnswer => {
                let left_out = random.below(items.len());
                let done = items.iter().enumerate();
                let done = done.filter(|(place, _)| *place != left_out);
                let done: Vec<_> = done.map(|(_, item)| item.clone()).collect();
                Answer::Outcomes(self.take(&done))
            }
            Behaviour::Wrong => {
                let mut outcomes = self.take(items);
                let place = random.below(items.len());
                if let (Some((id, value)), Some(outcome)) =
                    (items.get(place), outcomes.get_mut(place))
                {
                    self.shown.insert(id.clone(), value / 2 + 1_000);
                    *outcome = self.refuse(id, *value);
                }
                Answer::Outcomes(outcomes)
            }
            Behaviour::Good | Behaviour::TooLarge | Behaviour::Unreachable | Behaviour::Silent => {
                Answer::Outcomes(self.take(items))
            }
        }
    }

    fn take(&mut self, items: &[(String, i64)]) -> Vec<ItemOutcome> {
        let take = |(id, value): &(String, i64)| {
            if self.refuses.contains(id) {
                return self.refuse(id, *value);
            }
            self.shown.insert(id.clone(), *value);
            ItemOutcome::Confirmed
        };
        items.iter().map(take).collect()
    }

    fn refuse(&mut self, id: &str, value: i64) -> ItemOutcome {
        self.refused.insert((id.to_owned(), value));
        ItemOutcome::Rejected {
            code: "memory.refused",
            text: format!("{id} cannot be {value}"),
        }
    }
}

fn transient(code: &'static str) -> AdapterError {
    AdapterError::new(ErrorClass::Transient, code, code)
}

#[async_trait]
impl StoreAdapter for Platform {
    #[allow(clippy::expect_used)]
    fn descriptor(&self) -> &Descriptor {
        static DESCRIPTOR: OnceLock<Descriptor> = OnceLock::new();
        DESCRIPTOR.get_or_init(|| {
            let descriptor = serde_json::json!({
                "platform": "memory", "title": "Memory", "kind": "store", "summary": "",
                "fields": [], "guide": { "in_store": [], "here": [] }, "permissions": [],
                "credential_lifetime": "", "lifecycle": { "state": "current" },
                "versions_checked": [], "capabilities": { "stock": true, "prices": true },
                "entities": [],
            });
            serde_json::from_value(descriptor).expect("a descriptor")
        })
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

    async fn write_stock(
        &self,
        access: &StoreAccess,
        items: &[StockWrite],
    ) -> Result<Vec<ItemOutcome>, AdapterError> {
        let items = items.iter().map(|item| {
            let id = PackedIds::pack(&item.ids).as_str().to_owned();
            let value = item.quantity.to_string().parse().unwrap_or(-1);
            (id, value)
        });
        self.request(access, items.collect()).await
    }

    async fn write_prices(
        &self,
        _: &StoreAccess,
        _: &[PriceWrite],
    ) -> Result<Vec<ItemOutcome>, AdapterError> {
        Err(transient("memory.none"))
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
        Err(transient("memory.none"))
    }

    async fn read_order(
        &self,
        _: &StoreAccess,
        _: &str,
    ) -> Result<Option<OrderReading>, AdapterError> {
        Err(transient("memory.none"))
    }

    async fn read_products(
        &self,
        _: &StoreAccess,
        _: &ProductWindow,
        _: Option<&Position>,
    ) -> Result<ProductPage, AdapterError> {
        Err(transient("memory.none"))
    }
}
