//! End-to-end tests; the README tells which module proves what.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests stop at the first surprise"
)]

mod arena;
mod backlog;
mod backup;
mod broker_loss;
mod broker_refusals;
mod broker_users;
mod documents;
mod endings;
mod events;
mod faults;
mod guards;
mod late_effects;
mod order_edits;
mod otlp;
mod pauses;
mod reconciliation;
mod sales;
mod secrets;
mod traces;
mod whole_path;
