//! The time between the signal to end and the end.

use std::time::{Duration, Instant};

/// An orchestrator kills 30 s after its signal.
const WHOLE: Duration = Duration::from_secs(28);
/// Kept for each step after the roles.
const STEP: Duration = Duration::from_secs(2);

/// One deadline for everything that is to be ended, taken when the end was asked for. Each step gets
/// what is left, less what the steps behind it need at least.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ending(Instant);

/// The steps in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Roles finish what they have in hand.
    Roles,
    /// What is buffered for the broker is sent.
    Connection,
    /// The last spans are sent.
    Telemetry,
    /// The broker that `dev` started ends.
    Broker,
}

impl Ending {
    /// The end was asked for just now.
    pub(crate) fn begin() -> Self {
        Self(Instant::now() + WHOLE)
    }

    /// The longest time that this step may take from now on.
    pub(crate) fn time_for(self, step: Step) -> Duration {
        self.time_at(Instant::now(), step)
    }

    fn time_at(self, now: Instant, step: Step) -> Duration {
        let behind = match step {
            Step::Roles => 3,
            Step::Connection => 2,
            Step::Telemetry => 1,
            Step::Broker => 0,
        };
        let left = self.0.saturating_duration_since(now);
        left.saturating_sub(STEP * behind)
            .min(if step == Step::Roles { WHOLE } else { STEP * 2 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_steps_together_end_by_the_deadline_however_slow_each_is() {
        let start = Instant::now();
        let ending = Ending(start + WHOLE);
        let mut now = start;
        let steps = [Step::Roles, Step::Connection, Step::Telemetry, Step::Broker];
        let given = steps.map(|step| {
            let time = ending.time_at(now, step);
            now += time;
            time.as_secs()
        });
        assert_eq!(given, [22, 2, 2, 2]);
        assert_eq!(now, start + WHOLE);
        assert_eq!(ending.time_at(now + STEP, Step::Broker), Duration::ZERO);
    }

    #[test]
    fn a_step_after_quick_ones_is_bounded_too() {
        let start = Instant::now();
        let ending = Ending(start + WHOLE);
        assert_eq!(ending.time_at(start, Step::Telemetry), STEP * 2);
    }
}
