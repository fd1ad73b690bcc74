//! The simulation's own tests.

mod kernel;
mod orders;
