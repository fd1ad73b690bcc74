//! The SQL of connections, shards and stored articles.

use std::collections::{BTreeSet, HashMap};

use storelink_model::{ConnectionId, Sku};
use storelink_persistence::{Arg, Database, DbError, Row, Transaction, args};

use crate::listings::KnownArticle;
use crate::shard::SHARDS;

/// Sorted by us, as the next one: asked for an order, SQLite would walk the whole connection in it.
const ARTICLES_OF_SHARD: &str = "SELECT product, place, article, crowded FROM articles \
     WHERE connection = $1 AND shard = $2";

const ARTICLES_OF_SKU: &str = "SELECT product, place, article, crowded FROM articles \
     WHERE connection = $1 AND sku = $2";

const SHARERS: &str = "SELECT stock_row, COUNT(*) AS articles FROM articles \
     WHERE connection = $1 AND (active OR NOT $3) AND stock_row IN (SELECT stock_row \
     FROM articles WHERE connection = $1 AND shard = $2) GROUP BY stock_row";

/// One shard and its last publication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShardRow {
    pub(crate) connection: ConnectionId,
    pub(crate) shard: u16,
    pub(crate) revision: i64,
    pub(crate) sequence: i64,
    pub(crate) left_out: i64,
}

/// Locks connections until the end of the transaction, always in the same order.
pub(crate) async fn hold(
    transaction: &mut Transaction,
    connections: &BTreeSet<&ConnectionId>,
) -> Result<(), DbError> {
    let rows = connections.iter().map(|id| args![id.as_str(), 1_i64]);
    transaction
        .execute_values(
            "INSERT INTO connections (connection, changes) VALUES",
            "ON CONFLICT (connection) DO UPDATE SET changes = connections.changes + 1",
            rows.collect(),
        )
        .await?;
    Ok(())
}

/// Every connection that something is kept of, with the choice that its listings were made with.
pub(crate) async fn connections(
    database: &Database,
) -> Result<HashMap<ConnectionId, Option<bool>>, DbError> {
    let rows = database
        .fetch_all("SELECT connection, only_active FROM connections", args![])
        .await?;
    let mut connections = HashMap::with_capacity(rows.len());
    for row in &rows {
        if let Ok(id) = row.text("connection")?.parse() {
            connections.insert(id, row.opt_bool("only_active")?);
        }
    }
    Ok(connections)
}

/// Notes that shards changed.
pub(crate) async fn touch(
    transaction: &mut Transaction,
    shards: &BTreeSet<(ConnectionId, u16)>,
) -> Result<(), DbError> {
    let rows: Vec<Vec<Arg>> = shards
        .iter()
        .map(|(connection, shard)| {
            args![
                connection.as_str(),
                i64::from(*shard),
                1_i64,
                0_i64,
                0_i64,
                0_i64
            ]
        })
        .collect();
    transaction
        .execute_values(
            "INSERT INTO shards (connection, shard, revision, published, sequence, left_out) VALUES",
            "ON CONFLICT (connection, shard) DO UPDATE SET revision = shards.revision + 1",
            rows,
        )
        .await?;
    Ok(())
}

/// Notes that every shard of a connection changed.
pub(crate) async fn touch_all(
    transaction: &mut Transaction,
    connection: &ConnectionId,
) -> Result<(), DbError> {
    let shards = (0..SHARDS)
        .map(|shard| (connection.clone(), shard))
        .collect();
    touch(transaction, &shards).await
}

/// The shards that have to be published, at most `limit`, that come behind `after`.
pub(crate) async fn pending(
    database: &Database,
    after: Option<&ShardRow>,
    limit: i64,
) -> Result<Vec<ShardRow>, DbError> {
    let (connection, shard) = after.map_or(("", -1), |after| {
        (after.connection.as_str(), i64::from(after.shard))
    });
    let rows = database
        .fetch_all(
            "SELECT connection, shard, revision, sequence, left_out FROM shards \
             WHERE revision > published AND (connection > $1 OR (connection = $1 AND shard > $2)) \
             ORDER BY connection, shard LIMIT $3",
            args![connection, shard, limit],
        )
        .await?;
    read_shards(&rows)
}

/// The shards of which nothing is pending, as they should stand in the stream.
pub(crate) async fn settled(database: &Database) -> Result<Vec<ShardRow>, DbError> {
    let rows = database
        .fetch_all(
            "SELECT connection, shard, revision, sequence, left_out FROM shards \
             WHERE revision = published",
            args![],
        )
        .await?;
    read_shards(&rows)
}

/// Notes that a shard was published, without so many of its listings. The stream may have it with a
/// later revision, of a database that knew more: what changes from now on comes after that.
pub(crate) async fn published(
    database: &Database,
    shard: &ShardRow,
    revision: i64,
    sequence: i64,
    left_out: i64,
) -> Result<(), DbError> {
    database
        .execute(
            "UPDATE shards SET revision = revision - $3 + $6, published = $6, sequence = $4, \
             left_out = $5 WHERE connection = $1 AND shard = $2 AND published < $3",
            args![
                shard.connection.as_str(),
                i64::from(shard.shard),
                shard.revision,
                sequence,
                left_out,
                revision
            ],
        )
        .await?;
    Ok(())
}

/// Gives a shard a revision later than `revision`, which the stream has at `sequence` with other
/// listings.
pub(crate) async fn go_past(
    database: &Database,
    shard: &ShardRow,
    revision: i64,
    sequence: i64,
) -> Result<(), DbError> {
    database
        .execute(
            "UPDATE shards SET revision = $3 + 1, sequence = $4 \
             WHERE connection = $1 AND shard = $2 AND revision <= $3",
            args![
                shard.connection.as_str(),
                i64::from(shard.shard),
                revision,
                sequence
            ],
        )
        .await?;
    Ok(())
}

