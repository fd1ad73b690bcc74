//! Who runs the lane of a connection: a row per connection, taken and renewed by compare-and-set.
//!
//! No clock of another machine is believed. An owner counts up its rows; who sees a row stand still
//! for a whole lease, by its own monotonic clock, may take it. An owner sends nothing when its last
//! acknowledged renewal is older than a third of the lease, so a process that was frozen and wakes
//! up is silent before anybody else begins.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use storelink_model::ConnectionId;
use storelink_persistence::{Backend, Database, DbError, args};
use uuid::Uuid;

/// Whether the last renewal is young enough to send. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Lease {
    begun: Instant,
    /// Milliseconds from `begun` to the last acknowledged renewal, plus one; 0 before the first.
    renewed: Arc<AtomicU64>,
    trusted: Duration,
}

impl Lease {
    /// A lease of this length that was never renewed.
    #[must_use]
    pub fn new(length: Duration) -> Self {
        Self {
            begun: Instant::now(),
            renewed: Arc::default(),
            trusted: length / 3,
        }
    }

    /// Whether a request may leave now.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        match self.renewed.load(Ordering::Acquire) {
            0 => false,
            renewed => {
                let renewed = Duration::from_millis(renewed - 1);
                self.begun.elapsed().saturating_sub(renewed) < self.trusted
            }
        }
    }

    /// A renewal that was begun at `at` is acknowledged.
    pub fn renewed(&self, at: Instant) {
        let millis = at.saturating_duration_since(self.begun).as_millis();
        let millis = u64::try_from(millis).unwrap_or(u64::MAX - 1);
        self.renewed
            .fetch_max(millis.saturating_add(1), Ordering::AcqRel);
    }
}

/// An acknowledged renewal.
pub(crate) struct Renewal {
    /// When it was begun.
    pub(crate) begun: Instant,
    /// What this process owns, with the epochs.
    pub(crate) owned: HashMap<ConnectionId, i64>,
}

/// A row of another owner as it was when it last moved.
struct Seen {
    epoch: i64,
    renewal: i64,
    at: Instant,
}

/// Takes and renews the rows of this process.
pub(crate) struct Ownership {
    db: Database,
    owner: String,
    length: Duration,
    lease: Lease,
    seen: HashMap<String, Seen>,
}

impl Ownership {
    pub(crate) fn new(db: Database, length: Duration) -> Self {
        let owner = Uuid::now_v7().simple().to_string();
        Self {
            db,
            owner,
            length,
            lease: Lease::new(length),
            seen: HashMap::new(),
        }
    }

    pub(crate) fn lease(&self) -> Lease {
        self.lease.clone()
    }

    /// How often [`Ownership::renew`] is due: several times within the part of the lease in which
    /// a renewal is trusted.
    pub(crate) fn renewal_interval(&self) -> Duration {
        (self.length / 12).max(Duration::from_millis(50))
    }

    /// Renews all rows of this process. The lease is fresh again only when the caller has ended the
    /// lanes that are not among them, and says so by [`Lease::renewed`].
    pub(crate) async fn renew(&mut self) -> Result<Renewal, DbError> {
        let begun = Instant::now();
        let rows = self
            .db
            .fetch_all(
                "UPDATE lane_owner SET renewal = renewal + 1 WHERE owner = $1 \
                 RETURNING connection, epoch",
                args![self.owner.as_str()],
            )
            .await?;
        let mut owned = HashMap::with_capacity(rows.len());
        for row in rows {
            if let Ok(connection) = row.text("connection")?.parse() {
                owned.insert(connection, row.int("epoch")?);
            }
        }
        Ok(Renewal { begun, owned })
    }

    /// Takes those of the wanted rows that nobody owns any more, and gives their new epochs. They
    /// are renewed before anything is sent for them.
    pub(crate) async fn take(
        &mut self,
        wanted: &HashSet<ConnectionId>,
    ) -> Result<HashMap<ConnectionId, i64>, DbError> {
        if wanted.is_empty() {
            return Ok(HashMap::new());
        }
        let missing = wanted
            .iter()
            .map(|connection| args![connection.as_str(), "", 0, 0]);
        self.db
            .execute_values(
                "INSERT INTO lane_owner (connection, owner, epoch, renewal) VALUES",
                "ON CONFLICT (connection) DO NOTHING",
                missing.collect(),
            )
            .await?;
        let rows = self
            .db
            .fetch_values(
                "WITH wanted (connection) AS (VALUES",
                ") SELECT o.connection, o.owner, o.epoch, o.renewal FROM lane_owner o \
                 JOIN wanted w ON w.connection = o.connection",
                wanted
                    .iter()
                    .map(|connection| args![connection.as_str()])
                    .collect(),
            )
            .await?;
        let mut free = Vec::new();
        for row in rows {
            let (connection, owner) = (row.text("connection")?, row.text("owner")?);
            let (epoch, renewal) = (row.int("epoch")?, row.int("renewal")?);
            if self.is_free(&connection, &owner, epoch, renewal) {
                free.push((connection, epoch, renewal));
            }
        }
        self.take_free(free).await
    }

    fn is_free(&mut self, connection: &str, owner: &str, epoch: i64, renewal: i64) -> bool {
        // On SQLite the file lock proves that no other process is there. A row of this process is
        // asked for again when its lane ended early.
        if owner.is_empty() || owner == self.owner || self.db.backend() == Backend::Sqlite {
            return true;
        }
        let now = Instant::now();
        match self.seen.get(connection) {
            Some(seen) if seen.epoch == epoch && seen.renewal == renewal => {
                now.duration_since(seen.at) > self.length
            }
            _ => {
                self.seen.insert(
                    connection.to_owned(),
                    Seen {
                        epoch,
                        renewal,
                        at: now,
                    },
                );
                false
            }
        }
    }

    async fn take_free(
        &mut self,
        free: Vec<(String, i64, i64)>,
    ) -> Result<HashMap<ConnectionId, i64>, DbError> {
        if free.is_empty() {
            return Ok(HashMap::new());
        }
        let mut transaction = self.db.begin().await?;
        let mut taken = HashMap::new();
        for (connection, epoch, renewal) in free {
            let row = transaction
                .fetch_optional(
                    "UPDATE lane_owner SET owner = $1, epoch = epoch + 1, renewal = 0 \
                     WHERE connection = $2 AND epoch = $3 AND renewal = $4 RETURNING epoch",
                    args![self.owner.as_str(), connection.as_str(), epoch, renewal],
                )
                .await?;
            self.seen.remove(&connection);
            if let (Some(row), Ok(id)) = (row, connection.parse()) {
                taken.insert(id, row.int("epoch")?);
            }
        }
        transaction.commit().await?;
        Ok(taken)
    }

    /// Gives all rows back, so that another process need not wait.
    pub(crate) async fn release(&self) -> Result<(), DbError> {
        self.db
            .execute(
                "UPDATE lane_owner SET owner = '' WHERE owner = $1",
                args![self.owner.as_str()],
            )
            .await
            .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_trusted_for_a_third_of_its_length_after_a_renewal() {
        let lease = Lease::new(Duration::from_secs(30));
        assert!(!lease.is_fresh(), "never renewed");
        lease.renewed(Instant::now());
        assert!(lease.is_fresh());
        let old = Lease {
            begun: Instant::now().checked_sub(Duration::from_secs(60)).unwrap(),
            ..lease
        };
        old.renewed.store(1, Ordering::Release);
        assert!(!old.is_fresh());
        old.renewed(Instant::now());
        assert!(old.is_fresh());
    }
}
