//! Which fault comes next, from the seed alone: a seed gives the same faults in the same order,
//! however fast the machine is.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use storelink_simulators::{Fault, FaultEffect, FaultMatch, FaultPage, Noise, Requests};
use storelink_test_support::system::Role;

/// Longest pause between two kills.
const PAUSE_MS: u64 = 1_500;
/// Longest time for which broker or database stay away.
const AWAY_MS: u64 = 2_000;

/// The next kill.
#[derive(Debug, Clone, PartialEq)]
pub struct Kill {
    /// Time before it.
    pub pause: Duration,
    /// Whose process.
    pub role: Role,
    /// Which of its processes, counted from 0 over those that there are.
    pub replica: usize,
    /// What a store does meanwhile, with the place of that store.
    pub store_fault: Option<(usize, Fault)>,
}

/// Faults in the order of a seed.
pub struct Schedule {
    random: StdRng,
    store_faults: bool,
}

impl Schedule {
    /// The faults of a seed, with or without stores that misbehave.
    #[must_use]
    pub fn new(seed: u64, store_faults: bool) -> Self {
        Self {
            random: StdRng::seed_from_u64(seed),
            store_faults,
        }
    }

    /// How long broker or database stay away.
    pub fn away(&mut self) -> Duration {
        Duration::from_millis(self.random.random_range(0..AWAY_MS))
    }

    fn store_fault(&mut self) -> Fault {
        let effects = [
            FaultEffect::Latency {
                ms: 300,
                jitter_ms: 900,
                row_ms: 0,
            },
            FaultEffect::Answer(FaultPage::FatalError),
            FaultEffect::Answer(FaultPage::BadGateway),
            FaultEffect::Answer(FaultPage::TooManyRequests(None)),
            FaultEffect::Answer(FaultPage::TooManyRequests(Some(1))),
            FaultEffect::ApplyThenClose,
            FaultEffect::ApplyThenAnswer(FaultPage::GatewayTimeout),
            FaultEffect::ApplyRowsThenAnswer {
                rows: 2,
                page: FaultPage::FatalError,
            },
            FaultEffect::ApplyLate {
                after_ms: 4_000,
                hold_ms: 500,
            },
            FaultEffect::CloseBeforeAnswer,
            FaultEffect::Noise(Noise::Warning),
            FaultEffect::Noise(Noise::ByteOrderMark),
            FaultEffect::RefuseConnections,
        ];
        let effect = effects
            .choose(&mut self.random)
            .cloned()
            .unwrap_or(FaultEffect::CloseBeforeAnswer);
        let writes_only = matches!(
            effect,
            FaultEffect::ApplyLate { .. } | FaultEffect::ApplyRowsThenAnswer { .. }
        );
        Fault {
            on: FaultMatch {
                requests: if writes_only {
                    Requests::Writes
                } else {
                    Requests::All
                },
                percent: self.random.random_range(20..=100),
                for_ms: Some(self.random.random_range(200..3_000)),
                ..FaultMatch::default()
            },
            effect,
        }
    }
}

impl Iterator for Schedule {
    type Item = Kill;

    fn next(&mut self) -> Option<Kill> {
        let role = *Role::ALL.choose(&mut self.random)?;
        let pause = Duration::from_millis(self.random.random_range(0..PAUSE_MS));
        let replica = self.random.random_range(0..64);
        let store_fault = match self.store_faults {
            true => Some((self.random.random_range(0..64), self.store_fault())),
            false => None,
        };
        Some(Kill {
            pause,
            role,
            replica,
            store_fault,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_faults_again_and_another_seed_others() {
        let of = |seed| Schedule::new(seed, true).take(50).collect::<Vec<_>>();
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
        for role in Role::ALL {
            assert!(of(7).iter().any(|kill| kill.role == role), "{role}");
        }
    }
}