/// Notes that the stream lost a settled shard.
pub(crate) async fn publish_again(database: &Database, shard: &ShardRow) -> Result<(), DbError> {
    database
        .execute(
            "UPDATE shards SET revision = revision + 1 \
             WHERE connection = $1 AND shard = $2 AND revision = $3 AND published = $3",
            args![
                shard.connection.as_str(),
                i64::from(shard.shard),
                shard.revision
            ],
        )
        .await?;
    Ok(())
}

/// Notes that nothing is published: the stream is another one.
pub(crate) async fn publish_all_again(transaction: &mut Transaction) -> Result<(), DbError> {
    transaction
        .execute(
            "UPDATE shards SET revision = revision + 1, sequence = 0",
            args![],
        )
        .await?;
    Ok(())
}

/// The articles of a shard.
pub(crate) async fn articles_of_shard(
    database: &Database,
    connection: &ConnectionId,
    shard: u16,
) -> Result<Vec<KnownArticle>, DbError> {
    let rows = database
        .fetch_all(
            ARTICLES_OF_SHARD,
            args![connection.as_str(), i64::from(shard)],
        )
        .await?;
    read_articles(rows)
}

/// The articles with a code.
pub(crate) async fn articles_of_sku(
    database: &Database,
    connection: &ConnectionId,
    sku: &Sku,
) -> Result<Vec<KnownArticle>, DbError> {
    let rows = database
        .fetch_all(ARTICLES_OF_SKU, args![connection.as_str(), sku.as_str()])
        .await?;
    read_articles(rows)
}

/// How many articles of the whole connection keep their stock in each of the rows that a shard's
/// articles use; inactive ones count when they are written too.
pub(crate) async fn sharers(
    database: &Database,
    connection: &ConnectionId,
    shard: u16,
    only_active: bool,
) -> Result<HashMap<String, u64>, DbError> {
    let rows = database
        .fetch_all(
            SHARERS,
            args![connection.as_str(), i64::from(shard), only_active],
        )
        .await?;
    let read = |row: &Row| {
        let articles = u64::try_from(row.int("articles")?).unwrap_or_default();
        Ok((row.text("stock_row")?, articles))
    };
    rows.iter().map(read).collect()
}

/// How many articles have no usable code, and how many listings had no room in their shards.
pub(crate) async fn missing(
    database: &Database,
    connection: &ConnectionId,
) -> Result<(u64, u64), DbError> {
    let row = database
        .fetch_one(
            "SELECT (SELECT COUNT(*) FROM articles WHERE connection = $1 AND sku IS NULL) AS codes, \
             (SELECT CAST(COALESCE(SUM(left_out), 0) AS BIGINT) FROM shards \
             WHERE connection = $1) AS room",
            args![connection.as_str()],
        )
        .await?;
    let count = |column| {
        row.int(column)
            .map(|count| u64::try_from(count).unwrap_or_default())
    };
    Ok((count("codes")?, count("room")?))
}

/// The articles, in the order of their products.
fn read_articles(rows: Vec<Row>) -> Result<Vec<KnownArticle>, DbError> {
    let mut ordered = Vec::with_capacity(rows.len());
    for row in rows {
        ordered.push(((row.text("product")?, row.int("place")?), row));
    }
    ordered.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut articles = Vec::with_capacity(ordered.len());
    for (_, row) in ordered {
        let crowded = row.bool("crowded")?;
        match serde_json::from_str(&row.text("article")?) {
            Ok(article) => articles.push(KnownArticle { article, crowded }),
            Err(error) => tracing::error!(%error, "a stored article cannot be read"),
        }
    }
    Ok(articles)
}

fn read_shards(rows: &[Row]) -> Result<Vec<ShardRow>, DbError> {
    let mut shards = Vec::with_capacity(rows.len());
    for row in rows {
        if let Ok(connection) = row.text("connection")?.parse() {
            shards.push(ShardRow {
                connection,
                shard: shard_of(row)?,
                revision: row.int("revision")?,
                sequence: row.int("sequence")?,
                left_out: row.int("left_out")?,
            });
        }
    }
    Ok(shards)
}

pub(crate) fn shard_of(row: &Row) -> Result<u16, DbError> {
    Ok(u16::try_from(row.int("shard")?).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use storelink_test_support::database::TestDatabase;

    use super::*;
    use crate::readings::CONCERNED;
    use crate::{MIGRATOR, SERVICE};

    /// A walk over ten thousand articles for each product that is read would be quadratic.
    #[tokio::test]
    async fn no_statement_for_one_product_reads_the_whole_connection() {
        let folder = TestDatabase::sqlite().unwrap();
        let database = Database::open(&folder.settings(), SERVICE).await.unwrap();
        database.migrate(&MIGRATOR).await.unwrap();
        for statement in [CONCERNED, SHARERS, ARTICLES_OF_SHARD, ARTICLES_OF_SKU] {
            let plan = format!("EXPLAIN QUERY PLAN {statement}").leak();
            let steps = database
                .fetch_all(plan, args!["c", "p", true])
                .await
                .unwrap();
            let steps = steps.iter().map(|step| step.text("detail").unwrap());
            let searches: Vec<String> = steps.filter(|step| step.contains(" articles")).collect();
            assert!(!searches.is_empty(), "{statement}");
            for search in searches {
                let narrow = ["product=?", "stock_row=?", "shard=?", "sku=?"];
                assert!(
                    narrow.iter().any(|by| search.contains(by)),
                    "{statement}: {search}"
                );
            }
        }
    }
}
