//! End-to-end tests; the README tells which module proves what.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests stop at the first surprise"
)]

mod arena;
mod broker_refusals;
mod documents;
mod endings;
mod events;
mod faults;
mod guards;
mod otlp;
mod pauses;
mod reconciliation;
mod sales;
mod secrets;
mod traces;
mod whole_path;
