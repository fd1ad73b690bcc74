//! The registry against a real broker and real databases, through its API.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test they are the report"
)]

mod access;
mod app;
mod approvals;
mod bad_requests;
mod connections;
mod description;
mod editing;
mod events;
mod every_route;
mod fake_store;
mod holds;
mod idempotency;
mod ledger;
mod publication;
mod reconciliations;
mod schedules;
mod states;
mod tickets;
