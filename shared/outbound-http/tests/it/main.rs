//! The client against real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod exchange;
mod failures;
mod fuzz;
mod guard;
mod send_check;
mod server;
mod tls;
mod tracing_span;
