//! The last value of each key in SQL.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use storelink_model::{Timestamp, Version};
use storelink_persistence::{Arg, Backend, Database, DbError, Row, args};

use super::coalesce::Winner;
use super::sources::{from_text, to_text};
use crate::kind::{LaneKind, Level, LevelKey};
use crate::ordering::{Stamp, Verdict, compare};

/// A row of the mirror.
#[derive(Debug, Clone)]
pub struct MirrorRow<K: LaneKind> {
    /// Of which key.
    pub key: LevelKey<K::Source>,
    /// The value and its version.
    pub level: Level<K::Value>,
    /// The sequence of its event in the ERP's stream.
    pub sequence: u64,
}

/// Where a page of the mirror begins: behind this tenant, source and article.
pub type MirrorPlace = (String, String, String);

/// Where the mirror stands. A call that fails may have had its effect.
#[async_trait]
pub trait MirrorRows<K: LaneKind>: Send + Sync {
    /// Stores the values that [`compare`] finds newer than what is stored, all in one transaction, and
    /// gives for each winner what is committed then, and how many were stored.
    async fn upsert(&self, winners: &[Winner<K>]) -> Result<(Vec<Committed<K>>, usize), DbError>;

    /// The committed row of a key; none when there is none or it cannot be read.
    async fn get(&self, key: &LevelKey<K::Source>) -> Result<Option<MirrorRow<K>>, DbError>;

    /// A page of all rows, in the order of their keys, after `after`, and where the next one
    /// begins.
    async fn page(
        &self,
        after: &MirrorPlace,
        limit: u32,
    ) -> Result<(Vec<MirrorRow<K>>, Option<MirrorPlace>), DbError>;
}

/// The mirror of one kind.
pub(crate) struct Mirror<K: LaneKind>(Arc<dyn MirrorRows<K>>);

/// What is committed of a key.
#[derive(Debug, Clone)]
pub enum Committed<K: LaneKind> {
    /// The winner's own value.
    Own,
    /// What was there before; none when it cannot be read.
    Kept(Option<MirrorRow<K>>),
}

/// What became of the values of a batch.
pub(crate) struct Stored<K: LaneKind> {
    /// For each winner, by its place, the row that is committed now: its own, or a later one.
    pub(crate) rows: Vec<(usize, MirrorRow<K>)>,
    /// Winners in conflict with the committed row, by their place.
    pub(crate) conflicts: Vec<usize>,
    /// How many rows were replaced or made.
    pub(crate) changed: usize,
}

impl<K: LaneKind> Stored<K> {
    fn new(winners: &[Winner<K>], committed: Vec<Committed<K>>, changed: usize) -> Self {
        let mut stored = Self {
            rows: Vec::with_capacity(winners.len()),
            conflicts: Vec::new(),
            changed,
        };
        for (place, (winner, committed)) in winners.iter().zip(committed).enumerate() {
            match committed {
                Committed::Own => {
                    let key = winner.key.clone();
                    let sequence = winner.stamp.sequence;
                    stored.rows.push((
                        place,
                        MirrorRow {
                            key,
                            level: winner.level(),
                            sequence,
                        },
                    ));
                }
                Committed::Kept(Some(row)) => {
                    let stamp = Stamp {
                        version: row.level.version,
                        sequence: row.sequence,
                    };
                    let same = row.level.value == winner.value;
                    if compare(stamp, winner.stamp, same) == Ok(Verdict::Conflict) {
                        stored.conflicts.push(place);
                    }
                    stored.rows.push((place, row));
                }
                Committed::Kept(None) => {}
            }
        }
        stored
    }
}

impl<K: LaneKind> Mirror<K> {
    pub(crate) fn new(rows: Arc<dyn MirrorRows<K>>) -> Self {
        Self(rows)
    }

    /// Stores the values that are later than what is stored, all in one transaction.
    pub(crate) async fn store(&self, winners: &[Winner<K>]) -> Result<Stored<K>, DbError> {
        let (committed, changed) = self.0.upsert(winners).await?;
        Ok(Stored::new(winners, committed, changed))
    }

    pub(crate) fn rows(&self) -> &dyn MirrorRows<K> {
        self.0.as_ref()
    }
}

#[async_trait]
impl<K: LaneKind> MirrorRows<K> for Database {
    async fn upsert(&self, winners: &[Winner<K>]) -> Result<(Vec<Committed<K>>, usize), DbError> {
        let places: HashMap<(&str, &str, &str), usize> = winners
            .iter()
            .enumerate()
            .map(|(place, winner)| (texts_of(&winner.key), place))
            .collect();
        let place_of = |row: &Row| {
            let (tenant, source, sku) = texts(row)?;
            Ok::<_, DbError>(
                places
                    .get(&(tenant.as_str(), source.as_str(), sku.as_str()))
                    .copied(),
            )
        };
        let together = rows_per_statement(self);
        let mut committed: Vec<Committed<K>> =
            winners.iter().map(|_| Committed::Kept(None)).collect();
        let mut changed = 0;
        let mut transaction = self.begin().await?;
        for some in winners.chunks(together) {
            let rows = some.iter().map(to_row).collect();
            for row in transaction.fetch_values(UPSERT.0, UPSERT.1, rows).await? {
                if let Some(place) = place_of(&row)?.and_then(|place| committed.get_mut(place)) {
                    *place = Committed::Own;
                    changed += 1;
                }
            }
        }
        let kept: Vec<Vec<Arg>> = winners
            .iter()
            .zip(&committed)
            .filter(|(_, committed)| matches!(committed, Committed::Kept(_)))
            .map(|(winner, _)| key_args(&winner.key))
            .collect();
        for some in kept.chunks(together) {
            let rows = transaction.fetch_values(SELECT_SOME.0, SELECT_SOME.1, some.to_vec());
            for row in rows.await? {
                if let Some(place) = place_of(&row)?.and_then(|place| committed.get_mut(place)) {
                    *place = Committed::Kept(from_row::<K>(&row)?);
                }
            }
        }
        transaction.commit().await?;
        Ok((committed, changed))
    }

