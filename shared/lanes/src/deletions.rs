//! Connections that were deleted while no publisher ran: what waits for them goes.

use std::collections::HashSet;
use std::time::Duration;

use storelink_model::{ConnectionId, Timestamp};
use storelink_persistence::{Database, DbError};
use storelink_runtime::sleep;
use storelink_service::{AbsenceError, Absences, Connections};
use tokio_util::sync::CancellationToken;

use crate::records::retention;

/// How often is looked. A connection counts as deleted only when it was missed for an hour.
const LOOK: Duration = Duration::from_secs(600);

/// They are forgotten later.
#[derive(Debug, thiserror::Error)]
enum DeletionError {
    #[error(transparent)]
    Database(#[from] DbError),
    #[error(transparent)]
    Absence(#[from] AbsenceError),
}

/// Forgets connections that have no record any more. One that is deleted while a publisher runs is
/// forgotten at once by the supervisor of the lanes.
pub(crate) struct Deletions {
    pub(crate) db: Database,
    pub(crate) absences: Absences,
}

impl Deletions {
    /// Looks now and regularly until cancelled.
    pub(crate) async fn follow(mut self, connections: Connections, shutdown: CancellationToken) {
        loop {
            let linked = connections.all();
            let linked = linked.iter().map(|linked| linked.record.id.clone());
            if let Err(error) = self.look(&linked.collect()).await {
                tracing::warn!(%error, "deleted connections are forgotten later");
            }
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = sleep(LOOK) => {}
            }
        }
    }

    async fn look(&mut self, linked: &HashSet<ConnectionId>) -> Result<(), DeletionError> {
        let known = retention::known(&self.db).await?;
        for id in self.absences.among(&known, linked).await? {
            retention::forget(&self.db, &id).await?;
            tracing::info!(connection = %id, "what waited for a deleted connection is gone");
        }
        Ok(retention::clear_gone(&self.db, Timestamp::now()).await?)
    }
}

#[cfg(test)]
mod tests {
    use storelink_bus::kv::Bucket;
    use storelink_bus::streams::{self, names};
    use storelink_bus::{Bus, BusOptions};
    use storelink_events::subject;
    use storelink_persistence::args;
    use storelink_test_support::broker::TestBroker;
    use storelink_test_support::database::TestDatabase;
    use storelink_test_support::on_each_database;

    use super::*;
    use crate::MIGRATOR;

    on_each_database!(what_was_deleted_while_nobody_ran_goes_and_the_rest_stays);

    async fn waiting(db: &Database, id: &ConnectionId) -> i64 {
        let sql = "SELECT (SELECT COUNT(*) FROM parked WHERE connection = $1) \
                   + (SELECT COUNT(*) FROM attempts WHERE connection = $1) AS waiting";
        let row = db.fetch_one(sql, args![id.as_str()]).await.unwrap();
        row.int("waiting").unwrap()
    }

    /// A parked article, and a receipt of so long ago.
    async fn lane(db: &Database, days: i64) -> ConnectionId {
        let id = ConnectionId::generate();
        let started = Timestamp::now().saturating_sub(time::Duration::days(days));
        let parked = format!("prk_{id}");
        for (sql, args) in [
            (
                "INSERT INTO lane_owner (connection, owner, epoch, renewal) VALUES ($1, '', 2, 0)",
                args![id.as_str()],
            ),
            (
                "INSERT INTO parked (connection, sku, id, tenant, code, reason, input, since, \
                 announced) VALUES ($1, 'A', $2, 'acme', 'c', '', '', 0, TRUE)",
                args![id.as_str(), parked],
            ),
            (
                "INSERT INTO attempts (connection, epoch, number, tenant, started, items) \
                 VALUES ($1, 2, 1, 'acme', $2, '')",
                args![id.as_str(), started.micros()],
            ),
        ] {
            db.execute(sql, args).await.unwrap();
        }
        id
    }

    async fn what_was_deleted_while_nobody_ran_goes_and_the_rest_stays(database: TestDatabase) {
        let broker = TestBroker::start().await.unwrap();
        let options = BusOptions::new(broker.url(), "test");
        let bus = Bus::connect(&options).await.unwrap();
        streams::apply(&bus, options.sizing).await.unwrap();
        let settings = database.settings();
        let db = Database::open(&settings, "stock-publisher").await.unwrap();
        db.migrate(&MIGRATOR).await.unwrap();
        let gone = lane(&db, 1).await;
        let (long_gone, linked) = (lane(&db, 31).await, lane(&db, 31).await);
        let there = HashSet::from([linked.clone()]);
        let mut deletions = Deletions {
            db: db.clone(),
            absences: Absences::new(&bus, Duration::ZERO),
        };
        deletions.look(&there).await.unwrap();
        assert_eq!(
            waiting(&db, &gone).await,
            2,
            "an empty bucket proves nothing"
        );
        let bucket = Bucket::new(&bus, names::CONNECTIONS);
        let key = subject::connection_key(&linked);
        bucket.put(&key, "{}").await.unwrap();
        deletions.look(&there).await.unwrap();
        assert_eq!(waiting(&db, &gone).await, 1, "its receipt is young");
        assert_eq!(waiting(&db, &long_gone).await, 0);
        assert_eq!(waiting(&db, &linked).await, 2);

        // A process that heard of it late.
        let late = "INSERT INTO doubts (connection, sku, kind, due) VALUES ($1, 'A', 'order', 0)";
        db.execute(late, args![gone.as_str()]).await.unwrap();
        deletions.look(&there).await.unwrap();
        let sql = "SELECT COUNT(*) AS left_over FROM doubts";
        let row = db.fetch_one(sql, args![]).await.unwrap();
        assert_eq!(row.int("left_over").unwrap(), 0);
    }
}
