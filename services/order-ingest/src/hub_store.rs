//! Noticing that the broker lost its events, and publishing them again.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use storelink_bus::streams::{self, Keep, names};
use storelink_model::{ConnectionId, TenantId, Timestamp};
use storelink_persistence::{Database, DbError, Transaction, args};
use storelink_planted_faults::planted;

use crate::IngestError;
use crate::broker::Broker;
use crate::outbox::Outbox;

/// Name of the row in `meta` that says which stream the events went to.
const HUB: &str = "hub_stream";
/// Name of the row in `meta` with the greatest sequence that this stream is known to have given: raised
/// with every event that counts as published.
const REACHED: &str = "hub_reached";

/// Which stream it is: one that was made anew, or restored from an older state, is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Store {
    /// There is none; what it had is on its way again.
    Missing,
    /// This one.
    Stream {
        /// When it was made.
        created_micros: i64,
        /// The greatest sequence that it is known to have given.
        last_sequence: u64,
    },
}

impl Store {
    /// The greatest sequence that it is known to have given.
    fn reached(self) -> u64 {
        match self {
            Self::Missing => 0,
            Self::Stream { last_sequence, .. } => last_sequence,
        }
    }

    /// Whether everything that was published to `earlier` is in this one, as far as it is kept.
    fn keeps_all_of(self, earlier: Self) -> bool {
        match (earlier, self) {
            // Its events were marked as waiting when it was missed.
            (Self::Missing, _) => true,
            (Self::Stream { .. }, Self::Missing) => false,
            (
                Self::Stream {
                    created_micros: before,
                    last_sequence: least,
                },
                Self::Stream {
                    created_micros,
                    last_sequence,
                },
            ) => created_micros == before && last_sequence >= least,
        }
    }
}

/// Compares the stream with the one that the events went to; after a loss everything that it would
/// still keep waits to be published again. Gives the sequence that the stream has.
pub(crate) async fn check(outbox: &dyn Outbox, broker: &dyn Broker) -> Result<u64, IngestError> {
    // What is known is asked for first: another replica may raise it at this moment.
    let known = outbox.known_store().await?;
    let found = broker.find_store().await?;
    if known.is_some_and(|known| !found.keeps_all_of(known)) {
        publish_again(outbox, found).await?;
    } else if known != Some(found) {
        outbox.keep_store(found, None).await?;
    }
    Ok(found.reached())
}

/// The stream gave a sequence that it had given before: messages of it are gone.
pub(crate) async fn went_back(outbox: &dyn Outbox, broker: &dyn Broker) -> Result<(), IngestError> {
    let found = broker.find_store().await?;
    publish_again(outbox, found).await
}

async fn publish_again(outbox: &dyn Outbox, found: Store) -> Result<(), IngestError> {
    let since = Timestamp::now().micros() - micros(kept_for());
    let again = (!planted!(HubLossUnnoticed)).then_some(since);
    let rows = outbox.keep_store(found, again).await?;
    tracing::warn!(rows, "the broker lost its events; they are published again");
    Ok(())
}

/// The stream that the events went to, as it was noted.
pub(crate) async fn known(database: &Database) -> Result<Option<Store>, IngestError> {
    let rows = database
        .fetch_all(
            "SELECT name, value FROM meta WHERE name IN ($1, $2)",
            args![HUB, REACHED],
        )
        .await?;
    let (mut store, mut reached) = (None, 0);
    for row in rows {
        let value = row.text("value")?;
        if row.text("name")? == REACHED {
            reached = value.parse().unwrap_or_default();
            continue;
        }
        // A text of another release tells nothing: then events are published once too often.
        let unknown = Store::Stream {
            created_micros: 0,
            last_sequence: 0,
        };
        store = Some(serde_json::from_str(&value).unwrap_or(unknown));
    }
    if let Some(Store::Stream { last_sequence, .. }) = &mut store {
        *last_sequence = reached.max(*last_sequence);
    }
    Ok(store)
}

