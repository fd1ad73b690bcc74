//! The ledger and its relay on a real broker and both databases.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stop at the first surprise"
)]

mod events;
mod faults;
mod harness;
mod held;
mod ledger;
mod lost_store;
mod service;
