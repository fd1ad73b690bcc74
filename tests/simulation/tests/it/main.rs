//! The simulation's own tests.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests stop at the first surprise"
)]

mod faults;
mod kernel;
mod orders;
mod values;
