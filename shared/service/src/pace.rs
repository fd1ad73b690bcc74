//! A fixed distance between the requests to a store that has a limit per minute.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use storelink_bus::kv::{Bucket, Entry, KvError};
use storelink_model::{ConnectionId, Timestamp};
use storelink_planted_faults::planted;
use storelink_runtime::sleep;

/// How often a turn is tried for against others before the request has to come back later.
const CONTESTS: usize = 64;

/// Turns that may be promised ahead, over all processes, beside one minute of them: as many as one
/// process can have under way.
const TURNS_AHEAD: i64 = 16;

/// Longer than a minute by this is what a minute's requests are spread over. A store counts them as they
/// arrive: one that was held up on its way must not bring another into its minute, nor one whose turn was
/// counted by a clock that is ahead. All together are covered up to this time.
const SPARE: i64 = 1_200_000;

/// A turn of a clock that is wrong by more is not believed.
const CLOCK_ERROR: i64 = 5_000_000;

/// Gives each request its turn. The next free turn stands in the bucket `pace`, so that replicas and
/// services of the installation keep the limit together.
#[derive(Clone)]
pub(crate) struct Pace {
    distance: Distance,
    key: Arc<str>,
    bucket: Arc<dyn PaceBucket>,
    local: Arc<Mutex<i64>>,
}

/// The bucket in which the processes of an installation agree on the next turn. A write that fails may
/// have had its effect.
#[async_trait]
pub trait PaceBucket: Send + Sync {
    /// The value of a key.
    async fn get(&self, key: &str) -> Result<Option<Entry>, KvError>;

    /// Writes a key that still has `revision`, 0 when it has none; else it is a conflict.
    async fn update(&self, key: &str, value: Vec<u8>, revision: u64) -> Result<u64, KvError>;
}

#[async_trait]
impl PaceBucket for Bucket {
    async fn get(&self, key: &str) -> Result<Option<Entry>, KvError> {
        Self::get(self, key).await
    }

    async fn update(&self, key: &str, value: Vec<u8>, revision: u64) -> Result<u64, KvError> {
        Self::update(self, key, value, revision).await
    }
}

/// No turn can be promised now: too many requests wait for theirs, or the bucket does not answer. A
/// request without a turn would not count for the other processes, so it does not leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoTurn;

/// What stands in the bucket.
#[derive(Serialize, Deserialize)]
struct NextTurn {
    /// Microseconds since 1970.
    at: i64,
}

enum Missed {
    TooMany,
    Bucket(KvError),
}

impl Pace {
    /// At most `per_minute` requests in any minute, evenly spread: a burst would be answered 429 by a
    /// store that counts seconds.
    pub(crate) fn new(
        connection: &ConnectionId,
        per_minute: u32,
        bucket: Arc<dyn PaceBucket>,
    ) -> Self {
        Self {
            distance: Distance::of(per_minute),
            key: format!("pace.{connection}").into(),
            bucket,
            local: Arc::default(),
        }
    }

    /// Waits until this request may leave, never longer than [`Distance::longest`].
    pub(crate) async fn turn(&self) -> Result<(), NoTurn> {
        let wait = match self.reserve().await {
            Ok(wait) => wait,
            Err(Missed::TooMany) => return Err(NoTurn),
            Err(Missed::Bucket(error)) => {
                tracing::warn!(%error, key = %self.key, "no turn can be agreed on");
                return Err(NoTurn);
            }
        };
        let now = Timestamp::now().micros();
        let at = self.reserve_local(now, now.saturating_add(wait))?;
        if let Ok(wait @ 1..) = u64::try_from(at.saturating_sub(now)) {
            sleep(Duration::from_micros(wait)).await;
        }
        Ok(())
    }

    /// How long to wait by what all processes agreed.
    async fn reserve(&self) -> Result<i64, Missed> {
        let mut contest = 0;
        loop {
            let entry = self.bucket.get(&self.key).await.map_err(Missed::Bucket)?;
            let revision = entry.as_ref().map_or(0, |entry| entry.revision);
            let promised = entry.and_then(|entry| {
                let next: NextTurn = serde_json::from_slice(&entry.value).ok()?;
                Some(Promised {
                    at: next.at,
                    written: Timestamp::from(entry.written).micros(),
                })
            });
            let now = Timestamp::now().micros();
            let turn = self.distance.turn(promised, now);
            let turn = turn.ok_or(Missed::TooMany)?;
            let reserved = NextTurn {
                at: self.distance.after(turn.at),
            };
            let value = serde_json::to_vec(&reserved).unwrap_or_default();
            if planted!(PaceNotReserved) {
                return Ok(turn.wait);
            }
            match self.bucket.update(&self.key, value, revision).await {
                Ok(_) => return Ok(turn.wait),
                // Somebody else has got a turn, so this ends.
                Err(KvError::Conflict { .. }) if contest < CONTESTS => contest += 1,
                Err(error) => return Err(Missed::Bucket(error)),
            }
        }
    }

    /// The same distance inside this process, so that it holds also when the bucket was lost.
    fn reserve_local(&self, now: i64, at: i64) -> Result<i64, NoTurn> {
        let mut next = self.local.lock().unwrap_or_else(PoisonError::into_inner);
        // A promise beyond was made before this process's clock was set back.
        let believed = *next <= now.saturating_add(self.distance.furthest());
        let at = if believed { at.max(*next) } else { at };
        if at.saturating_sub(now) > self.distance.longest() {
            return Err(NoTurn);
        }
        *next = self.distance.after(at);
        Ok(at)
    }
}

