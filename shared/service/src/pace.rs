//! A fixed distance between the requests to a store that has a limit per minute.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use storelink_bus::kv::{Bucket, KvError};
use storelink_model::{ConnectionId, Timestamp};

/// How often a turn is tried for against others before this process keeps the distance alone.
const CONTESTS: usize = 16;

/// Gives each request its turn. The next free turn stands in the bucket `pace`, so that replicas and
/// services of the installation keep the limit together.
#[derive(Clone)]
pub(crate) struct Pace {
    interval_micros: i64,
    key: Arc<str>,
    bucket: Bucket,
    local: Arc<Mutex<i64>>,
}

/// What stands in the bucket.
#[derive(Serialize, Deserialize)]
struct NextTurn {
    /// Microseconds since 1970.
    at: i64,
}

impl Pace {
    /// At most `per_minute` requests in any minute, evenly spread: a burst would be answered 429 by a
    /// store that counts seconds.
    pub(crate) fn new(connection: &ConnectionId, per_minute: u32, bucket: Bucket) -> Self {
        Self {
            interval_micros: interval_micros(per_minute),
            key: format!("pace.{connection}").into(),
            bucket,
            local: Arc::default(),
        }
    }

    /// Waits until this request may leave.
    pub(crate) async fn turn(&self) {
        let at = match self.reserve().await {
            Ok(at) => self.reserve_local(at),
            Err(error) => {
                tracing::warn!(error = %error, "pace is kept by this process alone");
                self.reserve_local(Timestamp::now().micros())
            }
        };
        let wait = at.saturating_sub(Timestamp::now().micros());
        if let Ok(wait @ 1..) = u64::try_from(wait) {
            tokio::time::sleep(Duration::from_micros(wait)).await;
        }
    }

    async fn reserve(&self) -> Result<i64, KvError> {
        let mut contest = 0;
        loop {
            let entry = self.bucket.get(&self.key).await?;
            let revision = entry.as_ref().map_or(0, |entry| entry.revision);
            let next =
                entry.and_then(|entry| serde_json::from_slice::<NextTurn>(&entry.value).ok());
            let at = turn_after(
                next.map(|next| next.at),
                Timestamp::now().micros(),
                self.longest(),
            );
            let reserved = NextTurn {
                at: at.saturating_add(self.interval_micros),
            };
            let value = serde_json::to_vec(&reserved).unwrap_or_default();
            match self.bucket.update(&self.key, value, revision).await {
                Ok(_) => return Ok(at),
                Err(KvError::Conflict { .. }) if contest < CONTESTS => contest += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// The same distance inside this process, so that it holds without the bucket too.
    fn reserve_local(&self, at: i64) -> i64 {
        let mut next = self.local.lock().unwrap_or_else(PoisonError::into_inner);
        let at = turn_after(Some(*next), at, self.longest());
        *next = at.saturating_add(self.interval_micros);
        at
    }

    /// No wait is longer than a minute and a turn: a time beyond was written by a wrong clock.
    fn longest(&self) -> i64 {
        self.interval_micros.saturating_add(60_000_000)
    }
}

fn interval_micros(per_minute: u32) -> i64 {
    // Rounded up, so that no minute ever holds one more.
    (60_000_000 + i64::from(per_minute.max(1)) - 1) / i64::from(per_minute.max(1))
}

fn turn_after(next: Option<i64>, now: i64, longest: i64) -> i64 {
    next.filter(|next| *next <= now.saturating_add(longest))
        .map_or(now, |next| next.max(now))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_turn_of_a_wrong_clock_is_not_believed() {
        assert_eq!(turn_after(Some(90_000_000), 0, 60_500_000), 0);
        assert_eq!(turn_after(Some(500_000), 0, 60_500_000), 500_000);
        assert_eq!(turn_after(None, 7, 60_500_000), 7);
    }

    proptest! {
        #[test]
        fn no_minute_holds_more_than_its_limit(
            limit in 1u32..600,
            steps in prop::collection::vec(0i64..2_000_000, 1..400),
        ) {
            let interval = interval_micros(limit);
            let (mut now, mut next) = (0i64, None);
            let mut sent: Vec<i64> = Vec::new();
            for step in steps {
                now += step;
                let at = turn_after(next, now, i64::MAX / 4);
                next = Some(at + interval);
                sent.push(at);
            }
            for (index, start) in sent.iter().enumerate() {
                let within = sent[index..].iter().take_while(|at| **at < start + 60_000_000).count();
                prop_assert!(within <= limit as usize);
            }
        }
    }
}
