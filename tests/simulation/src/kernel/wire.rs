//! One call over the network: it may be slow, lost on the way there, or lost on the way back, and what
//! is on the way arrives also when the caller is dead by then.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::Sim;

/// How a way through the network behaves.
#[derive(Debug, Clone, Copy)]
pub struct Wire {
    /// The shortest time for one direction.
    pub quickest: Duration,
    /// The longest time for one direction.
    pub slowest: Duration,
    /// Calls of a thousand that never arrive.
    pub lost_there: u32,
    /// Calls of a thousand that arrive, but whose answer does not.
    pub lost_back: u32,
    /// When a caller without an answer gives up, counted from the call.
    pub patience: Duration,
}

impl Wire {
    /// A way that loses nothing.
    #[must_use]
    pub const fn reliable(quickest: Duration, slowest: Duration) -> Self {
        Self {
            quickest,
            slowest,
            lost_there: 0,
            lost_back: 0,
            patience: Duration::from_secs(30),
        }
    }
}

/// No answer came: it is not known whether the call arrived, or whether it still will.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost;

/// Where the answer of a call appears.
pub(super) struct Slot<T> {
    answer: Option<Result<T, Lost>>,
    waker: Option<Waker>,
}

impl<T> Slot<T> {
    pub(super) fn shared() -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            answer: None,
            waker: None,
        }))
    }
}

/// Waits for an answer.
pub(super) struct Answer<T>(pub(super) Arc<Mutex<Slot<T>>>);

impl<T> Future for Answer<T> {
    type Output = Result<T, Lost>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match slot.answer.take() {
            Some(answer) => Poll::Ready(answer),
            None => {
                slot.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

pub(super) fn answer<T>(slot: &Mutex<Slot<T>>, answer: Result<T, Lost>) {
    let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
    if slot.answer.is_none() {
        slot.answer = Some(answer);
    }
    if let Some(waker) = slot.waker.take() {
        waker.wake();
    }
}

impl Sim {
    /// Calls `effect` at the other end of the wire. It runs as soon as the call arrives, whatever has
    /// become of the caller, and its result comes back, unless something is lost.
    ///
    /// # Errors
    /// [`Lost`] when no answer came within the wire's patience.
    pub async fn call<T: Send + 'static>(
        &self,
        wire: Wire,
        effect: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, Lost> {
        let (there, back, lost_there, lost_back) = self.chance(|random| {
            (
                random.duration(wire.quickest, wire.slowest),
                random.duration(wire.quickest, wire.slowest),
                random.per_mille(wire.lost_there),
                random.per_mille(wire.lost_back),
            )
        });
        let slot = Slot::shared();
        if lost_there || lost_back || there + back > wire.patience {
            let given_up = slot.clone();
            self.after(wire.patience, move |_| answer(&given_up, Err(Lost)));
        }
        if !lost_there {
            let arrived = slot.clone();
            self.after(there, move |sim| {
                let result = effect(sim);
                if !lost_back {
                    sim.after(back, move |_| answer(&arrived, Ok(result)));
                }
            });
        }
        Answer(slot).await
    }
}
