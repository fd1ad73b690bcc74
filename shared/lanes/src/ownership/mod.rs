//! Who runs the lane of a connection: a row per connection, taken and renewed by compare-and-set.
//!
//! No clock of another machine is believed. An owner counts up its rows; who sees a row stand still
//! for a whole lease, by its own monotonic clock, may take it. An owner sends nothing when its last
//! acknowledged renewal is older than a third of the lease, so a process that was frozen and wakes
//! up is silent before anybody else begins.
//!
//! Processes that share a database each have a row, too, judged in the same way, and each runs its
//! share of the lanes: what is above it is given back as soon as another process is there for it.

mod lease;
mod replicas;
mod stillness;

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use storelink_model::ConnectionId;
use storelink_persistence::{Backend, Database, DbError, args};
use uuid::Uuid;

pub use lease::Lease;
pub(crate) use replicas::Place;
use replicas::Replicas;
use stillness::Stillness;

/// An acknowledged renewal.
pub(crate) struct Renewal {
    /// When it was begun.
    pub(crate) begun: Instant,
    /// What this process owns, with the epochs.
    pub(crate) owned: HashMap<ConnectionId, i64>,
}

/// A row that nobody holds, as it must still be when it is taken.
struct Free {
    connection: String,
    epoch: i64,
    renewal: i64,
}

/// Takes and renews the rows of this process.
pub(crate) struct Ownership {
    db: Database,
    owner: String,
    length: Duration,
    lease: Lease,
    replicas: Replicas,
    renewals: Stillness<(i64, i64)>,
}

impl Ownership {
    pub(crate) fn new(db: Database, length: Duration) -> Self {
        let owner = Uuid::now_v7().simple().to_string();
        Self {
            replicas: Replicas::new(db.clone(), owner.clone(), length),
            renewals: Stillness::new(length),
            lease: Lease::new(length),
            db,
            owner,
            length,
        }
    }

    pub(crate) fn lease(&self) -> Lease {
        self.lease.clone()
    }

    /// The id of this process, as the rows name it.
    pub(crate) fn owner(&self) -> &str {
        &self.owner
    }

    /// How often [`Ownership::renew`] is due: several times within the part of the lease in which
    /// a renewal is trusted.
    pub(crate) fn renewal_interval(&self) -> Duration {
        (self.length / 12).max(Duration::from_millis(50))
    }

    /// Says that this process is there, and where it stands among all that are.
    pub(crate) async fn place(&mut self) -> Result<Place, DbError> {
        self.replicas.beat().await
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

    /// Takes up to `room` of the wanted rows that nobody holds, those that were given back first,
    /// and gives their new epochs. They are renewed before anything is sent for them. It looks also
    /// when there is no room, because an owner that is gone is known by looking for a whole lease.
    pub(crate) async fn take(
        &mut self,
        wanted: &HashSet<ConnectionId>,
        room: usize,
        place: Place,
    ) -> Result<HashMap<ConnectionId, i64>, DbError> {
        if wanted.is_empty() {
            return Ok(HashMap::new());
        }
        let rows = self
            .db
            .fetch_all(
                "SELECT connection, owner, epoch, renewal FROM lane_owner WHERE owner <> $1 \
                 ORDER BY connection",
                args![self.owner.as_str()],
            )
            .await?;
        let now = Instant::now();
        let mut there = HashSet::with_capacity(rows.len());
        let (mut given_back, mut left_behind) = (Vec::new(), Vec::new());
        for row in rows {
            let (connection, owner) = (row.text("connection")?, row.text("owner")?);
            let (epoch, renewal) = (row.int("epoch")?, row.int("renewal")?);
            there.insert(connection.clone());
            if !wanted.contains(connection.as_str()) {
                continue;
            }
            let free = Free {
                connection,
                epoch,
                renewal,
            };
            if owner.is_empty() {
                given_back.push(free);
            } else if self.is_left_behind(&free, now) {
                left_behind.push(free);
            }
        }
        self.renewals.retain(|known| there.contains(known));
        if room == 0 {
            return Ok(HashMap::new());
        }
        given_back.extend(self.add_missing(wanted, &there).await?);
        for free in [&mut given_back, &mut left_behind] {
            let begin = place.begin(free.len());
            free.rotate_left(begin);
        }
        let chosen = given_back.into_iter().chain(left_behind).take(room);
        self.take_free(chosen.collect()).await
    }

    fn is_left_behind(&mut self, row: &Free, now: Instant) -> bool {
        // On SQLite the file lock proves that no other process is there.
        self.db.backend() == Backend::Sqlite
            || self
                .renewals
                .is_over(&row.connection, (row.epoch, row.renewal), now)
    }

    /// Makes rows for connections that have none yet.
    async fn add_missing(
        &self,
        wanted: &HashSet<ConnectionId>,
        there: &HashSet<String>,
    ) -> Result<Vec<Free>, DbError> {
        let mut missing: Vec<&str> = wanted
            .iter()
            .map(ConnectionId::as_str)
            .filter(|connection| !there.contains(*connection))
            .collect();
        missing.sort_unstable();
        let rows = missing
            .iter()
            .map(|connection| args![*connection, "", 0, 0])
            .collect();
        self.db
            .execute_values(
                "INSERT INTO lane_owner (connection, owner, epoch, renewal) VALUES",
                "ON CONFLICT (connection) DO NOTHING",
                rows,
            )
            .await?;
        let free = |connection: &str| Free {
            connection: connection.to_owned(),
            epoch: 0,
            renewal: 0,
        };
        Ok(missing.into_iter().map(free).collect())
    }

    /// In the order of their keys, so that processes which take the same rows wait for each other
    /// and never in a circle.
    async fn take_free(
        &mut self,
        mut free: Vec<Free>,
    ) -> Result<HashMap<ConnectionId, i64>, DbError> {
        if free.is_empty() {
            return Ok(HashMap::new());
        }
        free.sort_unstable_by(|one, other| one.connection.cmp(&other.connection));
        let mut transaction = self.db.begin().await?;
        let mut taken = HashMap::new();
        for row in free {
            let now_owned = transaction
                .fetch_optional(
                    "UPDATE lane_owner SET owner = $1, epoch = epoch + 1, renewal = 0, \
                     gone = FALSE WHERE connection = $2 AND epoch = $3 AND renewal = $4 \
                     AND owner <> $1 RETURNING epoch",
                    args![
                        self.owner.as_str(),
                        row.connection.as_str(),
                        row.epoch,
                        row.renewal
                    ],
                )
                .await?;
            if let (Some(now_owned), Ok(id)) = (now_owned, row.connection.parse()) {
                taken.insert(id, now_owned.int("epoch")?);
            }
        }
        transaction.commit().await?;
        Ok(taken)
    }

    /// Gives rows back that no lane of this process runs for, so that another one takes them.
    pub(crate) async fn give_back(&self, rows: &[(ConnectionId, i64)]) -> Result<(), DbError> {
        let rows = rows
            .iter()
            .map(|(connection, epoch)| args![connection.as_str(), *epoch]);
        self.db
            .execute_values(
                "WITH given (connection, epoch) AS (VALUES",
                ") UPDATE lane_owner SET owner = '' FROM given g \
                 WHERE lane_owner.connection = g.connection AND lane_owner.epoch = g.epoch",
                rows.collect(),
            )
            .await
            .map(drop)
    }

    /// Tells the others that this process takes nothing any more: what it gives back is theirs.
    pub(crate) async fn leave(&self) -> Result<(), DbError> {
        self.replicas.leave().await
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
