//! Runs lanes: one task for each connection that this process owns.

mod asking;
mod attempts;
mod doubts;
mod gate;
mod handle;
mod links;
mod listings;
mod read_gate;
mod reconcile;
mod reconciler;
mod send;
mod span;
mod state;
mod step;
mod supervisor;
mod task;
mod tasks;

pub(crate) use doubts::OutsideDoubts;
pub(crate) use handle::LaneHandle;
pub use links::Links;
pub(crate) use listings::follow_listings;
pub(crate) use reconciler::Reconciler;
pub(crate) use send::ATTEMPTS_BETWEEN_SNAPSHOTS;
pub(crate) use step::closed_reason;
pub(crate) use supervisor::{Lanes, supervise};
pub(crate) use task::Shared;
