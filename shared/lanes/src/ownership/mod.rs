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
mod rows;
mod stillness;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use storelink_model::ConnectionId;
use storelink_persistence::DbError;
use storelink_planted_faults::planted;
use storelink_runtime::Instant;
use uuid::Uuid;

pub use lease::Lease;
pub(crate) use replicas::Place;
use replicas::Replicas;
pub use rows::{OwnerRow, OwnerRows};
use stillness::Stillness;

/// An acknowledged renewal.
pub(crate) struct Renewal {
    /// When it was begun.
    pub(crate) begun: Instant,
    /// What this process owns, with the epochs.
    pub(crate) owned: BTreeMap<ConnectionId, i64>,
}

/// Takes and renews the rows of this process.
pub(crate) struct Ownership {
    rows: Arc<dyn OwnerRows>,
    owner: String,
    length: Duration,
    lease: Lease,
    replicas: Replicas,
    renewals: Stillness<(i64, i64)>,
}

impl Ownership {
    pub(crate) fn new(rows: Arc<dyn OwnerRows>, length: Duration) -> Self {
        let owner = Uuid::now_v7().simple().to_string();
        Self {
            replicas: Replicas::new(rows.clone(), owner.clone(), length),
            renewals: Stillness::new(length),
            lease: Lease::new(length),
            rows,
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
        let owned = self.rows.renew(&self.owner).await?;
        let begun = if planted!(LeaseFromTheAnswer) {
            Instant::now()
        } else {
            begun
        };
        Ok(Renewal { begun, owned })
    }

    /// Takes up to `room` of the wanted rows that nobody holds, those that were given back first,
    /// and gives their new epochs. They are renewed before anything is sent for them. It looks also
    /// when there is no room, because an owner that is gone is known by looking for a whole lease.
    pub(crate) async fn take(
        &mut self,
        wanted: &BTreeSet<ConnectionId>,
        room: usize,
        place: Place,
    ) -> Result<BTreeMap<ConnectionId, i64>, DbError> {
        if wanted.is_empty() {
            return Ok(BTreeMap::new());
        }
        let rows = self.rows.of_others(&self.owner).await?;
        let now = Instant::now();
        let mut there = BTreeSet::new();
        let (mut given_back, mut left_behind) = (Vec::new(), Vec::new());
        for row in rows {
            there.insert(row.connection.clone());
            if !wanted.contains(row.connection.as_str()) {
                continue;
            }
            if row.owner.is_empty() {
                given_back.push(row);
            } else if self.is_left_behind(&row, now) {
                left_behind.push(row);
            }
        }
        self.renewals.retain(|known| there.contains(known));
        if room == 0 {
            return Ok(BTreeMap::new());
        }
        given_back.extend(self.add_missing(wanted, &there).await?);
        for free in [&mut given_back, &mut left_behind] {
            let begin = place.begin(free.len());
            free.rotate_left(begin);
        }
        let chosen = given_back.into_iter().chain(left_behind).take(room);
        self.take_free(chosen.collect()).await
    }

    fn is_left_behind(&mut self, row: &OwnerRow, now: Instant) -> bool {
        // On SQLite the file lock proves that no other process is there.
        self.rows.is_alone()
            || self
                .renewals
                .is_over(&row.connection, (row.epoch, row.renewal), now)
    }

    /// Makes rows for connections that have none yet.
    async fn add_missing(
        &self,
        wanted: &BTreeSet<ConnectionId>,
        there: &BTreeSet<String>,
    ) -> Result<Vec<OwnerRow>, DbError> {
        let missing = wanted.iter().map(|connection| connection.as_str());
        let missing: Vec<&str> = missing.filter(|one| !there.contains(*one)).collect();
        self.rows.add(&missing).await?;
        Ok(missing.into_iter().map(OwnerRow::new).collect())
    }

    /// In the order of their keys, so that processes which take the same rows wait for each other
    /// and never in a circle.
    async fn take_free(
        &mut self,
        mut free: Vec<OwnerRow>,
    ) -> Result<BTreeMap<ConnectionId, i64>, DbError> {
        if free.is_empty() {
            return Ok(BTreeMap::new());
        }
        free.sort_unstable_by(|one, other| one.connection.cmp(&other.connection));
        self.rows.take(&self.owner, &free).await
    }

    /// Gives rows back that no lane of this process runs for, so that another one takes them.
    pub(crate) async fn give_back(&self, rows: &[(ConnectionId, i64)]) -> Result<(), DbError> {
        self.rows.give_back(rows).await
    }

    /// Tells the others that this process takes nothing any more: what it gives back is theirs.
    pub(crate) async fn leave(&self) -> Result<(), DbError> {
        self.replicas.leave().await
    }

    /// Gives all rows back, so that another process need not wait.
    pub(crate) async fn release(&self) -> Result<(), DbError> {
        self.rows.release(&self.owner).await
    }
}
