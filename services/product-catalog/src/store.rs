//! The SQL of this service.

use std::collections::{BTreeSet, HashMap};

use storelink_adapter_api::Article;
use storelink_events::internal::ProductRead;
use storelink_model::{ConnectionId, Sku};
use storelink_persistence::{Arg, Database, DbError, Row, Transaction, args};

use crate::listings::fingerprint;
use crate::shard::{self, SHARDS};

/// One shard that has to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PendingShard {
    pub(crate) connection: ConnectionId,
    pub(crate) shard: u16,
    pub(crate) revision: i64,
    pub(crate) sequence: i64,
}

/// Takes readings, each product at most once. Returns how many changed a listing.
pub(crate) async fn take(database: &Database, readings: &[ProductRead]) -> Result<usize, DbError> {
    let mut transaction = database.begin().await?;
    let mut touched: BTreeSet<(ConnectionId, u16)> = BTreeSet::new();
    let mut changed = 0;
    for reading in readings {
        if take_one(&mut transaction, reading, &mut touched).await? {
            changed += 1;
        }
    }
    touch(&mut transaction, &touched).await?;
    transaction.commit().await?;
    Ok(changed)
}

async fn take_one(
    transaction: &mut Transaction,
    reading: &ProductRead,
    touched: &mut BTreeSet<(ConnectionId, u16)>,
) -> Result<bool, DbError> {
    let key = || args![reading.connection.as_str(), reading.external_id.as_str()];
    let known = transaction
        .fetch_optional(
            "SELECT read_number, fingerprint FROM products WHERE connection = $1 AND product = $2",
            key(),
        )
        .await?;
    let new_fingerprint = reading
        .product
        .as_ref()
        .map(fingerprint)
        .unwrap_or_default();
    let known_number = known
        .as_ref()
        .map(|known| known.int("read_number"))
        .transpose()?;
    if known_number.is_some_and(|known| known >= reading.read_number) {
        return Ok(false);
    }
    let mut row = key();
    row.extend(args![
        reading.read_number,
        reading.read_at.datetime(),
        new_fingerprint.as_str(),
    ]);
    transaction
        .execute(
            "INSERT INTO products (connection, product, read_number, seen_at, fingerprint) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (connection, product) DO UPDATE SET \
             read_number = excluded.read_number, seen_at = excluded.seen_at, \
             fingerprint = excluded.fingerprint",
            row,
        )
        .await?;
    if known.is_some_and(|known| {
        known
            .text("fingerprint")
            .is_ok_and(|old| old == new_fingerprint)
    }) {
        return Ok(false);
    }

    let old = transaction
        .fetch_all(
            "SELECT shard FROM articles WHERE connection = $1 AND product = $2 AND shard IS NOT NULL",
            key(),
        )
        .await?;
    for row in old {
        touched.insert((reading.connection.clone(), shard_of(&row)?));
    }
    transaction
        .execute(
            "DELETE FROM articles WHERE connection = $1 AND product = $2",
            key(),
        )
        .await?;
    let articles = reading
        .product
        .as_ref()
        .map(|product| product.articles.as_slice());
    let mut rows = Vec::new();
    for article in articles.unwrap_or_default() {
        if let Some(sku) = &article.sku {
            touched.insert((reading.connection.clone(), shard::of(sku)));
        }
        rows.push(article_row(reading, article));
    }
    transaction
        .execute_values(
            "INSERT INTO articles \
             (connection, product, variation, sku, shard, stock_row, active, article) VALUES",
            "ON CONFLICT (connection, product, variation) DO NOTHING",
            rows,
        )
        .await?;
    Ok(true)
}

fn article_row(reading: &ProductRead, article: &Article) -> Vec<Arg> {
    args![
        reading.connection.as_str(),
        reading.external_id.as_str(),
        article.ids.variation.clone().unwrap_or_default(),
        article.sku.as_ref().map(|sku| sku.as_str().to_owned()),
        article.sku.as_ref().map(|sku| i64::from(shard::of(sku))),
        article.ids.stock_row.clone(),
        article.active,
        serde_json::to_string(article).unwrap_or_default(),
    ]
}

