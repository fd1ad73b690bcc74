//! Readings of products become rows.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use storelink_adapter_api::{Article, ProductReading};
use storelink_events::internal::ProductRead;
use storelink_model::{ConnectionId, Sku};
use storelink_persistence::{Arg, Database, DbError, Transaction, args};

use crate::listings::fingerprint;
use crate::{shard, store};

/// The shards of a product's articles and of all that share a stock row with one of them. Without a
/// condition on null: SQLite would search by that and walk every article of the connection.
pub(crate) const CONCERNED: &str = "SELECT shard FROM articles WHERE connection = $1 AND product = $2 \
     UNION SELECT shard FROM articles WHERE connection = $1 \
     AND stock_row IN (SELECT stock_row FROM articles WHERE connection = $1 AND product = $2)";

/// Takes readings, each product at most once. Returns how many changed a listing.
pub(crate) async fn take(database: &Database, readings: &[ProductRead]) -> Result<usize, DbError> {
    let mut transaction = database.begin().await?;
    let changed = take_in(&mut transaction, readings).await?;
    transaction.commit().await?;
    Ok(changed)
}

async fn take_in(
    transaction: &mut Transaction,
    readings: &[ProductRead],
) -> Result<usize, DbError> {
    let connections = readings.iter().map(|reading| &reading.connection).collect();
    store::hold(transaction, &connections).await?;
    let mut touched = BTreeSet::new();
    let mut changed = 0;
    for reading in readings {
        if take_one(transaction, reading, &mut touched).await? {
            changed += 1;
        }
    }
    store::touch(transaction, &touched).await?;
    Ok(changed)
}

async fn take_one(
    transaction: &mut Transaction,
    reading: &ProductRead,
    touched: &mut BTreeSet<(ConnectionId, u16)>,
) -> Result<bool, DbError> {
    let key = || args![reading.connection.as_str(), reading.external_id.as_str()];
    let mut row = key();
    row.extend(args![reading.read_number, reading.read_at.datetime()]);
    // The condition is part of the writing statement: a replica with a later reading may commit first.
    let taken = transaction
        .fetch_all(
            "INSERT INTO products (connection, product, read_number, seen_at, fingerprint) \
             VALUES ($1, $2, $3, $4, '') ON CONFLICT (connection, product) DO UPDATE SET \
             read_number = excluded.read_number, seen_at = excluded.seen_at \
             WHERE products.read_number < excluded.read_number RETURNING fingerprint",
            row,
        )
        .await?;
    let Some(taken) = taken.first() else {
        return Ok(false);
    };
    let product = reading.product.as_ref();
    let new_fingerprint = product.map(fingerprint).unwrap_or_default();
    if taken.text("fingerprint")? == new_fingerprint {
        return Ok(false);
    }

    let mut row = key();
    row.extend(args![new_fingerprint]);
    transaction
        .execute(
            "UPDATE products SET fingerprint = $3 WHERE connection = $1 AND product = $2",
            row,
        )
        .await?;
    concerned(transaction, reading, touched).await?;
    transaction
        .execute(
            "DELETE FROM articles WHERE connection = $1 AND product = $2",
            key(),
        )
        .await?;
    transaction
        .execute_values(
            "INSERT INTO articles \
             (connection, product, place, sku, shard, stock_row, active, crowded, article) VALUES",
            "",
            product
                .map(|product| rows(reading, product))
                .unwrap_or_default(),
        )
        .await?;
    concerned(transaction, reading, touched).await?;
    Ok(true)
}

/// Adds the shards of a product's articles and of all that share a stock row with one of them.
async fn concerned(
    transaction: &mut Transaction,
    reading: &ProductRead,
    touched: &mut BTreeSet<(ConnectionId, u16)>,
) -> Result<(), DbError> {
    let shards = transaction
        .fetch_all(
            CONCERNED,
            args![reading.connection.as_str(), reading.external_id.as_str()],
        )
        .await?;
    for row in &shards {
        // An article without a code is in no shard.
        if row.opt_int("shard")?.is_some() {
            touched.insert((reading.connection.clone(), store::shard_of(row)?));
        }
    }
    Ok(())
}

fn rows(reading: &ProductRead, product: &ProductReading) -> Vec<Vec<Arg>> {
    let articles = distinct(product);
    let mut codes: HashMap<(&str, Option<&str>), BTreeSet<&Sku>> = HashMap::new();
    for article in &articles {
        codes
            .entry(written_at(article))
            .or_default()
            .extend(&article.sku);
    }
    let row = |(place, article): (i64, &&Article)| {
        args![
            reading.connection.as_str(),
            reading.external_id.as_str(),
            place,
            article.sku.as_ref().map(|sku| sku.as_str().to_owned()),
            article.sku.as_ref().map(|sku| i64::from(shard::of(sku))),
            article.ids.stock_row.clone(),
            article.active,
            codes
                .get(&written_at(article))
                .is_some_and(|codes| codes.len() > 1),
            serde_json::to_string(article).unwrap_or_default(),
        ]
    };
    (0..).zip(&articles).map(row).collect()
}

/// What is named twice with the same code and ids is one article.
fn distinct(product: &ProductReading) -> Vec<&Article> {
    let named = product.articles.iter();
    let distinct: BTreeMap<_, _> = named
        .map(|article| ((&article.ids, &article.sku), article))
        .collect();
    distinct.into_values().collect()
}

fn written_at(article: &Article) -> (&str, Option<&str>) {
    (&article.ids.product, article.ids.variation.as_deref())
}

#[cfg(test)]
mod tests;
