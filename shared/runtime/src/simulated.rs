//! The machine of a simulated world.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

/// What a simulated world gives to one of its processes.
pub trait Machine: Send + Sync {
    /// Time by a clock that never jumps.
    fn now(&self) -> Duration;

    /// Waits.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;

    /// Runs a task in the same process.
    fn spawn(&self, task: BoxFuture<'static, ()>);

    /// A random number.
    fn random(&self) -> u64;
}

thread_local! {
    static CURRENT: RefCell<Option<Arc<dyn Machine>>> = const { RefCell::new(None) };
}

/// The machine of the current thread is another one until this is dropped.
#[must_use = "the machine is left as soon as this is dropped"]
pub struct Entered(Option<Arc<dyn Machine>>);

impl Drop for Entered {
    fn drop(&mut self) {
        let before = self.0.take();
        let left = CURRENT.with(|current| current.replace(before));
        // Outside the borrow: dropping a machine may ask for the current one.
        drop(left);
    }
}

/// Makes this the machine of the current thread.
pub fn enter(machine: Arc<dyn Machine>) -> Entered {
    Entered(CURRENT.with(|current| current.replace(Some(machine))))
}

/// The machine of the current thread.
#[must_use]
pub fn current() -> Option<Arc<dyn Machine>> {
    CURRENT.with(|current| current.borrow().clone())
}
