//! Telemetry as a process has it: over real sockets.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod ops;
mod traces;
