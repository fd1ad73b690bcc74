//! The tables of order-ingest in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use storelink_bus::PublishError;
use storelink_model::{OrderId, Timestamp};
use storelink_order_ingest::IngestError;
use storelink_order_ingest::simulation::{
    Arrival, Claimed, Entries, Entry, LedgerRecords, LedgerTransaction, NewEvent, NewRevision,
    Outbox, Store, Waiting, Writes,
};
use storelink_persistence::DbError;
use tokio::sync::OwnedMutexGuard;

use super::sql::Sql;

/// Connection, and the store's id.
type Key = (String, String);
type RowLock = Arc<tokio::sync::Mutex<()>>;

/// A row of the outbox.
struct Event {
    event: NewEvent,
    due: i64,
    attempts: i64,
    published: bool,
}

#[derive(Default)]
struct State {
    orders: BTreeMap<Key, Entry>,
    revisions: BTreeMap<OrderId, Vec<NewRevision>>,
    events: BTreeMap<String, Event>,
    /// Those that are not published, by age.
    waiting: BTreeSet<(i64, String)>,
    store: Option<Store>,
    /// The greatest sequence that the stream of events is known to have given.
    reached: u64,
}

/// The tables. Clones share them.
#[derive(Clone)]
pub(super) struct LedgerTables {
    sql: Sql,
    state: Arc<Mutex<State>>,
    locks: Arc<Mutex<BTreeMap<Key, RowLock>>>,
}

impl LedgerTables {
    pub(super) fn new(sql: &Sql) -> Self {
        Self {
            sql: sql.clone(),
            state: Arc::default(),
            locks: Arc::default(),
        }
    }

    /// Every order with its contents, oldest first.
    pub(super) fn orders(&self) -> Vec<(Key, Vec<NewRevision>)> {
        let state = self.state();
        let orders = state.orders.iter().map(|(key, entry)| {
            let revisions = state.revisions.get(entry.id());
            (key.clone(), revisions.cloned().unwrap_or_default())
        });
        orders.collect()
    }

    /// How many events wait.
    pub(super) fn waiting(&self) -> usize {
        self.state().waiting.len()
    }

    fn find(&self, arrivals: &[(Key, Entry)]) -> Entries {
        let mut state = self.state();
        let found = arrivals.iter().map(|(key, fresh)| {
            let row = state.orders.entry(key.clone());
            (key.clone(), row.or_insert_with(|| fresh.clone()).as_found())
        });
        found.collect()
    }

    fn apply(&self, entries: Vec<Entry>, writes: Writes) {
        let mut state = self.state();
        for entry in entries {
            state.orders.insert(entry.key(), entry);
        }
        for revision in writes.revisions {
            let of_order = state.revisions.entry(revision.order.clone()).or_default();
            of_order.push(revision);
        }
        for event in writes.events {
            state.waiting.insert((event.created, event.id.clone()));
            let row = Event {
                due: 0,
                attempts: 0,
                published: false,
                event,
            };
            state.events.insert(row.event.id.clone(), row);
        }
    }

    fn lock_of(&self, key: &Key) -> RowLock {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        locks.entry(key.clone()).or_default().clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn claim(&mut self, now: i64, until: i64, limit: usize) -> Vec<Claimed> {
        let mut first: BTreeMap<&str, i64> = BTreeMap::new();
        let waiting = || {
            let rows = self.waiting.iter();
            rows.filter_map(|(_, id)| self.events.get(id))
        };
        for row in waiting() {
            let least = first.entry(&row.event.chain).or_insert(row.event.position);
            *least = row.event.position.min(*least);
        }
        let claimed: Vec<String> = waiting()
            .filter(|row| row.due <= now)
            .filter(|row| first.get(row.event.chain.as_str()) == Some(&row.event.position))
            .take(limit)
            .map(|row| row.event.id.clone())
            .collect();
        let mut rows = Vec::with_capacity(claimed.len());
        for id in claimed {
            if let Some(row) = self.events.get_mut(&id) {
                row.due = until;
                rows.push(Claimed {
                    size: i64::try_from(row.event.payload.len()).unwrap_or(i64::MAX),
                    id,
                });
            }
        }
        rows
    }

    fn published(&mut self, id: &str, until: i64, reached: u64) {
        if let Some(row) = self.events.get_mut(id).filter(|row| row.due == until) {
            row.published = true;
            self.waiting.remove(&(row.event.created, id.to_owned()));
            self.reached = self.reached.max(reached);
        }
    }

    fn known_store(&self) -> Option<Store> {
        let mut store = self.store;
        if let Some(Store::Stream { last_sequence, .. }) = &mut store {
            *last_sequence = self.reached.max(*last_sequence);
        }
        store
    }

    fn keep_store(&mut self, store: Store, again: Option<i64>) -> u64 {
        self.store = Some(store);
        if again.is_some() {
            self.reached = 0;
        }
        if let Store::Stream { last_sequence, .. } = store {
            self.reached = self.reached.max(last_sequence);
        }
        again.map_or(0, |since| self.again(since))
    }

    fn again(&mut self, since: i64) -> u64 {
        let mut rows = 0;
        for row in self.events.values_mut() {
            if row.event.created > since {
                row.attempts = if row.published { 0 } else { row.attempts };
                (row.published, row.due) = (false, 0);
                self.waiting
                    .insert((row.event.created, row.event.id.clone()));
                rows += 1;
            }
        }
        rows
    }
}

impl Event {
    fn waiting(&self) -> Waiting {
        let event = self.event.clone();
        Waiting {
            id: event.id,
            order_event: event.kind == "order",
            chain: event.chain,
            position: event.position,
            tenant: event.tenant.to_string(),
            subject: event.subject,
            payload: event.payload,
            trace: event.trace,
            attempts: self.attempts,
        }
    }
}

/// A transaction: what it writes is seen when it is committed, and its rows are locked until then.
struct Open {
    tables: LedgerTables,
    locks: Vec<OwnedMutexGuard<()>>,
    written: Option<(Vec<Entry>, Writes)>,
}

#[async_trait]
impl LedgerRecords for LedgerTables {
    async fn begin(&self) -> Result<Box<dyn LedgerTransaction>, DbError> {
        self.sql.run(|_| ()).await?;
        Ok(Box::new(Open {
            tables: self.clone(),
            locks: Vec::new(),
            written: None,
        }))
    }
}

#[async_trait]
impl LedgerTransaction for Open {
    async fn lock(&mut self, arrivals: &[Arrival], _: Timestamp) -> Result<Entries, IngestError> {
        let fresh: BTreeMap<Key, Entry> = arrivals
            .iter()
            .map(|arrival| {
                let entry = Entry::new_row(arrival);
                (entry.key(), entry)
            })
            .collect();
        for key in fresh.keys() {
            let lock = self.tables.lock_of(key);
            self.locks.push(lock.lock_owned().await);
        }
        let (tables, fresh) = (self.tables.clone(), fresh.into_iter().collect::<Vec<_>>());
        let found = self.tables.sql.run(move |_| tables.find(&fresh)).await?;
        Ok(found)
    }

