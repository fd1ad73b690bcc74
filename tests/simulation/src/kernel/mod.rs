//! The simulated machine: one thread, a virtual clock, processes that can be killed or frozen at every
//! step, and a network that delays, loses and reorders.
//!
//! Everything that happens is decided by one seed: the same seed and the same code give the same steps,
//! see [`Sim::digest`].

mod executor;
mod machine;
mod random;
mod story;
mod wire;

pub use executor::{ProcessId, Sim, Stuck};
pub use random::Random;
pub use wire::{Lost, Wire};