/// The next free turn as it was promised, and when, by the broker's clock.
#[derive(Debug, Clone, Copy)]
struct Promised {
    at: i64,
    written: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Turn {
    at: i64,
    wait: i64,
}

/// The distance between two turns, in microseconds, and what follows from it.
#[derive(Debug, Clone, Copy)]
struct Distance(i64);

impl Distance {
    fn of(per_minute: u32) -> Self {
        let per_minute = i64::from(per_minute.max(1));
        let spare = if planted!(PaceWithoutSpare) { 0 } else { SPARE };
        // Rounded up, so that no minute ever holds one more.
        Self((60_000_000 + spare + per_minute - 1) / per_minute)
    }

    fn after(self, at: i64) -> i64 {
        at.saturating_add(self.0)
    }

    /// The longest wait for a turn. Who would wait longer gets none, so that no turn further ahead
    /// is ever promised.
    fn longest(self) -> i64 {
        self.0
            .saturating_mul(TURNS_AHEAD)
            .saturating_add(60_000_000)
    }

    /// A turn further ahead than this was never promised: a wrong clock wrote it.
    fn furthest(self) -> i64 {
        self.after(self.longest()).saturating_add(CLOCK_ERROR)
    }

    /// The turn of one who asks now, and how long it has to wait; none when it would wait too long.
    fn turn(self, promised: Option<Promised>, now: i64) -> Option<Turn> {
        let (next, ahead) = promised
            .map(|next| (next.at, next.at.saturating_sub(next.written)))
            .filter(|(_, ahead)| *ahead <= self.furthest())
            .unwrap_or((now, 0));
        let at = next.max(now);
        // Written before now, so the wait is never longer than it was ahead then: that holds also
        // when the clock of this process is behind.
        let wait = at.saturating_sub(now).min(ahead.max(0));
        (wait <= self.longest()).then_some(Turn { at, wait })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: i64 = 1_000_000;

    /// A bucket that fails in one way.
    struct Failing(fn() -> KvError);

    #[async_trait]
    impl PaceBucket for Failing {
        async fn get(&self, _: &str) -> Result<Option<Entry>, KvError> {
            Ok(None)
        }

        async fn update(&self, _: &str, _: Vec<u8>, _: u64) -> Result<u64, KvError> {
            Err(self.0())
        }
    }

    /// Of such turns the other processes would know nothing: together they would exceed the limit.
    #[tokio::test]
    async fn without_an_agreed_turn_no_request_leaves() {
        let conflict = || KvError::Conflict {
            key: "pace.x".to_owned(),
        };
        let unavailable = || {
            KvError::Publish(storelink_bus::PublishError::Unavailable {
                subject: "pace".to_owned(),
                waited: Duration::ZERO,
                reason: "no answer".to_owned(),
            })
        };
        for failure in [conflict as fn() -> KvError, unavailable] {
            let connection = ConnectionId::generate();
            let pace = Pace::new(&connection, 600, Arc::new(Failing(failure)));
            assert_eq!(pace.turn().await, Err(NoTurn));
        }
    }

    #[test]
    fn a_turn_of_a_wrong_clock_is_not_believed() {
        let distance = Distance::of(60);
        let turn = |at, written, now| distance.turn(Some(Promised { at, written }), now);
        let day = 86_400 * SECOND;
        assert_eq!(
            turn(day, 0, SECOND),
            Some(Turn {
                at: SECOND,
                wait: 0
            })
        );
        let half = SECOND / 2;
        assert_eq!(
            turn(SECOND, 0, half),
            Some(Turn {
                at: SECOND,
                wait: half
            })
        );
        assert_eq!(distance.turn(None, 7), Some(Turn { at: 7, wait: 0 }));
    }

    /// Our clock is a day behind: the promise of ten seconds is waited for, not a day.
    #[test]
    fn a_clock_that_is_behind_waits_no_longer_than_the_promise() {
        let promised = Promised {
            at: 100_010 * SECOND,
            written: 100_000 * SECOND,
        };
        let turn = Distance::of(60)
            .turn(Some(promised), 13_600 * SECOND)
            .unwrap();
        assert_eq!(turn.wait, 10 * SECOND);
    }

    #[test]
    fn who_would_wait_too_long_gets_no_turn() {
        let distance = Distance::of(1);
        let mut next = None;
        let mut turns = Vec::new();
        for _ in 0..40 {
            if let Some(turn) = distance.turn(next, 0) {
                next = Some(Promised {
                    at: distance.after(turn.at),
                    written: 0,
                });
                turns.push(turn.at / SECOND);
            }
        }
        let expected: Vec<i64> = (0..=16).map(|turn| turn * 61_200 / 1_000).collect();
        assert_eq!(turns, expected);
    }

    proptest! {
        /// However many ask at once or one after another, and however much later than another one of
        /// them arrives, up to the spare time, with the bounds of production.
        #[test]
        fn no_minute_holds_more_than_its_limit(
            limit in 1u32..600,
            steps in prop::collection::vec(
                (prop_oneof![Just(0i64), 0i64..2_000_000], 0i64..SPARE), 1..400,
            ),
        ) {
            let distance = Distance::of(limit);
            let (mut now, mut next) = (0i64, None);
            let mut arrived: Vec<i64> = Vec::new();
            for (step, under_way) in steps {
                now += step;
                let Some(turn) = distance.turn(next, now) else { continue };
                prop_assert!(turn.wait <= distance.longest());
                next = Some(Promised { at: distance.after(turn.at), written: now });
                arrived.push(now + turn.wait + under_way);
            }
            prop_assert!(!arrived.is_empty());
            arrived.sort_unstable();
            for (index, start) in arrived.iter().enumerate() {
                let within = arrived[index..].iter().take_while(|at| **at < start + 60_000_000).count();
                prop_assert!(within <= limit as usize);
            }
        }
    }
}