/// Notes that shards changed.
async fn touch(
    transaction: &mut Transaction,
    shards: &BTreeSet<(ConnectionId, u16)>,
) -> Result<(), DbError> {
    let rows: Vec<Vec<Arg>> = shards
        .iter()
        .map(|(connection, shard)| {
            args![connection.as_str(), i64::from(*shard), 1_i64, 0_i64, 0_i64]
        })
        .collect();
    transaction
        .execute_values(
            "INSERT INTO shards (connection, shard, revision, published, sequence) VALUES",
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

/// The shards that have to be published, at most `limit`.
pub(crate) async fn pending(database: &Database, limit: i64) -> Result<Vec<PendingShard>, DbError> {
    let rows = database
        .fetch_all(
            "SELECT connection, shard, revision, sequence FROM shards WHERE revision > published \
             ORDER BY connection, shard LIMIT $1",
            args![limit],
        )
        .await?;
    let read = |row: &Row| {
        Ok::<_, DbError>(row.text("connection")?.parse().ok().zip(Some((
            shard_of(row)?,
            row.int("revision")?,
            row.int("sequence")?,
        ))))
    };
    let mut pending = Vec::with_capacity(rows.len());
    for row in &rows {
        if let Some((connection, (shard, revision, sequence))) = read(row)? {
            pending.push(PendingShard {
                connection,
                shard,
                revision,
                sequence,
            });
        }
    }
    Ok(pending)
}

/// Notes that a revision of a shard was published.
pub(crate) async fn published(
    database: &Database,
    shard: &PendingShard,
    sequence: i64,
) -> Result<(), DbError> {
    database
        .execute(
            "UPDATE shards SET published = $3, sequence = $4 \
             WHERE connection = $1 AND shard = $2 AND published < $3",
            args![
                shard.connection.as_str(),
                i64::from(shard.shard),
                shard.revision,
                sequence
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
) -> Result<Vec<Article>, DbError> {
    let rows = database
        .fetch_all(
            "SELECT article FROM articles WHERE connection = $1 AND shard = $2 \
             ORDER BY product, variation",
            args![connection.as_str(), i64::from(shard)],
        )
        .await?;
    read_articles(&rows)
}

/// The articles with a code.
pub(crate) async fn articles_of_sku(
    database: &Database,
    connection: &ConnectionId,
    sku: &Sku,
) -> Result<Vec<Article>, DbError> {
    let rows = database
        .fetch_all(
            "SELECT article FROM articles WHERE connection = $1 AND sku = $2 \
             ORDER BY product, variation",
            args![connection.as_str(), sku.as_str()],
        )
        .await?;
    read_articles(&rows)
}

/// How many active articles keep their stock in each of the connection's shared rows.
pub(crate) async fn sharers(
    database: &Database,
    connection: &ConnectionId,
) -> Result<HashMap<String, u64>, DbError> {
    let rows = database
        .fetch_all(
            "SELECT stock_row, COUNT(*) AS articles FROM articles \
             WHERE connection = $1 AND stock_row IS NOT NULL AND active GROUP BY stock_row",
            args![connection.as_str()],
        )
        .await?;
    let read = |row: &Row| {
        let articles = u64::try_from(row.int("articles")?).unwrap_or_default();
        Ok((row.text("stock_row")?, articles))
    };
    rows.iter().map(read).collect()
}

/// How many articles have no usable code.
pub(crate) async fn missing_codes(
    database: &Database,
    connection: &ConnectionId,
) -> Result<u64, DbError> {
    let row = database
        .fetch_one(
            "SELECT COUNT(*) AS articles FROM articles WHERE connection = $1 AND sku IS NULL",
            args![connection.as_str()],
        )
        .await?;
    Ok(u64::try_from(row.int("articles")?).unwrap_or_default())
}

fn read_articles(rows: &[Row]) -> Result<Vec<Article>, DbError> {
    let mut articles = Vec::with_capacity(rows.len());
    for row in rows {
        match serde_json::from_str(&row.text("article")?) {
            Ok(article) => articles.push(article),
            Err(error) => tracing::error!(%error, "a stored article cannot be read"),
        }
    }
    Ok(articles)
}

fn shard_of(row: &Row) -> Result<u16, DbError> {
    Ok(u16::try_from(row.int("shard")?).unwrap_or_default())
}
