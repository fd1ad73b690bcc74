//! Runs the tasks of all processes, one step at a time, in an order that the seed decides.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use storelink_model::Timestamp;

use super::Random;
use super::machine::Inside;
use super::story::Story;

/// When every world begins: 2026-01-01, in microseconds since 1970.
const BEGINNING: i64 = 1_767_225_600_000_000;

/// One process of the simulated system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId(pub u32);

type TaskId = u64;
type Task = Pin<Box<dyn Future<Output = ()> + Send>>;
type Event = Box<dyn FnOnce(&Sim) + Send>;

/// The world did not come to rest: it made this many steps without the clock moving on far enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stuck {
    /// Steps made.
    pub steps: u64,
}

/// A simulated world. Cheap to clone.
#[derive(Clone)]
pub struct Sim(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Tasks that were woken; apart from the state, since a step may wake others.
    woken: Arc<Woken>,
}

#[derive(Default)]
struct Woken(Mutex<BTreeSet<TaskId>>);

struct State {
    now: i64,
    random: Random,
    story: Story,
    tasks: BTreeMap<TaskId, (ProcessId, Option<Task>)>,
    processes: BTreeMap<ProcessId, Process>,
    /// Whose step is made now.
    running: Option<ProcessId>,
    events: BinaryHeap<Reverse<(i64, u64)>>,
    effects: BTreeMap<u64, Event>,
    next: u64,
    steps: u64,
    digest: u64,
}

#[derive(Default)]
struct Process {
    frozen: bool,
    /// Its clock minus the true time, in microseconds.
    clock_error: i64,
}

struct TaskWaker {
    task: TaskId,
    woken: Weak<Woken>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        if let Some(woken) = self.woken.upgrade() {
            woken.add(self.task);
        }
    }
}

impl Woken {
    fn add(&self, task: TaskId) {
        self.set().insert(task);
    }

