//! The simulation's own tests.

mod kernel;
