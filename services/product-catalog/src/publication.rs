//! Publishes the shards that changed, from the committed rows.

use std::sync::atomic::Ordering;
use std::time::Duration;

use storelink_bus::streams::{self, names};
use storelink_bus::{Bus, Publication, PublishError};
use storelink_events::internal::ListingShard;
use storelink_events::subject;
use storelink_persistence::{Database, DbError, args};
use storelink_service::Connections;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::choices::only_active;
use crate::listings::listings;
use crate::room;
use crate::sequences::last_sequences;
use crate::shard::SHARDS;
use crate::store::{self, ShardRow};

/// How many shards are taken at once.
const PAGE: i64 = 64;
/// How often is looked without being called: what an earlier try left, and another stream.
const SWEEP: Duration = Duration::from_secs(5);
/// Room for the headers of a message.
const HEADERS: usize = 1024;

/// Publishes shards.
pub(crate) struct Publisher {
    pub(crate) bus: Bus,
    pub(crate) database: Database,
    pub(crate) connections: Connections,
    /// The connection to the broker on which the publications were compared with the stream.
    pub(crate) compared_on: Option<u64>,
}

/// One try that failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Database(#[from] DbError),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error("the stream cannot be asked: {0}")]
    Stream(String),
}

impl Failure {
    fn stream(error: impl std::fmt::Display) -> Self {
        Self::Stream(error.to_string())
    }

    /// Whether the other shards would fail in the same way.
    fn concerns_all(&self) -> bool {
        match self {
            Self::Database(error) => error.is_transient(),
            Self::Publish(PublishError::Unavailable { .. } | PublishError::NoStream { .. }) => true,
            Self::Publish(_) | Self::Stream(_) => false,
        }
    }
}