    async fn get(&self, key: &LevelKey<K::Source>) -> Result<Option<MirrorRow<K>>, DbError> {
        let rows = self
            .fetch_values(SELECT_SOME.0, SELECT_SOME.1, vec![key_args(key)])
            .await?;
        rows.first().map_or(Ok(None), from_row::<K>)
    }

    async fn page(
        &self,
        after: &MirrorPlace,
        limit: u32,
    ) -> Result<(Vec<MirrorRow<K>>, Option<MirrorPlace>), DbError> {
        let rows = self
            .fetch_all(
                "SELECT tenant, source, sku, value, version_order, version, sequence, happened \
                 FROM levels WHERE (tenant, source, sku) > ($1, $2, $3) \
                 ORDER BY tenant, source, sku LIMIT $4",
                args![after.0.as_str(), after.1.as_str(), after.2.as_str(), limit],
            )
            .await?;
        let next = rows.last().map(texts).transpose()?;
        let mut page = Vec::with_capacity(rows.len());
        for row in &rows {
            page.extend(from_row::<K>(row)?);
        }
        Ok((page, next))
    }
}

/// SQLite's driver looks each placeholder up among all of its statement, so long statements cost
/// it by the square; PostgreSQL pays for each exchange.
fn rows_per_statement(db: &Database) -> usize {
    match db.backend() {
        Backend::Sqlite => 32,
        Backend::Postgres => 500,
    }
}

const UPSERT: (&str, &str) = (
    "INSERT INTO levels \
     (tenant, source, sku, value, version_order, version, sequence, happened) VALUES",
    "ON CONFLICT (tenant, source, sku) DO UPDATE SET value = excluded.value, \
     version_order = excluded.version_order, version = excluded.version, \
     sequence = excluded.sequence, happened = excluded.happened \
     WHERE excluded.version > levels.version \
     OR (excluded.version = levels.version AND excluded.version_order = 'time' \
     AND excluded.sequence > levels.sequence) \
     RETURNING tenant, source, sku",
);

const SELECT_SOME: (&str, &str) = (
    "WITH wanted (tenant, source, sku) AS (VALUES",
    ") SELECT l.tenant, l.source, l.sku, l.value, l.version_order, l.version, l.sequence, \
     l.happened FROM levels l JOIN wanted w \
     ON w.tenant = l.tenant AND w.source = l.source AND w.sku = l.sku",
);

fn to_row<K: LaneKind>(winner: &Winner<K>) -> Vec<Arg> {
    let version = winner.stamp.version;
    args![
        winner.key.tenant.as_str(),
        winner.key.source.as_ref(),
        winner.key.sku.as_str(),
        K::value_to_text(&winner.value),
        to_text(version.order()),
        version.number(),
        i64::try_from(winner.stamp.sequence).unwrap_or(i64::MAX),
        winner.time.micros(),
    ]
}

/// None for a row that this release cannot read: it is told and passed over, and the next event of
/// its key replaces it.
fn from_row<K: LaneKind>(row: &Row) -> Result<Option<MirrorRow<K>>, DbError> {
    let (tenant, source, sku) = texts(row)?;
    let (Ok(tenant), Ok(source), Ok(sku)) = (tenant.parse(), source.parse(), sku.parse()) else {
        tracing::error!(
            tenant,
            source,
            sku,
            "a stored level has a key that cannot be read"
        );
        return Ok(None);
    };
    let key = LevelKey {
        tenant,
        source,
        sku,
    };
    let Some(value) = K::value_from_text(&row.text("value")?) else {
        tracing::error!(?key, "a stored level has a value that cannot be read");
        return Ok(None);
    };
    let order = from_text(&row.text("version_order")?);
    Ok(Some(MirrorRow {
        key,
        level: Level {
            value,
            version: Version::from_number(order, row.int("version")?),
            time: Timestamp::from_micros(row.int("happened")?),
        },
        sequence: u64::try_from(row.int("sequence")?).unwrap_or_default(),
    }))
}

fn texts(row: &Row) -> Result<(String, String, String), DbError> {
    Ok((row.text("tenant")?, row.text("source")?, row.text("sku")?))
}

fn texts_of<S: AsRef<str>>(key: &LevelKey<S>) -> (&str, &str, &str) {
    (key.tenant.as_str(), key.source.as_ref(), key.sku.as_str())
}

fn key_args<S: AsRef<str>>(key: &LevelKey<S>) -> Vec<Arg> {
    args![key.tenant.as_str(), key.source.as_ref(), key.sku.as_str()]
}
