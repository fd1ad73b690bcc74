//! The last value of each key in SQL.

use std::collections::{HashMap, HashSet};
use std::marker::PhantomData;

use storelink_model::{Timestamp, Version};
use storelink_persistence::{Arg, Database, DbError, Row, args};

use super::coalesce::Winner;
use super::sources::{from_text, to_text};
use crate::kind::{LaneKind, Level, LevelKey};
use crate::ordering::{Stamp, Verdict, compare};

/// A row of the mirror.
#[derive(Debug, Clone)]
pub(crate) struct MirrorRow<K: LaneKind> {
    pub(crate) key: LevelKey<K::Source>,
    pub(crate) level: Level<K::Value>,
    pub(crate) sequence: u64,
}

/// The mirror of one kind.
#[derive(Debug)]
pub(crate) struct Mirror<K> {
    db: Database,
    kind: PhantomData<fn() -> K>,
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

impl<K: LaneKind> Mirror<K> {
    pub(crate) fn new(db: Database) -> Self {
        Self { db, kind: PhantomData }
    }

    /// Stores the values that are later than what is stored, all in one transaction.
    pub(crate) async fn store(&self, winners: &[Winner<K>]) -> Result<Stored<K>, DbError> {
        let mut transaction = self.db.begin().await?;
        let changed = transaction
            .fetch_values(
                "INSERT INTO levels \
                 (tenant, source, sku, value, version_order, version, sequence, happened) VALUES",
                "ON CONFLICT (tenant, source, sku) DO UPDATE SET value = excluded.value, \
                 version_order = excluded.version_order, version = excluded.version, \
                 sequence = excluded.sequence, happened = excluded.happened \
                 WHERE excluded.version > levels.version \
                 OR (excluded.version = levels.version AND excluded.version_order = 'time' \
                 AND excluded.sequence > levels.sequence) \
                 RETURNING tenant, source, sku",
                winners.iter().map(to_row).collect(),
            )
            .await?;
        let changed: HashSet<(String, String, String)> =
            changed.iter().map(texts).collect::<Result<_, _>>()?;
        let kept: Vec<Vec<Arg>> = winners
            .iter()
            .filter(|winner| !changed.contains(&key_texts(&winner.key)))
            .map(|winner| key_args(&winner.key))
            .collect();
        let kept = transaction.fetch_values(SELECT_SOME.0, SELECT_SOME.1, kept).await?;
        transaction.commit().await?;

        let mut committed = HashMap::new();
        for row in &kept {
            committed.insert(texts(row)?, from_row::<K>(row)?);
        }
        let mut stored = Stored { rows: Vec::new(), conflicts: Vec::new(), changed: changed.len() };
        for (place, winner) in winners.iter().enumerate() {
            let Some(row) = committed.remove(&key_texts(&winner.key)) else {
                let row = MirrorRow {
                    key: winner.key.clone(),
                    level: winner.level(),
                    sequence: winner.stamp.sequence,
                };
                stored.rows.push((place, row));
                continue;
            };
            if let Some(row) = row {
                let stamp = Stamp { version: row.level.version, sequence: row.sequence };
                let same = row.level.value == winner.value;
                if compare(stamp, winner.stamp, same) == Ok(Verdict::Conflict) {
                    stored.conflicts.push(place);
                }
                stored.rows.push((place, row));
            }
        }
        Ok(stored)
    }

    /// The committed row of a key.
    pub(crate) async fn get(
        &self,
        key: &LevelKey<K::Source>,
    ) -> Result<Option<MirrorRow<K>>, DbError> {
        let rows =
            self.db.fetch_values(SELECT_SOME.0, SELECT_SOME.1, vec![key_args(key)]).await?;
        rows.first().map_or(Ok(None), from_row::<K>)
    }

    /// A page of all rows, in the order of their keys, after `after`, and where the next one
    /// begins.
    pub(crate) async fn page(
        &self,
        after: &(String, String, String),
        limit: u32,
    ) -> Result<(Vec<MirrorRow<K>>, Option<(String, String, String)>), DbError> {
        let rows = self
            .db
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
        tracing::error!(tenant, source, sku, "a stored level has a key that cannot be read");
        return Ok(None);
    };
    let key = LevelKey { tenant, source, sku };
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

fn key_texts<S: AsRef<str>>(key: &LevelKey<S>) -> (String, String, String) {
    let source = key.source.as_ref().to_owned();
    (key.tenant.as_str().to_owned(), source, key.sku.as_str().to_owned())
}

fn key_args<S: AsRef<str>>(key: &LevelKey<S>) -> Vec<Arg> {
    args![key.tenant.as_str(), key.source.as_ref(), key.sku.as_str()]
}