    async fn recall(
        &mut self,
        arrivals: &[Arrival],
        entries: &mut Entries,
    ) -> Result<(), IngestError> {
        let orders = arrivals
            .iter()
            .filter_map(|one| one.read().order.as_deref());
        let named = orders
            .flat_map(|order| &order.lines)
            .all(|line| line.sku.is_some());
        if named {
            return Ok(());
        }
        let state = self.tables.state();
        for entry in entries.values_mut() {
            let revisions = state.revisions.get(entry.id());
            let last = revisions.and_then(|all| {
                let understood = all.iter().rev().find_map(|one| one.normalised.as_deref());
                understood.map(str::to_owned)
            });
            if let Some(order) = last {
                entry.learn(&order)?;
            }
        }
        Ok(())
    }

    async fn save(&mut self, entries: Vec<Entry>, writes: Writes) -> Result<(), DbError> {
        self.tables.sql.run(|_| ()).await?;
        self.written = Some((entries, writes));
        Ok(())
    }

    async fn commit(self: Box<Self>) -> Result<(), DbError> {
        let Self {
            tables,
            locks,
            written,
        } = *self;
        let sql = tables.sql.clone();
        sql.run(move |_| {
            if let Some((entries, writes)) = written {
                tables.apply(entries, writes);
            }
            drop(locks);
        })
        .await
    }
}

#[async_trait]
impl Outbox for LedgerTables {
    async fn take_over(&self) -> Result<(), DbError> {
        let own = self.clone();
        self.sql
            .run(move |_| {
                for row in own.state().events.values_mut() {
                    if !row.published && row.attempts == 0 {
                        row.due = 0;
                    }
                }
            })
            .await
    }

    async fn claim(&self, now: i64, until: i64, limit: i64) -> Result<Vec<Claimed>, DbError> {
        let own = self.clone();
        let limit = usize::try_from(limit).unwrap_or_default();
        self.sql
            .run(move |_| own.state().claim(now, until, limit))
            .await
    }

    async fn load(&self, claimed: &[Claimed]) -> Result<Vec<Waiting>, DbError> {
        let own = self.clone();
        let ids: Vec<String> = claimed.iter().map(|row| row.id.clone()).collect();
        self.sql
            .run(move |_| {
                let state = own.state();
                let rows = ids.iter().filter_map(|id| state.events.get(id));
                rows.map(Event::waiting).collect()
            })
            .await
    }

    async fn mark(
        &self,
        done: &[Waiting],
        until: i64,
        _: i64,
        reached: u64,
    ) -> Result<(), DbError> {
        let own = self.clone();
        let done: Vec<String> = done.iter().map(|row| row.id.clone()).collect();
        self.sql
            .run(move |_| {
                let mut state = own.state();
                done.iter()
                    .for_each(|id| state.published(id, until, reached));
            })
            .await
    }

    async fn postpone(&self, row: &Waiting, due: i64) -> Result<(), DbError> {
        let (own, id) = (self.clone(), row.id.clone());
        self.sql
            .run(move |_| {
                if let Some(row) = own.state().events.get_mut(&id) {
                    row.due = due;
                    row.attempts += 1;
                }
            })
            .await
    }

    async fn park(&self, _: &Waiting, _: &PublishError) -> Result<(), DbError> {
        self.sql.run(|_| ()).await
    }

    async fn close(&self, _: &Waiting) -> Result<(), DbError> {
        self.sql.run(|_| ()).await
    }

    async fn known_store(&self) -> Result<Option<Store>, IngestError> {
        let own = self.clone();
        Ok(self.sql.run(move |_| own.state().known_store()).await?)
    }

    async fn keep_store(&self, store: Store, again: Option<i64>) -> Result<u64, IngestError> {
        let own = self.clone();
        let keep = move |_: &crate::kernel::Sim| own.state().keep_store(store, again);
        Ok(self.sql.run(keep).await?)
    }
}