    fn set(&self) -> MutexGuard<'_, BTreeSet<TaskId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sim {
    /// A world without anything in it. `told` keeps the [`Sim::story`].
    #[must_use]
    pub fn new(seed: u64, told: bool) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::new(State {
                now: BEGINNING,
                random: Random::new(seed),
                story: Story::new(told),
                tasks: BTreeMap::new(),
                processes: BTreeMap::new(),
                running: None,
                events: BinaryHeap::new(),
                effects: BTreeMap::new(),
                next: 0,
                steps: 0,
                digest: seed,
            }),
            woken: Arc::default(),
        }))
    }

    /// The true time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.state().now)
    }

    /// Draws from the world's chance.
    pub fn chance<T>(&self, draw: impl FnOnce(&mut Random) -> T) -> T {
        draw(&mut self.state().random)
    }

    /// Notes a line of the story.
    pub fn tell(&self, line: impl FnOnce() -> String) {
        let mut state = self.state();
        let now = state.now - BEGINNING;
        state.story.tell(now, line);
    }

    /// The last lines of what happened.
    #[must_use]
    pub fn story(&self) -> Vec<String> {
        self.state().story.lines()
    }

    /// A fingerprint of all steps so far: equal for equal seeds and code.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.state().digest
    }

    /// Mixes something into the fingerprint, for example what was written.
    pub fn witness(&self, fact: u64) {
        self.state().mix(fact);
    }

    /// Begins a task of a process.
    pub fn spawn(&self, process: ProcessId, task: impl Future<Output = ()> + Send + 'static) {
        let mut state = self.state();
        let id = state.fresh();
        state.processes.entry(process).or_default();
        state.tasks.insert(id, (process, Some(Box::pin(task))));
        drop(state);
        self.0.woken.add(id);
    }

    /// Ends a process where it stands: none of its tasks makes another step. What it has sent is on
    /// its way.
    pub fn kill(&self, process: ProcessId) {
        let mut state = self.state();
        let killed: Vec<TaskId> = state
            .tasks
            .iter()
            .filter(|(_, (owner, _))| *owner == process)
            .map(|(id, _)| *id)
            .collect();
        let ended: Vec<_> = killed
            .iter()
            .filter_map(|id| state.tasks.remove(id))
            .collect();
        if let Some(process) = state.processes.get_mut(&process) {
            process.frozen = false;
        }
        let clock = state.clock_of(process);
        drop(state);
        // Outside the lock: ending a task may wake another, and ask for the time.
        let _inside = Inside::of(self, process, clock);
        drop(ended);
    }

    /// Ends the world: no task and nothing that was to happen later is left, nor what they held.
    pub fn end(&self) {
        let processes: Vec<ProcessId> = self.state().processes.keys().copied().collect();
        for process in processes {
            self.kill(process);
        }
        let mut state = self.state();
        state.events.clear();
        let effects = std::mem::take(&mut state.effects);
        drop(state);
        drop(effects);
    }

    /// Stops a process as `SIGSTOP` does, or lets it go on.
    pub fn freeze(&self, process: ProcessId, frozen: bool) {
        self.state().processes.entry(process).or_default().frozen = frozen;
    }

    /// The process whose step is made now.
    #[must_use]
    pub fn running(&self) -> Option<ProcessId> {
        self.state().running
    }

    /// Whether a process has any task.
    #[must_use]
    pub fn is_alive(&self, process: ProcessId) -> bool {
        let state = self.state();
        state.tasks.values().any(|(owner, _)| *owner == process)
    }

    /// Makes the clock of a process wrong by this much.
    pub fn set_clock_error(&self, process: ProcessId, micros: i64) {
        self.state()
            .processes
            .entry(process)
            .or_default()
            .clock_error = micros;
    }

    /// Lets something happen later, whatever becomes of whoever caused it.
    pub fn after(&self, delay: Duration, effect: impl FnOnce(&Self) + Send + 'static) {
        let mut state = self.state();
        let micros = i64::try_from(delay.as_micros()).unwrap_or(i64::MAX);
        let at = state.now.saturating_add(micros);
        let id = state.fresh();
        state.events.push(Reverse((at, id)));
        state.effects.insert(id, Box::new(effect));
    }

    /// Waits, by the true time.
    pub async fn sleep(&self, delay: Duration) {
        let waited = super::wire::Slot::shared();
        let over = waited.clone();
        self.after(delay, move |_| super::wire::answer(&over, Ok(())));
        super::wire::Answer(waited).await.ok();
    }

    /// Runs until this time, or until nothing can happen any more.
    ///
    /// # Errors
    /// [`Stuck`] after too many steps.
    pub fn run_until(&self, until: Timestamp, most_steps: u64) -> Result<(), Stuck> {
        let begun = self.state().steps;
        loop {
            let steps = self.state().steps;
            if steps - begun > most_steps {
                return Err(Stuck { steps });
            }
            if self.step_a_task() {
                continue;
            }
            if !self.next_event(until.micros()) {
                break;
            }
        }
        let mut state = self.state();
        state.now = state.now.max(until.micros());
        Ok(())
    }

    /// Makes one step of one of the tasks that can make one.
    fn step_a_task(&self) -> bool {
        let (id, mut task, process, clock) = {
            let mut state = self.state();
            let able = self.able(&state);
            let place = state.random.below(able.len());
            let Some(id) = able.get(place).copied() else {
                return false;
            };
            self.0.woken.set().remove(&id);
            state.steps += 1;
            let now = state.now;
            state.mix(id ^ now.unsigned_abs());
            let Some((process, task)) = state.tasks.get_mut(&id) else {
                return true;
            };
            let process = *process;
            let Some(task) = task.take() else { return true };
            state.running = Some(process);
            (id, task, process, state.clock_of(process))
        };
        let inside = Inside::of(self, process, clock);
        let waker = Waker::from(Arc::new(TaskWaker {
            task: id,
            woken: Arc::downgrade(&self.0.woken),
        }));
        let polled = task.as_mut().poll(&mut Context::from_waker(&waker));
        let mut state = self.state();
        state.running = None;
        match polled {
            Poll::Ready(()) => {
                state.tasks.remove(&id);
            }
            Poll::Pending => {
                // Gone when the step killed its own process.
                if let Some((_, place)) = state.tasks.get_mut(&id) {
                    *place = Some(task);
                    return true;
                }
            }
        }
        drop(state);
        drop(task);
        drop(inside);
        true
    }

    /// Woken tasks of processes that are not frozen; those that are gone are forgotten.
    fn able(&self, state: &State) -> Vec<TaskId> {
        let mut woken = self.0.woken.set();
        woken.retain(|id| state.tasks.contains_key(id));
        let frozen = |id: &TaskId| {
            let process = state.tasks.get(id).map(|(process, _)| process);
            process
                .and_then(|id| state.processes.get(id))
                .is_some_and(|one| one.frozen)
        };
        woken.iter().filter(|id| !frozen(id)).copied().collect()
    }

    /// Lets the next event happen, if it is not later than `until`.
    fn next_event(&self, until: i64) -> bool {
        let effect = {
            let mut state = self.state();
            match state.events.peek() {
                Some(Reverse((at, _))) if *at <= until => {}
                _ => return false,
            }
            let Some(Reverse((at, id))) = state.events.pop() else {
                return false;
            };
            state.now = state.now.max(at);
            state.mix(id ^ at.unsigned_abs());
            state.effects.remove(&id)
        };
        if let Some(effect) = effect {
            effect(self);
        }
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The time by the clock of a process.
    fn clock_of(&self, process: ProcessId) -> i64 {
        let error = self
            .processes
            .get(&process)
            .map_or(0, |one| one.clock_error);
        self.now.saturating_add(error)
    }

    fn fresh(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn mix(&mut self, fact: u64) {
        // FNV-1a over 64-bit words: a fingerprint, not a secret.
        self.digest = (self.digest ^ fact).wrapping_mul(0x0000_0100_0000_01b3);
    }
}

impl std::fmt::Debug for Sim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sim").finish_non_exhaustive()
    }
}
