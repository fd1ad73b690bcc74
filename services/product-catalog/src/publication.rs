//! Publishes the shards that changed, from the committed rows.

use std::time::Duration;

use storelink_bus::streams::names;
use storelink_bus::{Bus, Publication, PublishError};
use storelink_events::internal::ListingShard;
use storelink_events::subject;
use storelink_persistence::{Database, DbError, args};
use storelink_service::Connections;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::choices::only_active;
use crate::listings::listings;
use crate::shard::SHARDS;
use crate::store::{self, PendingShard};

/// How many shards are taken at once.
const PAGE: i64 = 64;
/// How often is looked without being called: what an earlier try left, and another stream.
const SWEEP: Duration = Duration::from_secs(5);

/// Publishes shards.
pub(crate) struct Publisher {
    pub(crate) bus: Bus,
    pub(crate) database: Database,
    pub(crate) connections: Connections,
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
}

impl Publisher {
    /// Publishes whenever called and at every sweep, until cancelled.
    pub(crate) async fn run(self, called: &Notify, shutdown: CancellationToken) {
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
    async fn publish_pending(&self) -> Result<(), Failure> {
        self.notice_another_stream().await?;
        loop {
            let pending = store::pending(&self.database, PAGE).await?;
            if pending.is_empty() {
                return Ok(());
            }
            for shard in pending {
                self.publish(&shard).await?;
            }
        }
    }

    /// The revision was read before the articles, so what is published is at least that new.
    async fn publish(&self, pending: &PendingShard) -> Result<(), Failure> {
        let PendingShard {
            connection, shard, ..
        } = pending;
        let articles = store::articles_of_shard(&self.database, connection, *shard).await?;
        let shared = store::sharers(&self.database, connection).await?;
        let content = ListingShard {
            connection: connection.clone(),
            shard: *shard,
            shards: SHARDS,
            revision: u64::try_from(pending.revision).unwrap_or_default(),
            listings: listings(
                &articles,
                &shared,
                only_active(&self.connections, connection),
            ),
        };
        let payload = serde_json::to_vec(&content).unwrap_or_default();
        let subject = subject::listing(connection, *shard);

        let mut expected = u64::try_from(pending.sequence).unwrap_or_default();
        let sequence = loop {
            let publication = Publication::new(subject.clone(), payload.clone())
                .expect_last_subject_sequence(expected);
            match self.bus.publish(publication).await {
                Ok(published) => break published.sequence,
                // Another replica was first, or the stream is another one.
                Err(PublishError::WrongLastSequence { .. }) => match self.last(&subject).await? {
                    Some((found, last)) if last.revision >= content.revision => break found,
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
        let sequence = i64::try_from(sequence).unwrap_or_default();
        Ok(store::published(&self.database, pending, sequence).await?)
    }

    /// The last publication of a shard and its sequence.
    async fn last(&self, subject: &str) -> Result<Option<(u64, ListingShard)>, Failure> {
        use async_nats::jetstream::stream::DirectGetErrorKind;
        let stream = self
            .bus
            .jetstream()
            .get_stream_no_info(names::LISTINGS)
            .await;
        let stream = stream.map_err(Failure::stream)?;
        match stream.direct_get_last_for_subject(subject).await {
            Ok(message) => {
                let read = serde_json::from_slice(&message.payload);
                let shard = read.map_err(Failure::stream)?;
                Ok(Some((message.sequence, shard)))
            }
            Err(error) if error.kind() == DirectGetErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::stream(error)),
        }
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
