//! The linked connections and their gate on a real broker.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod database;
mod linked;