/// Notes that the stream came at least so far.
pub(crate) async fn raise(transaction: &mut Transaction, reached: u64) -> Result<(), DbError> {
    transaction
        .execute(
            "INSERT INTO meta (name, value) VALUES ($1, $2) \
             ON CONFLICT (name) DO UPDATE SET value = CASE \
             WHEN CAST(meta.value AS BIGINT) < CAST(excluded.value AS BIGINT) \
             THEN excluded.value ELSE meta.value END",
            args![REACHED, reached.to_string()],
        )
        .await
        .map(drop)
}

/// Notes the stream and, after a loss, makes what was written after `again` wait once more.
pub(crate) async fn keep(
    database: &Database,
    store: Store,
    again: Option<i64>,
) -> Result<u64, IngestError> {
    let mut transaction = database.begin().await?;
    let rows = match again {
        Some(since) => mark_unpublished(&mut transaction, since).await?,
        None => 0,
    };
    if again.is_some() {
        // What the one that is gone had reached says nothing about this one.
        let forget = "DELETE FROM meta WHERE name = $1";
        transaction.execute(forget, args![REACHED]).await?;
    }
    raise(&mut transaction, store.reached()).await?;
    let value = serde_json::to_string(&store).map_err(IngestError::encode("the stream"))?;
    transaction
        .execute(
            "INSERT INTO meta (name, value) VALUES ($1, $2) \
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            args![HUB, value],
        )
        .await?;
    transaction.commit().await?;
    Ok(rows)
}

/// For how long the broker keeps events.
pub(crate) fn kept_for() -> Duration {
    match streams::stream(names::HUB).map(|stream| stream.keep) {
        Some(Keep::For(age)) => age,
        _ => Duration::MAX,
    }
}

/// Makes every event written since then wait, those too that somebody publishes at this moment: the
/// stream that takes them may be the one that is gone.
async fn mark_unpublished(transaction: &mut Transaction, since: i64) -> Result<u64, DbError> {
    let rows = transaction
        .execute(
            "UPDATE outbox SET due = 0, published = NULL, \
             attempts = CASE WHEN published IS NULL THEN attempts ELSE 0 END \
             WHERE created > $1",
            args![since],
        )
        .await?;
    unmark_revisions(transaction).await?;
    Ok(rows)
}

/// Whose events are published again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Those of a tenant.
    Tenant(TenantId),
    /// Those of a connection.
    Connection(ConnectionId),
}

/// Marks the order events of a tenant or a connection as waiting, so that the relay publishes them
/// again, and gives how many there are. The broker keeps one event per order and revision, so those
/// that it still has are not doubled. Events that are older than the broker keeps are gone.
///
/// # Errors
/// When the database fails.
pub async fn re_emit(database: &Database, scope: &Scope) -> Result<u64, DbError> {
    let (tenant, connection) = match scope {
        Scope::Tenant(tenant) => (tenant.as_str(), ""),
        Scope::Connection(connection) => ("", connection.as_str()),
    };
    let mut transaction = database.begin().await?;
    let rows = transaction
        .execute(
            "UPDATE outbox SET published = NULL, due = 0, attempts = 0 \
             WHERE published IS NOT NULL AND kind = 'order' \
             AND ($1 = '' OR tenant = $1) AND ($2 = '' OR connection = $2)",
            args![tenant, connection],
        )
        .await?;
    unmark_revisions(&mut transaction).await?;
    transaction.commit().await?;
    Ok(rows)
}

async fn unmark_revisions(transaction: &mut Transaction) -> Result<(), DbError> {
    transaction
        .execute(
            "UPDATE revisions SET published = NULL WHERE published IS NOT NULL AND EXISTS (\
             SELECT 1 FROM outbox o WHERE o.published IS NULL AND o.kind = 'order' \
             AND o.chain = revisions.order_id AND o.position = revisions.revision)",
            args![],
        )
        .await
        .map(drop)
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_made_anew_or_set_back_has_lost_events() {
        let stream = |created_micros, last_sequence| Store::Stream {
            created_micros,
            last_sequence,
        };
        assert!(stream(1, 7).keeps_all_of(stream(1, 5)));
        assert!(!stream(1, 4).keeps_all_of(stream(1, 5)));
        assert!(!stream(2, 9).keeps_all_of(stream(1, 5)));
        assert!(!Store::Missing.keeps_all_of(stream(1, 5)));
        // What was missed was marked when it was missed.
        assert!(stream(2, 0).keeps_all_of(Store::Missing));
    }
}
