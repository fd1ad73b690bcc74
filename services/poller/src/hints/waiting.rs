//! Which hints ask for a read now, which wait, and which are covered by one that waits: no I/O.
//!
//! What a hint wants is a read that begins after it came. A job that the queue accepts begins after
//! that moment; one that the queue refused because such a job is there already may have begun before.
//! So the newest hint of a wish waits and asks again, and it stands for all that came before it.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use storelink_model::ConnectionId;
use storelink_runtime::Instant;

/// Between two reads of one order that hints ask for.
const GAP_OF_AN_ORDER: Duration = Duration::from_secs(1);
/// Between two walks of one store that hints ask for.
const GAP_OF_A_WALK: Duration = Duration::from_secs(15);
/// Pauses of a wish that is refused: this one, doubled with each try.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// So many single orders of a store are asked for within [`BURST_TIME`]; beyond that one walk reads
/// them all, so that a flood takes no more of the queue than that.
const BURST: usize = 20;
const BURST_TIME: Duration = Duration::from_secs(10);

/// What a hint asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Wish {
    pub(super) connection: ConnectionId,
    /// One order; none for a walk over what changed.
    pub(super) order: Option<String>,
}

/// What is to be done about a wish now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Its job is published.
    Ask,
    /// A hint that waits will ask for a read later than now: this one is not needed any more.
    Covered,
    /// Too early: it waits for so long and stands for those after it.
    Hold(Duration),
}

/// What this process knows of wishes. Everything may be forgotten at any time: then some reads are
/// made that were not needed.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    wishes: HashMap<Wish, Pause>,
    bursts: HashMap<ConnectionId, VecDeque<Instant>>,
}

#[derive(Debug)]
struct Pause {
    until: Instant,
    /// The hint in the stream that comes again when the pause is over.
    holder: Option<u64>,
}

impl Waiting {
    /// Forgets what is over.
    pub(super) fn prune(&mut self, now: Instant) {
        self.wishes.retain(|_, pause| pause.until > now);
        self.bursts.retain(|_, asked| {
            while asked.front().is_some_and(|at| *at + BURST_TIME <= now) {
                asked.pop_front();
            }
            !asked.is_empty()
        });
    }

    /// Whether one more order of this store may be asked for by itself; if so, it counts.
    pub(super) fn takes_single(&mut self, wish: &Wish, now: Instant) -> bool {
        if self.wishes.contains_key(wish) {
            return true;
        }
        let asked = self.bursts.entry(wish.connection.clone()).or_default();
        if asked.len() >= BURST {
            return false;
        }
        asked.push_back(now);
        true
    }

    /// What to do about a wish that these hints share, by their sequences in the stream.
    pub(super) fn step(&mut self, wish: &Wish, hints: &[u64], now: Instant) -> Step {
        let Some(pause) = self.wishes.get_mut(wish).filter(|pause| pause.until > now) else {
            return Step::Ask;
        };
        match pause.holder {
            Some(holder) if !hints.contains(&holder) => Step::Covered,
            // It came before its time: the server knows best.
            Some(_) => Step::Ask,
            None => {
                pause.holder = hints.iter().max().copied();
                Step::Hold(pause.until.saturating_duration_since(now))
            }
        }
    }

    /// The queue took the job.
    pub(super) fn accepted(&mut self, wish: Wish, now: Instant) {
        let gap = match wish.order {
            Some(_) => GAP_OF_AN_ORDER,
            None => GAP_OF_A_WALK,
        };
        let pause = Pause {
            until: now + gap,
            holder: None,
        };
        self.wishes.insert(wish, pause);
    }

    /// The queue has such a job already: the hint with this sequence asks again after the pause that
    /// is returned. `tries` is how often it was delivered.
    pub(super) fn refused(
        &mut self,
        wish: Wish,
        holder: u64,
        tries: i64,
        now: Instant,
    ) -> Duration {
        let doublings = u32::try_from(tries.clamp(1, 16) - 1).unwrap_or(0);
        let pause = (FIRST_PAUSE * (1 << doublings)).min(LONGEST_PAUSE);
        let held = Pause {
            until: now + pause,
            holder: Some(holder),
        };
        self.wishes.insert(wish, held);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(id: &str) -> Wish {
        Wish {
            connection: format!("con_{}", "7".repeat(32)).parse().unwrap(),
            order: Some(id.to_owned()),
        }
    }

    fn walk() -> Wish {
        Wish {
            order: None,
            ..order("")
        }
    }

    fn after(seconds: u64) -> Instant {
        // One base for all calls of a test.
        thread_local!(static BASE: Instant = Instant::now());
        BASE.with(|base| *base + Duration::from_secs(seconds))
    }

    #[test]
    fn a_refused_hint_stands_for_all_that_come_until_it_asks_again() {
        let mut waiting = Waiting::default();
        assert_eq!(waiting.step(&order("7"), &[1, 2], after(0)), Step::Ask);
        let pause = waiting.refused(order("7"), 2, 1, after(0));
        assert_eq!(pause, Duration::from_secs(1));
        assert_eq!(waiting.step(&order("7"), &[3], after(0)), Step::Covered);
        assert_eq!(waiting.step(&order("8"), &[4], after(0)), Step::Ask);
        // The one that waits asks again itself, at its time or, should the server say so, before.
        assert_eq!(waiting.step(&order("7"), &[2], after(0)), Step::Ask);
        assert_eq!(waiting.step(&order("7"), &[2, 5], after(1)), Step::Ask);
    }

    #[test]
    fn pauses_grow_and_end_at_a_minute() {
        let mut waiting = Waiting::default();
        let seconds: Vec<u64> = [1, 2, 3, 7, 100, i64::MAX]
            .into_iter()
            .map(|tries| waiting.refused(walk(), 1, tries, after(0)).as_secs())
            .collect();
        assert_eq!(seconds, [1, 2, 4, 60, 60, 60]);
    }

    #[test]
    fn what_comes_right_after_an_accepted_job_waits_once_for_all() {
        let mut waiting = Waiting::default();
        waiting.accepted(walk(), after(0));
        let fifteen = Duration::from_secs(15);
        assert_eq!(
            waiting.step(&walk(), &[7, 9], after(0)),
            Step::Hold(fifteen)
        );
        assert_eq!(waiting.step(&walk(), &[8], after(1)), Step::Covered);
        assert_eq!(waiting.step(&walk(), &[9], after(15)), Step::Ask);
        waiting.accepted(order("7"), after(0));
        assert_eq!(waiting.step(&order("7"), &[1], after(1)), Step::Ask);
    }

    #[test]
    fn a_flood_of_orders_is_cut_and_what_waits_already_costs_nothing_more() {
        let mut waiting = Waiting::default();
        let taken = (0..100).filter(|id| waiting.takes_single(&order(&id.to_string()), after(0)));
        assert_eq!(taken.count(), BURST);
        waiting.refused(order("5"), 1, 7, after(0));
        assert!(
            waiting.takes_single(&order("5"), after(0)),
            "it waits already"
        );
        waiting.prune(after(10));
        assert!(waiting.takes_single(&order("99"), after(10)));
        waiting.prune(after(100));
        assert!(waiting.wishes.is_empty() && waiting.bursts.is_empty());
    }
}
