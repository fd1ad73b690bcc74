//! The tables of pollers in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use storelink_model::{ConnectionId, Timestamp};
use storelink_persistence::DbError;
use storelink_poller::simulation::{
    Acknowledged, CursorStore, HandedOn, HandoverStore, Kept, Note, SavedCursor, Seen,
};

use super::sql::Sql;

/// Sees every walk that ends: its connection and the mark that it leaves.
type OnMark = dyn Fn(&ConnectionId, Timestamp) + Send + Sync;

#[derive(Default)]
struct State {
    cursors: BTreeMap<ConnectionId, SavedCursor>,
    numbers: BTreeMap<ConnectionId, i64>,
    handed_on: BTreeMap<(ConnectionId, String), HandedOn>,
    /// When each number was drawn, by the true time.
    drawn: BTreeMap<(ConnectionId, i64), i64>,
}

/// The tables. Clones share them.
#[derive(Clone)]
pub(super) struct PollerTables {
    sql: Sql,
    state: Arc<Mutex<State>>,
    on_mark: Arc<OnMark>,
}

impl PollerTables {
    pub(super) fn new(
        sql: &Sql,
        on_mark: impl Fn(&ConnectionId, Timestamp) + Send + Sync + 'static,
    ) -> Self {
        Self {
            sql: sql.clone(),
            state: Arc::default(),
            on_mark: Arc::new(on_mark),
        }
    }

    /// Whether a walk of this connection is under way.
    pub(super) fn is_walking(&self, connection: &ConnectionId) -> bool {
        let state = self.state();
        let cursor = state.cursors.get(connection);
        cursor.is_none_or(|cursor| cursor.walk.is_some())
    }

    /// What the last walk that ended says about a store's clock: its difference to ours.
    pub(super) fn clock_offset(&self, connection: &ConnectionId) -> Option<i64> {
        let state = self.state();
        let kept: Kept = serde_json::from_str(&state.cursors.get(connection)?.cursor).ok()?;
        Some(kept.cursor.clock_offset_micros)
    }

    /// When a number was drawn, by the true time.
    pub(super) fn drawn(&self, connection: &ConnectionId, number: i64) -> Option<i64> {
        let key = (connection.clone(), number);
        self.state().drawn.get(&key).copied()
    }

    fn save(
        &self,
        connection: &ConnectionId,
        expected: i64,
        cursor: String,
        walk: Option<String>,
    ) -> bool {
        let mut state = self.state();
        let version = state.cursors.get(connection).map_or(0, |row| row.version);
        if version != expected {
            return false;
        }
        let ended = walk
            .is_none()
            .then(|| serde_json::from_str::<Kept>(&cursor));
        let saved = SavedCursor {
            version: version + 1,
            cursor,
            walk,
        };
        self.sql
            .sim
            .tell(|| format!("{connection}: saves {saved:?}"));
        state.cursors.insert(connection.clone(), saved);
        drop(state);
        if let Some(Ok(kept)) = ended
            && let Some(mark) = kept.cursor.mark
        {
            (self.on_mark)(connection, mark);
        }
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl CursorStore for PollerTables {
    async fn cursor(
        &self,
        connection: &ConnectionId,
        _: &str,
    ) -> Result<Option<SavedCursor>, DbError> {
        let (own, connection) = (self.clone(), connection.clone());
        self.sql
            .run(move |_| own.state().cursors.get(&connection).cloned())
            .await
    }

    async fn save_cursor(
        &self,
        connection: &ConnectionId,
        _: &str,
        expected: i64,
        cursor: String,
        walk: Option<String>,
    ) -> Result<bool, DbError> {
        let (own, connection) = (self.clone(), connection.clone());
        self.sql
            .run(move |_| own.save(&connection, expected, cursor, walk))
            .await
    }

    async fn draw_read_number(&self, connection: &ConnectionId) -> Result<i64, DbError> {
        let (own, connection) = (self.clone(), connection.clone());
        let now = Timestamp::now().micros();
        self.sql
            .run(move |sim| {
                let mut state = own.state();
                let last = state.numbers.entry(connection.clone()).or_default();
                *last = if *last >= now { *last + 1 } else { now };
                let number = *last;
                state.drawn.insert((connection, number), sim.now().micros());
                number
            })
            .await
    }
}

#[async_trait]
impl HandoverStore for PollerTables {
    async fn handed_on(
        &self,
        connection: &ConnectionId,
        orders: &[Seen],
    ) -> Result<HashMap<String, HandedOn>, DbError> {
        let own = self.clone();
        let keys: Vec<_> = orders
            .iter()
            .map(|seen| (connection.clone(), seen.external_id.clone()))
            .collect();
        self.sql
            .run(move |_| {
                let state = own.state();
                let rows = keys.into_iter().filter_map(|key| {
                    let row = state.handed_on.get(&key).cloned()?;
                    Some((key.1, row))
                });
                rows.collect()
            })
            .await
    }

    async fn note(&self, connection: &ConnectionId, notes: &[Note]) -> Result<bool, DbError> {
        let (own, connection, notes) = (self.clone(), connection.clone(), notes.to_vec());
        self.sql
            .run(move |_| {
                let mut state = own.state();
                let fits = |note: &Note| {
                    let key = (connection.clone(), note.external_id.clone());
                    state.handed_on.get(&key).map(|row| row.read_number) == note.expected
                };
                own.sql
                    .sim
                    .tell(|| format!("{connection}: notes {notes:?}"));
                if !notes.iter().all(fits) {
                    return false;
                }
                for note in notes {
                    let key = (connection.clone(), note.external_id);
                    state.handed_on.insert(key, note.kept);
                }
                true
            })
            .await
    }

    async fn mark_stored(
        &self,
        connection: &ConnectionId,
        orders: &[Acknowledged],
    ) -> Result<(), DbError> {
        let (own, connection, orders) = (self.clone(), connection.clone(), orders.to_vec());
        self.sql
            .run(move |_| {
                let mut state = own.state();
                for order in orders {
                    let key = (connection.clone(), order.external_id);
                    let row = state.handed_on.get_mut(&key);
                    if let Some(row) = row.filter(|row| row.read_number == order.read_number) {
                        row.sequence = Some(order.sequence);
                    }
                }
            })
            .await
    }

    async fn latest(&self, connection: &ConnectionId) -> Result<Vec<String>, DbError> {
        let (own, connection) = (self.clone(), connection.clone());
        self.sql
            .run(move |_| {
                let state = own.state();
                let rows = state.handed_on.iter();
                let mut rows: Vec<_> = rows
                    .filter(|((of, _), row)| *of == connection && row.sequence.is_some())
                    .filter_map(|((_, id), row)| Some((row.modified?, id.clone())))
                    .collect();
                rows.sort_by(|one, other| other.cmp(one));
                rows.into_iter().take(64).map(|(_, id)| id).collect()
            })
            .await
    }

    async fn prune(&self, connection: &ConnectionId, before: Timestamp) -> Result<(), DbError> {
        let (own, connection) = (self.clone(), connection.clone());
        self.sql
            .run(move |_| {
                own.state().handed_on.retain(|(of, _), row| {
                    let known = row.modified.map_or(row.read_number, Timestamp::micros);
                    *of != connection || known >= before.micros()
                });
            })
            .await
    }

    async fn forget(&self, connection: &ConnectionId) -> Result<(), DbError> {
        let (own, connection) = (self.clone(), connection.clone());
        self.sql
            .run(move |_| own.state().handed_on.retain(|(of, _), _| *of != connection))
            .await
    }
}
