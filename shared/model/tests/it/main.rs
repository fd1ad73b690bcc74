//! Values, from the outside.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test they are the report"
)]

mod fuzz;
