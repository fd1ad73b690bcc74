//! The levels and holds of one tenant.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use indexmap::IndexSet;
use storelink_events::hold::Hold;
use storelink_model::{Sku, Timestamp};
use storelink_planted_faults::planted;

use super::{LevelListener, SkuId};
use crate::kind::{LaneKind, Level};

/// A level with its place in the last-value stream.
#[derive(Debug, Clone)]
pub struct Cell<V> {
    /// The level.
    pub level: Level<V>,
    /// Its sequence in the last-value stream; 0 when the stream was made anew since.
    pub sequence: u64,
    /// The trace of the event that brought it.
    pub trace: Option<Arc<str>>,
}

type Listeners = Arc<[Arc<dyn LevelListener>]>;

/// The levels of one tenant: a column per source, a row per article.
pub struct TenantLevels<K: LaneKind>(RwLock<State<K>>);

struct State<K: LaneKind> {
    skus: IndexSet<Sku>,
    sources: Vec<Column<K>>,
    /// Of the few articles that have any.
    holds: HashMap<SkuId, Vec<Hold>>,
}

struct Column<K: LaneKind> {
    source: K::Source,
    cells: Vec<Option<Cell<K::Value>>>,
    listeners: Listeners,
}

impl<K: LaneKind> TenantLevels<K> {
    pub(super) fn new() -> Self {
        Self(RwLock::new(State {
            skus: IndexSet::new(),
            sources: Vec::new(),
            holds: HashMap::new(),
        }))
    }

    /// The number of an article; a new one gets the next.
    #[must_use]
    pub fn sku_id(&self, sku: &Sku) -> SkuId {
        if let Some(id) = self.known_sku(sku) {
            return id;
        }
        self.write(|state| state.intern(sku))
    }

    /// The number of an article that was seen before.
    #[must_use]
    pub fn known_sku(&self, sku: &Sku) -> Option<SkuId> {
        self.read(|state| state.skus.get_index_of(sku).map(to_id))
    }

    /// The article with this number.
    #[must_use]
    pub fn sku(&self, id: SkuId) -> Option<Sku> {
        self.read(|state| state.skus.get_index(to_index(id)).cloned())
    }

    /// Who hears of changes in these sources from now on.
    pub fn subscribe(&self, sources: &[K::Source], listener: Arc<dyn LevelListener>) {
        self.write(|state| {
            for source in sources {
                let column = state.column(source);
                if let Some(column) = state.sources.get_mut(column) {
                    let known = column.listeners.iter().cloned();
                    column.listeners = known.chain([listener.clone()]).collect();
                }
            }
        });
    }

    /// Ends what [`TenantLevels::subscribe`] began.
    pub fn unsubscribe(&self, listener: &Arc<dyn LevelListener>) {
        self.write(|state| {
            for column in &mut state.sources {
                if column
                    .listeners
                    .iter()
                    .any(|one| Arc::ptr_eq(one, listener))
                {
                    let others = column
                        .listeners
                        .iter()
                        .filter(|one| !Arc::ptr_eq(one, listener));
                    column.listeners = others.cloned().collect();
                }
            }
        });
    }

