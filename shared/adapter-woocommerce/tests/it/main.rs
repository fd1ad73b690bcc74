//! The adapter against recordings of real stores and against stores that are made to misbehave:
//! every exchange goes through the real HTTP client and the adapter's public methods.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod changing_store;
mod entered_pages;
mod expected_errors;
mod expected_order_pages;
mod expected_orders;
mod expected_products;
mod expected_verification;
mod expected_writes;
mod facts;
mod fuzz;
mod hostile_answers;
mod mutations;
mod odd_rows;
mod playing;
mod properties;
mod reachability;
mod recording;
mod replay;
mod rig;
mod simulated;
mod verification;
mod walking;
mod whole_catalogue;
mod writing;