impl Publisher {
    /// Publishes whenever called and at every sweep, until cancelled.
    pub(crate) async fn run(mut self, called: &Notify, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            if let Err(error) = self.publish_pending().await {
                tracing::warn!(%error, "listings are published later");
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = called.notified() => {}
                () = tokio::time::sleep(SWEEP) => {}
            }
        }
        // What the last batch changed; the next start would publish it too.
        if let Err(error) = self.publish_pending().await {
            tracing::info!(%error, "listings are published at the next start");
        }
    }

    /// Publishes everything that is pending.
    async fn publish_pending(&mut self) -> Result<(), Failure> {
        self.notice_another_stream().await?;
        if let Err(error) = self.notice_lost_tail().await {
            tracing::warn!(%error, "listings are compared with the stream later");
        }
        while self.publish_page_by_page().await? > 0 {}
        Ok(())
    }

    /// Tries each pending shard once and returns how many were published. One that cannot be
    /// published waits alone.
    async fn publish_page_by_page(&self) -> Result<u64, Failure> {
        let mut published = 0;
        let mut after: Option<ShardRow> = None;
        loop {
            let page = store::pending(&self.database, after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else {
                return Ok(published);
            };
            for pending in &page {
                match self.publish(pending).await {
                    Ok(()) => published += 1,
                    Err(failure) if failure.concerns_all() => return Err(failure),
                    Err(failure) => tracing::error!(
                        connection = %pending.connection,
                        shard = pending.shard,
                        error = %failure,
                        "a shard of listings is published later"
                    ),
                }
            }
            after = Some(last.clone());
        }
    }

    /// The revision was read before the articles, so what is published is at least that new.
    async fn publish(&self, pending: &ShardRow) -> Result<(), Failure> {
        let content = self.content(pending).await?;
        let (content, payload, cut) = room::fit(content, self.room());
        let subject = subject::listing(&pending.connection, pending.shard);

        let mut expected = u64::try_from(pending.sequence).unwrap_or_default();
        let (revision, sequence) = loop {
            let publication = Publication::new(subject.clone(), payload.clone())
                .expect_last_subject_sequence(expected);
            match self.bus.publish(publication).await {
                Ok(published) => break (pending.revision, published.sequence),
                // Another replica was first, or the stream or the database is another one.
                Err(PublishError::WrongLastSequence { .. }) => match self.last(&subject).await? {
                    Some((found, Some(last))) if last.revision >= content.revision => {
                        let revision = column(last.revision);
                        if last.listings == content.listings {
                            break (revision, found);
                        }
                        let found = column(found);
                        store::go_past(&self.database, pending, revision, found).await?;
                        return Ok(());
                    }
                    Some((found, _)) if found != expected => expected = found,
                    None if expected != 0 => expected = 0,
                    _ => {
                        return Err(Failure::Stream(
                            "its last message keeps changing".to_owned(),
                        ));
                    }
                },
                Err(error) => return Err(error.into()),
            }
        };
        if let (Some(cut), 0) = (&cut, pending.left_out) {
            room::tell(&self.bus, &self.connections, pending, cut).await?;
        }
        let left_out = column(cut.map_or(0, |cut| cut.listings));
        let sequence = column(sequence);
        Ok(store::published(&self.database, pending, revision, sequence, left_out).await?)
    }

    async fn content(&self, pending: &ShardRow) -> Result<ListingShard, DbError> {
        let ShardRow {
            connection, shard, ..
        } = pending;
        let only_active = only_active(&self.connections, connection);
        let articles = store::articles_of_shard(&self.database, connection, *shard).await?;
        let shared = store::sharers(&self.database, connection, *shard, only_active).await?;
        Ok(ListingShard {
            connection: connection.clone(),
            shard: *shard,
            shards: SHARDS,
            revision: u64::try_from(pending.revision).unwrap_or_default(),
            listings: listings(&articles, &shared, only_active),
        })
    }

    /// Bytes that a shard may have.
    fn room(&self) -> usize {
        let stream = streams::stream(names::LISTINGS).map(|spec| spec.max_message);
        let stream = stream.and_then(|bytes| usize::try_from(bytes).ok());
        let server = self.bus.max_payload();
        stream.unwrap_or(server).min(server).saturating_sub(HEADERS)
    }

    /// The last publication of a shard and its sequence; of one that cannot be read the sequence
    /// alone.
    async fn last(&self, subject: &str) -> Result<Option<(u64, Option<ListingShard>)>, Failure> {
        use async_nats::jetstream::stream::DirectGetErrorKind;
        let stream = self
            .bus
            .jetstream()
            .get_stream_no_info(names::LISTINGS)
            .await;
        let stream = stream.map_err(Failure::stream)?;
        match stream.direct_get_last_for_subject(subject).await {
            Ok(message) => {
                let read = serde_json::from_slice(&message.payload).ok();
                Ok(Some((message.sequence, read)))
            }
            Err(error) if error.kind() == DirectGetErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::stream(error)),
        }
    }

    /// A server that was killed may come back without its last seconds: after each new connection
    /// every publication is looked for.
    async fn notice_lost_tail(&mut self) -> Result<(), Failure> {
        let connects = self
            .bus
            .client()
            .statistics()
            .connects
            .load(Ordering::Relaxed);
        if self.compared_on == Some(connects) {
            return Ok(());
        }
        let settled = store::settled(&self.database).await?;
        if !settled.is_empty() {
            let found = last_sequences(&self.bus).await.map_err(Failure::Stream)?;
            for shard in &settled {
                let subject = subject::listing(&shard.connection, shard.shard);
                if found.get(&subject).copied().map(column) != Some(shard.sequence) {
                    store::publish_again(&self.database, shard).await?;
                }
            }
        }
        self.compared_on = Some(connects);
        Ok(())
    }

    /// A stream that was made anew holds nothing: everything is published again.
    async fn notice_another_stream(&self) -> Result<(), Failure> {
        let stream = self.bus.jetstream().get_stream(names::LISTINGS).await;
        let stream = stream.map_err(Failure::stream)?;
        let created = stream.cached_info().created;
        let known = self
            .database
            .fetch_optional(
                "SELECT created FROM stream WHERE name = $1",
                args![names::LISTINGS],
            )
            .await?;
        let known = known.map(|row| row.time("created")).transpose()?;
        let micros = |at: time::OffsetDateTime| at.unix_timestamp_nanos() / 1_000;
        if known.map(micros) == Some(micros(created)) {
            return Ok(());
        }
        let mut transaction = self.database.begin().await?;
        transaction
            .execute(
                "INSERT INTO stream (name, created) VALUES ($1, $2) \
                 ON CONFLICT (name) DO UPDATE SET created = excluded.created",
                args![names::LISTINGS, created],
            )
            .await?;
        store::publish_all_again(&mut transaction).await?;
        Ok(transaction.commit().await?)
    }
}

/// A number of the broker as a database column holds it.
fn column(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