    /// Asks with the cells of one article, one for each of the sources, while nothing changes.
    pub fn with_cells<T>(
        &self,
        sources: &[K::Source],
        ask: impl FnOnce(&CellReader<'_, K>) -> T,
    ) -> T {
        self.read(|state| {
            let columns = sources
                .iter()
                .map(|source| state.sources.iter().find(|column| column.source == *source))
                .collect();
            let holds = &state.holds;
            ask(&CellReader { columns, holds })
        })
    }

    /// Takes over all holds of an article, and tells all lanes of the tenant.
    pub fn hold(&self, sku: &Sku, holds: Vec<Hold>, now: Timestamp) {
        let (id, listeners) = self.write(|state| {
            let id = state.intern(sku);
            if holds.is_empty() {
                state.holds.remove(&id);
            } else {
                state.holds.insert(id, holds);
            }
            (id, state.listeners())
        });
        for listener in listeners {
            listener.held(id, now);
        }
    }

    /// All holds of an article, those included whose time is over.
    #[must_use]
    pub fn holds(&self, sku: SkuId) -> Vec<Hold> {
        self.read(|state| state.holds.get(&sku).cloned().unwrap_or_default())
    }

    /// `sequence` is asked while nobody can forget sequences.
    pub(super) fn put(
        &self,
        source: &K::Source,
        sku: &Sku,
        level: Level<K::Value>,
        sequence: impl FnOnce() -> u64,
        trace: Option<Arc<str>>,
    ) -> Option<(SkuId, Listeners)> {
        self.write(|state| {
            let sequence = sequence();
            let id = state.intern(sku);
            let column = state.column(source);
            let column = state.sources.get_mut(column)?;
            let index = to_index(id);
            if column.cells.len() <= index {
                column.cells.resize_with(index + 1, || None);
            }
            let place = column.cells.get_mut(index)?;
            // A stream that was made anew counts from the beginning: then the version tells.
            let newer = |cell: &Cell<K::Value>| {
                level.version.compare(cell.level.version) == Ok(std::cmp::Ordering::Greater)
            };
            if place
                .as_ref()
                .is_some_and(|cell| cell.sequence >= sequence && !newer(cell))
                && !planted!(OlderSequenceReplaces)
            {
                return None;
            }
            *place = Some(Cell {
                level,
                sequence,
                trace,
            });
            Some((id, column.listeners.clone()))
        })
    }

    pub(super) fn get(&self, source: &K::Source, sku: &Sku) -> Option<Cell<K::Value>> {
        self.read(|state| {
            let index = state.skus.get_index_of(sku)?;
            let column = state
                .sources
                .iter()
                .find(|column| column.source == *source)?;
            column.cells.get(index).cloned().flatten()
        })
    }

    pub(super) fn of_sku(&self, sku: &Sku) -> Vec<(K::Source, Cell<K::Value>)> {
        self.read(|state| {
            let Some(index) = state.skus.get_index_of(sku) else {
                return Vec::new();
            };
            let cells = state.sources.iter().filter_map(|column| {
                let cell = column.cells.get(index).cloned().flatten()?;
                Some((column.source.clone(), cell))
            });
            cells.collect()
        })
    }

    pub(super) fn forget_sequences(&self) {
        self.write(|state| {
            let cells = state
                .sources
                .iter_mut()
                .flat_map(|column| column.cells.iter_mut());
            for cell in cells.flatten() {
                cell.sequence = 0;
            }
        });
    }

    pub(super) fn len(&self) -> usize {
        self.read(|state| {
            let columns = state.sources.iter();
            columns
                .map(|column| column.cells.iter().flatten().count())
                .sum()
        })
    }

    fn read<T>(&self, read: impl FnOnce(&State<K>) -> T) -> T {
        read(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, write: impl FnOnce(&mut State<K>) -> T) -> T {
        write(&mut self.0.write().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<K: LaneKind> std::fmt::Debug for TenantLevels<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TenantLevels")
            .field("values", &self.len())
            .finish()
    }
}

impl<K: LaneKind> State<K> {
    fn intern(&mut self, sku: &Sku) -> SkuId {
        let known = self.skus.get_index_of(sku);
        to_id(known.unwrap_or_else(|| self.skus.insert_full(sku.clone()).0))
    }

    /// Each of them once: one that publishes from several sources is in several columns.
    fn listeners(&self) -> Vec<Arc<dyn LevelListener>> {
        let mut distinct: Vec<Arc<dyn LevelListener>> = Vec::new();
        for listener in self
            .sources
            .iter()
            .flat_map(|column| column.listeners.iter())
        {
            if !distinct.iter().any(|known| Arc::ptr_eq(known, listener)) {
                distinct.push(listener.clone());
            }
        }
        distinct
    }

    fn column(&mut self, source: &K::Source) -> usize {
        let known = self
            .sources
            .iter()
            .position(|column| column.source == *source);
        known.unwrap_or_else(|| {
            let listeners: Listeners = Arc::new([]);
            self.sources.push(Column {
                source: source.clone(),
                cells: Vec::new(),
                listeners,
            });
            self.sources.len() - 1
        })
    }
}

/// Reads the cells of articles in the columns of some sources, and their holds.
pub struct CellReader<'a, K: LaneKind> {
    columns: Vec<Option<&'a Column<K>>>,
    holds: &'a HashMap<SkuId, Vec<Hold>>,
}

impl<'a, K: LaneKind> CellReader<'a, K> {
    /// The cells of one article, one for each source.
    pub fn cells(&self, sku: SkuId) -> impl Iterator<Item = Option<&'a Cell<K::Value>>> {
        self.columns.iter().map(move |column| {
            column.and_then(|column| column.cells.get(to_index(sku)).and_then(Option::as_ref))
        })
    }

    /// All holds of one article, those included whose time is over.
    #[must_use]
    pub fn holds(&self, sku: SkuId) -> &'a [Hold] {
        self.holds.get(&sku).map_or(&[], Vec::as_slice)
    }
}

/// Four billion articles of one tenant are more than the memory of any machine holds.
fn to_id(index: usize) -> SkuId {
    SkuId::try_from(index).unwrap_or(SkuId::MAX)
}

fn to_index(id: SkuId) -> usize {
    usize::try_from(id).unwrap_or(usize::MAX)
}
